"""The regions of a label map, in an order in which they can be painted over each other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from gantool.arrays import Mask
from gantool.data.regions.outlines import Points, trace_outlines

__all__ = ["Region", "Regions", "drop_small", "fill_holes", "find_regions", "painted"]

_ROWS = 256


@dataclass(frozen=True)
class Region:
    """Pixels of one class that are connected over their sides.

    Attributes:
        index: of the class.
        outline: around all of it, holes included.
        area: in pixels, without holes.
        box: left, top, and the first column and row that are outside, in pixels.
        enclosed: whether it lies in a hole of another region.
    """

    index: int
    outline: Points
    area: int
    box: tuple[int, int, int, int]
    enclosed: bool


@dataclass(frozen=True)
class Regions:
    """All regions of a label map.

    Attributes:
        listed: those whose outline encloses most first; painted in this order with all that they enclose, they give
            the label map.
        owners: ``(H, W)`` int32, which of them a pixel belongs to.
    """

    listed: tuple[Region, ...]
    owners: NDArray[np.int32]

    def pixels(self, place: int) -> NDArray[np.bool_]:
        """Where in its box a region is, ``(h, w)``."""
        left, top, right, bottom = self.listed[place].box
        return np.asarray(self.owners[top:bottom, left:right] == place)

    def has_holes(self, place: int) -> bool:
        """Whether the outline of a region encloses pixels of others."""
        region = self.listed[place]
        return int(painted(region.outline, region.box).sum()) > region.area


def painted(outline: Points, box: tuple[int, int, int, int]) -> NDArray[np.bool_]:
    """All that an outline encloses, ``(h, w)`` of this box."""
    left, top, right, bottom = box
    image = Image.new("1", (right - left, bottom - top))
    ImageDraw.Draw(image).polygon(_corners(outline - (left, top)), fill=1, outline=1)
    return np.asarray(image)


def find_regions(mask: Mask) -> Regions:
    """The regions of ``(H, W)`` uint8."""
    traced = sorted(trace_outlines(mask), key=lambda one: -_enclosed_area(one[1]))
    canvas = Image.new("I", (mask.shape[1], mask.shape[0]), -1)
    draw = ImageDraw.Draw(canvas)
    enclosed: list[bool] = []
    for place, (_, outline) in enumerate(traced):
        path = _corners(outline)
        beneath = canvas.getpixel((path[0], path[1]))
        assert isinstance(beneath, int)
        enclosed.append(beneath >= 0)
        draw.polygon(path, fill=place, outline=place)
    owners = np.array(canvas)
    areas = _counts(owners, len(traced))
    listed = tuple(
        Region(index, outline, int(area), _box(outline), inside)
        for (index, outline), area, inside in zip(traced, areas, enclosed, strict=True)
    )
    return Regions(listed, owners)


def fill_holes(mask: Mask) -> Mask:
    """A copy of ``(H, W)`` where all that lies within a region, of whatever class, is part of it."""
    canvas = Image.fromarray(mask.copy())
    draw = ImageDraw.Draw(canvas)
    for index, outline in sorted(trace_outlines(mask), key=lambda one: _enclosed_area(one[1])):
        draw.polygon(_corners(outline), fill=index, outline=index)
    return np.array(canvas)


def drop_small(mask: Mask, least: int) -> Mask:
    """A copy of ``(H, W)`` where regions of fewer than ``least`` pixels have the class that borders on most of them.

    Small regions beside each other can become one that is large enough.
    """
    mask = mask.copy()
    changed = True
    while changed:
        changed = False
        found = find_regions(mask)
        settled: set[int] = set()  # what took in a neighbor stays what it is until all is traced again
        for place, region in _small(found, least):
            if place in settled:
                continue
            inside, window, owners = _surroundings(found, place, mask)
            border = _neighbors(inside) & (window != region.index)
            if border.any():
                index = np.bincount(window[border]).argmax()
                settled.update(owners[border & (window == index)].tolist())
                window[inside] = index
                changed = True
    return mask


def _small(found: Regions, least: int) -> Iterator[tuple[int, Region]]:
    small = [(place, region) for place, region in enumerate(found.listed) if region.area < least]
    return iter(sorted(small, key=lambda one: one[1].area))


def _surroundings(found: Regions, place: int, mask: Mask) -> tuple[NDArray[np.bool_], Mask, NDArray[np.int32]]:
    """Where a region is, the label map, and the owners, in its box and a pixel around it."""
    left, top, right, bottom = found.listed[place].box
    part = np.s_[max(top - 1, 0) : bottom + 1, max(left - 1, 0) : right + 1]
    return found.owners[part] == place, mask[part], found.owners[part]


def _neighbors(inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Pixels that share a side with one of these and are none of them."""
    near = np.zeros_like(inside)
    near[1:] |= inside[:-1]
    near[:-1] |= inside[1:]
    near[:, 1:] |= inside[:, :-1]
    near[:, :-1] |= inside[:, 1:]
    return near & ~inside


def _counts(owners: NDArray[np.int32], count: int) -> NDArray[np.int64]:
    total = np.zeros(count, dtype=np.int64)
    for top in range(0, len(owners), _ROWS):
        total += np.bincount(owners[top : top + _ROWS].ravel(), minlength=count)
    return total


def _box(outline: Points) -> tuple[int, int, int, int]:
    (left, top), (right, bottom) = np.floor(outline.min(axis=0)), np.floor(outline.max(axis=0)) + 1
    return int(left), int(top), int(right), int(bottom)


def _enclosed_area(outline: Points) -> float:
    x, y = outline.T
    return abs(float((x * np.roll(y, -1) - y * np.roll(x, -1)).sum())) / 2


def _corners(outline: Points) -> list[int]:
    """An outline for Pillow, which paints from pixel to pixel: x and y in turn."""
    return [int(value) for value in np.floor(outline).ravel()]
