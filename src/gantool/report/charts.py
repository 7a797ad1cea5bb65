"""Curves over epochs for a page, where uPlot draws them (``assets/``, MIT; see its license there)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Panel", "chart"]


@dataclass(frozen=True)
class Panel:
    """Curves that stand on one scale.

    Attributes:
        curves: values by epoch, by name; nan where there is none.
        lines: levels to read them against, by name.
        better: ``higher`` or ``lower``; empty where that depends.
        colors: place of each curve in the row of colors; default one after the other.
    """

    title: str
    curves: Mapping[str, Sequence[float]]
    lines: Mapping[str, float] = field(default_factory=dict)
    better: str = ""
    colors: Sequence[int] | None = None


def chart(panel: Panel, epochs: Sequence[int], best: int | None = None) -> dict[str, Any]:
    """A panel as the template ``_chart.html`` shows it; values that are no number leave a gap.

    Args:
        epochs: of the values, rising.
        best: the epoch whose weights are delivered.
    """
    colors = list(range(len(panel.curves)) if panel.colors is None else panel.colors)
    return {
        "title": panel.title,
        "better": panel.better,
        "keys": list(zip(panel.curves, colors, strict=True)),
        "data": {
            "x": list(epochs),
            "y": [[_short(value) for value in curve] for curve in panel.curves.values()],
            "names": list(panel.curves),
            "colors": colors,
            "lines": [[name, level] for name, level in panel.lines.items()],
            "best": best,
        },
    }


def _short(value: float) -> float | None:
    """Five digits are more than a curve shows, and a fourth of the text."""
    return float(f"{value:.5g}") if math.isfinite(value) else None
