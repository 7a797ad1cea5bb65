"""Convolutions in the layout that torch computes in: the same results and gradients."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from gantool.devices import has_amx
from gantool.engine.step_work import count_work
from gantool.nets import convolutions
from gantool.nets.convolutions import Convolution, TransposedConvolution
from gantool.nets.registry import build_generator

LAYERS: dict[str, Callable[[], nn.Module]] = {
    "same size": lambda: Convolution(3, 64, 7, padding=3),
    "halving": lambda: Convolution(64, 8, 3, stride=2, padding=1),
    "doubling": lambda: TransposedConvolution(8, 64, 3, stride=2, padding=1, output_padding=1),
}


@pytest.fixture
def turned(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """The shapes that are turned around, on any processor and however small."""
    seen: list[tuple[int, ...]] = []
    turn = convolutions._channels_first

    def noted(x: Tensor) -> Tensor:
        seen.append(tuple(x.shape))
        return turn(x)

    monkeypatch.setattr(convolutions, "_amx", lambda: True)
    monkeypatch.setattr(convolutions, "_LEAST_VALUES", 1)
    monkeypatch.setattr(convolutions, "_channels_first", noted)
    return seen


def results(layer: nn.Module, x: Tensor, *, precision: torch.dtype = torch.bfloat16) -> list[Tensor]:
    """Result, gradient of the input, gradients of weight and bias."""
    layer.zero_grad()
    x = x.clone().requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision is torch.bfloat16):
        out = layer(x)
    (out.float() * torch.linspace(-1, 1, out.numel()).view(out.shape)).sum().backward()
    assert x.grad is not None
    return [out.detach(), x.grad, *(p.grad for p in layer.parameters() if p.grad is not None)]


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("kind", LAYERS)
def test_results_and_gradients_are_those_of_torch(kind: str, count: int, turned: list[object]) -> None:
    torch.manual_seed(3)
    layer = LAYERS[kind]()
    plain = (nn.ConvTranspose2d if kind == "doubling" else nn.Conv2d).forward
    x = torch.randn(count, layer.in_channels, 12, 20)  # type: ignore[arg-type]
    ours = results(layer, x)
    assert len(turned) == 2, "the result, and the gradient of the input"
    turned.clear()
    layer.forward = lambda x: plain(layer, x)  # type: ignore[arg-type,assignment]
    theirs = results(layer, x)
    assert not turned
    for got, expected in zip(ours, theirs, strict=True):
        assert got.is_contiguous()
        assert got.dtype == expected.dtype
        scale = expected.float().abs().max()  # other processors compute other layouts in another order
        assert (got.float() - expected.float()).abs().max() <= (0 if has_amx() else 0.1) * scale


@pytest.mark.filterwarnings("ignore:.*torch.jit.trace:FutureWarning")
def test_only_what_is_slow_is_turned(turned: list[object], monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(3)
    layer, x = Convolution(4, 64, 3), torch.randn(1, 4, 10, 10)
    results(layer, x, precision=torch.float32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        layer(x.contiguous(memory_format=torch.channels_last))
        Convolution(4, 63, 3)(x)
        monkeypatch.setattr(convolutions, "_LEAST_VALUES", 64 * 100 + 1)
        layer(x)
        monkeypatch.setattr(convolutions, "_LEAST_VALUES", 1)
        monkeypatch.setattr(convolutions, "_amx", lambda: False)
        layer(x)
        monkeypatch.setattr(convolutions, "_amx", lambda: True)
    layer, x = layer.to(torch.bfloat16), x.to(torch.bfloat16)
    torch.jit.trace(layer, x, check_trace=False)  # a trace cannot hold our functions
    assert not turned
    layer(x)
    assert turned == [(1, 64, 8, 8)]


@pytest.mark.skipif(sys.version_info[:3] == (3, 13, 0), reason="its dictionaries break torch's compiler (125608)")
def test_compilers_see_a_plain_convolution(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is asked beside that breaks the graph in pieces, which is slower than not to compile."""
    monkeypatch.setattr(convolutions, "_LEAST_VALUES", 1)
    convolutions._amx.cache_clear()
    for layer in (Convolution(4, 64, 3), TransposedConvolution(4, 64, 3)):
        compiled = torch.compile(layer, fullgraph=True, backend="eager")
        with torch.autocast("cpu", dtype=torch.bfloat16):
            assert compiled(torch.randn(1, 4, 10, 10)).dtype is torch.bfloat16


def test_what_a_step_has_to_do_is_counted_as_compilers_have_it(
    turned: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    layer, x = Convolution(4, 64, 3), torch.randn(1, 4, 10, 10)
    counted = count_work(lambda: results(layer, x))
    assert not turned
    monkeypatch.setattr(convolutions, "_amx", lambda: False)
    assert count_work(lambda: results(layer, x)) == counted
    assert counted.calls > 5


def test_images_without_a_batch(turned: list[object]) -> None:
    layer, x = Convolution(4, 64, 3).to(torch.bfloat16), torch.randn(4, 10, 10).to(torch.bfloat16)
    assert torch.equal(layer(x), nn.Conv2d.forward(layer, x))
    assert not turned


def test_gradients_of_gradients(turned: list[object]) -> None:
    """Those who penalize gradients differentiate twice."""
    torch.manual_seed(3)
    layer = Convolution(4, 64, 3).to(torch.bfloat16)
    x = torch.randn(2, 4, 9, 9).to(torch.bfloat16).requires_grad_()
    (first,) = torch.autograd.grad(layer(x).float().square().sum(), x, create_graph=True)
    first.float().square().sum().backward()
    assert x.grad is not None
    ours, x.grad = x.grad, None
    (first,) = torch.autograd.grad(nn.Conv2d.forward(layer, x).float().square().sum(), x, create_graph=True)
    first.float().square().sum().backward()
    assert x.grad is not None
    assert (ours.float() - x.grad.float()).abs().max() <= 0.02 * x.grad.float().abs().max()
    assert turned


@pytest.mark.skipif(not has_amx(), reason="rounds otherwise on other processors, where nothing is turned")
@pytest.mark.parametrize("name", ["resnet_9blocks", "resnet_9blocks_antialias", "unet_128"])
def test_a_generator_makes_the_same(name: str, turned: list[object], monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(3)
    net = build_generator(name, width=16)
    x = torch.randn(1, 3, 128, 128)
    made = results(net, x)
    assert turned
    monkeypatch.setattr(convolutions, "_amx", lambda: False)
    torch.manual_seed(3)
    net = build_generator(name, width=16)
    for got, expected in zip(made, results(net, torch.as_tensor(x)), strict=True):
        assert torch.equal(got, expected)
