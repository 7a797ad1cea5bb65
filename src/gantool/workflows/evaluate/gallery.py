"""Which images are shown on the page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from gantool.arrays import Color, Mask, Pixels, color_table, resized
from gantool.report.words import title_of
from gantool.workflows.evaluate.results import Result

__all__ = ["chosen_images", "in_colors"]

_WORST, _BEST, _SPREAD = 6, 3, 9
_LARGEST = 320  # pixels of a shown label map's longer side


def chosen_images(result: Result, metric: str, names: Sequence[str]) -> list[tuple[int, str, str]]:
    """Places of images with captions and groups: the worst and the best ones, or evenly spread ones where none is
    better.

    Args:
        metric: by which ``result.per_image`` is ordered, if it holds anything.
        names: of all images, in their order.
    """
    if not result.per_image:
        count = min(_SPREAD, len(names))
        places = [n * len(names) // count for n in range(count)]
        return [(n, Path(names[n]).name, "") for n in places]
    by_name = {name: n for n, name in enumerate(names)}
    ranked = [
        (by_name[name], f"{Path(name).name} · {title_of(metric)} {values[metric]:.3g}")
        for name, values in result.per_image
    ]
    best = ranked[_WORST:][-_BEST:]
    of = f" of {result.name} by {title_of(metric)}"
    return [
        *((n, text, f"Worst{of}") for n, text in ranked[:_WORST]),
        *((n, text, f"Best{of}") for n, text in reversed(best)),
    ]


def in_colors(mask: Mask, colors: Sequence[Color]) -> Pixels:
    """A label map ``(H, W)`` in the colors of its classes, small enough for a page, with hard edges."""
    height, width = mask.shape
    shrink = max(max(height, width) / _LARGEST, 1)
    size = max(round(width / shrink), 1), max(round(height / shrink), 1)
    return resized(np.asarray(color_table(colors)[mask]), size, Image.Resampling.NEAREST)
