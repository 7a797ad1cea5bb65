"""Sizes that nobody can mean are refused before memory is asked for."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from gantool.errors import UsageError
from gantool.predict.bands import segment_in_bands
from gantool.predict.sizes import MOST_PIXELS, parse_side, require_size
from gantool.predict.tiling import parse_tiling


def test_the_bound_is_that_of_reading() -> None:
    assert Image.MAX_IMAGE_PIXELS is not None
    assert MOST_PIXELS == 2 * Image.MAX_IMAGE_PIXELS
    require_size("--size", 1, MOST_PIXELS)
    require_size("--size", MOST_PIXELS, 1)
    for width, height in ((2, MOST_PIXELS // 2 + 1), (0, 5), (5, 0), (100_000, 100_000)):
        with pytest.raises(UsageError, match="--size: a picture of"):
            require_size("--size", width, height)


def test_digits_of_every_kind() -> None:
    assert [parse_side(text) for text in ("64", "²", "٣", "", "-1", "1" * 5000)] == [64, *[None] * 5]
    for text in ("²²²", "9" * 5000):
        with pytest.raises(UsageError, match="expected auto, off"):
            parse_tiling(text)


def test_a_long_narrow_picture_is_not_scaled_to_gigabytes() -> None:
    with pytest.raises(UsageError, match="--shorter-side 2000: a picture of 1000000x2000"):
        segment_in_bands(lambda pixels: iter(()), np.zeros((1, 500, 3), np.uint8), load_size=2000)
