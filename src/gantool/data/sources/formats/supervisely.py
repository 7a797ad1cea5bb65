"""Supervisely: a project with ``meta.json`` and one JSON file per image in ``ann`` folders
(https://docs.supervisely.com/data-organization/00_ann_format_navi)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gantool.arrays import Color
from gantool.data.images import find_folders
from gantool.data.sources.formats.bitmaps import place_bitmap, unpack_picture
from gantool.data.sources.formats.json_files import load_json
from gantool.data.sources.formats.reader import AnnotationFile, Annotations, Context, Reader
from gantool.data.sources.formats.shapes import AnnotatedImage, Form, Ring, Shape
from gantool.documents import shown
from gantool.errors import DataError, counted

__all__ = ["READER", "read_supervisely", "supervisely_classes"]

_FORMS: dict[str, Form] = {"polygon": "polygon", "rectangle": "rectangle", "line": "line", "point": "point"}


def supervisely_classes(meta: Path) -> list[tuple[str, Color]]:
    """Class names and colors from ``meta.json``.

    Raises:
        DataError: it has no classes.
    """
    try:
        classes = load_json(meta)["classes"]
        named = [(str(one["title"]).strip(), str(one.get("color") or "#000000").lstrip("#")) for one in classes]
        found = [(name, (int(c[0:2], 16), int(c[2:4], 16), int(c[4:6], 16))) for name, c in named]
    except (KeyError, TypeError, ValueError):
        raise DataError(f"{meta}: has no list of classes with titles and colors.") from None
    twice = next((name for n, (name, _) in enumerate(found) if name in [one for one, _ in found[:n]]), None)
    if twice is not None:
        raise DataError(f"{meta}: names the class {shown(twice)} twice.", "Give one of them another title.")
    return found


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
    beside = (path.parent.parent / "img",)
    return AnnotatedImage(path.name.removesuffix(".json"), width, height, shapes, file=path, folders=beside)


def _find(root: Path) -> list[AnnotationFile]:
    """The files of all data sets of a project, each with its folder's name for a split."""
    if not (root / "meta.json").is_file():
        return []
    folders = [entry for entry in find_folders(root) if (entry / "ann").is_dir()]
    return [
        AnnotationFile(path, folder.name) for folder in folders for path in sorted((folder / "ann").glob("*.json"))
    ]


def _read(files: Sequence[AnnotationFile], context: Context) -> Annotations:
    named = supervisely_classes(context.root / "meta.json")
    images = [replace(read_supervisely(file.path), split=file.split) for file in files]
    about = f"a Supervisely project with {counted(len(images), 'image')}"
    return Annotations(about, images, [name for name, _ in named], colors=dict(named))


READER = Reader("Supervisely", lambda path, tree: False, _read, find=_find)


def _shape(entry: Any, width: int, height: int, where: str) -> Shape:
    try:
        label = str(entry["classTitle"]).strip()
        kind = str(entry.get("geometryType") or ("bitmap" if entry.get("bitmap") else "polygon"))
        if kind == "bitmap":
            left, top = (int(value) for value in entry["bitmap"]["origin"])
            bitmap = partial(_bitmap, str(entry["bitmap"]["data"]), left, top, width, height, where)
            return Shape(label, "bitmap", bitmap=bitmap, where=where)
        outside = _points(entry["points"]["exterior"])
        holes = tuple(_points(ring) for ring in entry["points"].get("interior") or [])
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
        raise DataError(f"{where} has no class or no shape.") from None
    if kind not in _FORMS:
        raise DataError(f"{where} is of the unknown kind {shown(kind)}.")
    holes = tuple(hole for hole in holes if len(hole) >= 3) if kind == "polygon" else ()
    return Shape(label, _FORMS[kind], outside[:2] if kind == "rectangle" else outside, rings=holes, where=where)


def _points(raw: Any) -> Ring:
    return tuple((float(x), float(y)) for x, y in raw)


def _bitmap(data: str, left: int, top: int, width: int, height: int, where: str) -> NDArray[np.bool_]:
    """Base64 of a zlib-packed PNG; its alpha channel, or else its values, are the mask."""
    try:
        part = unpack_picture(data, (width, height), zipped=True)
    except ValueError:
        raise DataError(f"{where} has a damaged bitmap.") from None
    return place_bitmap(part, left, top, width, height)
