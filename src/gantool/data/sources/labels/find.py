"""What kind of labels does this folder have?"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from gantool.data.images import find_images
from gantool.data.sources.description import read_description
from gantool.data.sources.labels.annotated import find_annotated
from gantool.data.sources.labels.index_masks import values_set
from gantool.data.sources.labels.known_layouts import find_known
from gantool.data.sources.labels.mask_files import find_masks
from gantool.data.sources.labels.pairing import Pair, mask_folders, match_files
from gantool.data.sources.labels.sets import LabelledSet, LabelOptions
from gantool.data.sources.labels.tables import ClassTable
from gantool.errors import DataError

__all__ = ["find_labelled"]


def find_labelled(root: Path, options: LabelOptions | None = None, only: Path | None = None) -> LabelledSet | None:
    """Recognize images with labels; None for anything else.

    Prepared sets, well-known data sets, annotation files, folders of masks, and annotation files in folders of any
    name are tried in this order.

    Args:
        only: the one annotation file of the folder to read.

    Raises:
        DataError, UsageError: names the file that cannot be used, or the option that settles a doubt.
    """
    options = options or LabelOptions()
    if only is not None:
        return find_annotated(root, options, only)
    prepared = _prepared(root)
    if prepared is not None:
        return prepared
    for find in (find_known, find_annotated, find_masks, partial(find_annotated, deeper=True)):
        found = find(root, options)
        if found is not None:
            return found
    return None


def _prepared(root: Path) -> LabelledSet | None:
    """A set that ``gantool prepare`` wrote: names and colors stand in ``dataset.yaml``."""
    tree = read_description(root)
    if tree.get("kind") != "segmentation":
        return None
    try:
        names = tuple(str(entry["name"]) for entry in tree["classes"])
        colors = tuple((int(r), int(g), int(b)) for r, g, b in (entry["color"] for entry in tree["classes"]))
        if not all(0 <= value <= 255 for color in colors for value in color):
            raise ValueError
    except (KeyError, TypeError, ValueError, OverflowError):
        raise DataError(f"{root / 'dataset.yaml'}: expected kind, classes with names and colors.") from None
    pairs: list[Pair] = []
    alone: list[str] = []
    for split, images, masks in mask_folders(root):
        matched, lonely = match_files(find_images(images), find_images(masks), key=lambda mask: mask.stem)
        pairs += [(split, *pair) for pair in matched]
        alone += lonely
    if not pairs:
        raise DataError(f"{root}: has a dataset.yaml but no images with masks.")
    found = values_set(root, pairs, ClassTable(names), LabelOptions(), "a prepared set", alone, trusted=True)
    tiled = tree.get("tile") is not None
    return LabelledSet(found.about, found.classes, found.images, (), colors, found.unpaired, tiled=tiled)
