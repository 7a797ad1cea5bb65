"""COCO instances: one JSON file for many images (https://cocodataset.org/#format-data)."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gantool.data.sources.formats.bitmaps import from_runs
from gantool.data.sources.formats.json_files import load_json
from gantool.data.sources.formats.reader import AnnotationFile, Annotations, Context, Reader
from gantool.data.sources.formats.shapes import AnnotatedImage, Shape
from gantool.documents import brief
from gantool.errors import DataError, UsageError

__all__ = ["READER", "read_coco"]


_BACKGROUND = "_background_"  # of labelme2coco, whether it has regions or not: what no other region covers


def _matches(path: Path, tree: Any) -> bool:
    return isinstance(tree, dict) and all(
        isinstance(tree.get(key), list) for key in ("images", "annotations", "categories")
    )


def read_coco(path: Path, tree: Any = None) -> tuple[list[str], list[AnnotatedImage]]:
    """Read the class names, in the order of their ids, and all images with their shapes.

    Names can repeat (a supercategory and its child, say), so categories are told apart by id: a name that stands
    twice gets its id behind it. Larger regions are painted first, so that small objects stay visible.

    Args:
        tree: the parsed file, where it is at hand.

    Raises:
        DataError: names the file and the annotation.
    """
    tree = load_json(path) if tree is None else tree
    if not _matches(path, tree):
        raise DataError(f"{path}: is not a COCO file (expected images, annotations and categories).")
    try:
        categories = {int(entry["id"]): str(entry["name"]) for entry in tree["categories"]}
        images = {int(entry["id"]): entry for entry in tree["images"]}
        sizes = {n: (int(entry["width"]), int(entry["height"])) for n, entry in images.items()}
        files = {n: str(entry["file_name"]) for n, entry in images.items()}
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise DataError(f"{path}: an image or a category is incomplete ({brief(error)}).") from None
    often = Counter(categories.values())
    names = {n: name if often[name] == 1 else f"{name} ({n})" for n, name in sorted(categories.items())}
    regions: dict[int, list[Shape]] = defaultdict(list)
    for entry in tree["annotations"]:
        where = f"{path}: annotation {brief(entry.get('id') if isinstance(entry, dict) else entry)}"
        try:
            image, category = int(entry["image_id"]), int(entry["category_id"])
            segmentation = entry["segmentation"]
        except (KeyError, TypeError, ValueError, OverflowError):
            raise DataError(f"{where} has no image_id, category_id or segmentation.") from None
        if image not in images:
            raise DataError(f"{where} belongs to image {brief(image)}, which is not listed.")
        if category not in names:
            raise DataError(f"{where} has category {brief(category)}, which is not listed.")
        if segmentation:
            regions[image].append(_shape(names[category], segmentation, *sizes[image], where))
    # instances_val2017.json: ../val2017
    beside = (path.parent.parent / path.stem.rsplit("_", 1)[-1],)
    annotated = [
        AnnotatedImage(files[n], *sizes[n], tuple(regions[n]), file=path, folders=beside, largest_first=True)
        for n in images
    ]
    return list(names.values()), annotated


def _read(files: Sequence[AnnotationFile], context: Context) -> Annotations:
    """One file per split, all with the same categories.

    Raises:
        DataError: the categories differ.
        UsageError: two files are of one split.
    """
    # The official set has keypoints beside the instances of the same images.
    files = [file for file in files if "instances" in file.path.stem] or files
    by_split: dict[str, Path] = {}
    names: list[str] = []
    images: list[AnnotatedImage] = []
    for file in files:
        if file.split in by_split:
            raise UsageError(
                f"{context.root}: {by_split[file.split].name} and {file.path.name} both have annotations for "
                f"{file.split}.",
                "Name one of them as SOURCE.",
            )
        these, annotated = read_coco(file.path, file.tree)
        if by_split and these != names:
            raise DataError(f"{file.path}: has other categories than the other splits.")
        by_split[file.split], names = file.path, these
        images += [replace(one, split=file.split) for one in annotated]
    about = f"COCO annotations ({', '.join(path.name for path in by_split.values())})"
    if _BACKGROUND in names:
        names.remove(_BACKGROUND)
        return Annotations(about, images, names, _BACKGROUND, options=(), literal=True)
    rest = "background" if "background" not in names else "no region"
    return Annotations(about, images, names, rest, options=(), literal=True)


READER = Reader("COCO", _matches, _read)


def _shape(label: str, segmentation: Any, width: int, height: int, where: str) -> Shape:
    """Polygons (a list of rings) or run lengths (packed or not)."""
    try:
        if isinstance(segmentation, list):
            flat = [[float(value) for value in ring] for ring in segmentation if len(ring) >= 6]
            rings = tuple(tuple(zip(ring[::2], ring[1::2], strict=True)) for ring in flat)
            return Shape(label, "rings", rings=rings, where=where)
        size, counts = [int(side) for side in segmentation["size"]], segmentation["counts"]
        if size != [height, width]:
            raise ValueError(f"its size is {size}, the image's {[height, width]}")
        counts = counts if isinstance(counts, str) else [int(count) for count in counts]
    except (KeyError, TypeError, ValueError, IndexError, OverflowError) as error:
        raise DataError(f"{where} has a damaged segmentation ({brief(error)}).") from None
    return Shape(label, "bitmap", bitmap=partial(_bitmap, counts, width, height, where), where=where)


def _bitmap(counts: str | list[int], width: int, height: int, where: str) -> NDArray[np.bool_]:
    """Run lengths down the columns."""
    try:
        runs = _unpacked(counts) if isinstance(counts, str) else counts
    except (IndexError, UnicodeEncodeError):
        raise DataError(f"{where} has a damaged segmentation (its run lengths end early).") from None
    return from_runs(runs, width, height, where).T


def _unpacked(text: str) -> list[int]:
    """The run lengths of a string: five bits in every character, lowest first, the sixth says that more follow; from
    the third run on what is stored is the difference to the run before the last."""
    codes = [code - 48 for code in text.encode("ascii")]
    runs: list[int] = []
    place = 0
    while place < len(codes):
        value = shift = 0
        more = True
        while more:
            code = codes[place]
            value |= (code & 31) << shift
            more = bool(code & 32)
            place, shift = place + 1, shift + 5
        if code & 16:
            value -= 1 << shift
        runs.append(value + (runs[-2] if len(runs) > 2 else 0))
    return runs
