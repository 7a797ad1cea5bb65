"""Masks that are arrays: class indices, or a plane per class."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gantool.arrays import IGNORE, Mask
from gantool.data.masks import from_one_hot, remap
from gantool.data.sources.labels.pairing import Pair
from gantool.data.sources.labels.sets import LabelledImage, LabelledSet, require_few_classes
from gantool.data.sources.labels.tables import BINARY, ClassTable
from gantool.errors import DataError, UsageError

__all__ = ["arrays_set"]


def arrays_set(
    root: Path, pairs: Sequence[Pair], table: ClassTable | None, named: str, unpaired: Sequence[str]
) -> LabelledSet:
    """A set of ``.npy`` masks, ``(H, W)`` indices or ``(H, W, C)`` one-hot.

    Args:
        named: how they were found, in words.

    Raises:
        DataError, UsageError: none can be read, too many classes, or a table of another length.
    """
    first = next((array for _, _, mask in pairs if (array := _loaded(mask)) is not None), None)
    if first is None:
        first = _load(pairs[0][2])  # says why
    stored = _stored([mask for _, _, mask in pairs]) if first.ndim == 2 else set()
    black_and_white = stored == {0, IGNORE}
    if first.ndim == 2:
        count, about = 2 if black_and_white else 1 + max(stored - {IGNORE}, default=0), "index arrays"
    else:
        count, about = first.shape[2], "one-hot arrays"
    require_few_classes(root, count)
    own = BINARY if first.ndim == 2 and count == 2 else tuple(f"class_{n}" for n in range(count))
    names = table.names if table is not None else own
    if len(names) != count:
        raise UsageError(f"--classes: names {len(names)} classes, the arrays have {count}.")
    values = {0: 0, IGNORE: 1} if black_and_white else {n: n for n in range(count)} | {IGNORE: IGNORE}
    images = [
        LabelledImage(image, split, partial(_read, mask, count, values), (mask,)) for split, image, mask in pairs
    ]
    return LabelledSet(
        f"{root}: images and {about} ({named})", names, tuple(images), ("classes",), unpaired=tuple(unpaired)
    )


def _stored(masks: Sequence[Path]) -> set[int]:
    """All values of index arrays."""
    stored: set[int] = set()
    for mask in masks:
        array = _loaded(mask)
        if array is not None and array.ndim == 2:
            stored.update(np.unique(array).astype(np.int64).tolist())
    return stored


def _loaded(path: Path) -> NDArray[np.generic] | None:
    try:
        return _load(path)
    except DataError:
        return None  # named when the mask itself is read


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


def _read(path: Path, count: int, values: dict[int, int]) -> Mask:
    array = _load(path)
    if array.ndim == 2:
        return remap(array.astype(np.int32), values, path)
    if array.shape[2] != count:
        raise DataError(f"{path}: has {array.shape[2]} planes, other arrays have {count}.")
    planes = np.ascontiguousarray(array)
    if not np.isin(planes, (0, 1)).all():
        raise DataError(f"{path}: has values other than 0 and 1, which is not one-hot.")
    if (planes.astype(np.int32).sum(axis=2) > 1).any():
        raise DataError(f"{path}: has a pixel that belongs to two classes, which is not one-hot.")
    return from_one_hot(planes.astype(np.uint8))
