from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from gantool.nets.layers import initialize
from gantool.nets.registry import build_generator
from gantool.predict.bands import resized_rows
from gantool.predict.labels import LabelPredictor
from gantool.predict.live import LiveRunner
from gantool.predict.runner import FileRunner
from gantool.predict.tiling import Tiling

OFF = Tiling("off")


def live(net: nn.Module, memory: int | None = None) -> LiveRunner:
    return LiveRunner(net, multiple_of=8, smallest=16, memory=memory)


def file(net: nn.Module, fixed: tuple[int, int] | None = None) -> FileRunner:
    def run(batch: np.ndarray) -> np.ndarray:
        assert fixed is None or (len(batch), *batch.shape[2:]) == (1, *fixed)
        with torch.no_grad():
            return net(torch.from_numpy(batch)).numpy()

    return FileRunner(run, multiple_of=8, smallest=16, fixed=fixed)


class ByColor(nn.Module):
    """Logits of three classes that depend on a pixel and its neighbors: red, green or blue around it."""

    def __init__(self) -> None:
        super().__init__()
        self.blur = nn.Conv2d(3, 3, 5, padding=2, groups=3, bias=False, padding_mode="reflect")
        nn.init.constant_(self.blur.weight, 4 / 25)

    def forward(self, x: Tensor) -> Tensor:
        assert x.shape[-2] % 8 == x.shape[-1] % 8 == 0
        out: Tensor = self.blur(x)
        return out


def picture(height: int, width: int) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    channel = ((y // 9) + (x // 13)) % 3
    return (np.eye(3)[channel] * 200 + 20).astype(np.uint8)


@pytest.mark.parametrize("size", [(1, 1), (3, 50), (37, 53), (64, 64)])
def test_any_size(size: tuple[int, int]) -> None:
    predictor = LabelPredictor(live(ByColor()))
    pixels = picture(*size)
    result = predictor(pixels, probabilities=True)
    assert result.mask.shape == size
    assert result.probabilities is not None
    assert result.probabilities.shape == (*size, 3)
    assert np.allclose(result.probabilities.astype(np.float32).sum(-1), 1, atol=2e-3)
    assert np.array_equal(result.probabilities.argmax(-1), result.mask)
    assert (result.mask == pixels.argmax(-1)).mean() > 0.75


@pytest.mark.parametrize("side", [64, 96])
def test_windows_fade_into_each_other(side: int) -> None:
    """Away from window borders a local network gives the same; at them the mean of two that are nearly the same."""
    pixels = picture(150, 230)
    whole = LabelPredictor(live(ByColor()), tiling=OFF)
    tiled = LabelPredictor(live(ByColor()), tiling=Tiling("size", side))
    assert (whole.window(150, 230), tiled.window(150, 230)) == (0, side)
    one, two = whole(pixels, probabilities=True), tiled(pixels, probabilities=True)
    assert one.probabilities is not None
    assert two.probabilities is not None
    assert np.abs(one.probabilities.astype(np.float32) - two.probabilities.astype(np.float32)).max() < 0.1
    assert (one.mask == two.mask).mean() > 0.998


@pytest.mark.parametrize("size", [(1, 1), (3, 50), (37, 53), (150, 230)])
@pytest.mark.parametrize("load_size", [0, 40])
@pytest.mark.parametrize("tiling", [OFF, Tiling("size", 64)])
@pytest.mark.parametrize("tta", [False, True])
def test_files_are_run_as_live_models_are(size: tuple[int, int], load_size: int, tiling: Tiling, tta: bool) -> None:
    net = ByColor()
    one, two = (
        LabelPredictor(runner, load_size=load_size, tiling=tiling, tta=tta)(picture(*size), probabilities=True)
        for runner in (live(net), file(net))
    )
    assert one.probabilities is not None
    assert two.probabilities is not None
    assert np.allclose(one.probabilities.astype(float), two.probabilities.astype(float), atol=1e-3)
    assert (one.mask == two.mask).mean() > 0.999


@pytest.mark.parametrize("fixed", [(64, 64), (48, 96)])
def test_a_file_of_one_size_is_mirrored_only(fixed: tuple[int, int]) -> None:
    """Views at other scales would not fit it."""
    seen: list[np.ndarray] = []

    class Noted(ByColor):
        def forward(self, x: Tensor) -> Tensor:
            seen.append(x[0, :, :40, :48].numpy())
            return super().forward(x)

    net = Noted()
    predictor = LabelPredictor(file(net, fixed), tta=True)
    pixels = picture(40, 48)
    mask = predictor(pixels).mask
    assert len(seen) == 2
    assert np.array_equal(seen[0], seen[1][..., ::-1])
    assert (mask == LabelPredictor(live(net))(pixels).mask).mean() > 0.98
    large = picture(100, 130)
    assert predictor.window(100, 130) == min(fixed)
    assert (predictor(large).mask == LabelPredictor(live(net))(large).mask).mean() > 0.98


class ByPixel(nn.Module):
    """Logits of three classes that depend on a pixel alone, so that windows cost it nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.at = nn.Conv2d(3, 3, 1, bias=False)
        self.at.weight = nn.Parameter(4 * torch.eye(3)[:, :, None, None])

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.at(x)
        return out


@pytest.mark.parametrize("size", [(150, 230), (301, 97), (40, 333)])
@pytest.mark.parametrize("load_size", [0, 130])
def test_views_in_windows_are_those_of_the_whole_picture(size: tuple[int, int], load_size: int) -> None:
    """Windows that were scaled one by one had pixels of their own, up to 0.1 beside those of the whole."""
    pixels = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    whole, windows, small = (
        LabelPredictor(live(ByPixel(), memory), load_size=load_size, tiling=tiling, tta=True)
        for tiling, memory in ((OFF, None), (Tiling("size", 64), None), (Tiling(), 200_000))
    )
    assert whole.window(*size) == 0
    assert windows.window(*size) == 64
    assert 0 < small.window(*size) < 100
    expected = whole(pixels, probabilities=True).probabilities
    for other in (windows, small):
        found = other(pixels, probabilities=True).probabilities
        assert expected is not None and found is not None
        assert np.abs(expected.astype(float) - found.astype(float)).max() < 1e-3


def test_views_of_a_network_with_a_neighborhood_differ_as_windows_without_views_do() -> None:
    """At the windows' borders alone, where it sees less."""
    pixels = picture(150, 230)

    def apart(tta: bool) -> np.ndarray:
        one, two = (
            LabelPredictor(live(ByColor()), tiling=tiling, tta=tta)(pixels, probabilities=True).probabilities
            for tiling in (OFF, Tiling("size", 64))
        )
        assert one is not None and two is not None
        return np.abs(one.astype(float) - two.astype(float))

    assert apart(tta=True).max() < 1.2 * apart(tta=False).max()
    assert apart(tta=True).mean() < 1.2 * apart(tta=False).mean()


def test_views_are_averaged() -> None:
    """A network that looks at the left half only is made symmetric by mirrored views."""

    class Left(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.at = nn.Conv2d(3, 2, 1)

        def forward(self, x: Tensor) -> Tensor:
            out = torch.zeros(len(x), 2, *x.shape[2:])
            out[:, 0, :, : x.shape[3] // 2] = 2.0
            return out

    found = LabelPredictor(live(Left()), tta=True)(picture(16, 32), probabilities=True).probabilities
    assert found is not None
    assert np.allclose(found[..., 0].astype(float), (1 / (1 + np.exp(-2)) + 0.5) / 2, atol=0.13)
    assert np.allclose(found, found[:, ::-1], atol=2e-3)


def test_what_can_walk_is_walked_where_memory_is_short() -> None:
    net = build_generator("resnet_light", width=4, out_channels=3)
    initialize(net)
    pixels = picture(61, 75)
    whole, strips = (
        LabelPredictor(LiveRunner(net, memory=memory))(pixels, probabilities=True).probabilities
        for memory in (None, 10_000)
    )
    assert whole is not None
    assert strips is not None
    assert whole.std() > 1e-3
    assert np.abs(whole.astype(float) - strips.astype(float)).max() < 5e-3


def test_strips_end_with_the_image(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows that were only there to fill up a multiple are no results."""
    monkeypatch.setattr("gantool.predict.strips.walk.STRIP_BYTES", 10_000)
    net = build_generator("resnet_light", width=4, out_channels=3)
    predictor = LabelPredictor(LiveRunner(net, memory=10_000))
    bands = list(predictor._bands(picture(61, 75)))
    assert [band.shape[1] for band in bands] == [4] * 15 + [1]
    assert {band.shape[::2] for band in bands} == {(3, 75)}


def test_large_images_are_run_in_windows_by_themselves() -> None:
    predictor = LabelPredictor(live(ByColor(), memory=400_000))
    assert predictor.window(40, 40) == 0
    side = predictor.window(2000, 3000)
    assert 0 < side < 200
    assert side % 8 == 0
    large = picture(300, 500)
    whole = LabelPredictor(live(ByColor()))
    assert (predictor(large).mask == whole(large).mask).mean() > 0.998


@pytest.mark.parametrize("sizes", [(20, 50), (50, 20), (33, 33), (7, 200), (64, 128)])
@pytest.mark.parametrize("cuts", [(), (5,), (1, 2, 3), (4, 6)])
def test_rows_are_scaled_as_if_they_were_one_piece(sizes: tuple[int, int], cuts: tuple[int, ...]) -> None:
    source, height = sizes
    planes = torch.rand(2, source, 9)
    bands = np.split(planes.numpy(), [cut for cut in cuts if cut < source], axis=1)
    rows = [(top, np.stack(list(some))) for top, some in resized_rows(iter(bands), source, height, 14)]
    assert [top for top, _ in rows] == [sum(part.shape[1] for _, part in rows[:n]) for n in range(len(rows))]
    expected = nn.functional.interpolate(planes[None], size=(height, 14), mode="bilinear", align_corners=False)[0]
    assert np.allclose(np.concatenate([part for _, part in rows], 1), expected, atol=1e-5)


def test_scaling_to_the_size_of_the_training_and_back() -> None:
    pixels = np.kron(picture(60, 90), np.ones((4, 4, 1), np.uint8))
    native = LabelPredictor(live(ByColor()))(pixels).mask
    scaled = LabelPredictor(live(ByColor()), load_size=60)(pixels).mask
    assert scaled.shape == native.shape == (240, 360)
    assert (scaled == native).mean() > 0.8


def test_other_modes_and_views() -> None:
    class One(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.at = nn.Conv2d(3, 1, 1)
            nn.init.constant_(self.at.weight, 5.0)
            nn.init.zeros_(self.at.bias)

        def forward(self, x: Tensor) -> Tensor:
            out: Tensor = self.at(x)
            return out

    pixels = np.zeros((20, 20, 3), np.uint8)
    pixels[:, 10:] = 255
    result = LabelPredictor(live(One()), "binary")(pixels, probabilities=True)
    assert np.array_equal(result.mask, np.repeat([[0] * 10 + [1] * 10], 20, 0))
    assert result.probabilities is not None
    assert result.probabilities.shape == (20, 20, 2)
    many = LabelPredictor(live(ByColor()), "multilabel", tta=True)(picture(40, 48)).mask
    plain = LabelPredictor(live(ByColor()), "multilabel")(picture(40, 48)).mask
    assert (many == plain).mean() > 0.9
