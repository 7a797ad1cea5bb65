"""Giving a picture back the way it came, as far as the format of the result can."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from PIL import Image

from gantool.arrays import Pixels
from gantool.data.decoder_warnings import collected_warnings
from gantool.data.images.reading import Picture, in_a_line
from gantool.errors import OutputError
from gantool.files import Target, put

__all__ = ["encode_picture", "write_picture"]

_WITH_ALPHA = frozenset({".png", ".webp", ".tif", ".tiff"})
_TIFF = frozenset({".tif", ".tiff"})
# Of the file itself rather than about the picture, and folders of tags, which libtiff cannot write.
_TIFF_LAYOUT = frozenset({254, 255, *range(256, 260), 262, 266, 273, 277, 278, 279, 284, 317, 320, *range(322, 326),
                          330, 338, 339, 347, *range(512, 522), 529, 530, 531, 532})  # fmt: skip
_TAG_FOLDERS = {0x8769: "camera settings", 0x8825: "place", 0xA005: "interoperability"}


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
        return b"", in_a_line(error)
    return buffer.getvalue(), ""


def _format_of(suffix: str) -> str | None:
    """Pillow's name of a format; None for a suffix that it does not know."""
    Image.preinit()  # the usual formats; to load all of them takes longer than to write a photo
    return Image.EXTENSION.get(suffix) or Image.registered_extensions().get(suffix)
