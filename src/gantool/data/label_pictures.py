"""Label maps as pictures: every class in its color, and back to indices by the nearest color."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
Mask = NDArray[np.uint8]

__all__ = ["as_label_picture", "nearest_classes"]

_ROWS = 256


def nearest_classes(pixels: Pixels, colors: Sequence[tuple[int, int, int]]) -> Mask:
    """Return the index of the nearest color (Euclidean in RGB) for every pixel of ``(H, W, 3)``."""
    table = np.array(colors, dtype=np.int32)
    out = np.empty(pixels.shape[:2], dtype=np.uint8)
    for top in range(0, len(pixels), _ROWS):
        rows = pixels[top : top + _ROWS].astype(np.int32)
        squares = np.stack([np.square(rows - color).sum(axis=2) for color in table])
        out[top : top + _ROWS] = squares.argmin(axis=0)
    return out


def as_label_picture(pixels: Pixels, colors: Sequence[tuple[int, int, int]]) -> Pixels:
    """Turn a label map ``(H, W, 3)``, read as a picture, into one in these colors.

    A gray picture without a value above the last class is taken for class indices, anything else for class colors,
    each of which is moved to the nearest one.
    """
    table = np.array(colors, dtype=np.uint8)
    gray = bool((pixels[..., 0] == pixels[..., 1]).all() and (pixels[..., 0] == pixels[..., 2]).all())
    if gray and int(pixels.max(initial=0)) < len(colors):
        return np.asarray(table[pixels[..., 0]])
    return np.asarray(table[nearest_classes(pixels, colors)])
