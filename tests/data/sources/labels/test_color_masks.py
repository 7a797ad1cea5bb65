from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from gantool.data.sources.labels.color_masks import discover_colors

ROAD, SKY, GRASS = COLORS = ((128, 64, 128), (70, 130, 180), (107, 142, 35))


def label_map(number: int) -> Image.Image:
    """Three classes with long straight edges, whose blends are as frequent as small classes."""
    rng = np.random.default_rng(number)
    image = Image.new("RGB", (160, 160), ROAD)
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, 160, int(rng.integers(40, 60))), fill=SKY)
    left, top = (int(value) for value in rng.integers(70, 110, 2))
    draw.rectangle((left, top, left + 40, top + 30), fill=GRASS)
    return image


def near(found: list[tuple[int, int, int]], wanted: tuple[tuple[int, int, int], ...], levels: int = 3) -> bool:
    return len(found) == len(wanted) and all(
        min(np.abs(np.subtract(one, color)).max() for one in found) <= levels for color in wanted
    )


@pytest.mark.parametrize("quality", [60, 75, 90, 95])
def test_blends_along_edges_of_jpeg_masks_are_no_classes(quality: int, tmp_path: Path) -> None:
    masks = [tmp_path / f"{n}.jpg" for n in range(6)]
    for n, path in enumerate(masks):
        label_map(n).save(path, quality=quality)
    assert near(discover_colors(tmp_path, masks), COLORS)


def test_blends_of_masks_that_were_jpeg_once_or_were_scaled(tmp_path: Path) -> None:
    masks = [tmp_path / f"{n}.png" for n in range(6)]
    for n, path in enumerate(masks):
        label_map(n).save(tmp_path / "once.jpg", quality=75)
        with Image.open(tmp_path / "once.jpg") as image:
            image.resize((203, 203), Image.Resampling.BICUBIC).save(path)
    assert near(discover_colors(tmp_path, masks), COLORS)


def test_thin_classes_of_a_color_of_their_own_stay(tmp_path: Path) -> None:
    wire = (250, 40, 30)
    masks = [tmp_path / f"{n}.jpg" for n in range(4)]
    for n, path in enumerate(masks):
        image = label_map(n)
        ImageDraw.Draw(image).rectangle((10 + n, 0, 13 + n, 160), fill=wire)
        image.save(path, quality=95)
    assert near(discover_colors(tmp_path, masks), (*COLORS, wire), levels=16)  # JPEG halves the resolution of chroma
