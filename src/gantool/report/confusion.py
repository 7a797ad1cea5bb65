"""A confusion matrix with names and colors, kept as JSON beside a run's samples and shown on pages."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gantool.arrays import Color, hex_color
from gantool.documents import load_json
from gantool.files import atomic

__all__ = ["ConfusionMatrix", "matrix_table", "read_confusion", "write_confusion"]

_SHOWN = 24  # classes; the rest of a larger matrix is one row and one column
_MISTAKES = 5
_LARGEST = 255


@dataclass(frozen=True)
class ConfusionMatrix:
    """Pixels by true (row) and predicted class (column).

    Attributes:
        colors: of the classes, in their order.
        counts: ``(N, N)`` whole numbers.
    """

    names: Sequence[str]
    colors: Sequence[Color]
    counts: NDArray[np.int64]


def write_confusion(path: Path, matrix: ConfusionMatrix) -> None:
    """Write it as JSON: ``classes``, ``colors``, ``counts`` (a row for each true class)."""
    found = {
        "classes": list(matrix.names),
        "colors": [list(color) for color in matrix.colors],
        "counts": matrix.counts.tolist(),
    }
    with atomic(path) as temporary:
        temporary.write_text(json.dumps(found) + "\n", "utf-8")


def read_confusion(path: Path) -> ConfusionMatrix | None:
    """What such a file says; None if there is none or somebody changed it into something else."""
    try:
        found = load_json(path.read_text("utf-8"))
        names = [str(name) for name in found["classes"]]
        colors = [_color(levels) for levels in found["colors"]]
        counts = np.array(found["counts"], dtype=np.int64)
    except (OSError, LookupError, TypeError, ValueError, OverflowError):
        return None
    if not 1 <= len(names) <= _LARGEST or len(colors) != len(names) or counts.shape != (len(names), len(names)):
        return None
    return None if (counts < 0).any() or counts.max() > 2**53 else ConfusionMatrix(names, colors, counts)


def _color(levels: Sequence[int]) -> Color:
    red, green, blue = (min(max(int(level), 0), 255) for level in levels)
    return red, green, blue


def matrix_table(matrix: ConfusionMatrix) -> dict[str, Any]:
    """The matrix as the template ``_matrix.html`` shows it.

    Returns:
        ``rows`` of name, color, and a cell (count, share of the row) for each of ``names``; ``mistakes`` are the
        largest shares of a class that were taken for another one. Of many classes those with most pixels are shown,
        in their order, and all others together.
    """
    names, colors, counts, left_out = _folded(matrix)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    rows = [
        (name, colors[r], [(int(count), float(share)) for count, share in zip(counts[r], shares[r], strict=True)])
        for r, name in enumerate(names)
    ]
    return {"names": names, "rows": rows, "left_out": left_out, "mistakes": _mistakes(matrix)}


def _folded(matrix: ConfusionMatrix) -> tuple[list[str], list[str], NDArray[np.int64], int]:
    """Names, colors and counts of the classes with most pixels, the others added up."""
    counts, names = matrix.counts, list(matrix.names)
    colors = [hex_color(color) for color in matrix.colors]
    if len(names) <= _SHOWN:
        return names, colors, counts, 0
    pixels = counts.sum(axis=0) + counts.sum(axis=1)
    kept = np.sort(np.argsort(-pixels, kind="stable")[:_SHOWN])
    place = np.full(len(names), _SHOWN)
    place[kept] = np.arange(_SHOWN)
    folded = np.zeros((_SHOWN + 1, _SHOWN + 1), dtype=np.int64)
    np.add.at(folded, (place[:, None], place[None, :]), counts)
    others = len(names) - _SHOWN
    return [*(names[n] for n in kept), f"{others} others"], [*(colors[n] for n in kept), ""], folded, others


def _mistakes(matrix: ConfusionMatrix) -> list[tuple[str, str, float]]:
    """True class, predicted class and share of the true one's pixels, the largest first."""
    shares = matrix.counts / np.maximum(matrix.counts.sum(axis=1, keepdims=True), 1)
    np.fill_diagonal(shares, 0)
    order = np.argsort(-shares, axis=None, kind="stable")[:_MISTAKES]
    places = [np.unravel_index(n, shares.shape) for n in order]
    return [(matrix.names[r], matrix.names[c], float(shares[r, c])) for r, c in places if shares[r, c] > 0]
