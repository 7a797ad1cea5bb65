from __future__ import annotations

import pytest
import torch
from torch import nn

from gantool.engine.runtime import Runtime
from gantool.engine.task import Player


@pytest.mark.parametrize(("clip_norm", "length"), [(None, 5.0), (1.0, 1.0), (9.0, 5.0)])
def test_a_step_is_no_longer_than_the_clipped_gradient(clip_norm: float | None, length: float) -> None:
    net = nn.Linear(2, 1, bias=False)
    player = Player("p", {"net": net}, torch.optim.SGD(net.parameters(), lr=1.0))
    runtime = Runtime("cpu", 1, "fp32")
    runtime.prepare([player])
    before = net.weight.detach().clone()
    runtime.make_update(clip_norm)(player, (net.weight * torch.tensor([[3.0, 4.0]])).sum())
    assert float((net.weight.detach() - before).norm()) == pytest.approx(length, rel=1e-4)
