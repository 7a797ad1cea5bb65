"""How shapes become a label map."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from pycocotools import mask as coco_mask

from gantool.arrays import Mask
from gantool.data.sources.formats.clipping import clip_line, clip_polygon, is_near
from gantool.data.sources.formats.shapes import AnnotatedImage, Shape

__all__ = ["rasterize"]

LINE_WIDTH = 10
POINT_RADIUS = 5


def rasterize(annotated: AnnotatedImage, indices: Mapping[str, int], background: int) -> Mask:
    """Paint the shapes into a ``(height, width)`` uint8 mask; parts outside the image are cut off.

    Its size must be that of the image: whoever calls compares them.

    Args:
        indices: the value to paint, by label.
        background: the value where nothing is painted.
    """
    canvas = Image.new("L", (annotated.width, annotated.height), background)
    if annotated.largest_first:
        for stencil, corner, value in _by_area(annotated, indices):
            canvas.paste(value, corner, stencil)
        return np.array(canvas)
    draw = ImageDraw.Draw(canvas)
    for shape in annotated.shapes:
        value = indices[shape.label]
        if shape.form in ("bitmap", "rings") or shape.rings:
            canvas.paste(value, mask=Image.fromarray(_stencil(shape, *canvas.size)))
        else:
            _paint(draw, shape, value, *canvas.size)
    return np.array(canvas)


def _by_area(
    annotated: AnnotatedImage, indices: Mapping[str, int]
) -> Iterator[tuple[Image.Image, tuple[int, int], int]]:
    """Stencils with their corners and values, the largest first; each only as large as its region."""
    found = []
    for shape in annotated.shapes:
        stencil = _stencil(shape, annotated.width, annotated.height)
        rows, columns = np.flatnonzero(stencil.any(axis=1)), np.flatnonzero(stencil.any(axis=0))
        if not rows.size:
            continue
        part = stencil[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].copy()
        found.append((int(part.sum()), part, (int(columns[0]), int(rows[0])), indices[shape.label]))
    for _, part, corner, value in sorted(found, key=lambda entry: -entry[0]):
        yield Image.fromarray(part), corner, value


def _stencil(shape: Shape, width: int, height: int) -> NDArray[np.bool_]:
    """``(height, width)`` bool of one region."""
    if shape.bitmap is not None:
        return shape.bitmap()
    if shape.form == "rings":
        return _united(shape, width, height)
    image = Image.new("1", (width, height))
    draw = ImageDraw.Draw(image)
    _paint(draw, shape, 1, width, height)
    for hole in shape.rings:  # the outlines of holes stay part of the polygon
        clipped = clip_polygon(hole, width, height)
        if len(clipped) >= 3:
            draw.polygon(list(clipped), outline=1, fill=0)
    return np.asarray(image)


def _united(shape: Shape, width: int, height: int) -> NDArray[np.bool_]:
    """All that lies in any of the rings, by COCO's own code."""
    clipped = [clip_polygon(ring, width, height) for ring in shape.rings]
    flat = [[value for point in ring for value in point] for ring in clipped if len(ring) >= 3]
    if not flat:
        return np.zeros((height, width), dtype=bool)
    return np.asarray(coco_mask.decode(coco_mask.merge(coco_mask.frPyObjects(flat, height, width))), dtype=bool)


def _paint(draw: ImageDraw.ImageDraw, shape: Shape, value: int, width: int, height: int) -> None:
    points = shape.points
    if shape.form == "polygon":
        clipped = clip_polygon(points, width, height)
        if len(clipped) >= 3:
            draw.polygon(list(clipped), outline=value, fill=value)
    elif shape.form == "rectangle":
        (x0, y0), (x1, y1) = points
        left, right = (min(max(x, -1), width) for x in sorted((x0, x1)))
        top, bottom = (min(max(y, -1), height) for y in sorted((y0, y1)))
        draw.rectangle((left, top, right, bottom), outline=value, fill=value)
    elif shape.form == "circle":
        (x, y), (px, py) = points
        _disk(draw, x, y, math.hypot(px - x, py - y), value, width, height)
    elif shape.form == "line":
        for part in clip_line(points, width, height):
            draw.line(list(part), fill=value, width=LINE_WIDTH)
    else:
        ((x, y),) = points
        if is_near(points, width, height):
            _disk(draw, x, y, POINT_RADIUS, value, width, height)


def _disk(draw: ImageDraw.ImageDraw, x: float, y: float, radius: float, value: int, width: int, height: int) -> None:
    if is_near(((x - radius, y - radius), (x + radius, y + radius)), width, height):
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), outline=value, fill=value)
        return
    # Pillow goes through every row of a disk, however far away; these are the rows of the image.
    for row in range(height) if radius > 0 else ():
        away = (row - y) / radius
        if abs(away) <= 1:
            reach = radius * math.sqrt(1 - away * away)
            left, right = math.ceil(max(x - reach, -1)), math.floor(min(x + reach, width))
            if left <= right:
                draw.line((left, row, right, row), fill=value)
