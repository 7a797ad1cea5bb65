"""Pictures and label maps as arrays: their types, and shared arithmetic.

Pixels are ``(H, W, C)`` uint8 with C = 3 (RGB) or 1 (gray); networks see values in [-1, 1] instead. A mask is
``(H, W)`` uint8 of class indices, `IGNORE` where a pixel is unlabeled.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

__all__ = [
    "IGNORE",
    "IGNORED_COLOR",
    "Color",
    "Floats",
    "Mask",
    "Pixels",
    "as_color",
    "color_table",
    "hex_color",
    "resized",
    "to_levels",
    "to_values",
]

Pixels = NDArray[np.uint8]
Mask = NDArray[np.uint8]
Floats = NDArray[np.float32]
Color = tuple[int, int, int]

IGNORE = 255
"""Index of pixels that belong to no class and count for nothing."""

IGNORED_COLOR: Color = (224, 224, 224)
"""What they are shown in."""


def to_values(pixels: Pixels) -> Floats:
    """Levels 0 to 255 of any shape as float32 in [-1, 1]."""
    return pixels.astype(np.float32) / np.float32(127.5) - 1


def to_levels(values: Floats) -> Pixels:
    """Values in [-1, 1] of any shape as levels 0 to 255; what lies beyond is clipped."""
    levels: Pixels = np.rint((np.clip(values, -1, 1) + 1) * np.float32(127.5)).astype(np.uint8)
    return levels


def as_color(pixels: Pixels) -> Pixels:
    """``(H, W, 1)`` as ``(H, W, 3)``; color stays as it is."""
    return np.repeat(pixels, 3, axis=2) if pixels.shape[2] == 1 else pixels


def resized(pixels: Pixels, size: tuple[int, int], way: Image.Resampling = Image.Resampling.LANCZOS) -> Pixels:
    """``(H, W, C)`` uint8 scaled to ``size`` (width, height)."""
    if (pixels.shape[1], pixels.shape[0]) == size:
        return pixels
    gray = pixels.shape[2] == 1
    image = Image.fromarray(pixels[:, :, 0] if gray else pixels).resize(size, way)
    return np.asarray(image)[:, :, None] if gray else np.asarray(image)


def hex_color(color: Color) -> str:
    """As pages and people write it.

    >>> hex_color((22, 70, 128))
    '#164680'
    """
    return "#{:02x}{:02x}{:02x}".format(*color)


def color_table(colors: Sequence[Color]) -> Pixels:
    """``(256, 3)`` colors by class index, light gray for `IGNORE` and what is no class."""
    table = np.full((256, 3), IGNORED_COLOR, dtype=np.uint8)
    table[: len(colors)] = colors
    return table
