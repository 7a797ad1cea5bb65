"""VGG Image Annotator 2: one JSON file for many images (https://www.robots.ox.ac.uk/~vgg/software/via/)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from gantool.data.sources.formats.json_files import load_json
from gantool.data.sources.formats.reader import AnnotationFile, Annotations, Context, Reader, listed
from gantool.data.sources.formats.shapes import AnnotatedImage, Shape, ellipse
from gantool.documents import brief, shown
from gantool.errors import DataError, UsageError

__all__ = ["READER", "read_via"]

_USUAL = ("class", "label", "name", "category", "type", "object")


def _matches(path: Path, tree: Any) -> bool:
    entries = _entries(tree)
    return bool(entries) and all(
        isinstance(entry, dict) and "filename" in entry and "regions" in entry for entry in entries[:20]
    )


def read_via(
    path: Path, size_of: Callable[[str], tuple[int, int]], attribute: str | None = None, tree: Any = None
) -> list[AnnotatedImage]:
    """Read all images with their regions; VIA does not store image sizes.

    Args:
        size_of: width and height of an image by the name that the file gives it.
        attribute: the region attribute that holds the class, where there are several.
        tree: the parsed file, where it is at hand.

    Raises:
        DataError: names the file and the region.
        UsageError: several attributes could be the class.
    """
    entries = _entries(load_json(path) if tree is None else tree)
    if not entries:
        raise DataError(f"{path}: is not a VIA file (expected filename and regions).")
    regions = [(entry, _regions(entry, path)) for entry in entries]
    key = attribute or _class_attribute(path, [one for _, several in regions for one in several])
    annotated = []
    for entry, several in regions:
        name = str(entry["filename"]).strip()
        width, height = size_of(name)
        shapes = tuple(_shape(one, key, f"{path}: {brief(name)}: region {n}") for n, one in enumerate(several, 1))
        annotated.append(AnnotatedImage(name, width, height, shapes, file=path))
    return annotated


def _read(files: Sequence[AnnotationFile], context: Context) -> Annotations:
    images = [
        replace(one, split=file.split)
        for file in files
        for one in read_via(file.path, partial(context.size_of, file.path), context.attribute, file.tree)
    ]
    return Annotations(f"VIA ({listed(files)})", images, options=("classes", "attribute"))


READER = Reader("VIA", _matches, _read)


def _entries(tree: Any) -> list[Any]:
    if isinstance(tree, dict) and isinstance(tree.get("_via_img_metadata"), dict):
        tree = tree["_via_img_metadata"]
    return list(tree.values()) if isinstance(tree, dict) else []


def _regions(entry: dict[str, Any], path: Path) -> list[Any]:
    regions = entry.get("regions") or []
    if not isinstance(regions, list | dict):
        raise DataError(f"{path}: {brief(entry['filename'])}: its regions are no list.")
    return list(regions.values()) if isinstance(regions, dict) else regions


def _class_attribute(path: Path, regions: list[Any]) -> str:
    used: Counter[str] = Counter()
    for region in regions:
        attributes = region.get("region_attributes") if isinstance(region, dict) else None
        used.update(str(key) for key in (attributes if isinstance(attributes, dict) else {}))
    if len(used) <= 1:
        return next(iter(used), "class")
    usual = [key for key in used if key.strip().lower() in _USUAL]
    if len(usual) == 1:
        return usual[0]
    listed = ", ".join(f"{key} ({count})" for key, count in used.most_common())
    raise UsageError(f"{path}: the class could be any of the attributes {listed}.", "Name it: --attribute NAME.")


def _shape(region: Any, attribute: str, where: str) -> Shape:
    try:
        value = region["region_attributes"].get(attribute)
        shape = region["shape_attributes"]
        kind = str(shape["name"])
    except (KeyError, TypeError, AttributeError):
        raise DataError(f"{where} has no shape or no attributes.") from None
    if isinstance(value, dict):  # checkboxes
        value = next((name for name, chosen in value.items() if chosen), None)
    label = str(value if value is not None else "").strip()
    if not label:
        raise DataError(
            f"{where} has no value for the attribute {attribute!r}.", "Or name another: --attribute NAME."
        )
    try:
        if kind in ("polygon", "polyline"):
            xs, ys = shape["all_points_x"], shape["all_points_y"]
            points = tuple((float(x), float(y)) for x, y in zip(xs, ys, strict=True))
            return Shape(label, "polygon" if kind == "polygon" else "line", points, where=where, called=kind)
        if kind == "rect":
            x, y = float(shape["x"]), float(shape["y"])
            corner = x + float(shape["width"]), y + float(shape["height"])
            return Shape(label, "rectangle", ((x, y), corner), where=where)
        center = float(shape["cx"]), float(shape["cy"])
        if kind == "circle":
            return Shape(label, "circle", (center, (center[0] + float(shape["r"]), center[1])), where=where)
        if kind == "ellipse":
            turn = float(shape.get("theta", 0.0)) * 57.29577951308232
            around = ellipse(*center, float(shape["rx"]), float(shape["ry"]), turn)
            return Shape(label, "polygon", around, where=where, called=kind)
        if kind == "point":
            return Shape(label, "point", (center,), where=where)
    except (KeyError, TypeError, ValueError, OverflowError):
        raise DataError(f"{where} ({brief(kind)}) is incomplete.") from None
    raise DataError(f"{where} is of the unknown kind {shown(kind)}.")
