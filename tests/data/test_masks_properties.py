"""What holds for all masks, on masks drawn at random: no pixel changes its class on the way."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gantool.arrays import IGNORE
from gantool.data.masks import from_one_hot, one_hot, read_index_mask, remap, write_mask
from gantool.data.sources.find import find_source
from gantool.data.sources.labels import LabelOptions, read_class_table


def draw_mask(rng: random.Random, classes: int, *, ignore: bool = True) -> np.ndarray:
    """Blocks and single pixels of random classes, some of them of none."""
    drawn = np.random.default_rng(rng.randrange(10**6))
    size = rng.randint(1, 40), rng.randint(1, 40)
    mask = drawn.integers(0, classes, size).astype(np.uint8)
    mask[: size[0] // 2] = rng.randrange(classes)
    if ignore and rng.random() < 0.5:
        mask[drawn.random(size) < 0.1] = IGNORE
    return mask


def draw_colors(rng: random.Random, count: int) -> list[tuple[int, int, int]]:
    colors: set[tuple[int, int, int]] = set()
    while len(colors) < count:
        colors.add((rng.randrange(256), rng.randrange(256), rng.randrange(256)))
    return rng.sample(sorted(colors), count)


def write_set(masks: list[Image.Image]) -> Path:
    """A folder of images with these masks, lossless."""
    for number, mask in enumerate(masks):
        for folder in ("images", "masks"):
            Path("set", folder).mkdir(parents=True, exist_ok=True)
        Image.new("RGB", mask.size, (number, 99, 0)).save(f"set/images/{number}.png")
        mask.save(f"set/masks/{number}.png")
    return Path("set")


def test_written_masks_read_back(tmp_path: Path) -> None:
    rng = random.Random(0)
    for _ in range(60):
        classes = rng.choice((1, 2, 9, 254))
        mask = draw_mask(rng, classes)
        write_mask(tmp_path / "m.png", mask, draw_colors(rng, classes))
        assert np.array_equal(read_index_mask(tmp_path / "m.png"), mask)
        assert np.array_equal(from_one_hot(one_hot(mask, classes)), mask)


def test_remapping_is_a_table() -> None:
    rng = random.Random(1)
    for _ in range(100):
        classes = rng.randint(1, 20)
        mask = draw_mask(rng, classes, ignore=False)
        stored = rng.sample(range(65536), classes)
        table = {value: rng.randrange(256) for value in stored}
        values = np.array(stored, np.int32)[mask]
        got = remap(values, table, Path("m"))
        assert got.tolist() == [[table[int(value)] for value in row] for row in values]


@pytest.mark.parametrize("seed", range(6))
def test_every_pixel_of_a_color_mask_keeps_its_color(seed: int, workplace: Path) -> None:
    """Stored as pictures, or by palettes of which each has its own order."""
    rng = random.Random(seed)
    classes = rng.randint(2, 30)
    colors = draw_colors(rng, classes)
    drawn = [np.array(colors, np.uint8)[draw_mask(rng, classes, ignore=False)] for _ in range(3)]
    images = []
    for pixels in drawn:
        order = rng.sample(range(256), classes)
        palette = np.zeros((256, 3), np.uint8)
        palette[order] = colors
        indices = (pixels[:, :, None] == np.array(colors)).all(3).argmax(2)
        image = Image.fromarray(np.array(order, np.uint8)[indices])
        image.putpalette(palette.tobytes())
        images.append(image if seed % 2 else Image.fromarray(pixels))
    found = find_source(write_set(images)).labelled()
    assert found.colors is not None
    for one, pixels in zip(found.images, drawn, strict=True):
        assert np.array_equal(np.array(found.colors, np.uint8)[one.mask()], pixels)


@pytest.mark.parametrize("seed", range(4))
def test_a_table_decides_names_and_order(seed: int, workplace: Path) -> None:
    """Of colors, or of stored values, whatever the order of its lines."""
    rng = random.Random(seed)
    classes = rng.randint(2, 30)
    masks = [draw_mask(rng, classes, ignore=False) for _ in range(3)]
    stored = rng.sample(range(255), classes)
    colors = draw_colors(rng, classes)
    order = rng.sample(range(classes), classes)
    if seed % 2:
        lines = [f"class {n},{','.join(map(str, colors[n]))}" for n in order]
        images = [Image.fromarray(np.array(colors, np.uint8)[mask]) for mask in masks]
    else:
        lines = [f"{stored[n]},class {n}" for n in order]
        images = [Image.fromarray(np.array(stored, np.uint8)[mask]) for mask in masks]
    Path("classes.csv").write_text("\n".join(lines))
    found = find_source(write_set(images), options=LabelOptions(classes=read_class_table(Path("classes.csv"))))
    names = found.labelled().classes
    assert not seed % 2 or names == tuple(f"class {n}" for n in order)
    for one, mask in zip(found.labelled().images, masks, strict=True):
        assert [[names[index] for index in row] for row in one.mask()] == [
            [f"class {n}" for n in row] for row in mask
        ]
