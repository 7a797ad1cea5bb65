"""Bilinear scaling with numpy: where the pixels of an enlarged (or reduced) side lie among those of the other."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gantool.arrays import Floats

__all__ = ["between", "scaled", "widened"]


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


def scaled(planes: Floats, height: int, width: int) -> Floats:
    """``(C, h, w)`` to ``(C, height, width)``."""
    wide = widened(planes, width)
    return np.ascontiguousarray(widened(wide.transpose(0, 2, 1), height).transpose(0, 2, 1))
