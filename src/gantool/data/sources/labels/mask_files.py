"""Folders of images with folders of masks: index, palette, color, binary per class, or one-hot arrays."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from gantool.arrays import IGNORE, Color, Mask
from gantool.data.images import find_folders, find_images
from gantool.data.masks import read_index_mask
from gantool.data.sources.labels.array_masks import arrays_set
from gantool.data.sources.labels.color_masks import (
    ColorReader,
    are_blurred,
    color_name,
    discover_colors,
    is_color_mask,
)
from gantool.data.sources.labels.index_masks import palette_of, palettes_differ, values_set
from gantool.data.sources.labels.pairing import (
    Pair,
    bare_stem,
    find_arrays,
    mask_folders,
    match_files,
    mixed_folder,
    stem_of,
)
from gantool.data.sources.labels.sets import LabelledImage, LabelledSet, LabelOptions, require_few_classes
from gantool.data.sources.labels.tables import BINARY, VOID_NAMES, ClassTable, read_class_table
from gantool.data.splits import split_folders
from gantool.errors import DataError, UsageError, counted

__all__ = ["find_masks", "masks_set"]

_TABLES = (
    "labels.csv", "labelmap.txt", "class_dict.csv", "classes.csv", "colormap.csv", "color_map.csv",
    "label_colors.txt", "label_colors.csv", "_classes.csv", "classes.txt", "labels.txt",
)  # fmt: skip
_SNIFFED = 12
_NEARLY = 32  # levels from black and white that compression may make of them


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
        return arrays_set(root, pairs, table, named, unpaired)
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
        origin = f"{counted(len(colors), 'color')} from a table"
    else:
        colors, names = _named(discover_colors(root, masks))
        if table is not None and len(table.names) == len(names):
            found = ", ".join(color_name(color)[6:] for color in colors[:20])
            raise UsageError(
                "--classes: names alone do not say which color is which.",
                f"Give them as name,R,G,B; the colors found are {found}.",
            )
        origin = f"{counted(len(colors), 'color')} found"
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
    images = [LabelledImage(image, split, partial(reader.read, mask), (mask,)) for split, image, mask in pairs]
    return LabelledSet(
        f"{root}: images and masks in color ({named}; {origin})",
        tuple(name for name, _ in kept), tuple(images), ("classes", "ignore", "snap"),
        tuple(color for _, color in kept), tuple(unpaired), reader.remarks, tally=reader,
    )  # fmt: skip


def _named(colors: list[Color]) -> tuple[list[Color], list[str]]:
    """Colors that were found, in the order of their classes, with names."""
    black, white = min(colors), max(colors)
    if len(colors) == 2 and max(black) < _NEARLY and min(white) > 255 - _NEARLY:
        return [black, white], [*BINARY]
    return colors, [color_name(color) for color in colors]


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
            name: {bare_stem(stem_of(path)): path for path in find_images(masks / name)}
            if (masks / name).is_dir()
            else {}
            for name in names
        }
        for image in find_images(images):
            stem = stem_of(image)
            layers = [stems[name].get(stem, stems[name].get(bare_stem(stem))) for name in names]
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
        painted.append(LabelledImage(image, split, partial(_layered, known), tuple(layer for _, layer in known)))
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
