"""CVAT for images 1.1: one XML file for many images (https://docs.cvat.ai/docs/manual/advanced/xml_format/)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from gantool.data.sources.formats.bitmaps import from_runs, place_bitmap
from gantool.data.sources.formats.reader import AnnotationFile, Annotations, Context, Reader, listed
from gantool.data.sources.formats.shapes import AnnotatedImage, Ring, Shape, ellipse
from gantool.documents import brief, shown
from gantool.errors import DataError

__all__ = ["READER", "read_cvat"]


def _matches(path: Path, tree: Any) -> bool:
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
        raise DataError(f"{path}: is not valid XML ({brief(error)}).") from None
    annotated = []
    for image in root.iter("image"):
        name = image.get("name", "")
        try:
            width, height = int(image.attrib["width"]), int(image.attrib["height"])
        except (KeyError, ValueError):
            raise DataError(f"{path}: the image {shown(name)} has no width and height.") from None
        shapes = []
        for number, element in enumerate(image, 1):
            shape = _shape(element, width, height, f"{path}: {brief(name)}: shape {number}")
            if shape is not None:
                shapes.append((_order(element), shape))
        ordered = tuple(shape for _, shape in sorted(shapes, key=lambda pair: pair[0]))
        annotated.append(AnnotatedImage(name, width, height, ordered, image.get("subset", ""), path))
    if not annotated:
        raise DataError(f"{path}: has no images.", 'Export as "CVAT for images 1.1".')
    return annotated


def _read(files: Sequence[AnnotationFile], context: Context) -> Annotations:
    images = [replace(one, split=one.split or file.split) for file in files for one in read_cvat(file.path)]
    return Annotations(f"CVAT for images ({listed(files)})", images)


READER = Reader("CVAT for images", _matches, _read, suffix=".xml")


def _order(element: ElementTree.Element) -> float:
    """The place of a shape among those above each other; the lowest where the file says none."""
    try:
        order = float(element.get("z_order", "0"))
    except ValueError:
        return 0.0
    return order if math.isfinite(order) else 0.0


def _shape(element: ElementTree.Element, width: int, height: int, where: str) -> Shape | None:
    label, kind = element.get("label", "").strip(), element.tag
    if kind in ("tag", "cuboid", "skeleton"):
        return None  # of the whole image, or no region
    if not label:
        raise DataError(f"{where} has no label.")
    try:
        if kind in ("polygon", "polyline", "points"):
            points = _points(element.attrib["points"])
            if kind == "points":
                return Shape(label, "point", points[:1], where=where, called=kind)
            return Shape(label, "polygon" if kind == "polygon" else "line", points, where=where, called=kind)
        if kind == "box":
            x0, y0, x1, y1 = (float(element.attrib[key]) for key in ("xtl", "ytl", "xbr", "ybr"))
            return Shape(label, "rectangle", ((x0, y0), (x1, y1)), where=where)
        if kind == "ellipse":
            x, y, across, down = (float(element.attrib[key]) for key in ("cx", "cy", "rx", "ry"))
            around = ellipse(x, y, across, down, float(element.get("rotation", "0")))
            return Shape(label, "polygon", around, where=where, called=kind)
        if kind == "mask":
            left, top, wide, high = (int(float(element.attrib[key])) for key in ("left", "top", "width", "height"))
            counts = [int(count) for count in element.attrib["rle"].split(",")]
            if sum(counts) != wide * high or min(counts) < 0:
                raise DataError(f"{where} has a mask of {sum(counts)} pixels in a box of {wide}x{high}.")
            if wide > width or high > height:
                raise DataError(f"{where} has a mask of {wide}x{high} pixels in an image of {width}x{height}.")
            bitmap = partial(_bitmap, counts, (left, top, wide, high), width, height, where)
            return Shape(label, "bitmap", bitmap=bitmap, where=where)
    except (KeyError, ValueError, OverflowError):
        raise DataError(f"{where} ({brief(kind)}) is incomplete.") from None
    raise DataError(f"{where} is of the unknown kind {shown(kind)}.")


def _points(text: str) -> Ring:
    points = []
    for pair in text.split(";"):
        x, y = pair.split(",")
        points.append((float(x), float(y)))
    return tuple(points)


def _bitmap(
    counts: list[int], box: tuple[int, int, int, int], width: int, height: int, where: str
) -> NDArray[np.bool_]:
    """Run lengths row by row within a box, background first."""
    left, top, wide, high = box
    return place_bitmap(from_runs(counts, high, wide, where), left, top, width, height)
