"""Generators that hand out their layers, and the vectors that are made of those."""

from __future__ import annotations

import pytest
import torch
from support import golden
from torch import nn

from gantool.nets.antialias import BlurDown
from gantool.nets.features import LayeredGenerator
from gantool.nets.patch_projection import PatchProjection
from gantool.nets.registry import build_generator


def test_layers_equal_those_of_the_papers_code() -> None:
    name = "resnet_9blocks_antialias_instance_ngf4"
    weights = torch.load(golden(f"{name}.weights.pth"), weights_only=True)
    example = torch.load(golden(f"{name}.io.pth"), weights_only=True)
    net = build_generator("resnet_9blocks_antialias", width=4)
    net.load_state_dict({key: value for key, value in weights.items() if not key.endswith(".filt")})
    layered = LayeredGenerator(net.eval())
    assert list(layered.layers) == example["feature_layers"]
    with torch.no_grad():
        made, found = layered(example["input"])
        last, same = layered(example["input"], whole=False)
        assert torch.equal(made, net(example["input"]))
    for ours, again, theirs in zip(found, same, example["features"], strict=True):
        assert (ours - theirs).abs().max() <= 1e-5
        assert torch.equal(ours, again)
    assert torch.equal(last, same[-1])


@pytest.mark.parametrize(
    ("name", "layers", "channels"),
    [
        ("resnet_9blocks", (0, 4, 7, 10, 14), [3, 8, 16, 16, 16]),
        ("resnet_6blocks", (0, 4, 7, 10, 13), [3, 8, 16, 16, 16]),
        ("resnet_light", (0, 4, 7, 10, 12), [3, 8, 16, 16, 16]),
        ("resnet_light_skip", (0, 4, 7, 10, 12), [3, 8, 16, 16, 16]),
    ],
)
def test_every_resnet_has_layers_to_compare(name: str, layers: tuple[int, ...], channels: list[int]) -> None:
    net = build_generator(name, width=4)
    layered = LayeredGenerator(net)
    assert (layered.layers, layered.channels()) == (layers, channels)
    x = torch.rand(1, 3, 32, 32) * 2 - 1
    assert torch.equal(layered(x)[0], net(x))


def test_a_network_without_a_first_padding_has_the_picture_too() -> None:
    layered = LayeredGenerator(build_generator("resnet_light", width=4, padding="zeros"))
    assert layered.channels()[1:] == [8, 16, 16, 16]


@pytest.mark.parametrize("layers", [(), (4, 0), (0, 0), (0, 99), (-1,)])
def test_layers_that_are_none(layers: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="rising numbers from 0 to 26"):
        LayeredGenerator(build_generator("resnet_light", width=2), layers)


def test_a_unet_hands_out_none() -> None:
    with pytest.raises(ValueError, match="only ResNet generators"):
        LayeredGenerator(build_generator("unet_32", width=2))


def test_patches_are_those_at_their_places() -> None:
    projection = PatchProjection([2], width=3)
    mlp = projection.get_submodule("mlp_0")
    features = torch.randn(2, 2, 4, 5)
    (found,) = projection([features], [torch.tensor([7, 0])])
    assert found.shape == (2, 2, 3)
    assert torch.allclose(found[1, 0], mlp(features[1, :, 1, 2]))
    assert torch.allclose(found[0, 1], mlp(features[0, :, 0, 0]))


@pytest.mark.parametrize("size", [(8, 8), (9, 7), (5, 6), (3, 2)])
def test_halving_is_a_convolution_with_the_binomial_filter(size: tuple[int, int]) -> None:
    x = torch.randn(2, 3, *size, dtype=torch.float64)
    line = torch.tensor([0.25, 0.5, 0.25], dtype=torch.float64)
    padded = nn.functional.pad(x, (1, 1, 1, 1), mode="reflect")
    filtered = nn.functional.conv2d(padded, torch.outer(line, line).expand(3, 1, 3, 3), stride=2, groups=3)
    assert torch.allclose(BlurDown()(x), filtered)
    height, width = filtered.shape[2:]
    assert torch.allclose(BlurDown.of_padded(padded[:, :, : 2 * height + 1, : 2 * width + 1]), filtered)


@pytest.mark.parametrize(("height", "width"), [(8, 6), (7, 9), (2, 3), (3, 2)])
def test_gradients_of_blurring_are_those_of_its_sums(height: int, width: int) -> None:
    """Written by hand, and differentiated twice by those who penalize gradients."""
    x = torch.randn(2, 3, height, width, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(BlurDown(), (x,))
    assert torch.autograd.gradgradcheck(BlurDown(), (x,))
    with torch.no_grad():
        plain = BlurDown()(x)
    assert torch.equal(BlurDown()(x), plain)
