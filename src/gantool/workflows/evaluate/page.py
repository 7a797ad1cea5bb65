"""The page of an evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gantool._version import __version__
from gantool.arrays import hex_color
from gantool.report.confusion import ConfusionMatrix, matrix_table
from gantool.report.pages import picture, shares_of, thumbnail, write_page
from gantool.report.words import titles_of
from gantool.workflows.evaluate.results import Evaluation, Result, ShownRow
from gantool.workflows.evaluate.tables import Part, parts_of

__all__ = ["write_evaluation_page"]

_PICTURES = 900_000  # characters of the page, over all directions


def write_evaluation_page(path: Path, evaluation: Evaluation) -> None:
    """Tables with intervals, classes and confusions of label maps, and pictures before and after."""
    parts = parts_of(evaluation)
    write_page(
        path,
        "evaluation.html",
        {
            "version": __version__,
            "title": "Evaluation",
            "about": evaluation.about,
            "parts": [_part(part, evaluation) for part in parts],
            "failed": evaluation.failed[:100],
        },
    )


def _part(part: Part, evaluation: Evaluation) -> dict[str, Any]:
    first = part.results[0]
    colors = {name: hex_color(color) for name, color in evaluation.colors.items()}
    shown = [one for rows in evaluation.gallery.values() for row in rows for one in row.pictures]
    real = f", compared with {first.real_images} real ones" if first.real_images else ""
    return {
        "table": part,
        "counts": f"{first.images} images{real}.",
        "warnings": first.warnings,
        "left_out": [(titles_of(key), reason) for key, reason in first.left_out.items()],
        "levels": [(side, [f"{one.swd_levels[side]:.4f}" for one in part.results]) for side in first.swd_levels],
        "colors": colors,
        "legend": list(colors.items()),
        "confusions": [(one.name, matrix_table(_matrix(one, evaluation))) for one in part.results if one.classes],
        "pictures": _groups(evaluation.gallery.get(first.target, ()), shares_of(_PICTURES, shown)),
    }


def _groups(rows: Sequence[ShownRow], room: int) -> list[tuple[str, list[dict[str, Any]]]]:
    """The rows by what they are shown as, each picture in so many characters."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        pictures = [picture(name, thumbnail(pixels), at_most=room) for name, pixels in row.pictures]
        groups.setdefault(row.group, []).append({"pictures": pictures, "caption": row.caption})
    return list(groups.items())


def _matrix(one: Result, evaluation: Evaluation) -> ConfusionMatrix:
    classes = one.classes
    assert classes is not None
    names = classes.scores.names
    return ConfusionMatrix(names, [evaluation.colors.get(name, (128, 128, 128)) for name in names], classes.confusion)
