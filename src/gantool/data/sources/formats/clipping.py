"""Shapes cut off a little beyond the border of their image.

Libraries that paint take time or memory by the size of a shape, not by what is seen of it. What lies within the
margin is left exactly as it is.
"""

from __future__ import annotations

from itertools import pairwise

from gantool.data.sources.formats.shapes import Point, Ring

__all__ = ["MARGIN", "clip_line", "clip_polygon", "is_near"]

MARGIN = 1024.0  # pixels beyond the border
_FARTHEST = 1e9  # pixels; what lies farther away is brought here, so that no arithmetic overflows


def is_near(points: Ring, width: int, height: int) -> bool:
    """Whether all points lie within the image or the margin around it."""
    return all(-MARGIN <= x <= width + MARGIN and -MARGIN <= y <= height + MARGIN for x, y in points)


def clip_polygon(points: Ring, width: int, height: int) -> Ring:
    """The part of a polygon within the image and its margin.

    Sutherland, Hodgman: Reentrant Polygon Clipping, 1974.
    """
    if is_near(points, width, height):
        return points
    clipped = [_bounded(point) for point in points]
    for axis, bound, sign in _borders(width, height):
        kept: list[Point] = []
        for before, here in zip([*clipped[-1:], *clipped[:-1]], clipped, strict=True):
            inside, was_inside = sign * (here[axis] - bound) <= 0, sign * (before[axis] - bound) <= 0
            if inside != was_inside:
                kept.append(_crossing(before, here, axis, bound))
            if inside:
                kept.append(here)
        clipped = kept
    return tuple(clipped)


def clip_line(points: Ring, width: int, height: int) -> list[Ring]:
    """The parts of a line within the image and its margin."""
    if is_near(points, width, height):
        return [points]
    parts: list[Ring] = []
    for pair in pairwise(_bounded(point) for point in points):
        part: tuple[Point, Point] | None = pair
        for axis, bound, sign in _borders(width, height):
            part = None if part is None else _within(*part, axis, bound, sign)
        if part is not None:
            parts.append(part)
    return parts


def _within(a: Point, b: Point, axis: int, bound: float, sign: int) -> tuple[Point, Point] | None:
    """The part of a segment on the inner side of a border."""
    inside = [sign * (point[axis] - bound) <= 0 for point in (a, b)]
    if all(inside):
        return a, b
    if not any(inside):
        return None
    crossing = _crossing(a, b, axis, bound)
    return (a, crossing) if inside[0] else (crossing, b)


def _borders(width: int, height: int) -> list[tuple[int, float, int]]:
    return [(0, -MARGIN, -1), (0, width + MARGIN, 1), (1, -MARGIN, -1), (1, height + MARGIN, 1)]


def _crossing(a: Point, b: Point, axis: int, bound: float) -> Point:
    along = (bound - a[axis]) / (b[axis] - a[axis])
    other = a[1 - axis] + along * (b[1 - axis] - a[1 - axis])
    return (bound, other) if axis == 0 else (other, bound)


def _bounded(point: Point) -> Point:
    x, y = (min(max(value, -_FARTHEST), _FARTHEST) for value in point)
    return x, y
