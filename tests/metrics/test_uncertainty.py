"""Entropies and margins against numbers worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from gantool.metrics.uncertainty import Doubts


def test_entropy_and_margin_by_hand() -> None:
    # Four classes; pixels: sure of a; a or b; nothing known; two thirds of b, one third of c.
    pixels = np.array([[1, 0, 0, 0], [0.5, 0.5, 0, 0], [0.25] * 4, [0, 2 / 3, 1 / 3, 0]], np.float32)
    doubts = Doubts(("a", "b", "c", "d"))
    doubts(pixels[:2].T.reshape(4, 1, 2))
    doubts(pixels[2:].T.reshape(4, 1, 2))
    third = (np.log(3) - 2 / 3 * np.log(2)) / np.log(4)
    assert doubts.entropy == pytest.approx((0 + 0.5 + 1 + third) / 4, abs=1e-6)
    assert doubts.margin == pytest.approx((1 + 0 + 0 + 1 / 3) / 4, abs=1e-6)
    assert doubts.by_class == {"a": pytest.approx(0.5, abs=1e-6), "b": pytest.approx(third, abs=1e-6)}
    assert doubts.picture()[..., 0].tolist() == [[0, 128], [255, round(255 * third)]]


def test_probabilities_of_independent_classes_count_in_proportion() -> None:
    one, two = Doubts(("a", "b")), Doubts(("a", "b"))
    one(np.full((2, 3, 3), 0.9, np.float32))
    two(np.full((2, 3, 3), 0.5, np.float32))
    assert one.entropy == two.entropy == pytest.approx(1)
    none = Doubts(("a", "b"))
    none(np.zeros((2, 3, 3), np.float32))
    assert np.isfinite(none.entropy) and np.isfinite(none.margin)
