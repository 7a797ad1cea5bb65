"""Supervisely: a project with ``meta.json`` and one JSON file per image in ``ann`` folders
(https://docs.supervisely.com/data-organization/00_ann_format_navi)."""

from __future__ import annotations

import base64
import binascii
import io
import zlib
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gantool.annotations.json_files import load_json
from gantool.annotations.shapes import AnnotatedImage, Point, Shape, place_bitmap
from gantool.errors import DataError

__all__ = ["read_supervisely", "supervisely_classes"]

_LARGEST_BITMAP = 256 * 2**20  # bytes of an unpacked PNG; a bomb otherwise


def supervisely_classes(meta: Path) -> list[tuple[str, tuple[int, int, int]]]:
    """Class names and colors from ``meta.json``.

    Raises:
        DataError: it has no classes.
    """
    try:
        classes = load_json(meta)["classes"]
        named = [(str(one["title"]).strip(), str(one.get("color") or "#000000").lstrip("#")) for one in classes]
        return [(name, (int(c[0:2], 16), int(c[2:4], 16), int(c[4:6], 16))) for name, c in named]
    except (KeyError, TypeError, ValueError):
        raise DataError(f"{meta}: has no list of classes with titles and colors.") from None


def read_supervisely(path: Path) -> AnnotatedImage:
    """Read ``ann/NAME.jpg.json``; objects keep their order, later ones win.

    Raises:
        DataError: names the file and the object.
    """
    tree = load_json(path)
    try:
        width, height = int(tree["size"]["width"]), int(tree["size"]["height"])
        objects = list(tree["objects"])
    except (KeyError, TypeError, ValueError):
        raise DataError(f"{path}: is not a Supervisely file (expected size and objects).") from None
    shapes = tuple(_shape(one, width, height, f"{path}: object {number}") for number, one in enumerate(objects, 1))
    return AnnotatedImage(path.name.removesuffix(".json"), width, height, shapes)


def _shape(entry: Any, width: int, height: int, where: str) -> Shape:
    try:
        label = str(entry["classTitle"]).strip()
        kind = str(entry.get("geometryType") or ("bitmap" if entry.get("bitmap") else "polygon"))
        if kind == "bitmap":
            left, top = (int(value) for value in entry["bitmap"]["origin"])
            bitmap = partial(_bitmap, str(entry["bitmap"]["data"]), left, top, width, height, where)
            return Shape(label, "bitmap", bitmap=bitmap)
        outside = _points(entry["points"]["exterior"])
        holes = tuple(_points(ring) for ring in entry["points"].get("interior") or [])
    except (KeyError, TypeError, ValueError, AttributeError):
        raise DataError(f"{where} has no class or no shape.") from None
    fewest = {"polygon": 3, "rectangle": 2, "line": 2, "point": 1}.get(kind)
    if fewest is None:
        raise DataError(f"{where} is of the unknown kind {kind!r}.")
    if len(outside) < fewest:
        raise DataError(f"{where} ({kind}) has only {len(outside)} points.")
    if kind == "polygon":
        return Shape(label, "polygon", outside, holes=tuple(hole for hole in holes if len(hole) >= 3))
    return Shape(label, kind, outside[:2] if kind == "rectangle" else outside)  # type: ignore[arg-type]


def _points(raw: Any) -> tuple[Point, ...]:
    return tuple((float(x), float(y)) for x, y in raw)


def _bitmap(data: str, left: int, top: int, width: int, height: int, where: str) -> NDArray[np.bool_]:
    """Base64 of a zlib-packed PNG; its alpha channel, or else its values, are the mask."""
    try:
        unpacker = zlib.decompressobj()
        packed = unpacker.decompress(base64.b64decode(data), _LARGEST_BITMAP)
        with Image.open(io.BytesIO(packed)) as image:
            clear = image.mode in ("RGBA", "LA") or "transparency" in image.info
            part = np.asarray(image.convert("RGBA").getchannel("A") if clear else image.convert("L")) > 0
    except (ValueError, OSError, zlib.error, binascii.Error, Image.DecompressionBombError):
        raise DataError(f"{where} has a damaged bitmap.") from None
    return place_bitmap(part, left, top, width, height)
