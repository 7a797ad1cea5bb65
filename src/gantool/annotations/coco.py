"""COCO instances: one JSON file for many images (https://cocodataset.org/#format-data)."""

from __future__ import annotations

from collections import Counter, defaultdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco_mask

from gantool.annotations.json_files import load_json
from gantool.annotations.shapes import AnnotatedImage, Shape
from gantool.errors import DataError

__all__ = ["is_coco", "read_coco"]


def is_coco(tree: Any) -> bool:
    """Whether parsed JSON looks like COCO instances."""
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
    if not is_coco(tree):
        raise DataError(f"{path}: is not a COCO file (expected images, annotations and categories).")
    try:
        categories = {int(entry["id"]): str(entry["name"]) for entry in tree["categories"]}
        images = {int(entry["id"]): entry for entry in tree["images"]}
        sizes = {n: (int(entry["width"]), int(entry["height"])) for n, entry in images.items()}
        files = {n: str(entry["file_name"]) for n, entry in images.items()}
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path}: an image or a category is incomplete ({error}).") from None
    often = Counter(categories.values())
    names = {n: name if often[name] == 1 else f"{name} ({n})" for n, name in sorted(categories.items())}
    regions: dict[int, list[tuple[int, Shape]]] = defaultdict(list)
    for entry in tree["annotations"]:
        where = f"{path}: annotation {entry.get('id') if isinstance(entry, dict) else entry}"
        try:
            image, category = int(entry["image_id"]), int(entry["category_id"])
            segmentation = entry["segmentation"]
        except (KeyError, TypeError, ValueError):
            raise DataError(f"{where} has no image_id, category_id or segmentation.") from None
        if image not in images:
            raise DataError(f"{where} belongs to image {image}, which is not listed.")
        if category not in names:
            raise DataError(f"{where} has category {category}, which is not listed.")
        if segmentation:
            encoded = _encode(segmentation, *sizes[image], where)
            shape = Shape(names[category], "bitmap", bitmap=partial(_decode, encoded, where))
            regions[image].append((int(coco_mask.area(encoded)), shape))
    annotated = [
        AnnotatedImage(
            files[n], *sizes[n], tuple(shape for _, shape in sorted(regions[n], key=lambda region: -region[0]))
        )
        for n in images
    ]
    return list(names.values()), annotated


def _encode(segmentation: Any, width: int, height: int, where: str) -> dict[str, Any]:
    """Polygons (a list of rings) or run lengths (compressed or not) as compressed run lengths, by COCO's own code."""
    try:
        if isinstance(segmentation, list):
            rings = [[float(value) for value in ring] for ring in segmentation if len(ring) >= 6]
            if not rings:
                return {
                    "size": [height, width],
                    "counts": coco_mask.encode(np.zeros((height, width), np.uint8, "F"))["counts"],
                }
            encoded = coco_mask.merge(coco_mask.frPyObjects(rings, height, width))
        else:
            size, counts = [int(side) for side in segmentation["size"]], segmentation["counts"]
            if size != [height, width]:
                raise ValueError(f"its size is {size}, the image's {[height, width]}")
            plain = isinstance(counts, list)
            encoded = (
                coco_mask.frPyObjects({"size": size, "counts": counts}, height, width)
                if plain
                else {"size": size, "counts": str(counts).encode()}
            )
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise DataError(f"{where} has a damaged segmentation ({error}).") from None
    return dict(encoded)


def _decode(encoded: dict[str, Any], where: str) -> NDArray[np.bool_]:
    try:
        return np.asarray(coco_mask.decode(encoded), dtype=bool)
    except (ValueError, TypeError) as error:
        raise DataError(f"{where} has a damaged segmentation ({error}).") from None
