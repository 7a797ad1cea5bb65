"""Where patches are compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

__all__ = ["PatchPlaces"]


class PatchPlaces:
    """Draws places in layers, and whether a step mirrors its pictures.

    Its random numbers are its own and alike on all ranks, so that several ranks do what one does.

    Args:
        count: places per layer; of smaller layers all.
    """

    def __init__(self, count: int, seed: int = 0) -> None:
        self.count = count
        self._random = torch.Generator().manual_seed(seed)

    def draw(self, features: Sequence[Tensor]) -> list[Tensor]:
        """For every layer ``(N, C, H, W)`` different indices ``(P,)`` into its ``H * W`` pixels, on its device."""
        return [
            torch.randperm(layer.shape[2] * layer.shape[3], generator=self._random)[: self.count].to(
                layer.device, non_blocking=True
            )
            for layer in features
        ]

    def mirrored(self) -> bool:
        """Whether to mirror, in half of the cases."""
        return float(torch.rand((), generator=self._random)) < 0.5

    def state_dict(self) -> dict[str, Any]:
        return {"random": self._random.get_state()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._random.set_state(state["random"])
