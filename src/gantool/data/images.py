"""Reading any image a person has, and giving the result back the way the image came."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from gantool.arrays import Pixels
from gantool.data.decoder_warnings import collected_warnings
from gantool.errors import DataError, OutputError
from gantool.files import Target, put
from gantool.shards.members import readable, said

__all__ = [
    "SUFFIXES",
    "ImageBytes",
    "ImageSource",
    "Picture",
    "as_rgb",
    "encode_picture",
    "find_folders",
    "find_images",
    "images_within",
    "is_image",
    "is_plain",
    "open_image",
    "picture_from",
    "read_picture",
    "read_pixels",
    "upright",
    "upright_size",
    "write_picture",
]

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp", ".gif", ".ppm", ".pgm"})
_WITH_ALPHA = frozenset({".png", ".webp", ".tif", ".tiff"})
_ORIENTATION = 0x0112
_TIFF = frozenset({".tif", ".tiff"})
# Of the file itself rather than about the picture, and folders of tags, which libtiff cannot write.
_TIFF_LAYOUT = frozenset({254, 255, *range(256, 260), 262, 266, 273, 277, 278, 279, 284, 317, 320, *range(322, 326),
                          330, 338, 339, 347, *range(512, 522), 529, 530, 531, 532})  # fmt: skip
_TAG_FOLDERS = {0x8769: "camera settings", 0x8825: "place", 0xA005: "interoperability"}


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


def _is_image_file(entry: os.DirEntry[str]) -> bool:
    if entry.name.startswith(".") or Path(entry.name).suffix.lower() not in SUFFIXES:
        return False
    return Path(entry.path).is_file() if entry.is_symlink() else entry.is_file()


def find_images(folder: Path, *, recursive: bool = False) -> list[Path]:
    """All images directly in ``folder`` (or below it), sorted by name; what is hidden is left out."""
    if not recursive:  # quickly: a folder can hold a million, and is looked at several times
        with os.scandir(folder) as found:
            names = [entry.name for entry in found if _is_image_file(entry)]
        return [folder / name for name in sorted(names)]
    return sorted(
        entry
        for entry in folder.rglob("*")
        if entry.suffix.lower() in SUFFIXES
        and not any(part.startswith(".") for part in entry.relative_to(folder).parts)
        and entry.is_file()
    )


def images_within(folder: Path) -> list[Path]:
    """The images of a folder, or those of the folders within it where it has none itself."""
    return find_images(folder) or find_images(folder, recursive=True)


def find_folders(parent: Path) -> list[Path]:
    """All folders directly in ``parent``, sorted by name; hidden ones are never data. None if it is no folder."""
    entries = parent.iterdir() if parent.is_dir() else ()
    return sorted(entry for entry in entries if entry.is_dir() and not entry.name.startswith("."))


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
            turned.info["bits"] = _bits_per_channel(image, file)
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
                and _bits_per_channel(image, file) == 8
                and getattr(image, "n_frames", 1) == 1
            )


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
        raise DataError(f"{named}: the image is damaged ({_in_a_line(error)}).") from None


def _in_a_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


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
        rgb, alpha, keeps_profile = _split(image)
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


def write_picture(path: Target, pixels: Pixels, like: Picture | None = None) -> list[str]:
    """Write ``(H, W, 3)`` or ``(H, W, 1)`` uint8, a file atomically, in the format of the suffix.

    Args:
        like: the picture whose alpha, ICC profile, EXIF and resolution the result gets.

    Returns:
        What could not be kept, in words for the user.
    """
    data, notes = _content(path, pixels, like)
    put(path, data)
    return notes


def encode_picture(pixels: Pixels, name: str) -> bytes:
    """What `write_picture` writes to a file of that name.

    Raises:
        OutputError: the format cannot hold it.
    """
    return _content(Path(name), pixels, None)[0]


def _content(path: Target, pixels: Pixels, like: Picture | None) -> tuple[bytes, list[str]]:
    """The content of a file, and what could not be kept."""
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
    elif suffix == ".png":
        options |= {"compress_level": 4}  # half the time of Pillow's 6, files 4 to 11 % larger
    elif suffix in (".tif", ".tiff"):
        options |= {"compression": "tiff_deflate"}
    elif suffix in (".bmp", ".gif", ".ppm", ".pgm"):
        options = {key: value for key, value in options.items() if key == "dpi" and suffix == ".bmp"}
    if suffix in _TIFF and "exif" in options:
        options["exif"], lost = _exif_for_tiff(options["exif"])
        notes += lost
    data, problem = _encoded(image, path, options)
    if problem and options.pop("exif", None):
        data, problem = _encoded(image, path, options)
        notes.append(f"{suffix[1:]} cannot hold its EXIF")
    if problem:
        raise OutputError(f"{path}: cannot be written as {suffix[1:]} ({problem}).")
    return data, notes


def _exif_for_tiff(data: bytes) -> tuple[Image.Exif, list[str]]:
    """EXIF as far as a TIFF with this picture can hold it, and what is lost."""
    exif = Image.Exif()
    exif.load(data)
    lost = [name for tag, name in _TAG_FOLDERS.items() if exif.pop(tag, None) is not None]
    for tag in _TIFF_LAYOUT & set(exif):
        del exif[tag]
    return exif, [f"tif cannot hold the EXIF about {' and '.join(lost)}"] if lost else []


def _encoded(image: Image.Image, path: Target, options: dict[str, Any]) -> tuple[bytes, str]:
    """The file's content, or why there is none."""
    buffer = io.BytesIO()
    form = _format_of(path.suffix.lower())
    if form is None:
        raise OutputError(f"{path}: no image format has the suffix {path.suffix.lower()!r}.")
    try:
        with collected_warnings():
            image.save(buffer, format=form, **options)
    except Exception as error:  # encoders raise nearly everything, as decoders do
        return b"", _in_a_line(error)
    return buffer.getvalue(), ""


def _format_of(suffix: str) -> str | None:
    """Pillow's name of a format; None for a suffix that it does not know."""
    Image.preinit()  # the usual formats; to load all of them takes longer than to write a photo
    return Image.EXTENSION.get(suffix) or Image.registered_extensions().get(suffix)


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
        finite = values[np.isfinite(values)]
        low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
        scale = (low, high) if low < 0 or high > 1 else (0.0, 1.0)
    else:
        scale = (0.0, 65535.0 if (values.size and values.max() > 255) or image.mode != "I" else 255.0)
    spread = max(scale[1] - scale[0], 1e-12)
    # What is no number is black; an infinity is as dark or bright as the picture gets.
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


def _bits_per_channel(image: Image.Image, file: Path | io.BytesIO) -> int:
    """Bits per channel in the file, at least 8; Pillow reads 16-bit color PNG as 8 bits without a word."""
    if image.mode == "F":
        return 32
    if image.mode in ("I;16", "I;16B", "I;16L", "I"):
        return 16
    if image.format == "PNG":
        return 16 if _beginning(file, 25)[24:] == b"\x10" else 8
    if image.format == "TIFF":
        bits = getattr(image, "tag_v2", {}).get(258, (8,))
        return int(max(8, *(bits if isinstance(bits, tuple) else (bits,))))
    return 8


def _beginning(file: Path | io.BytesIO, length: int) -> bytes:
    if isinstance(file, io.BytesIO):
        return bytes(file.getbuffer()[:length])
    with file.open("rb") as opened:
        return opened.read(length)
