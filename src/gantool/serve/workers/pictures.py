"""Images as bytes: read with few decoders and bounds, written without anything that tells of who took them."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass

from PIL import Image, UnidentifiedImageError

from gantool.arrays import Pixels
from gantool.data.decoder_warnings import collected_warnings
from gantool.data.images import Picture, picture_from, upright
from gantool.serve.limits import Refusal

__all__ = ["FORMATS", "TYPES", "Encoded", "encoded", "opened"]

TYPES: Mapping[str, str] = {"jpg": "image/jpeg", "png": "image/png", "webp": "image/webp"}
"""The formats of answers, with their types."""

FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "PPM")
"""What is read. Pillow has decoders for forty more, some of which start other programs."""

_SAME = {"JPEG": "jpg", "MPO": "jpg", "PNG": "png", "WEBP": "webp"}
_SMALLEST_SHARE = 1 / 400  # of the longer side; narrower ones are no pictures, and get huge when they are scaled


@dataclass(frozen=True)
class Encoded:
    """A file's content and its type."""

    data: bytes
    type: str


def opened(data: bytes, most_pixels: int) -> tuple[Picture, str]:
    """Decode an image; returns it upright, with the format that an answer in kind has.

    Raises:
        Refusal: no image, damaged, too large.
    """
    try:
        with collected_warnings(), Image.open(io.BytesIO(data), formats=FORMATS) as image:
            _require_pixels(image.size, most_pixels)
            image.load()
            kind = _SAME.get(str(image.format), "png")
            return picture_from(upright(image)), kind
    except Refusal:
        raise
    except UnidentifiedImageError:
        raise Refusal(415, "This is no image in a format that is read: JPEG, PNG, WebP, TIFF, BMP, GIF or "
                      "PPM.") from None  # fmt: skip
    except (Image.DecompressionBombError, MemoryError):
        raise Refusal(413, f"The image has more than {_millions(most_pixels)} million pixels.") from None
    except Exception:  # decoders raise nearly everything
        raise Refusal(400, "The image is damaged.") from None


def _require_pixels(size: tuple[int, int], most: int) -> None:
    width, height = size
    if width * height > most:
        raise Refusal(413, f"The image has {width}x{height} pixels, more than {_millions(most)} million.")
    if min(size) < max(size) * _SMALLEST_SHARE:
        raise Refusal(413, f"The image has {width}x{height} pixels; so narrow a one is not taken.")


def _millions(pixels: int) -> str:
    return f"{pixels / 10**6:g}"


def encoded(pixels: Pixels, form: str, like: Picture | None = None) -> Encoded:
    """``(H, W, C)`` uint8 as a file of `TYPES`.

    Args:
        like: the picture whose alpha and ICC profile it gets; EXIF, with places and names of cameras, it never gets.
    """
    image = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
    options: dict[str, object] = {}
    if like is not None and image.mode == "RGB" and "icc_profile" in like.extra:
        options["icc_profile"] = like.extra["icc_profile"]
    if like is not None and like.alpha is not None and form != "jpg":
        image.putalpha(Image.fromarray(like.alpha))
    if form == "jpg":
        options |= {"quality": 92, "subsampling": 0}
    elif form == "webp":
        options |= {"quality": 92, "method": 2}
    else:
        options |= {"compress_level": 4}
    buffer = io.BytesIO()
    try:
        image.save(buffer, format={"jpg": "JPEG", "png": "PNG", "webp": "WEBP"}[form], **options)
    except (OSError, ValueError):  # a side that the format does not have room for
        if form == "png":
            raise
        return encoded(pixels, "png", like)
    return Encoded(buffer.getvalue(), TYPES[form])
