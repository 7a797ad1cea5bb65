"""Masks that store a value per class, with or without a palette."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path

from PIL import Image

from gantool.arrays import IGNORE, Color, Mask
from gantool.data.decoder_warnings import collected_warnings
from gantool.data.masks import count_values, read_index_mask, remap
from gantool.data.parallel.helpers import in_order_by_helpers
from gantool.data.sources.labels.pairing import Pair
from gantool.data.sources.labels.sets import LabelledImage, LabelledSet, LabelOptions, require_few_classes
from gantool.data.sources.labels.tables import BINARY, VOID_NAMES, ClassTable
from gantool.errors import DataError
from gantool.shards.members import readable

__all__ = ["palette_of", "palettes_differ", "read_values", "values_set"]

_MOST_STRAY = 0.005  # fraction of a set's pixels with values of no class that is not worth losing their images for


def values_set(
    root: Path,
    pairs: Sequence[Pair],
    table: ClassTable | None,
    options: LabelOptions,
    about: str,
    unpaired: Sequence[str] = (),
    *,
    trusted: bool = False,
) -> LabelledSet:
    """A set of index masks; sparse values become dense ones, colors of a palette or else of the table are kept.

    Args:
        trusted: every value is one of the table's, so that no mask needs to be looked at.

    Raises:
        DataError: more than 0.5 % of the pixels have values that no class has.
    """
    masks = [mask for _, _, mask in pairs]
    present = Counter[int]() if trusted else _present(masks)
    values, names = _classes_by_value(root, present, table, options)
    strays, remark = _strays(root, present, values)
    values |= strays
    read = partial(read_values, table=values)
    images = [LabelledImage(image, split, partial(read, mask), (mask,)) for split, image, mask in pairs]
    colors = _shown_colors(masks[0], values, len(names))
    if colors is None and table is not None and table.colors is not None:
        listed = dict(zip(table.names, table.colors, strict=True))
        colors = tuple(listed[name] for name in names)
    return LabelledSet(
        f"{root}: {about}{remark}", tuple(names), tuple(images), ("classes", "ignore"), colors, tuple(unpaired)
    )


def read_values(mask: Path, table: dict[int, int]) -> Mask:
    """The mask of class indices that a file of stored values is.

    Raises:
        DataError: no image, or with a value that no class has.
    """
    return remap(read_index_mask(mask), table, mask)


def _classes_by_value(
    root: Path, present: Mapping[int, int], table: ClassTable | None, options: LabelOptions
) -> tuple[dict[int, int], list[str]]:
    """Return class index by stored value, and class names."""
    ignored = options.ignored_values()
    names = options.ignored_names(table.names if table is not None else (), values=True)
    void = dict.fromkeys((IGNORE, *ignored), IGNORE)
    if table is not None and table.values is not None:
        listed = dict(zip(table.values, table.names, strict=True))
        void |= {value: IGNORE for value, name in listed.items() if name.lower() in names | VOID_NAMES}
        kept = [value for value in sorted(listed) if value in present and value not in void]
        require_few_classes(root, len(kept))
        return {value: n for n, value in enumerate(kept)} | void, [listed[value] for value in kept]
    if table is not None:
        kept_names = [name for name in table.names if name.lower() not in names]
        indices = {name: n for n, name in enumerate(kept_names)}
        return {value: indices.get(name, IGNORE) for value, name in enumerate(table.names)} | void, kept_names
    if set(present) == {0, 255} and IGNORE not in ignored:
        return {0: 0, 255: 1}, [*BINARY]  # a black and white mask
    stored = sorted(set(present) - set(void))
    if stored == [0, 1]:
        return {0: 0, 1: 1} | void, [*BINARY]
    if len(stored) > 254:
        raise DataError(
            f"{root}: the masks have {len(stored)} different values, which is no label map.",
            "Name the classes: --classes FILE.",
        )
    return {value: index for index, value in enumerate(stored)} | void, [f"class_{value}" for value in stored]


def _present(masks: Sequence[Path]) -> Counter[int]:
    """How many pixels have each stored value."""
    present: Counter[int] = Counter()
    with closing(in_order_by_helpers(_counts, masks, masks)) as several:
        for counts in several:
            present.update(counts)
    return present


def _counts(mask: Path) -> dict[int, int]:
    try:
        return count_values(read_index_mask(mask))
    except DataError:
        return {}  # named when the mask itself is read


def _strays(root: Path, present: Counter[int], values: Mapping[int, int]) -> tuple[dict[int, int], str]:
    """Values that no class has: ignored and named where they are few, as repainting and scaling leave them.

    Raises:
        DataError: they are many.
    """
    strays = {value: count for value, count in sorted(present.items()) if value not in values}
    if not strays:
        return {}, ""
    listed = ", ".join(str(value) for value in list(strays)[:8])
    which = f"the {'values' if len(strays) > 1 else 'value'} {listed}, which no class has"
    fraction = sum(strays.values()) / present.total()
    if fraction > _MOST_STRAY:
        options = " ".join(f"--ignore {value}" for value in list(strays)[:8])
        raise DataError(
            f"{root}: {fraction:.2%} of the mask pixels have {which}.", f"Let them count for none: {options}."
        )
    shown = f"{fraction:.2%}" if fraction >= 1e-4 else "under 0.01%"
    return dict.fromkeys(strays, IGNORE), f"; {shown} of the pixels have {which}, and are ignored"


def _shown_colors(mask: Path, values: dict[int, int], count: int) -> tuple[Color, ...] | None:
    """The colors that a palette mask shows its classes in; None if it has none of its own."""
    palette = palette_of(mask)
    if not palette:
        return None
    shown = {index: palette[3 * value : 3 * value + 3] for value, index in values.items()}
    colors = [shown.get(index, []) for index in range(count)]
    distinct = {tuple(color) for color in colors if len(color) == 3}
    return tuple((r, g, b) for r, g, b in colors) if len(distinct) == count else None


def palette_of(mask: Path) -> list[int]:
    """The colors of a palette mask, channel by channel; empty if it is none."""
    try:
        with collected_warnings(), Image.open(readable(mask)) as image:
            return (image.getpalette("RGB") or []) if image.mode == "P" else []
    except Exception:  # decoders raise nearly everything; the file is named when it is read as a mask
        return []


def palettes_differ(palettes: Mapping[Path, list[int]]) -> bool:
    """Whether a stored value means different colors in different files, or a color is stored as different values.

    The latter only where colors tell the classes apart, in every file.
    """
    first = next(iter(palettes.values()))
    if all(palette == first for palette in palettes.values()):
        return False
    shown: dict[int, tuple[int, ...]] = {}
    stored: dict[tuple[int, ...], int] = {}
    moved, told_apart = False, True
    for mask, palette in palettes.items():
        try:
            used = [*count_values(read_index_mask(mask))]
        except DataError:
            continue  # named when the mask itself is read
        own = {value: tuple(palette[3 * value : 3 * value + 3]) for value in used}
        if any(shown.setdefault(value, color) != color for value, color in own.items()):
            return True
        moved |= any(stored.setdefault(color, value) != value for value, color in own.items())
        told_apart &= len(set(own.values())) == len(own)
    return moved and told_apart
