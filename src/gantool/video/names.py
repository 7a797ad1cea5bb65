"""Which inputs are clips, told by their names and first bytes: nothing is imported or started for it."""

from __future__ import annotations

import re
from pathlib import Path

from gantool.errors import UsageError, closest

__all__ = [
    "ANIMATIONS",
    "CONTAINERS",
    "SUFFIXES",
    "has_number",
    "is_animation",
    "is_clip",
    "is_clip_file",
    "require_steady",
]

CONTAINERS = frozenset({".mp4", ".m4v", ".mov", ".mkv", ".webm"})
"""Of files that are written by ffmpeg."""

ANIMATIONS = frozenset({".gif", ".webp"})
"""Of files that Pillow reads and gantool writes by itself."""

SUFFIXES = CONTAINERS | frozenset(
    {".avi", ".mpg", ".mpeg", ".ts", ".mts", ".m2ts", ".wmv", ".flv", ".ogv", ".3gp", ".y4m", ".vob", ".mxf", ".nut"}
)
"""Of files that ffmpeg is asked about."""

_NUMBER = re.compile(r"%0?\d*d")
_STILL_BRANDS = (b"avif", b"heic", b"heix", b"mif1", b"msf1")
_MAGIC = {b"\x1a\x45\xdf\xa3": 0, b"AVI ": 8, b"FLV\x01": 0, b"OggS": 0, b"YUV4MPEG2": 0, b"\x00\x00\x01\xba": 0}


def has_number(name: str) -> bool:
    """Whether a name stands for numbered images, such as ``frames/%04d.png``."""
    return len(_NUMBER.findall(Path(name).name)) == 1


def is_clip(name: str) -> bool:
    """Whether an input is a clip: a video, an animation of several frames, or the pattern of numbered images."""
    if name == "-" or Path(name).is_dir():
        return False
    if Path(name).exists():
        return is_clip_file(Path(name))
    return has_number(name) or Path(name).suffix.lower() in SUFFIXES


def is_clip_file(path: Path) -> bool:
    """Whether a file is a video, by its suffix or its first bytes, or an animation of several frames."""
    suffix = path.suffix.lower()
    if suffix in SUFFIXES:
        return True
    if suffix in ANIMATIONS:
        return is_animation(path)
    from gantool.data.images import SUFFIXES as IMAGE_SUFFIXES

    return suffix not in IMAGE_SUFFIXES and _looks_like_a_video(path)


def is_animation(path: Path) -> bool:
    """Whether a GIF or WebP has several frames; False for what is damaged, which whoever reads it will tell."""
    try:
        with path.open("rb") as file:
            start = file.read(64)
        if start[:4] == b"RIFF":  # the flags of an extended WebP file: what is a still need not be opened
            return start[12:16] == b"VP8X" and bool(start[20] & 2)
        from PIL import Image

        with Image.open(path) as image:
            return getattr(image, "n_frames", 1) > 1
    except Exception:  # Pillow's readers raise nearly everything
        return False


def _looks_like_a_video(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            start = file.read(16)
    except OSError:
        return False
    if start[4:8] == b"ftyp":
        return start[8:12] not in _STILL_BRANDS
    return any(start[place : place + len(mark)] == mark for mark, place in _MAGIC.items())


def require_steady(word: str) -> None:
    """Check what ``--steady`` says, for pictures that it does not concern, too.

    Raises:
        UsageError: it is none of its words.
    """
    words = ("off", "auto", "on")
    if word not in words:
        raise UsageError(f"--steady {word}: there is no such word.", closest(word, words))
