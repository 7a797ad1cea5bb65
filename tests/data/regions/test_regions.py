"""From label maps to outlines and back."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from gantool.arrays import Mask
from gantool.data.regions import outlines
from gantool.data.regions.regions import Regions, drop_small, fill_holes, find_regions
from gantool.data.regions.simplify import simplified, simplified_outline
from gantool.data.sample import draw_scene

RNG = np.random.default_rng(0)


def rows(*lines: str) -> Mask:
    return np.array([[int(letter) for letter in line] for line in lines], np.uint8)


def noise(height: int, width: int, classes: int) -> Mask:
    return RNG.integers(0, classes, (height, width)).astype(np.uint8)


def blobs(height: int, width: int, classes: int) -> Mask:
    small = Image.fromarray(RNG.integers(0, 256, (height // 10, width // 10)).astype(np.uint8))
    smooth = np.asarray(small.resize((width, height), Image.Resampling.BICUBIC)).astype(np.int32)
    return (smooth * classes // 256).astype(np.uint8)


def painted_again(regions: Regions, outline: Callable[[int], NDArray[np.float64]]) -> Mask:
    """As labelme and gantool paint polygons: one after the other, corners at whole pixels."""
    canvas = Image.new("L", regions.owners.shape[::-1], 254)
    draw = ImageDraw.Draw(canvas)
    for place, region in enumerate(regions.listed):
        points = [(float(x), float(y)) for x, y in outline(place)]
        draw.polygon(points, fill=region.index, outline=region.index)
    return np.array(canvas)


MASKS = {
    "one pixel": rows("0"),
    "a line": rows("010", "010", "010"),
    "a ring within a ring": rows("00000", "01110", "01010", "01110", "00000"),
    "corners that touch": rows("1001", "0110", "0110", "1001"),
    "a ring that closes over a corner": rows("00000", "01110", "01010", "01100", "00001"),
    "noise": noise(61, 47, 3),
    "blobs": blobs(270, 120, 3),
    "scene": draw_scene(3, size=(160, 120)).mask,
}


@pytest.mark.parametrize("name", MASKS)
def test_outlines_give_the_label_map_back(name: str) -> None:
    mask = MASKS[name]
    found = find_regions(mask)
    assert np.array_equal(np.array([region.index for region in found.listed])[found.owners], mask)
    assert sum(region.area for region in found.listed) == mask.size
    assert np.array_equal(painted_again(found, lambda place: found.listed[place].outline), mask)
    assert np.array_equal(painted_again(found, lambda place: simplified_outline(found, place, 0)), mask)


def test_pieces_are_joined(monkeypatch: pytest.MonkeyPatch) -> None:
    mask = blobs(60, 40, 3)
    whole = {(value, frozenset(map(tuple, points.tolist()))) for value, points in outlines.trace_outlines(mask)}
    for side in (3, 16):
        monkeypatch.setattr(outlines, "_PIECE", side)
        pieces = outlines.trace_outlines(mask)
        assert {(value, frozenset(map(tuple, points.tolist()))) for value, points in pieces} == whole, side


def test_what_lies_in_a_hole_comes_later() -> None:
    found = find_regions(rows("00000", "01110", "01210", "01110", "00000"))
    assert [(region.index, region.area, region.enclosed) for region in found.listed] == [
        (0, 16, False),
        (1, 8, True),
        (2, 1, True),
    ]
    assert found.listed[1].box == (1, 1, 4, 4)
    assert [found.has_holes(place) for place in range(3)] == [True, True, False]
    assert found.pixels(1).tolist() == [[True, True, True], [True, False, True], [True, True, True]]


@pytest.mark.parametrize("name", ["blobs", "scene"])
def test_simplified_outlines_change_little(name: str) -> None:
    mask = MASKS[name]
    found = find_regions(mask)
    again = painted_again(found, lambda place: simplified_outline(found, place, 1))
    for value in np.unique(mask):
        both, either = ((mask == value) & (again == value)).sum(), ((mask == value) | (again == value)).sum()
        assert both / either >= 0.98, value
    counts = [
        sum(len(simplified_outline(found, place, tolerance)) for place in range(len(found.listed)))
        for tolerance in (0, 1, 3)
    ]
    assert counts[0] > counts[1] >= counts[2]
    assert name == "blobs" or counts[0] > 1.2 * counts[1], "large regions lose many"


def test_points_that_are_left_out_lie_close() -> None:
    turns = np.linspace(0, 2 * np.pi, 400, endpoint=False)
    ring = np.stack([50 + 40 * np.cos(turns), 50 + 40 * np.sin(turns)], axis=1)
    for tolerance in (0.1, 1, 5):
        few = simplified(ring, tolerance)
        away = [
            min(np.hypot(*(a + np.clip((p - a) @ (b - a) / ((b - a) @ (b - a)), 0, 1) * (b - a) - p))
                for a, b in zip(few, np.roll(few, -1, axis=0), strict=True))
            for p in ring
        ]  # fmt: skip
        assert 0 < max(away) <= tolerance
    assert len(simplified(ring, 1000)) == 3


def test_small_regions_go_to_what_surrounds_them_most() -> None:
    mask = rows("000111", "020111", "000131", "000111")
    assert drop_small(mask, 2).tolist() == rows("000111", "000111", "000111", "000111").tolist()
    assert np.array_equal(drop_small(mask, 1), mask)
    assert drop_small(rows("0011", "0211"), 2).tolist() == [[0, 0, 1, 1], [0, 0, 1, 1]], "three sides against one"
    assert np.array_equal(drop_small(rows("11", "11"), 99), rows("11", "11")), "nothing surrounds the whole"
    for least in (5, 40):
        cleaned = drop_small(noise(40, 40, 4), least)
        areas = [region.area for region in find_regions(cleaned).listed]
        assert min(areas) >= least or len(areas) == 1


def test_holes_are_filled_whatever_lies_in_them() -> None:
    mask = rows("000000", "011110", "012210", "010310", "011110")
    assert fill_holes(mask).tolist() == [[0] * 6, *[[0, 1, 1, 1, 1, 0]] * 4]
    mask = rows("1011", "1010", "1111")
    assert np.array_equal(fill_holes(mask), mask), "what reaches the border is no hole"
    assert np.array_equal(fill_holes(rows("000", "010", "000")), np.zeros((3, 3)))
