"""A moving average of the weights, which gives steadier pictures than the last step's."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["Ema"]


class Ema:
    """``average = d * average + (1 - d) * weights`` after every step.

    With warm-up ``d = min(decay, (1 + t) / (10 + t))`` at step t, so that the first weights are forgotten soon
    (as in TensorFlow's ExponentialMovingAverage). Buffers, such as running statistics, are copied.
    """

    def __init__(self, nets: Mapping[str, nn.Module], decay: float, *, warmup: bool = True) -> None:
        self.nets = {name: copy.deepcopy(net).eval().requires_grad_(False) for name, net in nets.items()}
        self.decay = decay
        self.warmup = warmup
        self.steps = 0

    @torch.no_grad()
    def update(self, nets: Mapping[str, nn.Module]) -> None:
        self.steps += 1
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps)) if self.warmup else self.decay
        for name, average in self.nets.items():
            torch._foreach_lerp_(list(average.parameters()), list(nets[name].parameters()), 1 - decay)
            _copy(list(average.buffers()), list(nets[name].buffers()))

    def state_dict(self) -> dict[str, Any]:
        return {"steps": self.steps, "nets": {name: net.state_dict() for name, net in self.nets.items()}}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.steps = state["steps"]
        for name, net in self.nets.items():
            net.load_state_dict(state["nets"][name])


def _copy(kept: list[Tensor], new: list[Tensor]) -> None:
    """Copy the values, those of one type at once: a network with batch norm has hundreds of small buffers."""
    for kind in {one.dtype for one in kept}:
        torch._foreach_copy_([one for one in kept if one.dtype == kind], [one for one in new if one.dtype == kind])
