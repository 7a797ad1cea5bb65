"""CVAT for images 1.1: one XML file for many images (https://docs.cvat.ai/docs/manual/advanced/xml_format/)."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from gantool.annotations.shapes import AnnotatedImage, Point, Shape, ellipse, place_bitmap
from gantool.errors import DataError

__all__ = ["is_cvat", "read_cvat"]


def is_cvat(path: Path) -> bool:
    """Whether an XML file begins like one of CVAT."""
    try:
        with path.open("rb") as file:
            return b"<annotations" in file.read(4096)
    except OSError:
        return False


def read_cvat(path: Path) -> list[AnnotatedImage]:
    """Read all images; shapes are painted by their z-order, then as they stand.

    Raises:
        DataError: names the file and the shape.
    """
    try:
        text = path.read_bytes()
        if b"<!DOCTYPE" in text or b"<!ENTITY" in text:
            raise DataError(f"{path}: has a document type of its own, which CVAT never writes; refused.")
        root = ElementTree.fromstring(text)
    except (ElementTree.ParseError, OSError) as error:
        raise DataError(f"{path}: is not valid XML ({error}).") from None
    annotated = []
    for image in root.iter("image"):
        name = image.get("name", "")
        try:
            width, height = int(image.attrib["width"]), int(image.attrib["height"])
        except (KeyError, ValueError):
            raise DataError(f"{path}: the image {name!r} has no width and height.") from None
        shapes = []
        for number, element in enumerate(image, 1):
            shape = _shape(element, width, height, f"{path}: {name}: shape {number}")
            if shape is not None:
                shapes.append((int(element.get("z_order", "0") or 0), shape))
        ordered = tuple(shape for _, shape in sorted(shapes, key=lambda pair: pair[0]))
        annotated.append(AnnotatedImage(name, width, height, ordered, image.get("subset", "")))
    if not annotated:
        raise DataError(f"{path}: has no images.", 'Export as "CVAT for images 1.1".')
    return annotated


def _shape(element: ElementTree.Element, width: int, height: int, where: str) -> Shape | None:
    label, kind = element.get("label", "").strip(), element.tag
    if kind in ("tag", "cuboid", "skeleton"):
        return None  # of the whole image, or no region
    if not label:
        raise DataError(f"{where} has no label.")
    try:
        if kind in ("polygon", "polyline", "points"):
            points = _points(element.attrib["points"])
            if len(points) < {"polygon": 3, "polyline": 2, "points": 1}[kind]:
                raise DataError(f"{where} ({kind}) has only {len(points)} points.")
            if kind == "points":
                return Shape(label, "point", points[:1])
            return Shape(label, "polygon" if kind == "polygon" else "line", points)
        if kind == "box":
            x0, y0, x1, y1 = (float(element.attrib[key]) for key in ("xtl", "ytl", "xbr", "ybr"))
            return Shape(label, "rectangle", ((x0, y0), (x1, y1)))
        if kind == "ellipse":
            x, y, across, down = (float(element.attrib[key]) for key in ("cx", "cy", "rx", "ry"))
            return Shape(label, "polygon", ellipse(x, y, across, down, float(element.get("rotation", "0"))))
        if kind == "mask":
            left, top, wide, high = (int(float(element.attrib[key])) for key in ("left", "top", "width", "height"))
            counts = [int(count) for count in element.attrib["rle"].split(",")]
            if sum(counts) != wide * high or min(counts) < 0:
                raise DataError(f"{where} has a mask of {sum(counts)} pixels in a box of {wide}x{high}.")
            return Shape(label, "bitmap", bitmap=partial(_bitmap, counts, (left, top, wide, high), width, height))
    except (KeyError, ValueError):
        raise DataError(f"{where} ({kind}) is incomplete.") from None
    raise DataError(f"{where} is of the unknown kind {kind!r}.")


def _points(text: str) -> tuple[Point, ...]:
    points = []
    for pair in text.split(";"):
        x, y = pair.split(",")
        points.append((float(x), float(y)))
    return tuple(points)


def _bitmap(counts: list[int], box: tuple[int, int, int, int], width: int, height: int) -> NDArray[np.bool_]:
    """Run lengths row by row within a box, background first."""
    left, top, wide, high = box
    flat = np.repeat(np.arange(len(counts)) % 2 == 1, counts)
    return place_bitmap(flat.reshape(high, wide), left, top, width, height)
