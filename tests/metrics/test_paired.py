from __future__ import annotations

import numpy as np
import pytest

from gantool.metrics.paired import histogram_matcher, l1, l1_ratio, median_image


def flat(level: int) -> np.ndarray:
    return np.full((2, 2, 1), level, np.uint8)


def test_l1_by_hand() -> None:
    assert l1([flat(10), flat(0)], [flat(13), flat(5)]) == 4
    assert l1_ratio([flat(10)], [flat(0)], [flat(20)]) == 0.5


def test_median_image() -> None:
    assert median_image([flat(1), flat(9), flat(200)])[0, 0, 0] == 9


def test_histogram_matching_brings_the_distribution() -> None:
    rng = np.random.default_rng(0)
    dark = rng.integers(0, 100, (64, 64, 3)).astype(np.uint8)
    bright = rng.integers(150, 250, (64, 64, 3)).astype(np.uint8)
    matched = histogram_matcher([bright])(dark)
    for quantile in (0.1, 0.5, 0.9):
        assert np.quantile(matched, quantile) == pytest.approx(np.quantile(bright, quantile), abs=2)
    same = histogram_matcher([dark])(dark)
    assert np.abs(same.astype(int) - dark).max() <= 1
