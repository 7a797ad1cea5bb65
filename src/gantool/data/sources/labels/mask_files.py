"""Folders of images with folders of masks: index, palette, color, binary per class, or one-hot arrays."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gantool.arrays import IGNORE, Color, Mask
from gantool.data.images import find_folders, find_images
from gantool.data.masks import from_one_hot, read_index_mask, remap
from gantool.data.sources.labels.color_masks import (
    ColorReader,
    are_blurred,
    color_name,
    discover_colors,
    is_color_mask,
)
from gantool.data.sources.labels.index_masks import palette_of, palettes_differ, values_set
from gantool.data.sources.labels.pairing import Pair, bare_stem, find_arrays, mask_folders, match_files, mixed_folder
from gantool.data.sources.labels.sets import LabelledImage, LabelledSet, LabelOptions, require_few_classes
from gantool.data.sources.labels.tables import VOID_NAMES, ClassTable, read_class_table
from gantool.data.splits import split_folders
from gantool.errors import DataError, UsageError

__all__ = ["find_masks", "masks_set"]

_TABLES = (
    "labels.csv", "labelmap.txt", "class_dict.csv", "classes.csv", "colormap.csv", "color_map.csv",
    "label_colors.txt", "label_colors.csv", "_classes.csv", "classes.txt", "labels.txt",
)  # fmt: skip
_SNIFFED = 12


def find_masks(root: Path, options: LabelOptions) -> LabelledSet | None:
    """Recognize folders of images with folders of masks, and masks beside their images; None for anything else.

    Raises:
        DataError: names the file that cannot be used.
    """
    folders = mask_folders(root)
    pairs: list[Pair] = []
    unpaired: list[str] = []
    if folders and _class_folders(folders[0][2]):
        return _binary_per_class(root, folders, options)
    for split, images, masks in folders:
        matched, alone = match_files(find_images(images), find_arrays(masks))
        pairs += [(split, *pair) for pair in matched]
        unpaired += alone
    named = ", ".join(f"{images.name} with {masks.name}" for _, images, masks in folders)
    if not folders:
        for split, folder in split_folders(root).items():
            mixed = mixed_folder(folder)
            if mixed is not None:
                pairs += [(split, *pair) for pair in mixed[0]]
                unpaired += mixed[1]
        ending = pairs[0][2].stem.removeprefix(pairs[0][1].stem) if pairs else ""
        named = f"masks beside their images, named with {ending}"
    if not pairs:
        if unpaired:
            raise DataError(f"{root}: no image has a mask ({named}).", unpaired[0])
        return None
    return masks_set(root, pairs, options, named, unpaired)


def masks_set(
    root: Path, pairs: Sequence[Pair], options: LabelOptions, named: str, unpaired: Sequence[str] = ()
) -> LabelledSet:
    """Images and masks that are matched already: arrays, colors or indices, whatever the masks hold.

    Args:
        named: how they were found, in words.

    Raises:
        DataError: names the file that cannot be used.
    """
    masks = [mask for _, _, mask in pairs]
    table = options.classes or _own_table(root)
    if masks[0].suffix == ".npy":
        return _arrays(root, pairs, table, options, named, unpaired)
    if _are_color_coded(masks, options):
        return _colors(root, pairs, table, options, named, unpaired)
    return values_set(root, pairs, table, options, f"images and index masks ({named})", unpaired)


def _are_color_coded(masks: Sequence[Path], options: LabelOptions) -> bool:
    """Whether colors tell the classes: of pictures, or of palettes that differ or are what the user's colors name.

    Raises:
        DataError: some masks are coded by color and others are not, or none can be read.
    """
    palettes = {mask: palette for mask in masks if (palette := palette_of(mask))}
    plain = _some([mask for mask in masks if mask not in palettes])
    colored = {mask: one for mask in plain if (one := _is_colored(mask)) is not None}
    if not colored and not palettes:
        raise DataError(f"{masks[0]}: cannot be read, nor can any other mask that was looked at.")
    given = options.classes is not None and options.classes.colors is not None and options.classes.values is None
    by_color = any(colored.values()) or (bool(palettes) and (given or palettes_differ(palettes)))
    if by_color and not all(colored.values()):
        odd = next((mask for mask, one in colored.items() if one), None)
        if odd is not None:
            raise DataError(f"{odd}: is a picture in color, other masks are class indices.")
        raise DataError(f"{next(iter(palettes))}: has a palette of its own, other masks are class indices.")
    return by_color


def _some(masks: Sequence[Path]) -> list[Path]:
    """A few masks from all over the set."""
    count = min(_SNIFFED, len(masks))
    return [masks[n * len(masks) // count] for n in range(count)]


def _is_colored(mask: Path) -> bool | None:
    try:
        return is_color_mask(mask)
    except DataError:
        return None  # named when all masks are read


def _own_table(root: Path) -> ClassTable | None:
    """The table that lies with the data; a list of names alone says nothing about values and is left out."""
    for folder in (root, root / "train"):
        for name in _TABLES:
            if (folder / name).is_file():
                table = read_class_table(folder / name)
                return table if table.values or table.colors else None
    return None


# -- masks in color --


def _colors(
    root: Path,
    pairs: Sequence[Pair],
    table: ClassTable | None,
    options: LabelOptions,
    named: str,
    unpaired: Sequence[str],
) -> LabelledSet:
    masks = [mask for _, _, mask in pairs]
    if table is not None and table.colors is not None:
        colors, names = list(table.colors), list(table.names)
        origin = f"{len(colors)} colors from a table"
    else:
        colors = discover_colors(root, masks)
        names = [color_name(color) for color in colors]
        if table is not None and len(table.names) == len(names):
            raise UsageError(
                "--classes: names alone do not say which color is which.",
                "Give them as name,R,G,B; the colors found are " + ", ".join(name[6:] for name in names[:20]) + ".",
            )
        origin = f"{len(colors)} colors found"
    codes = [color_name(color).removeprefix("color_") for color in colors]
    unwanted = options.ignored_names([*names, *codes], values=False) | VOID_NAMES
    indices: list[int] = []
    kept: list[tuple[str, Color]] = []
    for color, name, code in zip(colors, names, codes, strict=True):
        void = name.lower() in unwanted or code in unwanted
        indices.append(IGNORE if void else len(kept))
        kept += [] if void else [(name, color)]
    require_few_classes(root, len(kept))
    blurred = are_blurred([mask for mask in _some(masks) if _is_colored(mask) is not None], len(colors))
    reader = ColorReader(colors, indices, blurred=blurred, snap=options.snap)
    images = [LabelledImage(image, split, partial(reader.read, mask)) for split, image, mask in pairs]
    return LabelledSet(
        f"{root}: images and masks in color ({named}; {origin})",
        tuple(name for name, _ in kept), tuple(images), ("classes", "ignore", "snap"),
        tuple(color for _, color in kept), tuple(unpaired), reader.remarks,
    )  # fmt: skip


# -- one mask per class --


def _class_folders(masks: Path) -> list[Path]:
    """Folders of masks within a folder of masks, one per class."""
    return [entry for entry in find_folders(masks) if find_images(entry)]


def _binary_per_class(root: Path, folders: Sequence[Pair], options: LabelOptions) -> LabelledSet:
    found = sorted({entry.name for _, _, masks in folders for entry in _class_folders(masks)})
    names = list(options.classes.names) if options.classes is not None else found
    missing = next((name for name in found if name not in names), None)
    if missing is not None:
        raise DataError(f"{root}: the folder {missing} is not in the list of classes.")
    rows: list[tuple[str, Path, list[Path | None]]] = []
    unpaired: list[str] = []
    for split, images, masks in folders:
        stems: dict[str, dict[str, Path]] = {
            name: {bare_stem(path.stem): path for path in find_images(masks / name)}
            if (masks / name).is_dir()
            else {}
            for name in names
        }
        for image in find_images(images):
            layers = [stems[name].get(image.stem, stems[name].get(bare_stem(image.stem))) for name in names]
            if any(layer is not None for layer in layers):
                rows.append((split, image, layers))
            else:
                unpaired.append(f"{image}: has no mask in any of {', '.join(names[:6])}.")
    if not rows:
        raise DataError(f"{root}: no image has a mask in the folders {', '.join(names[:6])}.")
    classes = [name for name in names if name != "background"]
    whole = ["background", *classes]
    require_few_classes(root, len(whole))
    painted = []
    for split, image, layers in rows:
        known = [(whole.index(name), layer) for name, layer in zip(names, layers, strict=True) if layer is not None]
        painted.append(LabelledImage(image, split, partial(_layered, known)))
    shown = ", ".join(names[:6]) + (", ..." if len(names) > 6 else "")
    about = f"{root}: images and one black and white mask per class ({shown}; later ones on top)"
    return LabelledSet(about, tuple(whole), tuple(painted), ("classes",), unpaired=tuple(unpaired))


def _layered(layers: Sequence[tuple[int, Path]]) -> Mask:
    mask: Mask | None = None
    for index, path in layers:
        values = read_index_mask(path)
        if mask is None:
            mask = np.zeros(values.shape, dtype=np.uint8)
        if values.shape != mask.shape:
            raise DataError(f"{path}: has another size than the masks of the other classes.")
        # JPEG and scaling leave values between the two, so the middle decides.
        highest = int(values.max(initial=0))
        mask[values * 2 > highest] = index
    assert mask is not None
    return mask


# -- arrays --


def _arrays(
    root: Path,
    pairs: Sequence[Pair],
    table: ClassTable | None,
    options: LabelOptions,
    named: str,
    unpaired: Sequence[str],
) -> LabelledSet:
    first = next((array for _, _, mask in pairs if (array := _loaded(mask)) is not None), None)
    if first is None:
        first = _load(pairs[0][2])  # says why
    if first.ndim == 2:
        count = 1 + max((_highest(mask) for _, _, mask in pairs), default=0)
        about = "index arrays"
    else:
        count, about = first.shape[2], "one-hot arrays"
    require_few_classes(root, count)
    names = table.names if table is not None else tuple(f"class_{n}" for n in range(count))
    if len(names) != count:
        raise UsageError(f"--classes: names {len(names)} classes, the arrays have {count}.")
    images = [LabelledImage(image, split, partial(_read_array, mask, count)) for split, image, mask in pairs]
    return LabelledSet(
        f"{root}: images and {about} ({named})", names, tuple(images), ("classes",), unpaired=tuple(unpaired)
    )


def _loaded(path: Path) -> NDArray[np.generic] | None:
    try:
        return _load(path)
    except DataError:
        return None  # named when the mask itself is read


def _highest(path: Path) -> int:
    """The highest class of an index array."""
    array = _loaded(path)
    if array is None or array.ndim != 2:
        return 0
    return int(np.where(array == IGNORE, 0, array).max(initial=0))


def _load(path: Path) -> NDArray[np.generic]:
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # a header is parsed as Python and may raise anything
        raise DataError(f"{path}: is no array that can be read ({error}).") from None
    if array.dtype.kind not in "biuf":
        raise DataError(f"{path}: holds {array.dtype}, expected whole numbers.")
    if array.ndim not in (2, 3) or 0 in array.shape:
        raise DataError(f"{path}: has the shape {array.shape}, expected (H, W) or (H, W, classes).")
    if array.ndim == 2 and array.dtype.kind == "f" and not (np.isfinite(array) & (array == np.floor(array))).all():
        raise DataError(f"{path}: has values that are no whole numbers, expected class indices.")
    return np.asarray(array)


def _read_array(path: Path, count: int) -> Mask:
    array = _load(path)
    if array.ndim == 2:
        return remap(array.astype(np.int32), {n: n for n in range(count)} | {IGNORE: IGNORE}, path)
    if array.shape[2] != count:
        raise DataError(f"{path}: has {array.shape[2]} planes, other arrays have {count}.")
    planes = np.ascontiguousarray(array)
    if not np.isin(planes, (0, 1)).all():
        raise DataError(f"{path}: has values other than 0 and 1, which is not one-hot.")
    if (planes.astype(np.int32).sum(axis=2) > 1).any():
        raise DataError(f"{path}: has a pixel that belongs to two classes, which is not one-hot.")
    return from_one_hot(planes.astype(np.uint8))
