"""How the layers compute, not only what: no detours in the backward pass, and the same result by every way."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gantool.nets.layers import InstanceNorm, LeakyRelu, ReflectionPad, Relu, ReplicationPad
from gantool.nets.registry import DISCRIMINATORS, GENERATORS, build_discriminator, build_generator


def steps_back(result: Tensor) -> Iterator[str]:
    """The names of all functions of the backward pass."""
    waiting, seen = [result.grad_fn], set()
    while waiting:
        node = waiting.pop()
        if node is not None and node not in seen:
            seen.add(node)
            yield node.name().removeprefix("torch::autograd::")
            waiting += [following for following, _ in node.next_functions]


@pytest.mark.parametrize("name", [*(name for name in GENERATORS if not name.startswith("unet")), *DISCRIMINATORS])
def test_nothing_that_gradients_go_through_is_a_view_that_was_overwritten(name: str) -> None:
    build = build_generator if name in GENERATORS else build_discriminator
    for layout in (torch.contiguous_format, torch.channels_last):
        net = build(name, width=4, norm="instance").to(memory_format=layout)
        made = net(torch.rand(2, 3, 64, 64).contiguous(memory_format=layout))
        steps = list(steps_back(made))
        assert "ConvolutionBackward0" in steps
        assert "CopySlices" not in steps


@pytest.mark.parametrize("net", [nn.ReLU(inplace=True), nn.LeakyReLU(0.2, inplace=True)])
def test_torchs_own_would_be_one(net: nn.Module) -> None:
    image = torch.rand(1, 2, 4, 4, requires_grad=True)
    assert "CopySlices" in list(steps_back(net(nn.InstanceNorm2d(2)(image))))


@pytest.mark.parametrize("affine", [False, True])
@pytest.mark.parametrize("kind", ["fp32", "bf16"])
def test_instance_norm_is_the_same_with_and_without_gradients(kind: str, affine: bool) -> None:
    torch.manual_seed(0)
    norm = InstanceNorm(5, affine=affine)
    if affine:
        with torch.no_grad():
            norm.weight.normal_()
            norm.bias.normal_()
    image = 3 + 2 * torch.randn(2, 5, 16, 12)
    image = image.to(torch.bfloat16 if kind == "bf16" else torch.float32).requires_grad_()
    factor = torch.randn(image.shape)

    def by_hand(x: Tensor) -> Tensor:
        mean, variance = x.mean((2, 3), keepdim=True), x.var((2, 3), correction=0, keepdim=True)
        out = (x - mean) / (variance + 1e-5).sqrt()
        return out * norm.weight.double().view(1, -1, 1, 1) + norm.bias.double().view(1, -1, 1, 1) if affine else out

    exact = image.detach().double().requires_grad_()
    expected = by_hand(exact)
    (expected * factor.double()).sum().backward()
    with torch.autocast("cpu", enabled=kind == "bf16"):
        made = norm(image)
        with torch.no_grad():
            used = norm(image)
    (made * factor).sum().backward()
    assert image.grad is not None and exact.grad is not None
    within = {"fp32": 2e-5, "bf16": 0.04}[kind]
    for found, true in ((made, expected), (used, expected), (image.grad, exact.grad)):
        assert (found.double() - true).abs().max() <= within * true.abs().max()


@pytest.mark.parametrize("kind", [ReflectionPad, ReplicationPad])
def test_padding_stays_in_its_precision(kind: Any) -> None:
    image = torch.randn(1, 2, 8, 8).bfloat16().requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        padded = kind(3)(image)
        assert torch.is_autocast_enabled("cpu")
    assert padded.dtype == torch.bfloat16
    assert "ToCopyBackward0" not in list(steps_back(padded))
    plain = nn.ReflectionPad2d(3) if kind is ReflectionPad else nn.ReplicationPad2d(3)
    assert torch.equal(padded.float(), plain(image.float()))
    assert kind(3)(torch.zeros(1, 2, 8, 8)).dtype == torch.float32


@pytest.mark.parametrize(("layer", "like"), [(Relu(), nn.ReLU()), (LeakyRelu(), nn.LeakyReLU(0.2))])
def test_activations_overwrite_what_nobody_needs(layer: nn.Module, like: nn.Module) -> None:
    image = torch.randn(1, 2, 8, 8)
    expected = like(image)
    with torch.no_grad():
        kept = image.clone()
        assert layer(kept) is kept
    assert torch.equal(kept, expected)
    view = (image.clone().requires_grad_() * 1).view(2, 1, 8, 8)
    before = view.detach().clone()
    assert torch.equal(layer(view).flatten(), expected.flatten())
    assert torch.equal(view, before)
