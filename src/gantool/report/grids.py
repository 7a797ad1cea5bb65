"""Sample grids: one row per image, one titled column per kind of picture.

A grid file says in its metadata where its pictures are, so that a page can take it apart again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from PIL.PngImagePlugin import PngInfo
from torch import Tensor

from gantool.arrays import as_color
from gantool.documents import load_json
from gantool.files import atomic

__all__ = ["read_grid", "sample_grid", "write_grid"]

_TITLE_HEIGHT = 20
_GAP = 2
_KEY = "gantool"


def sample_grid(pictures: Mapping[str, Tensor]) -> Image.Image:
    """Lay out ``(N, C, H, W)`` tensors in [-1, 1] by column title, all of one height and width."""
    first = next(iter(pictures.values()))
    rows, height, width = first.shape[0], first.shape[2], first.shape[3]
    grid = Image.new(
        "RGB",
        (len(pictures) * (width + _GAP) + _GAP, _TITLE_HEIGHT + rows * (height + _GAP) + _GAP),
        (24, 26, 30),
    )
    draw = ImageDraw.Draw(grid)
    font = ImageFont.load_default(size=max(9, min(13, width // 9)))
    for column, (title, images) in enumerate(pictures.items()):
        left = _GAP + column * (width + _GAP)
        draw.text((left + width / 2, _TITLE_HEIGHT / 2), title, fill=(235, 235, 235), font=font, anchor="mm")
        levels = ((images.float().clamp(-1, 1) + 1) * 127.5).round().byte().permute(0, 2, 3, 1).numpy()
        for row, pixels in enumerate(levels):
            grid.paste(Image.fromarray(as_color(pixels)), (left, _TITLE_HEIGHT + _GAP + row * (height + _GAP)))
    return grid


def write_grid(path: Path, pictures: Mapping[str, Tensor]) -> None:
    """Write a sample grid as PNG."""
    rows, _, height, width = next(iter(pictures.values())).shape
    about = PngInfo()
    about.add_text(_KEY, json.dumps({"columns": list(pictures), "rows": rows, "height": height, "width": width}))
    with atomic(path) as temporary:
        sample_grid(pictures).save(temporary, format="PNG", pnginfo=about)


def read_grid(path: Path) -> dict[str, list[NDArray[np.uint8]]]:
    """The pictures ``(H, W, 3)`` of a grid file by column title; empty if it does not say where they are."""
    try:
        with Image.open(path) as opened:
            about, grid = load_json(str(opened.info[_KEY])), np.asarray(opened.convert("RGB"))
        height, width, rows = (int(about[key]) for key in ("height", "width", "rows"))
        columns = [str(title) for title in about["columns"]]
    except (OSError, SyntaxError, LookupError, TypeError, ValueError, OverflowError):  # changed by somebody else
        return {}
    if min(height, width, rows) < 1 or grid.shape[0] < rows * height or grid.shape[1] < len(columns) * width:
        return {}
    pictures: dict[str, list[NDArray[np.uint8]]] = {}
    for column, title in enumerate(columns):
        left = _GAP + column * (width + _GAP)
        tops = [_TITLE_HEIGHT + _GAP + row * (height + _GAP) for row in range(rows)]
        pictures[title] = [grid[top : top + height, left : left + width] for top in tops]
    return pictures
