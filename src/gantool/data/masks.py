"""Label maps: images whose pixels are class indices.

A canonical mask is ``(H, W)`` uint8 with class indices from 0 on and `IGNORE` for unlabeled pixels, stored as palette
PNG, so that every viewer shows it in color and every reader gets the indices.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gantool.arrays import IGNORE, IGNORED_COLOR, Color, Mask, Pixels
from gantool.data.images import open_image
from gantool.errors import DataError
from gantool.files import Target, put
from gantool.shards.members import said

__all__ = ["count_values", "encode_mask", "from_one_hot", "one_hot", "read_index_mask", "remap", "write_mask"]

_MOST_STORED = 2**16  # different values of files with up to 16 bits


def read_index_mask(path: Path) -> NDArray[np.int32]:
    """Read ``(H, W)`` values as they are stored: palette indices, gray levels (8 or 16 bits), or 0 and 1.

    Raises:
        DataError: the file is not an image, or in color.
    """
    image = open_image(path)
    if image.mode in ("P", "L", "1", "I", "I;16", "I;16B"):
        return np.asarray(image).astype(np.int32)
    pixels = np.asarray(image.convert("RGB"))
    if np.array_equal(pixels[..., 0], pixels[..., 1]) and np.array_equal(pixels[..., 0], pixels[..., 2]):
        return pixels[..., 0].astype(np.int32)  # gray, stored as color
    raise DataError(f"{said(path)}: is a picture in color, expected a mask of class indices.")


def remap(values: NDArray[np.int32], table: Mapping[int, int], where: Path) -> Mask:
    """Replace stored values by class indices.

    Args:
        table: class index (or `IGNORE`) by stored value.
        where: the file, for the message.

    Raises:
        DataError: the table does not have a value; names it.
    """
    present = count_values(values)
    unknown = [value for value in present if value not in table]
    if unknown:
        listed = ", ".join(str(value) for value in unknown[:8])
        raise DataError(
            f"{said(where)}: has the label {'values' if len(unknown) > 1 else 'value'} {listed}, which no class has."
        )
    if _are_small(values):
        indices = np.zeros(max(present, default=0) + 1, dtype=np.uint8)
        indices[[*present]] = [table[value] for value in present]
        return indices[values]
    out = np.empty(values.shape, dtype=np.uint8)
    for value in present:
        out[values == value] = table[value]
    return out


def count_values(values: NDArray[np.int32]) -> dict[int, int]:
    """How many pixels have each stored value, by value."""
    if _are_small(values):  # which counting is much faster for than sorting
        counts = np.bincount(values.ravel())
        found = np.flatnonzero(counts)
        return dict(zip(found.tolist(), counts[found].tolist(), strict=True))
    present, number = np.unique(values, return_counts=True)
    return dict(zip(present.tolist(), number.tolist(), strict=True))


def _are_small(values: NDArray[np.int32]) -> bool:
    """Whether a table with a place for each value is small."""
    return bool(values.size and values.min() >= 0 and values.max() < _MOST_STORED)


def write_mask(path: Target, mask: Mask, colors: Sequence[Color] | Pixels) -> None:
    """Write `encode_mask`'s file, atomically."""
    put(path, encode_mask(mask, colors))


def encode_mask(mask: Mask, colors: Sequence[Color] | Pixels) -> bytes:
    """A palette PNG with these colors for the classes, light gray for `IGNORE`.

    Args:
        colors: by class index, at most `IGNORE` of them; or the ``(N, 3)`` uint8 array of a label map.
    """
    palette = [0] * 768
    for index, color in enumerate(colors):
        palette[3 * index : 3 * index + 3] = map(int, color)
    palette[3 * IGNORE :] = IGNORED_COLOR
    image = Image.fromarray(mask)
    image.putpalette(palette)
    buffer = io.BytesIO()
    image.save(buffer, format="PNG")
    return buffer.getvalue()


def one_hot(mask: Mask, classes: int) -> NDArray[np.uint8]:
    """Turn ``(H, W)`` indices into ``(H, W, classes)`` zeros and ones; an ignored pixel is zero in every plane.

    Raises:
        ValueError: an index is neither a class nor `IGNORE`.
    """
    wrong = mask[(mask >= classes) & (mask != IGNORE)]
    if wrong.size:
        raise ValueError(f"the mask has the index {int(wrong[0])}, expected 0 to {classes - 1} or {IGNORE}")
    return np.asarray(mask[..., None] == np.arange(classes, dtype=np.uint8), dtype=np.uint8)


def from_one_hot(planes: NDArray[np.uint8]) -> Mask:
    """The exact inverse of `one_hot`: ``(H, W, classes)`` into ``(H, W)``; the largest plane wins."""
    indices: Mask = planes.argmax(axis=-1).astype(np.uint8)
    indices[~planes.any(axis=-1)] = IGNORE
    return indices
