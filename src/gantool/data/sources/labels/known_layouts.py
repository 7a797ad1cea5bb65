"""Data sets that many people have, recognized by the folders and names that only they use."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from gantool.arrays import IGNORE, Mask
from gantool.data.images import as_rgb, find_images, open_image
from gantool.data.masks import read_index_mask, remap
from gantool.data.sources.formats.json_files import load_json
from gantool.data.sources.labels.class_names import ADE20K, CAMVID, CITYSCAPES, CITYSCAPES_TRAIN_IDS, PASCAL_VOC
from gantool.data.sources.labels.color_masks import ColorReader, color_name, is_color_mask
from gantool.data.sources.labels.index_masks import values_set
from gantool.data.sources.labels.mask_files import masks_set
from gantool.data.sources.labels.pairing import Pair, mask_folders, match_files, one_spelling, stem_of
from gantool.data.sources.labels.sets import LabelledImage, LabelledSet, LabelOptions, require_few_classes
from gantool.data.sources.labels.tables import VOID_NAMES, read_class_table
from gantool.data.sources.text_files import read_lines
from gantool.data.splits import SPLIT_WORDS
from gantool.errors import DataError

__all__ = ["find_known"]

_VOC_MASKS = ("SegmentationClass", "SegmentationClassPNG")


def find_known(root: Path, options: LabelOptions) -> LabelledSet | None:
    """Recognize CamVid, Cityscapes, ADE20K (2016 and 2021), Pascal VOC, CVAT's masks and Oxford's pets."""
    for find in (_cityscapes, _voc, _pets, _ade20k_full, _ade20k, _camvid):
        found = find(root, options)
        if found is not None:
            return found
    return None


def _camvid(root: Path, options: LabelOptions) -> LabelledSet | None:
    """``train`` with ``trainannot``, 11 classes, 11 is unlabelled."""
    if options.classes is not None or not (root / "trainannot").is_dir():
        return None
    pairs, alone = _matched(mask_folders(root))
    if not _all_values(pairs) <= {*range(12), IGNORE}:
        return None  # folders named like CamVid's with classes of their own
    values: dict[int, int] = {n: n for n in range(11)} | {11: IGNORE, IGNORE: IGNORE}
    values |= _ignored(options, values, CAMVID)
    images = [LabelledImage(image, split, partial(_read, mask, values), (mask,)) for split, image, mask in pairs]
    return LabelledSet(
        f"{root}: CamVid (train with trainannot, 11 is unlabelled)", CAMVID, tuple(images), ("classes", "ignore"),
        unpaired=tuple(alone),
    )  # fmt: skip


def _cityscapes(root: Path, options: LabelOptions) -> LabelledSet | None:
    """``leftImg8bit/SPLIT/CITY/X_leftImg8bit.png`` with ``gtFine/SPLIT/CITY/X_gtFine_labelIds.png``."""
    images, labels = root / "leftImg8bit", root / "gtFine"
    if not (images.is_dir() and labels.is_dir()):
        return None
    pairs: list[Pair] = []
    alone: list[str] = []
    for split in ("train", "val"):
        several = find_images(labels / split, recursive=True) if (labels / split).is_dir() else []
        ids = [path for path in several if path.stem.endswith(("_labelIds", "_labelTrainIds"))]
        matched, lonely = match_files(
            find_images(images / split, recursive=True) if (images / split).is_dir() else [],
            [path for path in ids if path.stem.endswith("_labelIds")] or ids,
            key=lambda path: re.sub(r"_(leftImg8bit|gtFine_label(Train)?Ids)$", "", path.stem),
        )
        pairs += [(split, *pair) for pair in matched]
        alone += lonely
    if not pairs:
        raise DataError(
            f"{root}: Cityscapes without *_gtFine_labelIds.png in gtFine.", "Unpack gtFine_trainvaltest.zip too."
        )
    if pairs[0][2].stem.endswith("_labelTrainIds"):
        values = {n: n for n in range(19)} | {IGNORE: IGNORE}
    else:
        values = {n: CITYSCAPES_TRAIN_IDS.get(n, IGNORE) for n in range(35)} | {IGNORE: IGNORE}
    found = [LabelledImage(image, split, partial(_read, mask, values), (mask,)) for split, image, mask in pairs]
    return LabelledSet(
        f"{root}: Cityscapes, label ids as the 19 train ids (the labels of its test split are not public)",
        CITYSCAPES, tuple(found), unpaired=tuple(alone),
    )  # fmt: skip


def _voc(root: Path, options: LabelOptions) -> LabelledSet | None:
    """``JPEGImages``, ``SegmentationClass`` (or labelme's ``SegmentationClassPNG``), ``ImageSets/Segmentation``.

    With ``labelmap.txt`` it is CVAT's, with ``class_names.txt`` labelme's; the names of Pascal's classes are for
    masks that hold nothing but Pascal's values.
    """
    masks = next((root / name for name in _VOC_MASKS if (root / name).is_dir() and find_images(root / name)), None)
    if masks is None:
        return None
    images = root / "JPEGImages"
    if not images.is_dir():
        raise DataError(
            f"{root}: has {masks.name} but no JPEGImages.", "Export with images, or copy them to JPEGImages."
        )
    splits = _voc_splits(root)
    wanted = {stem_of(mask) for mask in find_images(masks)}
    listed = [image for image in find_images(images, recursive=True) if stem_of(image) in wanted]
    matched, alone = match_files(listed, find_images(masks))
    pairs = [(splits.get(stem_of(image), "train"), image, mask) for image, mask in matched]
    if splits:
        pairs = [pair for pair in pairs if stem_of(pair[1]) in splits]
    if not pairs:
        raise DataError(f"{root}: no image of JPEGImages has a mask in {masks.name}.")
    if (root / "labelmap.txt").is_file():
        return _cvat_masks(root, pairs, alone, options)
    names = root / "class_names.txt"
    table = options.classes or (read_class_table(names) if names.is_file() else None)
    if table is not None and table.colors is None:
        return values_set(root, pairs, table, options, "Pascal VOC folders", alone)
    if table is not None or not _all_values(pairs) <= {*range(21), IGNORE}:
        return masks_set(root, pairs, options, "Pascal VOC folders", alone)
    values = {n: n for n in range(21)} | {IGNORE: IGNORE}
    values |= _ignored(options, values, PASCAL_VOC)
    found = [LabelledImage(image, split, partial(_read, mask, values), (mask,)) for split, image, mask in pairs]
    return LabelledSet(
        f"{root}: Pascal VOC, 21 classes", PASCAL_VOC, tuple(found), ("classes", "ignore"), unpaired=tuple(alone)
    )


def _cvat_masks(root: Path, pairs: Sequence[Pair], alone: list[str], options: LabelOptions) -> LabelledSet:
    """CVAT's "Segmentation mask 1.1": the classes' colors stand in ``labelmap.txt`` as ``name:R,G,B::``."""
    table = read_class_table(root / "labelmap.txt")
    if table.colors is None:
        raise DataError(f"{root / 'labelmap.txt'}: has no colors, expected lines such as sky:135,206,235::.")
    codes = [color_name(color).removeprefix("color_") for color in table.colors]
    unwanted = options.ignored_names([*table.names, *codes], values=False) | VOID_NAMES
    kept = [
        (name, color)
        for name, color, code in zip(table.names, table.colors, codes, strict=True)
        if name.lower() not in unwanted and code not in unwanted
    ]
    indices = [
        next((n for n, (kept_name, _) in enumerate(kept) if kept_name == name), IGNORE) for name in table.names
    ]
    reader = ColorReader(table.colors, indices, blurred=False, snap=options.snap)
    found = [LabelledImage(image, split, partial(reader.read, mask), (mask,)) for split, image, mask in pairs]
    return LabelledSet(
        f"{root}: segmentation masks of CVAT, colors from labelmap.txt",
        tuple(name for name, _ in kept), tuple(found), ("ignore", "snap"), tuple(color for _, color in kept),
        tuple(alone), reader.remarks, tally=reader,
    )  # fmt: skip


def _voc_splits(root: Path) -> dict[str, str]:
    """Split by stem, from ``ImageSets/Segmentation/{train,val,test}.txt``."""
    splits: dict[str, str] = {}
    for path in sorted((root / "ImageSets/Segmentation").glob("*.txt")):
        split = SPLIT_WORDS.get(path.stem.lower())
        if split is not None:
            splits |= {one_spelling(Path(line.split()[0]).name): split for line in read_lines(path) if line}
    return splits


def _pets(root: Path, options: LabelOptions) -> LabelledSet | None:
    """``images`` and ``annotations/trimaps``: 1 is the pet, 2 the background, 3 the uncertain border."""
    if options.classes is not None or not (root / "images").is_dir() or not (root / "annotations/trimaps").is_dir():
        return None
    pairs, alone = match_files(find_images(root / "images"), find_images(root / "annotations/trimaps"))
    listed = root / "annotations/test.txt"
    test = {line.split()[0] for line in read_lines(listed) if line} if listed.is_file() else set()
    values = {1: 1, 2: 0, 3: IGNORE}
    found = [
        LabelledImage(image, "test" if image.stem in test else "train", partial(_read, mask, values), (mask,))
        for image, mask in pairs
    ]
    return LabelledSet(
        f"{root}: Oxford-IIIT Pet (trimaps, the border counts for no class)", ("background", "pet"), tuple(found),
        unpaired=tuple(alone),
    )  # fmt: skip


def _ade20k(root: Path, options: LabelOptions) -> LabelledSet | None:
    """Scene parsing 2016 and the Outdoors selection: ``images/training`` with ``annotations/training``, 1 to 150."""
    if options.classes is not None:
        return None
    pairs, alone = _matched(mask_folders(root))
    named = (root / "objectInfo150.txt").is_file() or (root / "sceneCategories.txt").is_file()
    if not pairs or not (named or re.fullmatch(r"ADE_(train|val|frame)_\d+", pairs[0][1].stem)):
        return None
    if is_color_mask(pairs[0][2]):
        return None
    values = {0: IGNORE, IGNORE: IGNORE} | {n: n - 1 for n in range(1, 151)}
    values |= _ignored(options, values, ADE20K)
    found = [LabelledImage(image, split, partial(_read, mask, values), (mask,)) for split, image, mask in pairs]
    return LabelledSet(
        f"{root}: ADE20K scene parsing, 150 classes (0 counts for none)", ADE20K, tuple(found), ("classes", "ignore"),
        unpaired=tuple(alone),
    )  # fmt: skip


def _ade20k_full(root: Path, options: LabelOptions) -> LabelledSet | None:
    """The full ADE20K of 2021: ``X.jpg`` with ``X_seg.png``, class = (R // 10) * 256 + G."""
    segments = [path for path in find_images(root, recursive=True) if re.fullmatch(r"ADE_.*_seg", path.stem)]
    if not segments:
        return None
    pairs: list[Pair] = []
    alone: list[str] = []
    for mask in segments:
        image = mask.with_name(mask.stem.removesuffix("_seg") + ".jpg")
        split = "val" if image.stem.startswith("ADE_val") else "train"
        if image.is_file():
            pairs.append((split, image, mask))
        else:
            alone.append(f"{mask}: has no image of that name.")
    names = _full_names(pairs)
    present: set[int] = set()
    for _, _, mask in pairs:
        present |= {int(value) for value in np.unique(_full_values(mask))}
    present.discard(0)
    if options.classes is not None:
        indices = {name: n for n, name in enumerate(options.classes.names)}
        values = {value: indices.get(names.get(value, ""), IGNORE) for value in present}
        classes = options.classes.names
    else:
        kept = sorted(present)
        require_few_classes(root, len(kept), "Name those to keep as its JSON files do, one per line: --classes FILE.")
        values = {value: n for n, value in enumerate(kept)}
        classes = tuple(names.get(value, f"class_{value}") for value in kept)
        if len(set(classes)) != len(classes):
            classes = tuple(
                f"{name} ({value})" if classes.count(name) > 1 else name
                for name, value in zip(classes, kept, strict=True)
            )
    values[0] = IGNORE
    found = [LabelledImage(image, split, partial(_read_full, mask, values), (mask,)) for split, image, mask in pairs]
    return LabelledSet(f"{root}: ADE20K 2021", classes, tuple(found), ("classes",), unpaired=tuple(alone))


def _full_values(mask: Path) -> np.ndarray[tuple[int, ...], np.dtype[np.int32]]:
    pixels = np.asarray(as_rgb(open_image(mask))).astype(np.int32)
    return np.asarray(pixels[..., 0] // 10 * 256 + pixels[..., 1])


def _read_full(mask: Path, table: dict[int, int]) -> Mask:
    return remap(_full_values(mask), table, mask)


def _full_names(pairs: Sequence[Pair]) -> dict[int, str]:
    """Class names by number, from the JSON files beside the images."""
    names: dict[int, str] = {}
    for _, image, _ in pairs:
        path = image.with_suffix(".json")
        if not path.is_file():
            continue
        tree = load_json(path)
        for entry in tree.get("annotation", {}).get("object", []) if isinstance(tree, dict) else []:
            if isinstance(entry, dict) and str(entry.get("name_ndx", "")).isdigit():
                names.setdefault(int(entry["name_ndx"]), str(entry.get("raw_name") or entry.get("name")).strip())
    return names


def _ignored(options: LabelOptions, values: Mapping[int, int], classes: Sequence[str]) -> dict[int, int]:
    """What the user wants to count for no class; the others keep the numbers that the data set is known by."""
    names = options.ignored_names(classes, values=True)
    void = {n for n, name in enumerate(classes) if name.lower() in names}
    return dict.fromkeys([*options.ignored_values(), *(v for v, index in values.items() if index in void)], IGNORE)


def _matched(folders: Sequence[Pair]) -> tuple[list[Pair], list[str]]:
    pairs: list[Pair] = []
    alone: list[str] = []
    for split, images, masks in folders:
        if not find_images(masks):
            return [], []
        matched, lonely = match_files(find_images(images), find_images(masks))
        pairs += [(split, *pair) for pair in matched]
        alone += lonely
    return pairs, alone


def _all_values(pairs: Sequence[Pair]) -> set[int]:
    """The values in some of the masks, from all over the set; -1 for a mask that is no index mask."""
    present: set[int] = set()
    for _, _, mask in pairs[:: max(len(pairs) // 24, 1)]:
        try:
            present |= {int(value) for value in np.unique(read_index_mask(mask))}
        except DataError:
            present.add(-1)
    return present


def _read(mask: Path, table: dict[int, int]) -> Mask:
    return remap(read_index_mask(mask), table, mask)
