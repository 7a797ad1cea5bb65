"""The filters that contrastive unpaired translation keeps beside its weights (``model.7.filt``): constants here."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from gantool.errors import ModelError

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["with_filters", "without_filters"]

_ENDING = ".filt"
_HALVING, _DOUBLING = (1.0, 2.0, 1.0), (1.0, 3.0, 3.0, 1.0)


def without_filters(path: Path, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights alone.

    Raises:
        ModelError: a filter is another one than gantool's networks have.
    """
    for key, value in state.items():
        if key.endswith(_ENDING) and not any(_is(value, taps) for taps in (_HALVING, _DOUBLING)):
            raise ModelError(f"{path}: {key} is another filter than (1, 2, 1) or (1, 3, 3, 1), which gantool has.")
    return {key: value for key, value in state.items() if not key.endswith(_ENDING)}


def _is(value: Tensor, taps: tuple[float, ...]) -> bool:
    if value.dim() != 4 or value.shape[1:] != (1, len(taps), len(taps)):
        return False
    return bool((value.float() - _filter(taps)).abs().max() < 1e-3) if len(value) else False


def _filter(taps: tuple[float, ...]) -> Tensor:
    """``(side, side)``; what doubles puts zeros between pixels first, so it weighs four times as much."""
    import torch

    line = torch.tensor(taps)
    return torch.outer(line, line) * ((1 if taps is _HALVING else 4) / line.sum().square())


def with_filters(net: nn.Module, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights and the filters of a ResNet generator, under the names that the other project gives them."""
    from torch import nn

    from gantool.nets.antialias import BlurDown

    out, channels = dict(state), 0
    assert isinstance(net.model, nn.Sequential)
    for place, module in enumerate(net.model):
        if isinstance(module, nn.Conv2d):
            channels = module.out_channels
        elif isinstance(module, BlurDown):
            out[f"model.{place}{_ENDING}"] = _filter(_HALVING).expand(channels, 1, 3, 3).clone()
        elif isinstance(module, nn.Upsample):
            following = net.model[place + 1]
            assert isinstance(following, nn.Conv2d)
            out[f"model.{place}{_ENDING}"] = _filter(_DOUBLING).expand(following.in_channels, 1, 4, 4).clone()
    return out
