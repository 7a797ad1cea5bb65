"""Outlines with fewer points."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from gantool.data.regions.outlines import Points
from gantool.data.regions.regions import Regions, painted

__all__ = ["MOST_CHANGED", "simplified", "simplified_outline"]

_STRAIGHT = 0.02  # pixels; what deviates less lies on a straight line
_FINEST = 0.1  # pixels; below, hardly a point is saved

MOST_CHANGED = 0.01
"""Fraction of a region's pixels."""


def simplified_outline(regions: Regions, place: int, tolerance: float) -> Points:
    """The outline of a region, at most ``tolerance`` pixels away from where it was.

    With 0, only points on straight lines are left out. A small or narrow region keeps more points than the tolerance
    asks for: no more than a hundredth of its pixels may change.
    """
    region = regions.listed[place]
    exact = painted(region.outline, region.box)
    while tolerance > _FINEST:
        points = simplified(region.outline, tolerance)
        if (painted(points, region.box) != exact).sum() <= MOST_CHANGED * region.area:
            return points
        tolerance = 2.0 ** (math.ceil(math.log2(tolerance)) - 1)
    return simplified(region.outline, _STRAIGHT)


def simplified(ring: Points, tolerance: float) -> Points:
    """At least three of the points of a ring, such that none of the others is farther away from it.

    Douglas, Peucker: Algorithms for the Reduction of the Number of Points Required to Represent a Digitized Line,
    1973. The ends of its two halves are the first point in reading order and the one that is farthest from it.
    """
    ring = np.roll(ring, -int(np.lexsort(ring.T)[0]), axis=0)
    closed = np.vstack([ring, ring[:1]])
    middle = int(np.square(ring - ring[0]).sum(axis=1).argmax())
    kept = np.zeros(len(closed), dtype=bool)
    kept[[0, middle]] = True
    waiting = [(0, middle), (middle, len(ring))]
    while waiting:
        first, last = waiting.pop()
        if last - first < 2:
            continue
        distance = _distances(closed[first : last + 1])
        place = first + int(distance.argmax())
        if distance[place - first] > tolerance:
            kept[place] = True
            waiting += [(first, place), (place, last)]
    if kept.sum() < 3:
        kept[int(_distances(np.vstack([ring, ring[middle : middle + 1]])).argmax())] = True
    return np.asarray(ring[kept[:-1]])


def _distances(points: Points) -> NDArray[np.float64]:
    """How far points are from the line through the first and the last one."""
    along = points[-1] - points[0]
    away = points - points[0]
    return np.asarray(np.abs(along[0] * away[:, 1] - along[1] * away[:, 0]) / np.hypot(*along))
