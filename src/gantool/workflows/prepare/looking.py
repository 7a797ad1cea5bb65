"""What is seen of every image and label map before anything is decided: by one process, or by several together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from gantool.data.inspect import ImageFacts, inspect_images
from gantool.data.sources.contents import Contents
from gantool.errors import DataError
from gantool.workflows.prepare.findings import LabelFacts, read_labels
from gantool.workflows.shares.parts import Parts

__all__ = ["LOOKED", "Seen", "look", "look_share", "look_together", "seen_by_all"]

LOOKED = "looked"
"""The stage that shares hand in."""

_PATIENCE = {True: 120.0, False: 10.0}
"""Seconds that others may take to begin: those of one launch, and those that were started one by one."""

_COLUMNS = [field.name for field in fields(ImageFacts) if field.name not in ("path", "problem")]

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Seen:
    """The facts of every image file, and what the label maps say."""

    facts: dict[Path, ImageFacts]
    labels: LabelFacts


def look(found: Contents, on_progress: Progress, places: Sequence[int] | None = None) -> Seen:
    """Look at image files and their labels.

    Args:
        places: of the files to look at; default all.
    """
    files = list(found.files())
    chosen = files if places is None else [files[place] for place in places]
    facts: dict[Path, ImageFacts] = {}
    for one in inspect_images(chosen):
        facts[one.path] = one
        on_progress("checking", len(facts), len(chosen))
    return Seen(facts, read_labels(found, facts, on_progress))


def look_together(found: Contents, parts: Parts, on_progress: Progress) -> Seen | None:
    """Look at a share, hand in what is seen, and wait for the others as long as they are at work.

    Returns:
        What all have seen; None if others do not come for now, or have finished everything meanwhile.

    Raises:
        DataError: a part does not fit the files.
    """
    look_share(found, parts, on_progress)
    on_progress("waiting for the other shares", 0, 1)
    if not parts.wait(LOOKED, _PATIENCE[bool(parts.share.launcher)]):
        return None
    several = [parts.handed_in(place, LOOKED) for place in range(parts.share.count)]
    return None if any(one is None for one in several) else seen_by_all(found, several)


def look_share(found: Contents, parts: Parts, on_progress: Progress) -> None:
    """Look at a share and hand in what is seen, unless an earlier try did."""
    if parts.share.place in parts.missing(LOOKED):
        places = parts.share.places(sum(1 for _ in found.files()))
        parts.hand_in(_as_part(found, look(found, on_progress, places), places), LOOKED)


def _as_part(found: Contents, seen: Seen, places: Sequence[int]) -> dict[str, Any]:
    """Facts in columns: there can be a million of them."""
    files = list(found.files())
    facts = [seen.facts[files[place]] for place in places]
    number = {files[place]: place for place in places}
    labels = seen.labels
    tally = found.labels.tally if found.labels is not None else None
    return {
        "places": np.array(places, dtype=np.int64),
        **{name: np.array([getattr(one, name) for one in facts], dtype=_kind(name)) for name in _COLUMNS},
        "problems": [[place, one.problem] for place, one in zip(places, facts, strict=True) if one.problem],
        "label counts": np.array(labels.counts, dtype=np.int64),
        "unusable": [[number[path], one.problem] for path, one in labels.unusable.items()],
        "seen": [[number[path], sorted(some)] for path, some in labels.seen.items()],
        "tally": None if tally is None else tally.state(),
    }


def _kind(name: str) -> str:
    return {"content": "U64", "fingerprint": "u8", "mean": "f8", "square": "f8"}.get(name, "i8")


def seen_by_all(found: Contents, several: Sequence[Mapping[str, Any]]) -> Seen:
    """What the parts of all shares say.

    Raises:
        DataError: they are of other files.
    """
    files = list(found.files())
    order = np.concatenate([one["places"] for one in several])
    if sorted(order.tolist()) != list(range(len(files))):
        raise DataError(
            "The shares have looked at other files than there are now.", "Run the shares again, all of them."
        )
    back = np.argsort(order)
    columns = {name: np.concatenate([_rows(one[name], name) for one in several])[back].tolist() for name in _COLUMNS}
    problems = {place: text for one in several for place, text in one["problems"]}
    facts = {}
    for place, path in enumerate(files):
        row = {name: column[place] for name, column in columns.items()}
        row |= {name: tuple(row[name]) for name in ("mean", "square")}
        facts[path] = ImageFacts(path, problems.get(place, ""), **row)
    unusable = sorted((place, text) for one in several for place, text in one["unusable"])
    seen = sorted((place, some) for one in several for place, some in one["seen"])
    if found.labels is not None and found.labels.tally is not None:
        found.labels.tally.include([one["tally"] for one in several])
    labels = LabelFacts(
        found.labels.classes if found.labels is not None else (),
        tuple(np.sum([one["label counts"] for one in several], axis=0).tolist()),
        {files[place]: replace(facts[files[place]], problem=text) for place, text in unusable},
        {files[place]: frozenset(some) for place, some in seen},
    )
    return Seen(facts, labels)


def _rows(column: np.ndarray[Any, Any], name: str) -> np.ndarray[Any, Any]:
    return column.reshape(-1, 3) if name in ("mean", "square") else column
