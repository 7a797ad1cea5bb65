"""Animated GIF, frame after frame: Pillow alone keeps all of them until the end.

Pillow makes the colors and the codes of every frame; here they are put one after the other (GIF89a).
"""

from __future__ import annotations

import io
import struct

import numpy as np
from PIL import Image

from gantool.arrays import Mask, Pixels, as_color

__all__ = ["END", "frame_bytes", "head_bytes"]

END = b";"
_OPAQUE = 128  # of 255: what is less opaque is not there at all
_COLORS = 255  # one more is for what is transparent


def head_bytes(width: int, height: int, loop: int) -> bytes:
    """What comes before the first frame; ``loop`` is how often it is shown, 0 for ever."""
    screen = b"GIF89a" + struct.pack("<HHBBB", width, height, 0x70, 0, 0)
    # Programs count how often it is repeated: shown once is without this block.
    repeats = b"" if loop == 1 else b"!\xff\x0bNETSCAPE2.0\x03\x01" + struct.pack("<HB", max(loop - 1, 0), 0)
    return screen + repeats


def frame_bytes(pixels: Pixels, hundredths: int, alpha: Mask | None = None) -> bytes:
    """A frame with colors of its own.

    Args:
        hundredths: of a second that it is shown.
    """
    image = Image.fromarray(as_color(pixels)).quantize(_COLORS, Image.Quantize.FASTOCTREE)
    clear = None
    if alpha is not None:
        clear = _COLORS
        levels = np.asarray(image).copy()
        levels[alpha < _OPAQUE] = clear
        palette = (image.getpalette() or [])[: 3 * _COLORS]
        image = _with_palette(levels, palette)
    colors, data = _parts(image)
    # Where something is transparent the frame is taken away before the next one; else the next one lies on it.
    flags = 0x09 if clear is not None else 0x04
    control = b"!\xf9\x04" + struct.pack("<BHBB", flags, min(max(hundredths, 0), 65535), clear or 0, 0)
    place = b"," + struct.pack("<HHHH", 0, 0, *image.size)
    bits = (len(colors) // 3 - 1).bit_length() - 1
    return control + place + bytes([0x80 | bits]) + colors + data


def _with_palette(levels: Pixels, palette: list[int]) -> Image.Image:
    image = Image.fromarray(levels)
    image.putpalette(palette + [0] * (768 - len(palette)))
    return image


def _parts(image: Image.Image) -> tuple[bytes, bytes]:
    """The table of colors and the codes of a still that Pillow wrote."""
    buffer = io.BytesIO()
    image.save(buffer, "GIF", optimize=False)
    whole = buffer.getvalue()
    count = 2 << (whole[10] & 7)
    place = 13 + 3 * count
    while whole[place] != 0x2C:  # an extension: its label, then blocks until an empty one
        place += 2
        while whole[place]:
            place += whole[place] + 1
        place += 1
    own = whole[place + 9]
    place += 10
    if own & 0x80:
        count = 2 << (own & 7)
        return whole[place : place + 3 * count], whole[place + 3 * count : -1]
    return whole[13 : 13 + 3 * count], whole[place:-1]
