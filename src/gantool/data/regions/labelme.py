"""Regions as labelme reads them: one JSON file per image (https://github.com/wkentaro/labelme)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from gantool.arrays import Mask
from gantool.data.regions.places import path_from
from gantool.data.regions.regions import find_regions
from gantool.data.regions.simplify import simplified_outline
from gantool.data.sources.labels.tables import BACKGROUND_NAMES
from gantool.files import Target, folder_of, put

__all__ = ["write_labelme"]

_VERSION = "5.5.0"  # of labelme, whose files these are like


def write_labelme(target: Target, mask: Mask, classes: Sequence[str], image: Path, *, simplify: float = 0.0) -> None:
    """Write the regions of ``(H, W)`` uint8 as polygons that, painted in their order, give it back.

    labelme's polygons have no holes: what lies in one comes after it and is painted over it. The background has
    polygons only there.

    Args:
        classes: names by index.
        image: the file that is labelled.
        simplify: how many pixels away an outline may come to lie.

    Raises:
        OutputError: it cannot be written.
    """
    regions = find_regions(mask)
    shapes = [
        {
            "label": classes[region.index],
            "points": simplified_outline(regions, place, simplify).tolist(),
            "group_id": None,
            "description": "",
            "shape_type": "polygon",
            "flags": {},
        }
        for place, region in enumerate(regions.listed)
        if region.enclosed or classes[region.index] not in BACKGROUND_NAMES
    ]
    height, width = mask.shape
    tree = {
        "version": _VERSION,
        "flags": {},
        "shapes": shapes,
        "imagePath": path_from(folder_of(target), image),
        "imageData": None,
        "imageHeight": height,
        "imageWidth": width,
    }
    put(target, json.dumps(tree).encode())
