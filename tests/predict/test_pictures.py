from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from torch import nn

from gantool.data.sample import draw_scene
from gantool.nets.registry import build_generator
from gantool.predict.live import LiveRunner
from gantool.predict.pictures import PicturePredictor
from gantool.predict.tiling import Tiling, run_in_tiles, tile_starts


class Identity(nn.Module):
    """Gives back what it gets, and insists on the contract."""

    def __init__(self, multiple_of: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 1, bias=False)
        self.conv.weight.data = torch.eye(3)[:, :, None, None]
        self.multiple_of = multiple_of

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        assert x.dtype == torch.float32
        assert x.abs().max() <= 1
        assert x.shape[2] % self.multiple_of == x.shape[3] % self.multiple_of == 0
        out: torch.Tensor = self.conv(x)
        return out


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3)).astype(np.uint8)


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (17, 33), (64, 64), (50, 7)])
@pytest.mark.parametrize("multiple", [1, 4, 64])
def test_any_size_comes_back_exactly(shape: tuple[int, int], multiple: int) -> None:
    pixels = noise(*shape)
    assert np.array_equal(PicturePredictor(LiveRunner(Identity(multiple), multiple_of=multiple))(pixels), pixels)


@pytest.mark.parametrize("name", ["resnet_9blocks", "resnet_light", "unet_32"])
@pytest.mark.parametrize("shape", [(1, 1), (5, 3), (30, 50)])
def test_networks_take_any_size(name: str, shape: tuple[int, int]) -> None:
    net = build_generator(name, width=2, norm="instance")
    multiple = 32 if name == "unet_32" else 4
    assert PicturePredictor(LiveRunner(net, multiple_of=2 * multiple))(noise(*shape)).shape == (*shape, 3)


@pytest.mark.parametrize("memory", [None, 200_000])
def test_a_batch_is_what_each_would_be_alone(memory: int | None) -> None:
    calls: list[int] = []

    class Counted(LiveRunner):
        def __call__(self, images: np.ndarray) -> np.ndarray:
            calls.append(len(images))
            return super().__call__(images)

    predictor = PicturePredictor(Counted(build_generator("resnet_light", width=4), memory=memory))
    images = [draw_scene(n, size=16).winter for n in range(5)]
    made = predictor.batch(images)
    together = max(calls)
    assert together == 5 if memory is None else 1 < together < 5, "as many as memory allows"
    for one, alone in zip(made, [predictor(image) for image in images], strict=True):
        assert np.abs(one.astype(int) - alone).max() <= 1


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_few_images_are_run_in_one_call(count: int) -> None:
    calls: list[int] = []

    class Counted(LiveRunner):
        def __call__(self, images: np.ndarray) -> np.ndarray:
            calls.append(len(images))
            return super().__call__(images)

    PicturePredictor(Counted(Identity(), memory=2**30)).batch([noise(8, 8)] * count)
    assert calls == [count]


def test_the_way_follows_memory_and_wishes() -> None:
    net = build_generator("resnet_light", width=4)
    little = LiveRunner(net, memory=10_000)
    assert PicturePredictor(little).way(64, 64) == "strips"
    assert PicturePredictor(LiveRunner(net, memory=2**30)).way(64, 64) == "one piece"
    assert PicturePredictor(little, tiling=Tiling("off")).way(64, 64) == "one piece"
    assert PicturePredictor(little, tiling=Tiling("size", 64)).way(65, 10) == "tiles"
    assert PicturePredictor(little, tiling=Tiling("size", 64)).way(64, 64) == "one piece"
    assert PicturePredictor(LiveRunner(Identity(), memory=1000)).way(64, 64) == "tiles"


def test_too_large_for_memory_is_the_same_in_strips() -> None:
    net = build_generator("resnet_light", width=4)
    pixels = draw_scene(0, size=(75, 61)).summer
    whole, strips = (PicturePredictor(LiveRunner(net, memory=memory))(pixels) for memory in (None, 10_000))
    assert strips.shape == whole.shape
    assert np.abs(strips.astype(int) - whole).max() <= 2


def test_tiles_of_a_local_network_are_exact() -> None:
    pixels = noise(150, 200)
    predictor = PicturePredictor(LiveRunner(Identity()), tiling=Tiling("size", 64))
    assert predictor.way(150, 200) == "tiles"
    assert np.array_equal(predictor(pixels), pixels)


def test_bf16_is_close() -> None:
    net = build_generator("resnet_light", width=4)
    image = draw_scene(0, size=64).summer
    exact, rough = (PicturePredictor(LiveRunner(net, precision=kind))(image) for kind in ("fp32", "bf16"))
    assert 0 < np.abs(exact.astype(int) - rough).mean() < 3


@pytest.mark.parametrize(
    ("length", "tile", "overlap"), [(100, 40, 10), (41, 40, 10), (40, 40, 8), (7, 40, 8), (999, 64, 16)]
)
def test_tiles_cover_everything(length: int, tile: int, overlap: int) -> None:
    starts = tile_starts(length, tile, overlap)
    assert starts[0] == 0
    assert length <= tile or starts[-1] == length - tile
    assert all(b - a <= tile - overlap for a, b in itertools.pairwise(starts))


def test_overlaps_fade() -> None:
    values = iter([0, 100])
    out = run_in_tiles(
        lambda part: np.full_like(part, next(values)), np.zeros((8, 14, 1), np.uint8), tile=8, overlap=2
    )
    assert out[0, :, 0].tolist() == [0] * 6 + [33, 67] + [100] * 6
