from __future__ import annotations

import numpy as np
import pytest
import torch

from gantool.data.sample import draw_scene
from gantool.nets.registry import build_generator
from gantool.predict.changes import Change, _lengthened, _widened
from gantool.predict.live import LiveRunner
from gantool.predict.pictures import PicturePredictor
from gantool.predict.tiling import Tiling


def same(pixels: np.ndarray) -> np.ndarray:
    return pixels.transpose(2, 0, 1).astype(np.float32) / 127.5 - 1


def test_no_change_gives_the_picture_back() -> None:
    image = draw_scene(1, size=(301, 207)).summer
    for blur in (0.0, 2.0):
        made = Change(64, blur).apply(same, image)
        assert made.shape == image.shape
        assert np.abs(made.astype(int) - image).max() <= 1


def test_a_tint_is_a_tint_at_any_size_and_keeps_detail() -> None:
    def bluer(pixels: np.ndarray) -> np.ndarray:
        values = same(pixels)
        values[2] = np.tanh(np.arctanh(0.95 * values[2]) + 0.5) / 0.95
        return values.clip(-1, 1)

    large = draw_scene(1, size=(400, 300)).summer
    whole = ((bluer(large).transpose(1, 2, 0) + 1) * 127.5).round()
    made = Change(64, 2.0).apply(bluer, large).astype(float)
    assert made[..., 2].mean() > large[..., 2].mean() + 10
    assert np.abs(made[..., :2] - large[..., :2]).max() <= 1
    assert np.abs(made - whole).mean() < 2
    edges = [np.abs(np.diff(x[..., 2].astype(float), axis=1)).mean() for x in (made, large)]
    assert edges[0] > 0.7 * edges[1]


@pytest.mark.parametrize(
    ("size", "exact", "expected"),
    [((300, 400), None, (48, 64)), ((400, 300), None, (64, 48)), ((30, 40), None, (30, 40)),
     ((9, 64), None, (16, 64)), ((300, 400), (24, 40), (24, 40))],
)  # fmt: skip
@pytest.mark.parametrize("channels", [1, 3])
def test_the_small_picture_has_the_shape_of_the_large_one(
    size: tuple[int, int], exact: tuple[int, int] | None, expected: tuple[int, int], channels: int
) -> None:
    seen: list[tuple[int, ...]] = []

    def noted(pixels: np.ndarray) -> np.ndarray:
        seen.append(pixels.shape)
        return same(pixels)

    Change(64, exact=exact).apply(noted, np.zeros((*size, channels), np.uint8))
    assert seen == [(*expected, channels)]


def test_half_a_change_is_half_of_it_in_squashed_values() -> None:
    def lighter(pixels: np.ndarray) -> np.ndarray:
        return np.tanh(np.arctanh(0.95 * same(pixels)) + 0.8) / 0.95

    gray = np.full((40, 50, 3), 128, np.uint8)
    half = Change(32, strength=0.5).apply(lighter, gray)
    expected = np.tanh(np.arctanh(0.95 * (128 / 127.5 - 1)) + 0.4) / 0.95
    assert np.abs(half.astype(float) - (expected + 1) * 127.5).max() <= 1
    assert np.abs(Change(32, strength=0.0).apply(lighter, gray).astype(int) - gray).max() <= 1


def test_noise_of_the_network_is_smoothed_away() -> None:
    rng = np.random.default_rng(0)

    def noisy(pixels: np.ndarray) -> np.ndarray:
        return (same(pixels) + 0.3 * rng.normal(size=(3, *pixels.shape[:2]))).clip(-1, 1)

    image = np.full((256, 256, 3), 128, np.uint8)
    rough, smooth = (Change(64, blur).apply(noisy, image).astype(float).std() for blur in (0.0, 3.0))
    assert smooth < 0.25 * rough


def test_the_predictor_uses_it_unless_told_how_to_tile() -> None:
    torch.manual_seed(0)
    net = build_generator("resnet_light", width=4)
    image = draw_scene(2, size=(90, 70)).summer
    runner = LiveRunner(net)
    predictor = PicturePredictor(runner, change=Change(32, 1.0))
    assert predictor(image).shape == image.shape
    whole = PicturePredictor(runner, change=Change(32, 1.0), tiling=Tiling("off"))(image)
    assert np.array_equal(whole, PicturePredictor(runner)(image))
    assert not np.array_equal(whole, predictor(image))
    assert predictor(image[:5, :7]).shape == (5, 7, 3)


def test_bands_of_rows_are_the_whole_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    def brighter(pixels: np.ndarray) -> np.ndarray:
        values = same(pixels)
        return (values + 0.2 * values[:, ::-1] ** 2).clip(-1, 1)

    rng = np.random.default_rng(0)
    for height, width in ((97, 230), (700, 9)):
        image = rng.integers(0, 256, (height, width, 3), np.uint8)
        results = []
        for rows in (4096, 7):
            monkeypatch.setattr("gantool.predict.changes._BAND", rows)
            results.append(Change(48, 1.0).apply(brighter, image).astype(int))
        assert np.abs(results[0] - results[1]).max() <= 1
    small = torch.rand(1, 3, 13, 17)
    whole = torch.nn.functional.interpolate(small, (101, 50), mode="bilinear", align_corners=False)
    part = _lengthened(_widened(small[0].permute(1, 2, 0).numpy(), 50), slice(40, 90), 101)
    assert np.abs(part - whole[0, :, 40:90].permute(1, 2, 0).numpy()).max() < 1e-5
