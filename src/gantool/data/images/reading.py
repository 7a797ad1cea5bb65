"""Reading any image a person has, upright, with what is given back with its translation."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from gantool.arrays import Pixels
from gantool.data.decoder_warnings import collected_warnings
from gantool.data.images.formats import ImageSource
from gantool.data.images.modes import bits_per_channel, split_alpha
from gantool.errors import DataError
from gantool.shards.members import readable, said

__all__ = [
    "Picture",
    "as_rgb",
    "in_a_line",
    "is_plain",
    "open_image",
    "picture_from",
    "read_picture",
    "read_pixels",
    "upright",
    "upright_size",
]

_ORIENTATION = 0x0112


@dataclass(frozen=True)
class Picture:
    """An image with what must be given back with its translation.

    Attributes:
        pixels: ``(H, W, 3)`` uint8 RGB, turned upright.
        alpha: ``(H, W)`` uint8, or None.
        extra: keywords for Pillow's ``save`` (ICC profile, EXIF, resolution).
        notes: what of the input cannot be kept, in words for the user.
    """

    pixels: Pixels
    alpha: Pixels | None = None
    extra: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def open_image(path: ImageSource) -> Image.Image:
    """Decode an image completely and turn it upright.

    Raises:
        DataError: not there, no image, truncated, or a decompression bomb.
    """
    with _one_file(path), collected_warnings() as heard:
        file = _file(path)
        with Image.open(file) as image:
            image.load()
            turned = upright(image)
            # The turned copy no longer knows its file, so what only the file can tell is noted down.
            turned.info["bits"] = bits_per_channel(image, file)
            turned.info["frames"] = getattr(image, "n_frames", 1)
        turned.info["warnings"] = tuple(heard)
        return turned


def upright(image: Image.Image) -> Image.Image:
    """An image that is loaded, turned as its EXIF says; for `picture_from`."""
    turned = ImageOps.exif_transpose(image)
    if turned.mode != "LAB":  # the one mode that Pillow does not convert by itself
        return turned
    lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    return ImageCms.profileToProfile(turned, lab, srgb, outputMode="RGB") or turned


def upright_size(path: ImageSource) -> tuple[int, int]:
    """Width and height of an image once it is turned upright, without decoding it.

    Raises:
        DataError: not there, or no image.
    """
    with _one_file(path), collected_warnings(), Image.open(_file(path)) as image:
        width, height = image.size
        turned = image.getexif().get(_ORIENTATION, 1) >= 5
    return (height, width) if turned else (width, height)


def as_rgb(image: Image.Image) -> Image.Image:
    """The colors alone: what is transparent is dropped, and Pillow's advice about it is not passed on."""
    with collected_warnings():
        return image.convert("RGB")


def is_plain(path: Path) -> bool:
    """Whether an image is upright, has one frame, and is RGB or gray of 8 bits, so that every reader sees the same.

    Raises:
        DataError: not there, or no image.
    """
    with _one_file(path), collected_warnings():
        file = _file(path)
        with Image.open(file) as image:
            return (
                image.mode in ("RGB", "L")
                and "transparency" not in image.info
                and image.getexif().get(_ORIENTATION, 1) == 1
                and bits_per_channel(image, file) == 8
                and getattr(image, "n_frames", 1) == 1
            )


def read_pixels(path: Path, channels: int = 3) -> Pixels:
    """Read ``(H, W, channels)`` uint8, RGB or gray, for training; alpha is laid on white."""
    image = open_image(path)
    rgb, alpha, _ = split_alpha(image)
    if alpha is not None:
        opaque = Image.new("RGB", rgb.size, (255, 255, 255))
        opaque.paste(rgb, mask=alpha)
        rgb = opaque
    if channels == 1:
        return np.asarray(rgb.convert("L"))[:, :, None]
    return np.asarray(rgb)


def read_picture(path: ImageSource) -> Picture:
    """Read an image with everything that `write_picture` gives back."""
    return picture_from(open_image(path))


def picture_from(image: Image.Image) -> Picture:
    """Take apart an image that is already open and upright."""
    notes = []
    if int(image.info.get("bits", 8)) > 8:
        notes.append(f"{image.info['bits']} bits per channel become 8")
    if int(image.info.get("frames", 1)) > 1:
        notes.append("only the first of its frames is used")
    with collected_warnings() as heard:
        rgb, alpha, keeps_profile = split_alpha(image)
        exif, kept = _exif_of(image)
    lines = dict.fromkeys((*image.info.get("warnings", ()), *heard))
    notes += [f"its reader warns: {line.rstrip('.')}" for line in lines]
    notes += [] if kept else ["its EXIF is damaged and cannot be kept"]
    extra: dict[str, Any] = {}
    if keeps_profile and image.info.get("icc_profile"):
        extra["icc_profile"] = image.info["icc_profile"]
    if exif:
        extra["exif"] = exif
    if image.info.get("dpi"):
        extra["dpi"] = image.info["dpi"]
    return Picture(np.asarray(rgb), None if alpha is None else np.asarray(alpha), extra, tuple(notes))


def _exif_of(image: Image.Image) -> tuple[bytes, bool]:
    """EXIF without orientation, empty where there is none; and whether all of it could be kept."""
    try:
        exif = image.getexif()
        exif.pop(_ORIENTATION, None)
        return (exif.tobytes() if exif else b""), True
    except Exception:  # tags of any content: struct.error, TypeError, ...
        return b"", False


def _file(source: ImageSource) -> Path | io.BytesIO:
    """What Pillow opens: a path, or a content that was read once, from a shard or from a pipe."""
    return readable(source) if isinstance(source, Path) else io.BytesIO(source.data)


@contextmanager
def _one_file(path: ImageSource) -> Iterator[None]:
    """Whatever a decoder raises concerns this file alone: the readers of rare formats raise nearly everything.

    Raises:
        DataError: names the file.
    """
    named = said(path)
    try:
        yield
    except DataError:  # of a shard, which says more
        raise
    except (FileNotFoundError, NotADirectoryError):
        raise DataError(f"{named}: there is no such file.") from None
    except PermissionError:
        raise DataError(f"{named}: may not be read.") from None
    except IsADirectoryError:
        raise DataError(f"{path}: is a folder, expected an image.") from None
    except UnidentifiedImageError:
        raise DataError(f"{named}: is not an image that can be read.") from None
    except Image.DecompressionBombError:
        raise DataError(f"{named}: claims more pixels than any picture has; refused.") from None
    except Exception as error:
        raise DataError(f"{named}: the image is damaged ({in_a_line(error)}).") from None


def in_a_line(error: Exception) -> str:
    """What a decoder or an encoder says, without line breaks."""
    return " ".join(str(error).split()) or type(error).__name__
