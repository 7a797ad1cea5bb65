from __future__ import annotations

import pytest
import torch
from torch import nn

from gantool.engine.ema import Ema


def one_weight(value: float) -> nn.Module:
    net = nn.Linear(1, 1, bias=False)
    net.weight.data.fill_(value)
    return net


def test_average_by_hand() -> None:
    net = one_weight(0)
    ema = Ema({"n": net}, 0.9, warmup=False)
    net.weight.data.fill_(1)
    ema.update({"n": net})
    assert ema.nets["n"].weight.item() == pytest.approx(0.1)  # type: ignore[union-attr]
    ema.update({"n": net})
    assert ema.nets["n"].weight.item() == pytest.approx(0.19)  # type: ignore[union-attr]


def test_warmup_follows_faster() -> None:
    net = one_weight(0)
    ema = Ema({"n": net}, 0.999)
    net.weight.data.fill_(1)
    ema.update({"n": net})
    assert ema.nets["n"].weight.item() == pytest.approx(1 - 2 / 11)  # type: ignore[union-attr]


def test_buffers_are_copied_and_state_comes_back() -> None:
    net = nn.BatchNorm1d(2)
    ema = Ema({"n": net}, 0.5)
    net(torch.randn(8, 2))
    ema.update({"n": net})
    assert torch.equal(ema.nets["n"].running_mean, net.running_mean)  # type: ignore[arg-type]
    assert torch.equal(ema.nets["n"].running_var, net.running_var)  # type: ignore[arg-type]
    assert ema.nets["n"].num_batches_tracked == 1
    twin = Ema({"n": nn.BatchNorm1d(2)}, 0.5)
    twin.load_state_dict(ema.state_dict())
    assert twin.steps == 1
    assert torch.equal(twin.nets["n"].running_mean, net.running_mean)  # type: ignore[arg-type]
