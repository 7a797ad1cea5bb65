"""Motion, its trust, cuts, and averages along it: against motion that is known."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from gantool.arrays import Pixels
from gantool.data.sample import draw_scene
from gantool.errors import UsageError
from gantool.video.steady.cuts import is_cut, thumbnail

pytest.importorskip("cv2", reason="OpenCV is not installed here")

from gantool.video.steady.average import Average, PictureAverage
from gantool.video.steady.motion import Motion, motion_between, require_flow


@pytest.fixture(scope="module")
def scenes() -> list[Pixels]:
    return [draw_scene(n, size=(320, 180)).summer for n in range(3)]


def still(height: int, width: int, trust: float = 1.0) -> Motion:
    return Motion(np.zeros((height, width, 2), np.float32), np.full((height, width), trust, np.float32))


def test_a_pan_is_followed_and_trusted(scenes: list[Pixels]) -> None:
    wide = scenes[0]
    before, after = wide[20:160, 20:260], wide[22:162, 26:266]
    motion = motion_between(before, after)
    inner = (slice(30, 110), slice(30, 210))
    assert np.median(motion.flow[inner][..., 0]) * 240 == pytest.approx(6, abs=0.3)
    assert np.median(motion.flow[inner][..., 1]) * 140 == pytest.approx(2, abs=0.3)
    assert motion.trust[inner].mean() > 0.9
    assert motion.trust[:, -3:].mean() < 0.4  # what has just come into sight
    assert not motion.is_lost


def test_new_scenes_are_cuts_and_neither_pans_nor_flashes_are(scenes: list[Pixels]) -> None:
    thumbs = [thumbnail(scene) for scene in scenes]
    wide = scenes[0]
    assert not is_cut(thumbnail(wide[:, :240]), thumbnail(wide[:, 40:280]))
    flash = np.clip(wide.astype(int) + 60, 0, 255).astype(np.uint8)
    assert not is_cut(thumbs[0], thumbnail(flash))
    assert not motion_between(wide, wide).is_lost
    for n in (0, 1):
        assert is_cut(thumbs[n], thumbs[n + 1]) or motion_between(scenes[n], scenes[n + 1]).is_lost


def test_the_average_of_noise_shrinks_as_the_formula_says() -> None:
    rng = np.random.default_rng(0)
    average = Average(0.8)
    values = [rng.normal(0, 1, (60, 80, 5)).astype(np.float32) for _ in range(40)]
    for n, one in enumerate(values):
        kept = average(one, still(60, 80) if n else None)
    assert kept.std() == pytest.approx(np.sqrt(0.2 / 1.8), rel=0.05)


def test_an_average_by_hand() -> None:
    average, pictures = Average(0.5), PictureAverage(0.5)
    flat = [np.full((4, 6, 1), value, np.float32) for value in (0, 8, 8)]
    seen = [np.full((4, 6, 3), value, np.uint8) for value in (0, 80, 80)]
    motions = [None, still(4, 6), still(4, 6, 0.5)]
    assert [float(average(one, motion)[0, 0, 0]) for one, motion in zip(flat, motions, strict=True)] == [0, 4, 7]
    assert [int(pictures(one, motion)[1, 1, 1]) for one, motion in zip(seen, motions, strict=True)] == [0, 40, 70]
    assert float(average(flat[0], None)[0, 0, 0]) == 0  # a new scene knows nothing of the one before


def test_what_moves_takes_its_average_along() -> None:
    before = np.zeros((20, 30, 1), np.float32)
    before[:, 10] = 1
    average = Average(1.0)
    average(before, None)
    flow = np.zeros((20, 30, 2), np.float32)
    flow[..., 0] = -2 / 30  # what is here was two pixels to the left
    kept = average(np.zeros_like(before), Motion(flow, np.ones((20, 30), np.float32)))
    assert np.argmax(kept[10, :, 0]) == 12
    assert kept[10, 12, 0] == pytest.approx(1, abs=1e-4)


def test_without_opencv_the_pip_line_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(UsageError, match=r"pip install 'gantool\[video\]'"):
        require_flow()
