"""Label Studio: a JSON list of tasks, with coordinates in percent (https://labelstud.io/guide/export)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gantool.data.sources.formats.json_files import load_json
from gantool.data.sources.formats.reader import AnnotationFile, Annotations, Context, Reader, listed
from gantool.data.sources.formats.shapes import AnnotatedImage, Shape, ellipse
from gantool.documents import brief
from gantool.errors import DataError

__all__ = ["READER", "decode_brush", "read_label_studio"]

_IMAGES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif")
_LABELS = ("polygonlabels", "rectanglelabels", "ellipselabels", "brushlabels", "keypointlabels", "labels")


def _matches(path: Path, tree: Any) -> bool:
    if not (isinstance(tree, list) and tree and all(isinstance(task, dict) for task in tree)):
        return False
    first = tree[0]
    full = isinstance(first.get("data"), dict) and ("annotations" in first or "completions" in first)
    return full or ("annotation_id" in first and _image_name(first) != "")


def read_label_studio(path: Path, tree: Any = None) -> list[AnnotatedImage]:
    """Read all tasks; of several annotations of a task the last one that was not cancelled counts.

    Raises:
        DataError: names the file, the task and the region.
    """
    tree = load_json(path) if tree is None else tree
    if not _matches(path, tree):
        raise DataError(f"{path}: is not a Label Studio file (expected a list of tasks).")
    annotated = []
    for number, task in enumerate(tree, 1):
        where = f"{path}: task {brief(task.get('id', number))}"
        name = _image_name(task["data"] if isinstance(task.get("data"), dict) else task)
        if not name:
            raise DataError(f"{where} names no image.")
        shapes: list[Shape] = []
        size = (0, 0)
        for n, region in enumerate(_regions(task), 1):
            shape, size = _shape(region, f"{where}: region {n}")
            shapes.append(shape)
        annotated.append(AnnotatedImage(name, *size, tuple(shapes), file=path))
    return annotated


def _read(files: Sequence[AnnotationFile], context: Context) -> Annotations:
    images = [replace(one, split=file.split) for file in files for one in read_label_studio(file.path, file.tree)]
    return Annotations(f"Label Studio ({listed(files)})", images)


READER = Reader("Label Studio", _matches, _read)


def _image_name(data: Mapping[str, Any]) -> str:
    for key in ("image", "img", "photo", *data):
        value = data.get(key)
        if isinstance(value, str) and value.rsplit("?", 1)[0].lower().endswith(_IMAGES):
            return value.rsplit("?", 1)[0]
        if isinstance(value, str) and "?d=" in value:  # /data/local-files/?d=folder/name.jpg
            return value.rsplit("?d=", 1)[1]
    return ""


def _regions(task: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Regions as one flat dict each, from the full format or from JSON-MIN."""
    several = task.get("annotations", task.get("completions"))
    if several is not None:
        listed = several if isinstance(several, list) else []
        valid = [one for one in listed if isinstance(one, dict) and not one.get("was_cancelled")]
        results = valid[-1].get("result") if valid else None
        for result in results if isinstance(results, list) else []:
            if isinstance(result, dict) and isinstance(result.get("value"), dict):
                sizes = {key: result.get(key) for key in ("original_width", "original_height")}
                yield {**sizes, **result["value"]}
        return
    for value in task.values():
        if isinstance(value, list):
            yield from (one for one in value if isinstance(one, dict) and "original_width" in one)


def _shape(region: Mapping[str, Any], where: str) -> tuple[Shape, tuple[int, int]]:
    labels = next((region[key] for key in _LABELS if region.get(key)), None)
    try:
        label = str(labels[0]).strip()  # type: ignore[index]
        width, height = int(region["original_width"]), int(region["original_height"])
    except (TypeError, KeyError, ValueError, IndexError, OverflowError):
        raise DataError(f"{where} has no label or no original size.") from None
    try:
        return _region(region, label, width, height, where), (width, height)
    except (KeyError, TypeError, ValueError, OverflowError):
        raise DataError(f"{where} has a shape that cannot be read.") from None


def _region(region: Mapping[str, Any], label: str, width: int, height: int, where: str) -> Shape:
    """From percent to pixels; rotations are around the upper left corner, or an ellipse's center."""
    if "rle" in region:
        bitmap = partial(_bitmap, region["rle"], width, height, where)
        return Shape(label, "bitmap", bitmap=bitmap, where=where)
    if "points" in region:
        points = tuple((float(x) * width / 100, float(y) * height / 100) for x, y in region["points"])
        return Shape(label, "polygon", points, where=where)
    x, y = float(region["x"]) * width / 100, float(region["y"]) * height / 100
    turn = float(region.get("rotation") or 0)
    if "radiusX" in region:
        radii = float(region["radiusX"]) * width / 100, float(region["radiusY"]) * height / 100
        return Shape(label, "polygon", ellipse(x, y, *radii, turn), where=where, called="ellipse")
    if "height" not in region:
        return Shape(label, "point", ((x, y),), where=where)
    wide, high = float(region["width"]) * width / 100, float(region["height"]) * height / 100
    cos, sin = math.cos(math.radians(turn)), math.sin(math.radians(turn))
    along, down = (wide * cos, wide * sin), (-high * sin, high * cos)
    corners = ((0.0, 0.0), along, (along[0] + down[0], along[1] + down[1]), down)
    return Shape(label, "polygon", tuple((x + right, y + low) for right, low in corners), where=where)


def _bitmap(values: Any, width: int, height: int, where: str) -> NDArray[np.bool_]:
    try:
        channels = decode_brush(bytes(values), 4 * width * height)
        return np.asarray(channels.reshape(height, width, 4)[..., 3] > 0)
    except (TypeError, ValueError, IndexError):
        raise DataError(f"{where} has a damaged brush mask.") from None


def decode_brush(data: bytes, most: int) -> NDArray[np.uint8]:
    """Unpack Label Studio's brush strokes (thi.ng ``rle-pack``) into the bytes of an RGBA picture.

    A bit stream: 32 bits with the number of values, 5 with the word size less one, four times 4 with the sizes of
    the length fields less one; then runs of one bit (repeated or listed), 2 (which length field), the length less
    one, and one word, or as many words as the length says.

    Args:
        most: bytes that the picture can have.

    Raises:
        ValueError: the stream ends early or is longer than it says.
    """
    bits = np.unpackbits(np.frombuffer(data, dtype=np.uint8))
    place = 0

    def take(count: int) -> int:
        nonlocal place
        if place + count > bits.size:
            raise ValueError("the brush mask ends early")
        value = 0
        for bit in bits[place : place + count].tolist():
            value = value << 1 | bit
        place += count
        return value

    total = take(32)
    word = take(5) + 1
    if total > most:
        raise ValueError("the brush mask is too large")
    sizes = [take(4) + 1 for _ in range(4)]
    out = np.zeros(total, dtype=np.uint8)
    done = 0
    while done < total:
        repeated = take(1)
        count = take(sizes[take(2)]) + 1
        if done + count > total:
            raise ValueError("a run of the brush mask is too long")
        if repeated:
            out[done : done + count] = take(word) & 255
        else:
            if place + count * word > bits.size:
                raise ValueError("the brush mask ends early")
            words = bits[place : place + count * word].reshape(count, word)[:, -8:]
            weights = 1 << np.arange(words.shape[1])[::-1]
            out[done : done + count] = words @ weights
            place += count * word
        done += count
    return out
