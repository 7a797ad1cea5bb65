"""Reading any image a person has, and giving the result back the way the image came."""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from gantool.arrays import Pixels
from gantool.errors import DataError, OutputError
from gantool.files import atomic

__all__ = [
    "SUFFIXES",
    "Picture",
    "find_folders",
    "find_images",
    "open_image",
    "picture_from",
    "read_picture",
    "read_pixels",
    "upright_size",
    "write_picture",
]

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp", ".gif", ".ppm", ".pgm"})
_WITH_ALPHA = frozenset({".png", ".webp", ".tif", ".tiff"})
_ORIENTATION = 0x0112
_UNREADABLE = (OSError, SyntaxError, ValueError, EOFError)  # what Pillow's readers raise for damaged files


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


def find_images(folder: Path, *, recursive: bool = False) -> list[Path]:
    """All images directly in ``folder`` (or below it), sorted by name; what is hidden is left out."""
    entries = folder.rglob("*") if recursive else folder.iterdir()
    return sorted(
        entry
        for entry in entries
        if entry.suffix.lower() in SUFFIXES
        and not any(part.startswith(".") for part in entry.relative_to(folder).parts)
        and entry.is_file()
    )


def find_folders(parent: Path) -> list[Path]:
    """All folders directly in ``parent``, sorted by name; hidden ones are never data. None if it is no folder."""
    entries = parent.iterdir() if parent.is_dir() else ()
    return sorted(entry for entry in entries if entry.is_dir() and not entry.name.startswith("."))


def open_image(path: Path) -> Image.Image:
    """Decode an image completely and turn it upright.

    Raises:
        DataError: not there, no image, truncated, or a decompression bomb.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path) as image:
                image.load()
                turned = ImageOps.exif_transpose(image)
                # The turned copy no longer knows its file, so what only the file can tell is noted down.
                turned.info["bits"] = _bits_per_channel(image, path)
                turned.info["frames"] = getattr(image, "n_frames", 1)
            return turned
    except FileNotFoundError:
        raise DataError(f"{path}: there is no such file.") from None
    except PermissionError:
        raise DataError(f"{path}: may not be read.") from None
    except IsADirectoryError:
        raise DataError(f"{path}: is a folder, expected an image.") from None
    except UnidentifiedImageError:
        raise DataError(f"{path}: is not an image that can be read.") from None
    except Image.DecompressionBombError:
        raise DataError(f"{path}: claims more pixels than any picture has; refused.") from None
    except _UNREADABLE as error:
        raise DataError(f"{path}: the image is damaged ({error}).") from None


def upright_size(path: Path) -> tuple[int, int]:
    """Width and height of an image once it is turned upright, without decoding it.

    Raises:
        DataError: not there, or no image.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path) as image:
                width, height = image.size
                turned = image.getexif().get(_ORIENTATION, 1) >= 5
    except FileNotFoundError:
        raise DataError(f"{path}: there is no such file.") from None
    except (*_UNREADABLE, Image.DecompressionBombError):
        raise DataError(f"{path}: is not an image that can be read.") from None
    return (height, width) if turned else (width, height)


def read_pixels(path: Path, channels: int = 3) -> Pixels:
    """Read ``(H, W, channels)`` uint8, RGB or gray, for training; alpha is laid on white."""
    image = open_image(path)
    rgb, alpha, _ = _split(image)
    if alpha is not None:
        opaque = Image.new("RGB", rgb.size, (255, 255, 255))
        opaque.paste(rgb, mask=alpha)
        rgb = opaque
    if channels == 1:
        return np.asarray(rgb.convert("L"))[:, :, None]
    return np.asarray(rgb)


def read_picture(path: Path) -> Picture:
    """Read an image with everything that `write_picture` gives back."""
    return picture_from(open_image(path))


def picture_from(image: Image.Image) -> Picture:
    """Take apart an image that is already open and upright."""
    notes = []
    if int(image.info.get("bits", 8)) > 8:
        notes.append("16 bits per channel become 8")
    if int(image.info.get("frames", 1)) > 1:
        notes.append("only the first of its frames is used")
    rgb, alpha, keeps_profile = _split(image)
    extra: dict[str, Any] = {}
    if keeps_profile and image.info.get("icc_profile"):
        extra["icc_profile"] = image.info["icc_profile"]
    exif = image.getexif()
    if exif:
        exif.pop(_ORIENTATION, None)
        extra["exif"] = exif.tobytes()
    if image.info.get("dpi"):
        extra["dpi"] = image.info["dpi"]
    return Picture(np.asarray(rgb), None if alpha is None else np.asarray(alpha), extra, tuple(notes))


def write_picture(path: Path, pixels: Pixels, like: Picture | None = None) -> list[str]:
    """Write ``(H, W, 3)`` or ``(H, W, 1)`` uint8 atomically in the format of the suffix.

    Args:
        like: the picture whose alpha, ICC profile, EXIF and resolution the result gets.

    Returns:
        What could not be kept, in words for the user.
    """
    suffix = path.suffix.lower()
    image = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
    notes = []
    options: dict[str, Any] = dict(like.extra) if like is not None else {}
    if image.mode == "L":
        options.pop("icc_profile", None)
    if like is not None and like.alpha is not None:
        if suffix in _WITH_ALPHA:
            image.putalpha(Image.fromarray(like.alpha))
        else:
            notes.append(f"{suffix[1:]} has no transparency")
    if suffix in (".jpg", ".jpeg"):
        options |= {"quality": 95, "subsampling": 0}
    elif suffix == ".webp":
        options |= {"quality": 95}
    elif suffix in (".tif", ".tiff"):
        options |= {"compression": "tiff_deflate"}
    elif suffix in (".bmp", ".gif", ".ppm", ".pgm"):
        options = {key: value for key, value in options.items() if key == "dpi" and suffix == ".bmp"}
    buffer = io.BytesIO()
    try:
        image.save(buffer, format=Image.registered_extensions()[suffix], **options)
    except KeyError:
        raise OutputError(f"{path}: no image format has the suffix {suffix!r}.") from None
    except (OSError, ValueError) as error:
        raise OutputError(f"{path}: cannot be written as {suffix[1:]} ({error}).") from None
    with atomic(path) as temporary:
        temporary.write_bytes(buffer.getvalue())
    return notes


def _split(image: Image.Image) -> tuple[Image.Image, Image.Image | None, bool]:
    """Return RGB, alpha, and whether the ICC profile still describes the colors."""
    mode: str = image.mode
    if mode == "P":
        image = image.convert("RGBA" if "transparency" in image.info else "RGB")
        mode = image.mode
    if mode in ("I;16", "I;16B", "I;16L", "I", "F"):
        return _from_deep_gray(image), None, False
    if mode == "CMYK":
        return _from_cmyk(image), None, False
    if mode in ("RGBA", "LA", "PA", "La", "RGBa"):
        straight = image.convert("RGBA")
        return straight.convert("RGB"), straight.getchannel("A"), mode.startswith("RGB")
    return (image if mode == "RGB" else image.convert("RGB")), None, mode == "RGB"


def _from_deep_gray(image: Image.Image) -> Image.Image:
    values = np.asarray(image).astype(np.float64)
    if image.mode == "F":
        low, high = float(np.nanmin(values)), float(np.nanmax(values))
        scale = (low, high) if low < 0 or high > 1 else (0.0, 1.0)
    else:
        scale = (0.0, 65535.0 if (values.size and values.max() > 255) or image.mode != "I" else 255.0)
    spread = max(scale[1] - scale[0], 1e-12)
    gray = np.nan_to_num(np.clip((values - scale[0]) / spread, 0, 1)) * 255
    return Image.fromarray(np.rint(gray).astype(np.uint8)).convert("RGB")


def _from_cmyk(image: Image.Image) -> Image.Image:
    profile = image.info.get("icc_profile")
    if profile:
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            converted = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
            if converted is not None:
                return converted
        except (ImageCms.PyCMSError, OSError):
            pass  # a damaged profile: the plain conversion below is what every viewer does then
    return image.convert("RGB")


def _bits_per_channel(image: Image.Image, path: Path) -> Literal[8, 16]:
    """Bits per channel in the file; Pillow reads 16-bit color PNG as 8 bits without a word."""
    if image.mode in ("I;16", "I;16B", "I;16L", "I"):
        return 16
    if image.format == "PNG":
        with path.open("rb") as file:
            return 16 if file.read(25)[24:] == b"\x10" else 8
    if image.format == "TIFF":
        bits = getattr(image, "tag_v2", {}).get(258, (8,))
        return 16 if max(bits if isinstance(bits, tuple) else (bits,)) > 8 else 8
    return 8
