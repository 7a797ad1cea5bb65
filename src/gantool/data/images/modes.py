"""From the ways in which files hold colors to RGB and alpha of 8 bits."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms

__all__ = ["bits_per_channel", "split_alpha"]


def split_alpha(image: Image.Image) -> tuple[Image.Image, Image.Image | None, bool]:
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


def bits_per_channel(image: Image.Image, file: Path | io.BytesIO) -> int:
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
