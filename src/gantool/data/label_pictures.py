"""Label maps as pictures: every class in its color, and back to indices by the nearest color."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gantool.arrays import Color, Mask, Pixels

__all__ = ["as_label_picture", "far_share", "nearest_classes"]

_ROWS = 256
_FAR = 64  # JPEG moves the colors of the building facades' label maps by less, but for 18 % of one's pixels at most
_LOOKED_AT = 256 * 256


def nearest_classes(pixels: Pixels, colors: Sequence[Color]) -> Mask:
    """Return the index of the nearest color (Euclidean in RGB) for every pixel of ``(H, W, 3)``."""
    table = np.array(colors, dtype=np.int32)
    out = np.empty(pixels.shape[:2], dtype=np.uint8)
    for top in range(0, len(pixels), _ROWS):
        rows = pixels[top : top + _ROWS].astype(np.int32)
        squares = np.stack([np.square(rows - color).sum(axis=2) for color in table])
        out[top : top + _ROWS] = squares.argmin(axis=0)
    return out


def far_share(pixels: Pixels, colors: Sequence[Color]) -> float:
    """Fraction of pixels of ``(H, W, 3)`` whose color is more than 64 levels (Euclidean) from that of every class.

    Looks at some 65,000 of them, evenly spread. Class indices are in order whatever their level.
    """
    if _holds_indices(pixels, len(colors)):
        return 0.0
    step = max(int((pixels.shape[0] * pixels.shape[1] / _LOOKED_AT) ** 0.5), 1)
    some = pixels[::step, ::step].astype(np.int32)
    nearest = np.min([np.square(some - np.array(color)).sum(axis=2) for color in colors], axis=0)
    return float((nearest > _FAR**2).mean())


def as_label_picture(pixels: Pixels, colors: Sequence[Color]) -> Pixels:
    """Turn a label map ``(H, W, 3)``, read as a picture, into one in these colors.

    A gray picture without a value above the last class is taken for class indices, anything else for class colors,
    each of which is moved to the nearest one.
    """
    table = np.array(colors, dtype=np.uint8)
    if _holds_indices(pixels, len(colors)):
        return np.asarray(table[pixels[..., 0]])
    return np.asarray(table[nearest_classes(pixels, colors)])


def _holds_indices(pixels: Pixels, classes: int) -> bool:
    gray = bool((pixels[..., 0] == pixels[..., 1]).all() and (pixels[..., 0] == pixels[..., 2]).all())
    return gray and int(pixels.max(initial=0)) < classes
