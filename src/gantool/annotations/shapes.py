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

__all__ = ["AnnotatedImage", "Kind", "Point", "Shape", "rasterize"]

LINE_WIDTH = 10
POINT_RADIUS = 5


@dataclass(frozen=True)
class Shape:
    """One labelled region in pixel coordinates, x to the right and y downwards.

    Attributes:
        kind: ``polygon`` has three points or more, ``rectangle`` two opposite corners, ``circle`` its center and a
            point on it, ``line`` two or more, ``point`` one; ``bitmap`` has a mask instead.
        bitmap: gives ``(H, W)`` bool of the size of the whole image; a function, because a data set has many of them
            and each is as large as its image.
    """

    label: str
    kind: Kind
    points: tuple[Point, ...] = ()
    bitmap: Callable[[], NDArray[np.bool_]] | None = None


@dataclass(frozen=True)
class AnnotatedImage:
    """The shapes of one image, in painting order: later ones cover earlier ones."""

    image: str
    width: int
    height: int
    shapes: tuple[Shape, ...]


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
        else:
            _paint(draw, shape, value)
    return np.array(canvas)


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
