"""The formats of images, and images that come without a file."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from gantool.data.decoder_warnings import collected_warnings

__all__ = ["SUFFIXES", "ImageBytes", "ImageSource", "is_image"]

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp", ".gif", ".ppm", ".pgm"})

_SUFFIX_OF = {"JPEG": ".jpg", "MPO": ".jpg", "PNG": ".png", "WEBP": ".webp", "TIFF": ".tif", "BMP": ".bmp",
              "GIF": ".gif", "PPM": ".ppm"}  # fmt: skip
# Of the formats in SUFFIXES; a list of paths begins with none of these.
_BEGINNINGS = re.compile(
    rb"\xff\xd8\xff|\x89PNG\r\n\x1a\n|GIF8[79]a|RIFF.{4}WEBP|II\*\0|MM\0\*|BM.{4}\0{4}|P[1-6]\s+(#[^\n]*\n\s*)*\d+\s+\d+\s",
    re.DOTALL,
)


@dataclass(frozen=True)
class ImageBytes:
    """An encoded image that came without a file; ``name`` is what messages call it."""

    name: str
    data: bytes = field(repr=False)

    def __str__(self) -> str:
        return self.name

    @property
    def suffix(self) -> str:
        """That of a file that would hold it, ``.png`` where its format cannot be told."""
        try:
            with collected_warnings(), Image.open(io.BytesIO(self.data)) as image:
                return _SUFFIX_OF.get(str(image.format), ".png")
        except Exception:  # whoever reads it will say what is wrong
            return ".png"


ImageSource = Path | ImageBytes
"""Where an image is read from."""


def is_image(beginning: bytes) -> bool:
    """Whether these first bytes (128 are enough) are those of an image in one of the formats that are read."""
    return _BEGINNINGS.match(beginning) is not None
