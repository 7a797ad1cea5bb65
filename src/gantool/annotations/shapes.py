"""Shapes with a label, and how they become a label map."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

Point = tuple[float, float]
Kind = Literal["polygon", "rectangle", "circle", "line", "point", "bitmap"]

__all__ = ["AnnotatedImage", "Kind", "Point", "Shape", "ellipse", "place_bitmap", "rasterize"]

LINE_WIDTH = 10
POINT_RADIUS = 5


@dataclass(frozen=True)
class Shape:
    """One labelled region in pixel coordinates, x to the right and y downwards.

    Attributes:
        kind: ``polygon`` has three points or more, ``rectangle`` two opposite corners, ``circle`` its center and a
            point on it, ``line`` two or more, ``point`` one; ``bitmap`` has a mask instead.
        holes: rings within a polygon that are not part of it.
        bitmap: gives ``(H, W)`` bool of the size of the whole image; a function, because a data set has many of them
            and each is as large as its image.
    """

    label: str
    kind: Kind
    points: tuple[Point, ...] = ()
    bitmap: Callable[[], NDArray[np.bool_]] | None = None
    holes: tuple[tuple[Point, ...], ...] = ()


@dataclass(frozen=True)
class AnnotatedImage:
    """The shapes of one image, in painting order: later ones cover earlier ones.

    Attributes:
        image: the image's file as the annotation names it.
        width, height: in pixels; 0 where the annotation does not say and the image is not there.
        subset: the split that the annotation puts the image in, if it does.
    """

    image: str
    width: int
    height: int
    shapes: tuple[Shape, ...]
    subset: str = ""


def ellipse(x: float, y: float, radius_x: float, radius_y: float, degrees: float = 0.0) -> tuple[Point, ...]:
    """An ellipse around ``(x, y)``, turned clockwise by ``degrees``, as a polygon of 72 corners."""
    turn = math.radians(degrees)
    corners = []
    for n in range(72):
        along, across = radius_x * math.cos(math.tau * n / 72), radius_y * math.sin(math.tau * n / 72)
        corners.append(
            (
                x + along * math.cos(turn) - across * math.sin(turn),
                y + along * math.sin(turn) + across * math.cos(turn),
            )
        )
    return tuple(corners)


def place_bitmap(part: NDArray[np.bool_], left: int, top: int, width: int, height: int) -> NDArray[np.bool_]:
    """Lay ``(h, w)`` bool into ``(height, width)`` at this corner; what lies outside is cut off."""
    whole = np.zeros((height, width), dtype=bool)
    y0, x0 = max(top, 0), max(left, 0)
    y1, x1 = min(top + part.shape[0], height), min(left + part.shape[1], width)
    if y1 > y0 and x1 > x0:
        whole[y0:y1, x0:x1] = part[y0 - top : y1 - top, x0 - left : x1 - left]
    return whole


def rasterize(annotated: AnnotatedImage, indices: Mapping[str, int], background: int) -> NDArray[np.uint8]:
    """Paint the shapes into a ``(height, width)`` uint8 mask; parts outside the image are cut off.

    Args:
        indices: the value to paint, by label.
        background: the value where nothing is painted.
    """
    canvas = Image.new("L", (annotated.width, annotated.height), background)
    draw = ImageDraw.Draw(canvas)
    for shape in annotated.shapes:
        value = indices[shape.label]
        if shape.bitmap is not None:
            canvas.paste(value, mask=Image.fromarray(shape.bitmap()))
        elif shape.holes:
            canvas.paste(value, mask=_with_holes(shape, canvas.size))
        else:
            _paint(draw, shape, value)
    return np.array(canvas)


def _with_holes(shape: Shape, size: tuple[int, int]) -> Image.Image:
    """A polygon without its holes; the outlines of the holes stay part of it."""
    stencil = Image.new("1", size)
    draw = ImageDraw.Draw(stencil)
    draw.polygon(list(shape.points), outline=1, fill=1)
    for hole in shape.holes:
        draw.polygon(list(hole), outline=1, fill=0)
    return stencil


def _paint(draw: ImageDraw.ImageDraw, shape: Shape, value: int) -> None:
    points = list(shape.points)
    if shape.kind == "polygon":
        draw.polygon(points, outline=value, fill=value)
    elif shape.kind == "rectangle":
        (x0, y0), (x1, y1) = points
        draw.rectangle((min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)), outline=value, fill=value)
    elif shape.kind == "circle":
        (x, y), (px, py) = points
        radius = math.hypot(px - x, py - y)
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), outline=value, fill=value)
    elif shape.kind == "line":
        draw.line(points, fill=value, width=LINE_WIDTH)
    else:
        ((x, y),) = points
        draw.ellipse(
            (x - POINT_RADIUS, y - POINT_RADIUS, x + POINT_RADIUS, y + POINT_RADIUS), outline=value, fill=value
        )
