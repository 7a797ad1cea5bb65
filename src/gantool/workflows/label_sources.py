"""Finds images with their labels in a folder, and tells how each label map is made."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gantool.annotations import AnnotatedImage, rasterize, read_coco, read_labelme
from gantool.annotations.coco import is_coco
from gantool.annotations.labelme import is_labelme, load_json
from gantool.data.images import find_images
from gantool.data.masks import IGNORE, read_index_mask, remap
from gantool.errors import DataError

__all__ = ["LabelledImage", "LabelledSet", "find_labelled"]

Mask = NDArray[np.uint8]
_BACKGROUND = "_background_"
_IGNORED = "__ignore__"
_CAMVID = (
    "sky", "building", "pole", "road", "pavement", "tree", "sign_symbol", "fence", "car", "pedestrian", "bicyclist"
)  # fmt: skip
_SPLIT_WORDS = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
}
_MASK_FOLDERS = ("masks", "labels", "annotations", "mask", "label", "annot", "SegmentationClass")
_IMAGE_FOLDERS = ("images", "image", "imgs", "JPEGImages")
_SUFFIXES = ("", "_mask", "_label", "_labels", "_seg", "_L", "_gt")


@dataclass(frozen=True)
class LabelledImage:
    """One image and the function that makes its ``(H, W)`` uint8 mask; raises `DataError` where that fails."""

    image: Path
    split: str
    mask: Callable[[], Mask]


@dataclass(frozen=True)
class LabelledSet:
    """What was found: ``classes`` by index, and in words how it was recognized."""

    about: str
    classes: tuple[str, ...]
    images: tuple[LabelledImage, ...]
    options: tuple[str, ...] = ()

    def takes(self, option: str) -> bool:
        """Whether ``classes`` or ``ignore`` means something for this kind of source."""
        return option in self.options


def find_labelled(
    root: Path, *, classes: Sequence[str] | None = None, ignore: Sequence[int] = ()
) -> LabelledSet | None:
    """Recognize COCO and labelme files, and folders of images with folders of index masks; None for anything else.

    Args:
        classes: names by index (masks), or the labels to use in this order (labelme).
        ignore: stored mask values that belong to no class.
    """
    for find in (_coco, _labelme, partial(_masks, ignore=ignore)):
        found = find(root, classes)
        if found is not None:
            return found
    return None


# -- annotation files --


def _json_files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*.json") if not path.name.startswith("."))


def _split_folders(root: Path) -> dict[str, Path]:
    """The folders of the splits by our names, or the root itself as training."""
    found = {}
    for entry in sorted(root.iterdir()) if root.is_dir() else []:
        split = _SPLIT_WORDS.get(entry.name.lower())
        if entry.is_dir() and split:
            found[split] = entry
    return found or {"train": root}


def _coco(root: Path, classes: Sequence[str] | None) -> LabelledSet | None:
    files = {}
    for split, folder in _split_folders(root).items():
        for path in _json_files(folder):
            if is_coco(load_json(path)):
                files[split] = path
    if not files:
        return None
    all_names: list[str] | None = None
    images: list[LabelledImage] = []
    for split, path in files.items():
        names, annotated = read_coco(path)
        if all_names is not None and names != all_names:
            raise DataError(f"{path}: has other categories than the other splits.")
        all_names = names
        indices = {name: index for index, name in enumerate(["background", *names])}
        for one in annotated:
            image = _beside(path, one.image)
            images.append(LabelledImage(image, split, partial(rasterize, one, indices, 0)))
    assert all_names is not None
    about = f"{root}: COCO annotations ({', '.join(path.name for path in files.values())})"
    return LabelledSet(about, ("background", *all_names), tuple(images))


def _labelme(root: Path, classes: Sequence[str] | None) -> LabelledSet | None:
    annotated: list[tuple[str, Path, AnnotatedImage]] = []
    for split, folder in _split_folders(root).items():
        for path in _json_files(folder):
            if is_labelme(load_json(path)):
                annotated.append((split, path, read_labelme(path)))
    if not annotated:
        return None
    labels = root / "labels.txt"
    if classes is None and labels.is_file():
        classes = [line.strip() for line in labels.read_text("utf-8").splitlines() if line.strip()]
    used = {shape.label for _, _, one in annotated for shape in one.shapes}
    listed = classes if classes is not None else sorted(used)
    names = [_BACKGROUND, *(name for name in listed if name not in (_BACKGROUND, _IGNORED))]
    unknown = used - set(names) - {_IGNORED}
    if unknown:
        raise DataError(f"{root}: the label {sorted(unknown)[0]!r} is not in the list of classes.")
    indices = {name: index for index, name in enumerate(names)} | {_IGNORED: IGNORE}
    images = [
        LabelledImage(_beside(path, one.image), split, partial(rasterize, one, indices, 0))
        for split, path, one in annotated
    ]
    return LabelledSet(f"{root}: {len(annotated)} labelme files", tuple(names), tuple(images), ("classes",))


def _beside(annotation: Path, name: str) -> Path:
    """An image named in an annotation file: relative to that file, whatever separators it was written with."""
    return annotation.parent / name.strip().replace("\\", "/")


# -- folders of masks --


def _masks(root: Path, classes: Sequence[str] | None, *, ignore: Sequence[int] = ()) -> LabelledSet | None:
    pairs = _mask_folders(root)
    if not pairs:
        return None
    matched: list[tuple[str, Path, Path]] = []
    for split, images, masks in pairs:
        matched += [(split, *pair) for pair in _match(images, masks)]
    values, names = _classes_of_masks(root, [mask for _, _, mask in matched], classes, ignore)
    table: Mapping[int, int] = values
    images_ = [LabelledImage(image, split, partial(_read, mask, table)) for split, image, mask in matched]
    folders = ", ".join(f"{images.name} with {masks.name}" for _, images, masks in pairs)
    return LabelledSet(
        f"{root}: images and index masks ({folders})", tuple(names), tuple(images_), ("classes", "ignore")
    )


def _read(mask: Path, table: Mapping[int, int]) -> Mask:
    return remap(read_index_mask(mask), table, mask)


def _mask_folders(root: Path) -> list[tuple[str, Path, Path]]:
    """Pairs of image and mask folder by split: ``train`` and ``trainannot``, ``train/images`` and ``train/masks``,
    ``images`` and ``masks``, and ``images/train`` with ``annotations/train``."""
    found = []
    for split in ("train", "val", "test"):
        if (root / split).is_dir() and (root / f"{split}annot").is_dir():
            found.append((split, root / split, root / f"{split}annot"))
    if found:
        return found
    for split, folder in _split_folders(root).items():
        pair = _images_and_masks(folder)
        if pair is not None and find_images(pair[0]):
            found.append((split, *pair))
    whole = _images_and_masks(root)
    if not found and whole is not None:
        for split, images in _split_folders(whole[0]).items():
            masks = whole[1] / images.name
            if masks.is_dir():
                found.append((split, images, masks))
    return found


def _images_and_masks(folder: Path) -> tuple[Path, Path] | None:
    images = next((folder / name for name in _IMAGE_FOLDERS if (folder / name).is_dir()), None)
    masks = next((folder / name for name in _MASK_FOLDERS if (folder / name).is_dir()), None)
    return (images, masks) if images is not None and masks is not None else None


def _match(images: Path, masks: Path) -> list[tuple[Path, Path]]:
    """Images with the masks of the same name, or of that name with a usual ending."""
    by_stem = {mask.stem: mask for mask in find_images(masks)}
    pairs, alone = [], []
    for image in find_images(images):
        mask = next((by_stem[image.stem + end] for end in _SUFFIXES if image.stem + end in by_stem), None)
        if mask is None:
            alone.append(image)
        else:
            pairs.append((image, mask))
    if alone:
        more = f" and {len(alone) - 1} more images" if len(alone) > 1 else ""
        raise DataError(f"{alone[0]}{more}: no mask of that name in {masks}.")
    return pairs


def _classes_of_masks(
    root: Path, masks: Sequence[Path], classes: Sequence[str] | None, ignore: Sequence[int]
) -> tuple[dict[int, int], list[str]]:
    """Return class index by stored value, and class names; sparse values become dense ones."""
    listed = _labels_csv(root)
    if classes is None and (root / "trainannot").is_dir():
        return {**{n: n for n in range(11)}, 11: IGNORE, IGNORE: IGNORE}, list(_CAMVID)
    if classes is None and listed:
        stored = sorted(listed)
        present = _present(masks)
        kept = [value for value in stored if value in present]
        table = {value: index for index, value in enumerate(kept)}
        return {**table, IGNORE: IGNORE, **dict.fromkeys(ignore, IGNORE)}, [listed[value] for value in kept]
    present = _present(masks) - {IGNORE, *ignore}
    if classes is not None:
        table = {index: index for index in range(len(classes))}
        return {**table, IGNORE: IGNORE, **dict.fromkeys(ignore, IGNORE)}, list(classes)
    stored = sorted(present)
    if len(stored) > 254:
        raise DataError(
            f"{root}: the masks have {len(stored)} different values, which is no label map.",
            "Name the classes: --classes FILE.",
        )
    table = {value: index for index, value in enumerate(stored)}
    return {**table, IGNORE: IGNORE, **dict.fromkeys(ignore, IGNORE)}, [f"class_{value}" for value in stored]


def _present(masks: Sequence[Path]) -> set[int]:
    present: set[int] = set()
    for mask in masks:
        present |= {int(value) for value in np.unique(read_index_mask(mask))}
    return present


def _labels_csv(root: Path) -> dict[int, str]:
    """Class names by stored value from ``labels.csv`` without a header, ``value,name`` or ``name,value``."""
    path = next(
        (folder / "labels.csv" for folder in (root, root / "train") if (folder / "labels.csv").is_file()), None
    )
    if path is None:
        return {}
    names = {}
    with path.open(encoding="utf-8-sig", newline="") as file:
        for row in csv.reader(file):
            cells = [cell.strip() for cell in row if cell.strip()]
            numbers = [cell for cell in cells if cell.isdigit()]
            words = [cell for cell in cells if not cell.isdigit()]
            if len(numbers) == 1 and words:
                names[int(numbers[0])] = words[0]
    return names
