"""The outlines of what is connected in a label map.

contourpy follows the border, in small pieces of the map so that the size of a picture costs no memory; here the
pieces' lines are joined. An outline passes 0.49 pixels outside of the centers of its region's outermost pixels: its
points lie in pixels of the region itself, and outlines beside each other do not touch.
"""

from __future__ import annotations

from collections import defaultdict

import numpy as np
from contourpy import contour_generator
from numpy.typing import NDArray

from gantool.arrays import Mask

__all__ = ["Points", "trace_outlines"]

Points = NDArray[np.float64]
"""``(N, 2)`` x and y in pixels; the first pixel reaches from 0 to 1."""

_PIECE = 256  # pixels
_LEVEL = 0.51  # where 1 is a pixel of the region and 0 is none
_NOWHERE = -1
_STEPS = 100  # of a pixel; at this precision the ends of lines in pieces beside each other are the same

_Line = NDArray[np.int64]


def trace_outlines(mask: Mask) -> list[tuple[int, Points]]:
    """The outer outline of every region of ``(H, W)``, closed without its first point again, with the region's value.

    A region is what is connected over the sides of pixels. Holes have no outline of their own: what lies in them is a
    region itself.
    """
    lines = _lines(mask)
    rings = [(value, ring) for value, several in sorted(lines.items()) for ring in _closed(several)]
    return [(value, ring / _STEPS) for value, ring in rings if _is_outer(ring)]


def _lines(mask: Mask) -> dict[int, list[_Line]]:
    """Lines by value, in hundredths of a pixel; those that end at the border of a piece go on in the next one."""
    around = np.pad(mask.astype(np.int16), 1, constant_values=_NOWHERE)
    found: dict[int, list[_Line]] = defaultdict(list)
    for top in range(0, around.shape[0] - 1, _PIECE):
        for left in range(0, around.shape[1] - 1, _PIECE):
            piece = around[top : top + _PIECE + 1, left : left + _PIECE + 1]
            if piece.min() == piece.max():
                continue
            for value in np.unique(piece):
                if value == _NOWHERE:
                    continue
                here = contour_generator(z=(piece == value).astype(np.float64), name="serial")
                for line in here.lines(_LEVEL):
                    place = np.asarray(line) + np.array([left - 0.5, top - 0.5])
                    found[int(value)].append(np.rint(place * _STEPS).astype(np.int64))
    return found


def _closed(lines: list[_Line]) -> list[_Line]:
    """Rings: the lines that are some already, and the others, each with the one that begins where it ends."""
    rings = [line[:-1] for line in lines if (line[0] == line[-1]).all()]
    by_start = {tuple(line[0]): line for line in lines if (line[0] != line[-1]).any()}
    while by_start:
        start, line = by_start.popitem()
        parts = [line[:-1]]
        while (end := tuple(line[-1])) != start:
            line = by_start.pop(end)
            parts.append(line[:-1])
        rings.append(np.concatenate(parts))
    return rings


def _is_outer(ring: _Line) -> bool:
    """Lines have the larger value to their left, so those around a region and around its holes turn differently."""
    x, y = ring.T
    return bool((x * np.roll(y, -1) - y * np.roll(x, -1)).sum() > 0)
