"""Regions that annotation files keep as pixels: packed pictures and run lengths, never larger than their image."""

from __future__ import annotations

import base64
import binascii
import io
import zlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gantool.errors import DataError

__all__ = ["from_runs", "place_bitmap", "unpack_picture"]

_LARGEST_FILE = 256 * 2**20  # bytes of an unpacked PNG; a bomb otherwise
_UNREADABLE = (ValueError, TypeError, OSError, SyntaxError, zlib.error, binascii.Error, Image.DecompressionBombError)


def unpack_picture(data: object, limit: tuple[int, int], *, zipped: bool = False) -> NDArray[np.bool_]:
    """Base64 of a PNG as ``(h, w)`` bool: its alpha channel, or else what is not black.

    Args:
        limit: width and height of the image; no part of it is larger.
        zipped: whether the PNG is packed by zlib once more.

    Raises:
        ValueError: damaged, or larger than the image.
    """
    try:
        packed = base64.b64decode(data)  # type: ignore[arg-type]
        if zipped:
            packed = zlib.decompressobj().decompress(packed, _LARGEST_FILE)
        with Image.open(io.BytesIO(packed)) as image:
            if image.width > limit[0] or image.height > limit[1]:
                raise ValueError(f"is {image.width}x{image.height} pixels large in an image of {limit[0]}x{limit[1]}")
            clear = image.mode in ("RGBA", "LA") or "transparency" in image.info
            return np.asarray(image.convert("RGBA").getchannel("A") if clear else image.convert("L")) > 0
    except _UNREADABLE as error:
        raise ValueError(str(error)) from None


def from_runs(counts: Sequence[int], height: int, width: int, where: str) -> NDArray[np.bool_]:
    """Run lengths, what is outside first, row by row, as ``(height, width)`` bool.

    Raises:
        DataError: the runs do not fill the box.
    """
    total = sum(counts)
    if total != width * height or min(counts, default=0) < 0:
        raise DataError(f"{where} has a mask of {total} pixels in a box of {width}x{height}.")
    return np.repeat(np.arange(len(counts)) % 2 == 1, counts).reshape(height, width)


def place_bitmap(part: NDArray[np.bool_], left: int, top: int, width: int, height: int) -> NDArray[np.bool_]:
    """Lay ``(h, w)`` bool into ``(height, width)`` at this corner; what lies outside is cut off."""
    whole = np.zeros((height, width), dtype=bool)
    y0, x0 = max(top, 0), max(left, 0)
    y1, x1 = min(top + part.shape[0], height), min(left + part.shape[1], width)
    if y1 > y0 and x1 > x0:
        whole[y0:y1, x0:x1] = part[y0 - top : y1 - top, x0 - left : x1 - left]
    return whole
