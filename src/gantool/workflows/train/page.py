"""A run's ``report.html``: how it goes, in curves and pictures, and how to repeat it."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from gantool._version import __version__
from gantool.arrays import Pixels
from gantool.data.images import as_rgb, open_image
from gantool.engine.loss_terms import LossTerm, by_curve
from gantool.errors import DataError
from gantool.models.runs import Run
from gantool.report.gallery import read_gallery
from gantool.report.grids import read_grid
from gantool.report.pages import data_uri, thumbnail, write_page
from gantool.report.plots import draw_panels
from gantool.settings import to_yaml
from gantool.settings.schema import Settings
from gantool.workflows.train.curves import loss_panels

__all__ = ["write_run_page"]


_EPOCHS_SHOWN = 10
_WIDEST_GRID = 1000  # pixels
_PAIRS_SHOWN = 6


def write_run_page(run: Run, settings: Settings, terms: Mapping[str, LossTerm]) -> None:
    """Write the page anew from the run's files; whoever has it open sees the old one until it is reloaded.

    Args:
        terms: what the losses are.
    """
    records = run.read_metrics()
    facts = run.facts()
    grids = sorted(path for path in run.samples.glob("epoch-*.png") if path.stem.removeprefix("epoch-").isdecimal())
    last = records[-1] if records else {}
    best = [record["epoch"] for record in records if record.get("best")]
    latest = read_grid(grids[-1]) if grids else {}
    write_page(
        run.report,
        "run.html",
        {
            "version": __version__,
            "title": run.name,
            "about": _about(facts, settings, last),
            "best": best[-1] if best else None,
            "final": _metric_rows(facts),
            "curves": _png(loss_panels(records, terms)) if records else None,
            "losses": [(name, f"{value:.4g}") for name, value in by_curve(last.get("losses", {}), terms).items()],
            "metrics": [
                (name.replace("_", " "), f"{value:.4g}", _best(records, name))
                for name, value in last.get("metrics", {}).items()
                if "/" not in name
            ],
            "pairs": _pairs(latest),
            "gallery": _gallery(run.judged),
            "latest": _epoch(grids[-1]) if grids else None,
            "epochs": [(_epoch(path), shown) for path in _spread(grids) if (shown := _shrunk(path))],
            "environment": list(facts.get("environment", {}).items()),
            "settings": to_yaml(settings),
            "kind": facts.get("kind", settings.task),
        },
    )


def _about(facts: Mapping[str, Any], settings: Settings, last: Mapping[str, Any]) -> str:
    done = last.get("epoch", 0)
    words = [f"{facts.get('kind', settings.task)} on {facts.get('data', '')}"]
    words.append(f"epoch {done} of {settings.train.epochs}")
    if last.get("images_per_second"):
        words.append(f"{last['images_per_second']:.1f} images a second")
    if facts.get("created"):
        words.append(f"started {str(facts['created'])[:16].replace('T', ' ')} UTC")
    return ", ".join(words)


def _metric_rows(facts: Mapping[str, Any]) -> dict[str, Any] | None:
    """What was measured at the end on unseen images, beside guesses without a network."""
    metrics = facts.get("metrics")
    if not metrics or not facts.get("unseen", True):
        return None
    columns = {"this model": metrics, **facts.get("baselines", {})}
    return {
        "columns": list(columns),
        "rows": [(key.replace("_", " "), [_cell(values.get(key)) for values in columns.values()]) for key in metrics],
    }


def _cell(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, int | float) and math.isfinite(value) else ""


def _best(records: Sequence[Mapping[str, Any]], name: str) -> str:
    """The value at the epoch whose weights were delivered."""
    chosen = [record for record in records if record.get("best")]
    return _cell(chosen[-1].get("metrics", {}).get(name)) if chosen else ""


def _pairs(columns: Mapping[str, Sequence[Pixels]]) -> list[tuple[tuple[str, str], tuple[str, str]]]:
    """Sources and what became of them, for the slider."""
    pairs = []
    first = next(iter(columns), "")
    for title, images in columns.items():
        before = title.split(" to ")[0] if " to " in title else first
        if (" to " in title or title.startswith("to ") or title == "prediction") and before in columns:
            for source, made in zip(columns[before], images, strict=True):
                pairs.append(((before, data_uri(thumbnail(source))), (title, data_uri(thumbnail(made)))))
    step = max(len(pairs) / _PAIRS_SHOWN, 1)
    return [pairs[int(n * step)] for n in range(min(len(pairs), _PAIRS_SHOWN))]


def _gallery(path: Path) -> dict[str, Any]:
    """The worst and the best images with their pictures."""
    metric, images = read_gallery(path)
    rows: dict[bool, list[Any]] = {True: [], False: []}
    for one in images:
        pictures = [(title, data_uri(pixels)) for title, pixels in one.pictures.items()]
        rows[one.worst].append((f"{Path(one.name).name}, {metric} {one.value:.4g}", pictures))
    return {"worst": rows[True], "best": rows[False]}


def _spread(grids: Sequence[Path]) -> list[Path]:
    """Some of the epochs, evenly spread, the first and the last among them."""
    if len(grids) <= _EPOCHS_SHOWN:
        return list(grids)
    places = np.linspace(0, len(grids) - 1, _EPOCHS_SHOWN).round().astype(int)
    return [grids[n] for n in places]


def _epoch(path: Path) -> int:
    return int(path.stem.removeprefix("epoch-"))


def _shrunk(path: Path) -> str:
    """A small copy for the page; empty for a picture that somebody damaged."""
    try:
        image = as_rgb(open_image(path))
    except DataError:
        return ""
    if image.width > _WIDEST_GRID:
        image = image.resize((_WIDEST_GRID, round(image.height * _WIDEST_GRID / image.width)), Image.Resampling.BOX)
    return data_uri(np.asarray(image), quality=75)


def _png(panels: Any) -> str:
    buffer = io.BytesIO()
    draw_panels(panels).quantize(64).save(buffer, format="PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
