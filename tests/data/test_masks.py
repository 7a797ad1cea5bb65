from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gantool.arrays import IGNORE
from gantool.data.masks import count_values, from_one_hot, one_hot, read_index_mask, remap, write_mask
from gantool.data.tiles import cut_tiles, stitch_tiles, tile_corners
from gantool.errors import DataError

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("classes", [1, 2, 9, 255])
def test_one_hot_and_back(classes: int) -> None:
    mask = RNG.integers(0, classes, (13, 7)).astype(np.uint8)
    mask[RNG.random(mask.shape) < 0.2] = IGNORE
    planes = one_hot(mask, classes)
    assert planes.shape == (13, 7, classes)
    assert planes.dtype == np.uint8
    assert (planes.sum(axis=-1) == (mask != IGNORE)).all()
    assert np.array_equal(from_one_hot(planes), mask)
    again = one_hot(from_one_hot(planes), classes)
    assert np.array_equal(again, planes)


def test_one_hot_refuses_other_indices() -> None:
    with pytest.raises(ValueError, match="has the index 3, expected 0 to 2 or 255"):
        one_hot(np.array([[3]], np.uint8), 3)


def test_masks_are_written_as_palette(tmp_path: Path) -> None:
    mask = np.array([[0, 1], [2, IGNORE]], np.uint8)
    write_mask(tmp_path / "m.png", mask, [(0, 0, 0), (128, 0, 0), (0, 128, 0)])
    with Image.open(tmp_path / "m.png") as image:
        assert image.mode == "P"
        assert image.convert("RGB").getpixel((1, 0)) == (128, 0, 0)
    assert np.array_equal(read_index_mask(tmp_path / "m.png"), mask)


def test_every_kind_of_mask_is_read(tmp_path: Path) -> None:
    values = np.array([[0, 7], [200, 3]], np.uint8)
    for name, image in {
        "gray": Image.fromarray(values),
        "deep": Image.fromarray(values.astype(np.uint16)),
        "color": Image.fromarray(np.dstack([values] * 3)),
        "alpha": Image.fromarray(np.dstack([values] * 3 + [np.full_like(values, 255)])),
    }.items():
        image.save(tmp_path / f"{name}.png")
        assert read_index_mask(tmp_path / f"{name}.png").tolist() == values.tolist(), name
    Image.fromarray(RNG.integers(0, 256, (4, 4, 3)).astype(np.uint8)).save(tmp_path / "photo.png")
    with pytest.raises(DataError, match="picture in color"):
        read_index_mask(tmp_path / "photo.png")


def test_remap_makes_sparse_values_dense_and_names_unknown_ones() -> None:
    values = np.array([[3, 61], [255, 3]], np.int32)
    assert remap(values, {3: 0, 61: 1, 255: 255}, Path("m")).tolist() == [[0, 1], [255, 0]]
    with pytest.raises(DataError, match="m: has the label value 61, which no class has"):
        remap(values, {3: 0, 255: 255}, Path("m"))


@pytest.mark.parametrize("values", [[[3, 61], [255, 3]], [[-2, 5], [5, 70_000]], [[0]], [[]], [[65_535, 65_536]]])
def test_counted_and_replaced_like_one_by_one(values: list[list[int]]) -> None:
    """By a table of the values, or by sorting where they are too many for one."""
    stored = np.array(values, dtype=np.int32)
    flat = [value for row in values for value in row]
    assert count_values(stored) == {value: flat.count(value) for value in sorted(set(flat))}
    table = {value: n for n, value in enumerate(sorted(set(flat)))}
    made = remap(stored, table, Path("m"))
    assert made.tolist() == [[table[value] for value in row] for row in values]
    assert made.dtype == np.uint8


@pytest.mark.parametrize("shape", [(10, 10), (7, 23, 3), (64, 65), (3, 100, 2), (100, 3)])
@pytest.mark.parametrize(("tile", "stride"), [(4, None), (16, 5), (64, 64), (7, 7)])
def test_tiles_and_back(shape: tuple[int, ...], tile: int, stride: int | None) -> None:
    array = RNG.integers(0, 256, shape).astype(np.uint8)
    tiles = list(cut_tiles(array, tile, stride))
    assert all(part.shape[0] == min(tile, shape[0]) and part.shape[1] == min(tile, shape[1]) for _, _, part in tiles)
    assert np.array_equal(stitch_tiles(tiles, shape[0], shape[1]), array)


def test_corners_by_hand() -> None:
    assert tile_corners(4, 10, 4) == [(0, 0), (0, 4), (0, 6)]
    assert tile_corners(3, 3, 4) == [(0, 0)]
    assert tile_corners(4, 8, 4, 2) == [(0, 0), (0, 2), (0, 4)]
