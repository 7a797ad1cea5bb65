"""The scenes that the built-in segmenter was trained on: the same every time, of all classes, never twice alike."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

TOOLS = Path(__file__).parent.parent / "tools"


@pytest.fixture
def drawing(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    monkeypatch.syspath_prepend(str(TOOLS))
    import drawn_landscapes  # type: ignore[import-not-found]

    yield drawn_landscapes
    for name in ("drawn_landscapes", "drawing_hands", "landscape_palettes"):
        sys.modules.pop(name, None)


def test_scenes_are_functions_of_their_number(drawing: ModuleType) -> None:
    pixels, mask = drawing.draw(3, seed=1, size=(96, 64))
    again, same = drawing.draw(3, seed=1, size=(96, 64))
    assert pixels.shape == (64, 96, 3) and mask.shape == (64, 96)
    assert np.array_equal(pixels, again) and np.array_equal(mask, same)
    assert not np.array_equal(mask, drawing.draw(4, seed=1, size=(96, 64))[1])
    assert not np.array_equal(mask, drawing.draw(3, seed=2, size=(96, 64))[1])


def test_every_class_is_common_and_looks_like_many_things(drawing: ModuleType) -> None:
    scenes = [drawing.draw(n, size=(96, 64)) for n in range(40)]
    counts = np.bincount(np.concatenate([mask.ravel() for _, mask in scenes]), minlength=5)
    assert len(counts) == len(drawing.CLASSES) == 5
    assert (counts / counts.sum() > 0.02).all()
    skies = np.array([pixels[mask == 0].mean(0) for pixels, mask in scenes if (mask == 0).any()])
    assert skies.std(0).min() > 20, "days, evenings, nights"
    # The hand changes colors, never what is where: edges of the picture stand where the mask's are.
    sharper = 0
    for pixels, mask in scenes:
        step = np.abs(np.diff(pixels.astype(float).mean(2), axis=0))
        edge = np.diff(mask.astype(int), axis=0) != 0
        sharper += bool(step[edge].mean() > 1.5 * step[~edge].mean())
    assert sharper >= 30
