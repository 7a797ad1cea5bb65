"""Strips give what one piece gives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from gantool.data.sample import draw_scene
from gantool.nets.layers import initialize
from gantool.nets.registry import build_generator
from gantool.predict.live import LiveRunner
from gantool.predict.pictures import PicturePredictor, as_pictures
from gantool.predict.strips import can_walk, rows, run_in_strips, walk
from gantool.predict.strips.walk import affine
from gantool.predict.tiling import Tiling

NETS: list[tuple[str, dict[str, Any]]] = [
    ("resnet_9blocks", {"width": 8}),
    ("resnet_6blocks", {"width": 4, "norm": "batch"}),
    ("resnet_6blocks", {"width": 4, "norm": "instance_affine", "dropout": True}),
    ("resnet_light", {"width": 8}),
    ("resnet_light_skip", {"width": 8}),
    ("resnet_light", {"width": 8, "padding": "zeros", "activation": "leaky_relu"}),
    ("resnet_light", {"width": 4, "padding": "replicate", "norm": "none"}),
    ("resnet_6blocks_antialias", {"width": 4}),
    ("resnet_9blocks_resize", {"width": 4, "in_channels": 1, "out_channels": 1}),
    ("unet_64", {"width": 4, "norm": "instance"}),
    ("unet_64", {"width": 4, "norm": "batch"}),
]


@pytest.fixture(autouse=True)
def many_strips_on_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walk, "STRIP_BYTES", 100_000)
    monkeypatch.setattr(rows, "_MEMORY_BYTES", 50_000)


def build(name: str, options: dict[str, Any]) -> nn.Module:
    net = build_generator(name, **options)
    initialize(net, gain=0.04 if options.get("norm", "instance").startswith("instance") else 0.1)
    if options.get("norm") == "batch":
        with torch.no_grad():  # statistics of their own
            net.train()(torch.rand(2, 3, 64, 64) * 2 - 1)
    return net.eval()


def picture(channels: int, size: tuple[int, int] = (320, 192)) -> np.ndarray:
    return np.ascontiguousarray(draw_scene(3, size=size).summer[:, :, :channels])


def in_strips(net: nn.Module, pixels: np.ndarray) -> np.ndarray:
    rows = list(run_in_strips(net, pixels))
    assert len(rows) > 1
    return as_pictures(np.concatenate(rows, axis=1)[None])[0]


@pytest.mark.parametrize(("name", "options"), NETS)
def test_strips_equal_one_piece(name: str, options: dict[str, Any]) -> None:
    net = build(name, options)
    assert can_walk(net)
    pixels = picture(options.get("in_channels", 3))
    whole = PicturePredictor(LiveRunner(net, multiple_of=1), tiling=Tiling("off"))(pixels)
    assert whole.std() > 0.5, "an example that is flat proves nothing"
    difference = np.abs(whole.astype(int) - in_strips(net, pixels).astype(int))
    assert difference.mean() <= 0.2
    assert difference.max() <= 3


@pytest.mark.parametrize(("name", "options"), NETS)
def test_nearly_flat_pictures_keep_their_contrast(name: str, options: dict[str, Any]) -> None:
    """A norm magnifies what little contrast there is, and with it what storing a layer has rounded away."""
    net = build(name, options)
    pixels = np.random.default_rng(0).integers(199, 202, (320, 192, options.get("in_channels", 3)), np.uint8)
    whole = PicturePredictor(LiveRunner(net, multiple_of=1), tiling=Tiling("off"))(pixels)
    difference = np.abs(whole.astype(int) - in_strips(net, pixels).astype(int))
    assert difference.max() <= 1
    assert difference.mean() <= 0.1


def test_float32_storage_is_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    """Values that float16 cannot hold make it start over in float32, where nothing is rounded."""
    monkeypatch.setattr(rows, "_HALF_LIMIT", 0.0)
    net = build("resnet_light", {"width": 8})
    pixels = picture(3)
    whole = PicturePredictor(LiveRunner(net, multiple_of=4), tiling=Tiling("off"))(pixels)
    difference = np.abs(whole.astype(int) - in_strips(net, pixels).astype(int))
    assert difference.max() <= 1
    assert difference.mean() < 1e-3


def test_strips_are_as_high_as_memory_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    net = build("resnet_light", {"width": 4})
    pixels = picture(3)
    monkeypatch.setattr(walk, "STRIP_BYTES", 64 * pixels.shape[1] * 4 * 150)
    assert [part.shape for part in run_in_strips(net, pixels)] == [(3, 150, 320), (3, 42, 320)]


def test_nothing_is_stored_where_a_layer_can_be_computed_as_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    class Small(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = nn.Sequential(nn.ReflectionPad2d(2), nn.Conv2d(3, 3, 5), nn.Tanh())

    monkeypatch.delattr(walk, "Stored")
    net, pixels = Small(), picture(3)
    made = np.concatenate(list(run_in_strips(net, pixels)), axis=1)
    with torch.no_grad():
        whole = net.model(torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].float() / 127.5 - 1)[0].numpy()
    assert np.abs(made - whole).max() < 1e-5


@pytest.mark.parametrize("kind", [nn.BatchNorm2d, nn.InstanceNorm2d])
def test_a_norm_is_one_multiplication_and_one_addition(kind: Any) -> None:
    """By hand: (x - 3) / sqrt(3 + 1) * 5 - 7, and another channel of its own."""
    norm = kind(2, eps=1.0, affine=True)
    with torch.no_grad():
        norm.weight.copy_(torch.tensor([5.0, 1.0]))
        norm.bias.copy_(torch.tensor([-7.0, 0.5]))
    function = affine(torch.tensor([3.0, 0.0]), torch.tensor([3.0, 15.0]), norm)
    with torch.no_grad():
        made = function(torch.tensor([11.0, 8.0]).view(1, 2, 1, 1).repeat(1, 1, 2, 2))
    assert made[0, :, 0, 0].tolist() == pytest.approx([13.0, 2.5])


def test_unknown_layers_are_refused() -> None:
    class Other(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = nn.Sequential(nn.Conv2d(3, 3, 1), nn.GroupNorm(1, 3))

    assert not can_walk(Other())
    assert not can_walk(nn.Conv2d(3, 3, 1))
