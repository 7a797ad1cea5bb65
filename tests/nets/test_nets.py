"""What every registered network promises."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from gantool.errors import ModelError
from gantool.nets.layers import initialize, norm_layer
from gantool.nets.registry import DISCRIMINATORS, GENERATORS, build_discriminator, build_generator
from gantool.nets.resnet import ResnetBlock, recompute_blocks

SMALL = [name for name, spec in GENERATORS.items() if spec.multiple_of <= 256]
RESNETS = [name for name in GENERATORS if name.startswith("resnet")]


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("channels", [(3, 3), (1, 3), (3, 1)])
def test_generator_keeps_the_size_and_every_weight_learns(name: str, channels: tuple[int, int]) -> None:
    multiple = GENERATORS[name].multiple_of
    height, width = (32, 48) if multiple == 4 else (multiple, 2 * multiple)
    norm = "batch" if name.startswith("unet") else "instance"
    net = build_generator(name, in_channels=channels[0], out_channels=channels[1], width=2, norm=norm)
    out = net(torch.rand(2, channels[0], height, width) * 2 - 1)
    assert out.shape == (2, channels[1], height, width)
    assert out.abs().max() <= 1
    out.square().mean().backward()
    assert all(parameter.grad is not None for parameter in net.parameters())


@pytest.mark.parametrize("options", [{"padding": "zeros"}, {"padding": "replicate"}, {"activation": "leaky_relu"},
                                     {"dropout": True}, {"norm": "none"}, {"norm": "instance_affine"}])  # fmt: skip
@pytest.mark.parametrize("name", RESNETS)
def test_resnet_options(name: str, options: dict[str, Any]) -> None:
    net = build_generator(name, width=2, **options)
    assert net(torch.zeros(1, 3, 32, 32)).shape == (1, 3, 32, 32)


@pytest.mark.parametrize("name", DISCRIMINATORS)
@pytest.mark.parametrize("norm", ["instance", "batch", "none"])
def test_discriminator_gives_patch_logits(name: str, norm: str) -> None:
    net = build_discriminator(name, in_channels=6, width=4, norm=norm)
    logits = net(torch.rand(2, 6, 64, 64))
    assert logits.shape[:2] == (2, 1)
    logits.mean().backward()
    assert all(parameter.grad is not None for parameter in net.parameters())


@pytest.mark.parametrize("norm", ["instance", "instance_affine", "batch"])
def test_norms_add_the_references_epsilon_to_the_variance(norm: Any) -> None:
    """Of +-0.003, whose variance of 9e-6 is about as large as the 1e-5 that keep it from being divided by zero."""
    images = torch.tensor([0.003, -0.003, -0.003, 0.003]).view(1, 1, 2, 2)
    normed = norm_layer(norm, 1)(images)
    assert normed.flatten().tolist() == pytest.approx([n * (9 / 19) ** 0.5 for n in (1, -1, -1, 1)], rel=1e-4)


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("name", ["resnet_9blocks", "resnet_6blocks_antialias", "resnet_light"])
def test_gradients_are_the_same_in_every_layout(name: str, count: int) -> None:
    """Torch's own instance norm has wrong ones for a single image in channels-last layout."""

    def gradients(layout: torch.memory_format) -> list[torch.Tensor]:
        torch.manual_seed(0)
        net = build_generator(name, width=4, padding="zeros" if name == "resnet_light" else "reflect")
        net.to(memory_format=layout)
        images = torch.randn(count, 3, 32, 32).contiguous(memory_format=layout)
        net(images).square().mean().backward()
        # Biases in front of a norm have no gradient but rounding.
        return [
            parameter.grad for parameter in net.parameters() if parameter.grad is not None and parameter.dim() > 1
        ]

    for plain, other in zip(gradients(torch.contiguous_format), gradients(torch.channels_last), strict=True):
        assert (plain - other).abs().max() <= 1e-4 * plain.abs().max()


@pytest.mark.parametrize("dropout", [False, True])
def test_recomputed_blocks_have_the_same_gradients(dropout: bool) -> None:
    found, calls = [], []
    for again in (False, True):
        calls.clear()
        torch.manual_seed(0)
        net = build_generator("resnet_light", width=4, dropout=dropout)
        if again:
            recompute_blocks(net)
        for module in net.modules():
            if isinstance(module, ResnetBlock):
                module.conv_block.register_forward_pre_hook(lambda *_: calls.append(1))
        out = net(torch.randn(1, 3, 32, 32))
        out.square().mean().backward()
        found.append([out.detach(), *(parameter.grad for parameter in net.parameters())])
        assert len(calls) == (8 if again else 4)
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))


def test_published_sizes() -> None:
    """Parameters in millions and patch counts as the papers and the reference implementation have them."""

    def millions(net: torch.nn.Module) -> float:
        return round(sum(parameter.numel() for parameter in net.parameters()) / 1e6, 3)

    assert millions(build_generator("resnet_9blocks")) == 11.378
    assert millions(build_generator("resnet_6blocks")) == 7.838
    assert round(millions(build_generator("unet_256", norm="batch")), 2) == 54.41
    assert round(millions(build_generator("unet_128", norm="batch")), 2) == 41.83
    assert millions(build_discriminator("basic")) == 2.765
    patch = build_discriminator("basic", in_channels=6, norm="batch")
    assert millions(patch) == 2.769
    assert patch(torch.zeros(1, 6, 256, 256)).shape == (1, 1, 30, 30)


def test_patch_of_the_basic_discriminator_is_70_pixels() -> None:
    net = build_discriminator("basic", width=2, norm="none")
    image = torch.rand(1, 3, 256, 256, requires_grad=True)
    net(image)[0, 0, 15, 15].backward()
    assert image.grad is not None
    touched = image.grad.abs().sum(dim=(0, 1)).nonzero()
    extent = touched.max(dim=0).values - touched.min(dim=0).values + 1
    assert extent.tolist() == [70, 70]


def test_initialization_follows_the_reference() -> None:
    net = build_generator("resnet_6blocks", width=16, norm="batch")
    initialize(net)
    weights = torch.cat([m.weight.flatten() for m in net.modules() if isinstance(m, torch.nn.Conv2d)]).detach()
    assert abs(weights.mean()) < 1e-4
    assert weights.std() == pytest.approx(0.02, rel=0.01)
    norms = torch.cat([m.weight for m in net.modules() if isinstance(m, torch.nn.BatchNorm2d)]).detach()
    assert norms.mean() == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("kind", ["xavier", "kaiming", "orthogonal"])
def test_other_initializations_change_the_weights(kind: Any) -> None:
    net = build_generator("resnet_light", width=2)
    before = net.state_dict()["model.1.weight"].clone()
    initialize(net, kind)
    assert not torch.equal(before, net.state_dict()["model.1.weight"])


def test_unknown_names_and_options() -> None:
    with pytest.raises(ModelError, match='Did you mean "resnet_9blocks"'):
        build_generator("resnet_9block")
    with pytest.raises(ModelError, match="unet_256"):
        build_generator("unet_256", padding="zeros")
