"""Bilinear scaling with numpy: where the pixels of an enlarged (or reduced) side lie among those of the other."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gantool.arrays import Floats, Pixels

__all__ = ["between", "scaled_picture", "widened"]

_ROWS = 256  # at a time, so that a large picture needs no large floats


def between(
    places: NDArray[np.int64], long: int, short: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
    """For places on a side of ``long`` pixels the neighbors on one of ``short``, and how near the second is.

    >>> [part.tolist() for part in between(np.arange(4), 4, 2)]
    [[0, 0, 0, 1], [1, 1, 1, 1], [0.0, 0.25, 0.75, 0.0]]
    """
    wanted = np.clip((places + 0.5) * (short / long) - 0.5, 0, short - 1)
    first = wanted.astype(np.int64)
    return first, np.minimum(first + 1, short - 1), (wanted - first).astype(np.float32)


def widened(planes: Floats, width: int) -> Floats:
    """``(C, H, w)`` to ``(C, H, width)``."""
    short = planes.shape[2]
    if short == width:
        return planes
    left, right, near = between(np.arange(width), width, short)
    out = np.empty((*planes.shape[:2], width), dtype=np.float32)
    for plane, made in zip(planes, out, strict=True):
        made[:] = plane[:, left]
        made += (plane[:, right] - made) * near
    return out


def scaled_picture(pixels: Pixels, height: int, width: int) -> Pixels:
    """``(h, w, C)`` to ``(height, width, C)`` uint8, rounded to whole levels."""
    out = np.empty((height, width, pixels.shape[2]), dtype=np.uint8)
    for top in range(0, height, _ROWS):
        above, below, near = between(np.arange(top, min(top + _ROWS, height)), height, len(pixels))
        first = above[0]
        rows = widened(pixels[first : below[-1] + 1].transpose(2, 0, 1).astype(np.float32), width)
        part = rows[:, above - first]
        part += (rows[:, below - first] - part) * near[:, None]
        out[top : top + _ROWS] = np.rint(part).transpose(1, 2, 0)
    return out
