"""The page of an evaluation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gantool._version import __version__
from gantool.arrays import Pixels
from gantool.report.pages import data_uri, thumbnail, write_page
from gantool.workflows.evaluate.results import Evaluation, ShownRow
from gantool.workflows.evaluate.tables import Part, parts_of

__all__ = ["write_evaluation_page"]


def write_evaluation_page(path: Path, evaluation: Evaluation) -> None:
    """Tables with intervals, classes and confusions of label maps, and pictures before and after."""
    write_page(
        path,
        "evaluation.html",
        {
            "version": __version__,
            "title": "Evaluation",
            "about": evaluation.about,
            "parts": [_part(part, evaluation) for part in parts_of(evaluation)],
            "failed": evaluation.failed[:100],
        },
    )


def _part(part: Part, evaluation: Evaluation) -> dict[str, Any]:
    first = part.results[0]
    real = f", compared with {first.real_images} real ones" if first.real_images else ""
    return {
        "table": part,
        "counts": f"{first.images} images{real}.",
        "warnings": first.warnings,
        "left_out": list(first.left_out.items()),
        "levels": [(side, [f"{one.swd_levels[side]:.4f}" for one in part.results]) for side in first.swd_levels],
        "colors": {name: "#{:02x}{:02x}{:02x}".format(*color) for name, color in evaluation.colors.items()},
        "confusions": [
            (one.name, data_uri(_confusion_picture(one.classes.confusion), quality=95))
            for one in part.results
            if one.classes is not None
        ],
        "pictures": [_row(row) for row in evaluation.gallery.get(first.target, ())],
    }


def _row(row: ShownRow) -> dict[str, Any]:
    shown = [(name, data_uri(thumbnail(pixels))) for name, pixels in row.pictures]
    return {"before": shown[0], "after": shown[1], "others": shown[2:], "caption": row.caption}


def _confusion_picture(counts: NDArray[np.int64], side: int = 24) -> Pixels:
    """Fractions of every true class (row) by predicted class (column), white to blue."""
    fractions = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    low, high = np.array([255, 255, 255]), np.array([12, 62, 110])
    cells = low + (high - low) * fractions[..., None] ** 0.5
    return np.kron(np.rint(cells).astype(np.uint8), np.ones((side, side, 1), dtype=np.uint8))
