"""Self-contained HTML pages, for any width, light or dark: styles, scripts and pictures inside, no other host."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from datetime import date
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from numpy.typing import NDArray
from PIL import Image

from gantool.arrays import as_color
from gantool.files import atomic
from gantool.report.words import title_of

__all__ = ["data_uri", "picture", "shares_of", "thumbnail", "write_page"]

_ASSETS = {
    "page_css": "page.css", "page_js": "page.js", "chart_js": "chart.js",
    "uplot_js": "uPlot.min.js", "uplot_css": "uPlot.min.css", "uplot_license": "uPlot.LICENSE.txt",
}  # fmt: skip
_STEPS = ((1.0, 80), (1.0, 65), (0.75, 65), (0.55, 60), (0.4, 50), (0.25, 40), (0.12, 30))
"""Scales and qualities that are tried until a picture is small enough."""


def write_page(path: Path, template: str, content: Mapping[str, Any]) -> None:
    """Fill a template of this package and write it atomically; all text in it is escaped.

    Args:
        content: the template's values, with the ``version`` of gantool.

    Raises:
        OutputError: it cannot be written.
    """
    text = _environment().get_template(template).render(date=date.today().isoformat(), **content)
    with atomic(path) as temporary:
        temporary.write_text(text, "utf-8", "backslashreplace")  # names need not be UTF-8


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("gantool.report"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    folder = resources.files("gantool.report") / "assets"
    environment.globals |= {name: (folder / file).read_text("utf-8") for name, file in _ASSETS.items()}
    environment.filters["title_of"] = title_of
    return environment


def thumbnail(pixels: NDArray[np.uint8], largest: int = 320) -> NDArray[np.uint8]:
    """``(H, W, 3)`` of ``(H, W, C)`` with the longer side at most ``largest`` pixels."""
    image = Image.fromarray(as_color(pixels))
    image.thumbnail((largest, largest), Image.Resampling.LANCZOS)
    return np.asarray(image)


def data_uri(pixels: NDArray[np.uint8], *, at_most: int | None = None) -> str:
    """``(H, W, 3)`` uint8 as a JPEG that stands in the page itself.

    Args:
        at_most: characters; a picture that would take more is made coarser, and smaller if that does not do.
    """
    image, text = Image.fromarray(pixels), ""
    for scale, quality in _STEPS:
        size = max(round(image.width * scale), 1), max(round(image.height * scale), 1)
        buffer = io.BytesIO()
        shown = image if scale == 1 else image.resize(size, Image.Resampling.BOX)
        shown.save(buffer, format="JPEG", quality=quality)
        text = f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"
        if at_most is None or len(text) <= at_most:
            break
    return text


def picture(name: str, pixels: NDArray[np.uint8], *, at_most: int | None = None) -> dict[str, Any]:
    """A picture ``(H, W, 3)`` as templates show it: name, address, width and height."""
    return {
        "name": name, "src": data_uri(pixels, at_most=at_most), "width": pixels.shape[1], "height": pixels.shape[0]
    }  # fmt: skip


def shares_of(total: int, pictures: Sequence[object]) -> int:
    """The characters that each of several pictures may take for all of them to stay within a total."""
    return total // max(len(pictures), 1)
