"""Self-contained HTML pages: light, readable on a phone, no JavaScript, pictures inside."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from numpy.typing import NDArray
from PIL import Image

from gantool.files import atomic

__all__ = ["data_uri", "thumbnail", "write_page"]


def write_page(path: Path, template: str, content: Mapping[str, Any]) -> None:
    """Fill a template of this package and write it atomically; all text in it is escaped.

    Args:
        content: the template's values, with the ``version`` of gantool.

    Raises:
        OutputError: it cannot be written.
    """
    environment = Environment(
        loader=PackageLoader("gantool.report"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    text = environment.get_template(template).render(date=date.today().isoformat(), **content)
    with atomic(path) as temporary:
        temporary.write_text(text, "utf-8", "backslashreplace")  # names need not be UTF-8


def thumbnail(pixels: NDArray[np.uint8], largest: int = 320) -> NDArray[np.uint8]:
    """``(H, W, 3)`` of ``(H, W, C)`` with the longer side at most ``largest`` pixels."""
    color = np.repeat(pixels, 3, axis=2) if pixels.shape[2] == 1 else pixels
    image = Image.fromarray(color)
    image.thumbnail((largest, largest), Image.Resampling.LANCZOS)
    return np.asarray(image)


def data_uri(pixels: NDArray[np.uint8], *, quality: int = 80) -> str:
    """``(H, W, 3)`` uint8 as a JPEG that stands in the page itself."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="JPEG", quality=quality)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"
