"""What a training step has to do, counted operator by operator; nothing is timed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

__all__ = ["StepWork", "count_work"]


@dataclass(frozen=True)
class StepWork:
    """The work of a step.

    Attributes:
        flops: additions and multiplications of convolutions and matrix products, which compiling leaves as they are.
        moved: bytes that everything else writes (norms, padding, activations, casts), which compiling puts together.
        calls: operators that are called.
    """

    flops: int
    moved: int
    calls: int


def count_work(step: Callable[[], object]) -> StepWork:
    """The work of what ``step`` does, backward passes included."""
    with _Counting() as counting:
        step()
    return StepWork(counting.flops, counting.moved, counting.calls)


class _Counting(TorchDispatchMode):  # type: ignore[no-untyped-call]
    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.flops = self.moved = self.calls = 0

    def __torch_dispatch__(
        self, func: Any, types: Sequence[type], args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        formula = flop_registry.get(func.overloadpacket)
        if formula is not None:
            self.flops += formula(*args, **(kwargs or {}), out_val=out)
            self.calls += 1
        elif not func.is_view:
            self.moved += sum(one.nbytes for one in _tensors(out))
            self.calls += 1
        return out


def _tensors(out: Any) -> list[Tensor]:
    many = out if isinstance(out, (tuple, list)) else [out]
    return [one for one in many if isinstance(one, torch.Tensor)]
