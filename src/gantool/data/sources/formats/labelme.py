"""labelme: one JSON file per image (https://github.com/wkentaro/labelme)."""

from __future__ import annotations

import base64
import hashlib
import io
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gantool.data.decoder_warnings import collected_warnings
from gantool.data.images import find_images
from gantool.data.sources.formats.bitmaps import place_bitmap, unpack_picture
from gantool.data.sources.formats.json_files import load_json
from gantool.data.sources.formats.reader import AnnotationFile, Annotations, Context, Reader
from gantool.data.sources.formats.shapes import AnnotatedImage, Form, Ring, Shape
from gantool.data.sources.text_files import read_lines
from gantool.documents import shown
from gantool.errors import DataError, counted
from gantool.fetch.cache import cache_folder
from gantool.files import atomic, safe_name

__all__ = ["READER", "read_labelme"]

_FORMS: dict[str, Form] = {
    "polygon": "polygon",
    "rectangle": "rectangle",
    "circle": "circle",
    "line": "line",
    "linestrip": "line",
    "point": "point",
}


def _matches(path: Path, tree: Any) -> bool:
    return isinstance(tree, dict) and isinstance(tree.get("shapes"), list) and "imagePath" in tree


def read_labelme(path: Path, tree: Any = None) -> AnnotatedImage:
    """Read one file; shapes keep their order, later ones win.

    Args:
        tree: the parsed file, where it is at hand.

    Raises:
        DataError: names the file and the shape.
    """
    tree = load_json(path) if tree is None else tree
    if not _matches(path, tree):
        raise DataError(f"{path}: is not a labelme file (expected shapes and imagePath).")
    try:
        width, height = int(tree["imageWidth"]), int(tree["imageHeight"])
    except (KeyError, TypeError, ValueError, OverflowError):
        raise DataError(f"{path}: has no imageWidth and imageHeight.") from None
    shapes = tuple(_shape(entry, f"{path}: shape {n}", width, height) for n, entry in enumerate(tree["shapes"], 1))
    return AnnotatedImage(str(tree["imagePath"]), width, height, shapes, file=path)


def _read(files: Sequence[AnnotationFile], context: Context) -> Annotations:
    """All files of a data set; ``labels.txt`` orders the labels if it is there."""
    names = context.root / "labels.txt"
    classes = [line for line in read_lines(names) if line] if names.is_file() else None
    images = []
    for file in files:
        name, folders = _picture(file, context)
        one = read_labelme(file.path, file.tree)
        images.append(replace(one, image=name, folders=folders, split=file.split))
    return Annotations(counted(len(files), "labelme file"), images, classes, "_background_")


def _picture(file: AnnotationFile, context: Context) -> tuple[str, tuple[Path, ...]]:
    """What ``imagePath`` names; where that is not there, the picture in the file, or one of the file's own name.

    With the folder to look in, where that is not one of the data set's.
    """
    name = str(file.tree["imagePath"])
    if context.find(file.path, name).is_file():
        return name, ()
    embedded = _embedded(file.path.stem, file.tree.get("imageData"))
    if embedded is not None:
        return embedded.name, (embedded.parent,)
    same = [path for path in find_images(file.path.parent) if path.stem == file.path.stem]
    return (same[0].name if same else name), ()


def _embedded(stem: str, data: Any) -> Path | None:
    """The picture within a file, kept in the cache; None where there is none that can be read."""
    try:
        packed = base64.b64decode(data)
        with collected_warnings(), Image.open(io.BytesIO(packed)) as image:
            suffix = f".{str(image.format).lower()}"
    except Exception:  # no picture, or one whose decoder fails in its own way
        return None
    path = cache_folder() / "embedded" / hashlib.sha256(packed).hexdigest()[:16] / f"{safe_name(stem)}{suffix}"
    if not path.is_file():
        with atomic(path) as temporary:
            temporary.write_bytes(packed)
    return path


READER = Reader("labelme", _matches, _read)


def _shape(entry: Any, where: str, width: int, height: int) -> Shape:
    try:
        label, theirs, raw = str(entry["label"]), str(entry.get("shape_type") or "polygon"), entry["points"]
        points: Ring = tuple((float(x), float(y)) for x, y in raw)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
        raise DataError(f"{where} has no label or no points.") from None
    if theirs == "mask":
        bitmap = partial(_bitmap, entry.get("mask"), points, where, width, height)
        return Shape(label, "bitmap", points, bitmap=bitmap, where=where)
    if theirs not in _FORMS:
        raise DataError(f"{where} is of the unknown kind {shown(theirs)}.")
    return Shape(label, _FORMS[theirs], points, where=where, called=theirs)


def _bitmap(data: object, points: Ring, where: str, width: int, height: int) -> NDArray[np.bool_]:
    """A mask shape: a base64 PNG that lies at the first point."""
    try:
        part = unpack_picture(data, (width, height))
        left, top = round(points[0][0]), round(points[0][1])
    except (IndexError, ValueError):
        raise DataError(f"{where} has a damaged mask.") from None
    return place_bitmap(part, left, top, width, height)
