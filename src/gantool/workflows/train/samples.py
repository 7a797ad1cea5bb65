"""The pictures of a run's page: samples under a divider, the worst and best images, grids over the epochs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from gantool.arrays import Pixels
from gantool.data.images import as_rgb, open_image
from gantool.errors import DataError
from gantool.models.runs import Run
from gantool.report.gallery import read_gallery
from gantool.report.grids import read_grid
from gantool.report.pages import picture, shares_of, thumbnail
from gantool.report.words import number, title_of

__all__ = ["epoch_of", "gallery_of", "grids_of", "last_grid", "sample_sets", "shown_grid"]

_EPOCHS_SHOWN = 10
_WIDEST_GRID = 1000  # pixels
_SETS_SHOWN = 6
_GRIDS, _SAMPLES, _JUDGED = 450_000, 300_000, 300_000  # characters of the page
_BESIDE = ("truth", "errors")


def grids_of(run: Run) -> list[Path]:
    """The run's sample grids, by epoch."""
    return sorted(path for path in run.samples.glob("epoch-*.png") if path.stem.removeprefix("epoch-").isdecimal())


def epoch_of(path: Path) -> int:
    """The epoch of a grid."""
    return int(path.stem.removeprefix("epoch-"))


def last_grid(run: Run, at_most: int) -> tuple[int, dict[str, Any]] | None:
    """Epoch and picture of the newest grid that can be read, in so many characters."""
    for path in reversed(grids_of(run)):
        if (shown := _shown(path, at_most)) is not None:
            return epoch_of(path), shown
    return None


def shown_grid(grids: Sequence[Path]) -> list[tuple[int, dict[str, Any]]]:
    """Some of the epochs, evenly spread, the first and the last among them, as pictures."""
    chosen = list(grids)
    if len(grids) > _EPOCHS_SHOWN:
        chosen = [grids[n] for n in np.linspace(0, len(grids) - 1, _EPOCHS_SHOWN).round().astype(int)]
    room = shares_of(_GRIDS, chosen)
    found = [(epoch_of(path), _shown(path, room)) for path in chosen]
    return [(epoch, shown) for epoch, shown in found if shown is not None]


def _shown(path: Path, at_most: int) -> dict[str, Any] | None:
    """A small copy for the page; None for a picture that somebody damaged."""
    try:
        image = as_rgb(open_image(path))
    except DataError:
        return None
    if image.width > _WIDEST_GRID:
        image = image.resize((_WIDEST_GRID, round(image.height * _WIDEST_GRID / image.width)), Image.Resampling.BOX)
    return picture(path.stem, np.asarray(image), at_most=at_most)


def sample_sets(grid: Path) -> list[list[dict[str, Any]]]:
    """Sources, what became of them, and what that is compared with, for the divider."""
    columns = read_grid(grid)
    sets = []
    first = next(iter(columns), "")
    for title, images in columns.items():
        before = title.split(" to ")[0] if " to " in title else first
        if (" to " in title or title.startswith("to ") or title == "prediction") and before in columns:
            after = [title, *(name for name in columns if _belongs(name, before, title))]
            sets += [[(name, columns[name][n]) for name in (before, *after)] for n in range(len(images))]
    step = max(len(sets) / _SETS_SHOWN, 1)
    chosen = [sets[int(n * step)] for n in range(min(len(sets), _SETS_SHOWN))]
    return _pictures(chosen, _SAMPLES)


def _belongs(name: str, before: str, made: str) -> bool:
    """Whether a column is to be compared with what was made of ``before``."""
    target = made.rpartition("to ")[2]
    return name in (*_BESIDE, f"{before} cycled", f"true {target}")


def gallery_of(path: Path) -> dict[str, Any]:
    """The worst and the best images with their pictures."""
    metric, images = read_gallery(path)
    sets = _pictures([list(one.pictures.items()) for one in images], _JUDGED)
    rows: dict[bool, list[Any]] = {True: [], False: []}
    for one, pictures in zip(images, sets, strict=True):
        rows[one.worst].append((f"{Path(one.name).name} · {title_of(metric)} {number(one.value)}", pictures))
    ends = [one.value for one in images if one.worst][:1], [one.value for one in images if not one.worst][:1]
    better = "" if ends[0] >= ends[1] else "higher"
    return {"metric": title_of(metric), "better": better or "lower", "worst": rows[True], "best": rows[False]}


def _pictures(sets: Sequence[Sequence[tuple[str, Pixels]]], total: int) -> list[list[dict[str, Any]]]:
    room = shares_of(total, [one for pictures in sets for one in pictures])
    return [[picture(name, thumbnail(pixels), at_most=room) for name, pixels in pictures] for pictures in sets]
