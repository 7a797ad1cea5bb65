"""Which image belongs to which mask: files matched by their names."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from gantool.data.images import find_images
from gantool.data.splits import split_folders
from gantool.errors import DataError

__all__ = [
    "SUFFIXES",
    "bare_stem",
    "find_arrays",
    "mask_folders",
    "match_files",
    "mixed_folder",
    "one_spelling",
    "stem_of",
]

SUFFIXES = (
    "_mask", "_masks", "_label", "_labels", "_labelIds", "_seg", "_segmentation", "_gt", "_L", "_annotation",
    "_annot", "_color", "-mask", "-label", "-seg", ".mask", ".label",
)  # fmt: skip
"""What the name of a mask has more than that of its image."""

_IMAGE_FOLDERS = ("images", "image", "imgs", "img", "JPEGImages", "photos", "pictures")
_MASK_FOLDERS = (
    "masks", "mask", "labels", "label", "annotations", "annotation", "annot", "SegmentationClass", "gt",
    "segmentations", "segmentation", "ground_truth",
)  # fmt: skip

Pair = tuple[str, Path, Path]  # split, image or folder of images, mask or folder of masks


def bare_stem(stem: str, suffixes: Sequence[str] = SUFFIXES) -> str:
    """A stem without the ending that marks it as a mask."""
    for suffix in sorted(suffixes, key=len, reverse=True):
        if stem.lower().endswith(suffix.lower()) and len(stem) > len(suffix):
            return stem[: -len(suffix)]
    return stem


def one_spelling(name: str) -> str:
    """A name in composed characters (NFC): systems differ in how they store an accent."""
    return unicodedata.normalize("NFC", name)


def stem_of(path: Path) -> str:
    """The stem in that spelling."""
    return one_spelling(path.stem)


def find_arrays(folder: Path) -> list[Path]:
    """Masks in a folder: images and ``.npy`` arrays."""
    arrays = [path for path in folder.iterdir() if path.suffix == ".npy" and not path.name.startswith(".")]
    return sorted([*find_images(folder), *arrays])


def match_files(
    images: Iterable[Path], masks: Iterable[Path], key: Callable[[Path], str] = lambda mask: bare_stem(stem_of(mask))
) -> tuple[list[tuple[Path, Path]], list[str]]:
    """Pair images with masks of the same stem, or of that stem with a usual ending.

    Returns:
        The pairs, and a sentence for every file that has no partner.

    Raises:
        DataError: an image has two masks.
    """
    by_stem: dict[str, list[Path]] = {}
    masks = list(masks)
    for mask in masks:
        for stem in dict.fromkeys((stem_of(mask), one_spelling(key(mask)))):
            by_stem.setdefault(stem, []).append(mask)
    pairs, alone = [], []
    used: set[Path] = set()
    for image in images:
        stem = stem_of(image)
        several = by_stem.get(stem) or by_stem.get(one_spelling(key(image))) or []
        exact = [mask for mask in several if stem_of(mask) == stem]
        if len(exact or several) > 1:
            first, second = (exact or several)[:2]
            raise DataError(f"{image}: has two masks, {first} and {second}.", "Remove one of them.")
        if several:
            mask = (exact or several)[0]
            pairs.append((image, mask))
            used.add(mask)
        else:
            alone.append(f"{image}: has no mask of that name.")
    alone += [f"{mask}: has no image of that name." for mask in masks if mask not in used]
    return pairs, alone


def mask_folders(root: Path) -> list[Pair]:
    """Pairs of image and mask folder by split.

    ``train`` and ``trainannot`` (or ``train_labels``, ``train_masks``), ``train/images`` and ``train/masks``,
    ``images`` and ``masks``, and ``images/train`` with ``annotations/train``.
    """
    found: list[Pair] = []
    for split in ("train", "val", "test"):
        for ending in ("annot", "_labels", "_masks", "_mask", "_label"):
            if (root / split).is_dir() and (root / f"{split}{ending}").is_dir() and find_images(root / split):
                found.append((split, root / split, root / f"{split}{ending}"))
    if found:
        return found
    for split, folder in split_folders(root).items():
        pair = _images_and_masks(folder)
        if pair is not None and find_images(pair[0]):
            found.append((split, *pair))
    whole = _images_and_masks(root)
    if not found and whole is not None:
        for split, images in split_folders(whole[0]).items():
            masks = whole[1] / images.name
            if masks.is_dir() and find_images(images):
                found.append((split, images, masks))
    return found


def mixed_folder(folder: Path) -> tuple[list[tuple[Path, Path]], list[str]] | None:
    """Images and masks in one folder, told apart by the ending of the masks; None if there are no such pairs."""
    files = find_arrays(folder) if folder.is_dir() else []
    masks = [path for path in files if bare_stem(path.stem) != path.stem]
    images = [path for path in files if bare_stem(path.stem) == path.stem and path.suffix != ".npy"]
    stems = {stem_of(path) for path in images}
    if not masks or not images or not any(bare_stem(stem_of(mask)) in stems for mask in masks):
        return None
    return match_files(images, masks)


def _images_and_masks(folder: Path) -> tuple[Path, Path] | None:
    images = next((folder / name for name in _IMAGE_FOLDERS if (folder / name).is_dir()), None)
    masks = next((folder / name for name in _MASK_FOLDERS if (folder / name).is_dir()), None)
    return (images, masks) if images is not None and masks is not None else None
