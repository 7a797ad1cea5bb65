from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from gantool.predict.pieces import Pieces
from gantool.predict.tiling import Tiling, parse_tiling


def pieces(tiling: Tiling | None = None, **options: Any) -> Pieces:
    usual = {"multiple_of": 8, "smallest": 16, "fixed": None, "batches": True, "most_pixels": 10_000.0}
    return Pieces(SimpleNamespace(**{**usual, **options}), tiling or Tiling())  # type: ignore[arg-type]


def test_one_piece_as_long_as_memory_suffices() -> None:
    assert pieces().side(100, 100) == 0
    assert pieces().side(100, 101) == 96, "the root of what fits, down to a multiple"
    assert pieces(most_pixels=1e9).side(40_000, 40_000) == 1024
    assert pieces(most_pixels=1e9).side(40_000, 40_000, largest=512) == 512
    assert pieces(most_pixels=1).side(100, 100) == 16, "but what the runner takes"
    assert pieces(most_pixels=100).side(16, 7) == 0, "an image that is no larger needs no tiles"


def test_tiles_as_asked_for() -> None:
    assert pieces(Tiling("off")).side(10_000, 10_000) == 0
    assert pieces(Tiling("size", 70)).side(65, 3) == 64
    assert pieces(Tiling("size", 70)).side(64, 64) == 0
    assert parse_tiling("64") == Tiling("size", 64)


def test_a_runner_of_one_size() -> None:
    fixed = pieces(fixed=(32, 48))
    assert fixed.side(32, 48) == 0
    assert fixed.side(33, 48) == fixed.side(32, 49) == 32


def test_how_many_together() -> None:
    assert pieces().together(50, 50) == 4
    assert pieces().together(200, 200) == 1
    assert pieces(batches=False).together(5, 5) == 1
    assert pieces(Tiling("off")).together(200, 200) > 1000


@pytest.mark.parametrize("mirrored_edge", [True, False])
def test_pictures_are_continued_to_the_right_and_below(mirrored_edge: bool) -> None:
    pixels = np.arange(13 * 19, dtype=np.uint8).reshape(13, 19, 1)
    made = pieces().padded(pixels, mirrored_edge=mirrored_edge)
    assert made.shape == (16, 24, 1)
    assert np.array_equal(made[:13, :19], pixels)
    skip = 0 if mirrored_edge else 1
    assert np.array_equal(made[13:, :19], pixels[::-1][skip : 3 + skip])
    assert np.array_equal(made[:13, 19:], pixels[:, ::-1][:, skip : 5 + skip])
    full = np.zeros((16, 24, 3), np.uint8)
    assert pieces().padded(full, mirrored_edge=mirrored_edge) is full


def test_a_mirror_image_that_is_too_short_goes_on_with_its_end() -> None:
    pixels = np.array([[1, 2, 3]], np.uint8)[..., None]
    made = pieces(fixed=(2, 7)).padded(pixels, mirrored_edge=False)[..., 0]
    assert made.tolist() == [[1, 2, 3, 2, 1, 1, 1]] * 2
