from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torch.profiler import ProfilerActivity, profile

from gantool.engine.cpu.fused_adam import without_copies

LAST = torch.channels_last


def trained(kind: Any, *, calls: int) -> tuple[nn.Sequential, torch.optim.Optimizer]:
    """With ``calls`` of the function before three steps."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 5, 3, bias=False), nn.Conv2d(5, 2, 1), nn.BatchNorm2d(2))
    net.to(memory_format=LAST)
    optimizer = kind(net.parameters(), lr=0.1)
    for _ in range(calls):
        without_copies(optimizer)
    for _ in range(3):
        optimizer.zero_grad()
        net(torch.rand(2, 3, 9, 9).to(memory_format=LAST)).sin().sum().backward()
        optimizer.step()
    return net, optimizer


def fused(kind: Any, **options: Any) -> Any:
    return lambda parameters, lr: kind(parameters, lr=lr, fused=True, **options)


@pytest.mark.parametrize("calls", [1, 2])
@pytest.mark.parametrize(
    "kind",
    [
        fused(torch.optim.Adam),
        fused(torch.optim.AdamW),
        fused(torch.optim.AdamW, amsgrad=True),
        lambda parameters, lr: torch.optim.Adam(parameters, lr=lr, fused=False),
        lambda parameters, lr: torch.optim.SGD(parameters, lr=lr, momentum=0.9),
    ],
)
def test_weights_and_moments_are_those_of_torch(kind: Any, calls: int) -> None:
    (net, optimizer), (like, other) = trained(kind, calls=calls), trained(kind, calls=0)
    for found, true in zip(net.parameters(), like.parameters(), strict=True):
        assert torch.equal(found, true)
        assert found.shape == true.shape and found.stride() == true.stride()
        assert found.grad is not None and found.grad.shape == found.shape
    ours, theirs = optimizer.state_dict(), other.state_dict()
    assert ours["param_groups"] == theirs["param_groups"]
    for number, state in theirs["state"].items():
        for name, value in state.items():
            assert torch.equal(ours["state"][number][name], value)
            assert ours["state"][number][name].stride() == value.stride()


def test_no_gradient_is_copied() -> None:
    net, optimizer = trained(fused(torch.optim.AdamW), calls=1)
    net(torch.rand(2, 3, 9, 9).to(memory_format=LAST)).sum().backward()
    with profile(activities=[ProfilerActivity.CPU]) as seen:
        optimizer.step()
    names = {event.key for event in seen.key_averages()}
    assert "aten::_fused_adamw_" in names
    assert not names & {"aten::clone", "aten::contiguous"}


def test_after_a_step_that_failed_all_is_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    net, optimizer = trained(fused(torch.optim.Adam), calls=1)
    like, other = trained(fused(torch.optim.Adam), calls=0)
    images = torch.rand(2, 3, 9, 9).to(memory_format=LAST)

    def fails(*_: object, **__: object) -> None:
        raise RuntimeError("can't allocate memory")

    net(images).sum().backward()
    with monkeypatch.context() as changed, pytest.raises(RuntimeError):
        changed.setattr(torch, "_fused_adam_", fails)
        optimizer.step()
    other.zero_grad()
    like(images).sum().backward()
    optimizer.step()
    other.step()
    assert [one.stride() for one in net.parameters()] == [one.stride() for one in like.parameters()]


def test_weights_without_a_gradient_are_left() -> None:
    weights = [nn.Parameter(torch.rand(4, 3, 3, 3).to(memory_format=LAST)) for _ in range(2)]
    optimizer = torch.optim.Adam(weights, lr=0.1, fused=True)
    without_copies(optimizer)
    weights[0].grad = torch.rand(4, 3, 3, 3).to(memory_format=LAST)
    before = weights[1].detach().clone()
    optimizer.step()
    assert torch.equal(weights[1], before)
    assert [one.shape for one in weights] == [(4, 3, 3, 3)] * 2
