"""labelme: one JSON file per image (https://github.com/wkentaro/labelme)."""

from __future__ import annotations

import base64
import binascii
import io
import math
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from gantool.annotations.json_files import load_json
from gantool.annotations.shapes import AnnotatedImage, Kind, Point, Shape, place_bitmap
from gantool.errors import DataError

__all__ = ["is_labelme", "read_labelme"]

_KINDS: dict[str, tuple[Kind, int]] = {  # our kind and the fewest points, by theirs
    "polygon": ("polygon", 3),
    "rectangle": ("rectangle", 2),
    "circle": ("circle", 2),
    "line": ("line", 2),
    "linestrip": ("line", 2),
    "point": ("point", 1),
}


def is_labelme(tree: Any) -> bool:
    """Whether parsed JSON looks like a labelme file."""
    return isinstance(tree, dict) and isinstance(tree.get("shapes"), list) and "imagePath" in tree


def read_labelme(path: Path, tree: Any = None) -> AnnotatedImage:
    """Read one file; shapes keep their order, later ones win.

    Args:
        tree: the parsed file, where it is at hand.

    Raises:
        DataError: names the file and the shape.
    """
    tree = load_json(path) if tree is None else tree
    if not is_labelme(tree):
        raise DataError(f"{path}: is not a labelme file (expected shapes and imagePath).")
    try:
        width, height = int(tree["imageWidth"]), int(tree["imageHeight"])
    except (KeyError, TypeError, ValueError):
        raise DataError(f"{path}: has no imageWidth and imageHeight.") from None
    shapes = tuple(_shape(entry, number, path, width, height) for number, entry in enumerate(tree["shapes"], 1))
    return AnnotatedImage(str(tree["imagePath"]), width, height, shapes)


def _shape(entry: Any, number: int, path: Path, width: int, height: int) -> Shape:
    where = f"{path}: shape {number}"
    try:
        label, theirs, raw = str(entry["label"]), str(entry.get("shape_type") or "polygon"), entry["points"]
        points: tuple[Point, ...] = tuple((float(x), float(y)) for x, y in raw)
    except (KeyError, TypeError, ValueError, AttributeError):
        raise DataError(f"{where} has no label or no points.") from None
    if not all(math.isfinite(value) for point in points for value in point):
        raise DataError(f"{where} has a point that is no number.")
    if theirs == "mask":
        return Shape(label, "bitmap", bitmap=partial(_bitmap, entry, points, where, width, height))
    if theirs not in _KINDS:
        raise DataError(f"{where} is of the unknown kind {theirs!r}.")
    kind, fewest = _KINDS[theirs]
    exact = kind in ("rectangle", "circle", "point")
    if len(points) < fewest or (exact and len(points) != fewest):
        raise DataError(
            f"{where} ({theirs}) has {len(points)} points, expected {'' if exact else 'at least '}{fewest}."
        )
    return Shape(label, kind, points)


def _bitmap(entry: Any, points: tuple[Point, ...], where: str, width: int, height: int) -> np.ndarray[Any, Any]:
    """A mask shape: a base64 PNG that lies at the first point."""
    try:
        with Image.open(io.BytesIO(base64.b64decode(entry["mask"]))) as image:
            part = np.asarray(image.convert("L")) > 0
        left, top = round(points[0][0]), round(points[0][1])
    except (KeyError, IndexError, TypeError, ValueError, OSError, binascii.Error):
        raise DataError(f"{where} has a damaged mask.") from None
    return place_bitmap(part, left, top, width, height)
