"""What a training step has to do, counted operator by operator; nothing is timed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from gantool.nets.convolutions import as_torch_does

__all__ = ["StepWork", "count_work"]


@dataclass(frozen=True)
class StepWork:
    """The work of a step.

    Attributes:
        moved: bytes that everything but convolutions and matrix products writes (norms, padding, activations, casts):
            what a compiler puts together, while it leaves those as they are.
        calls: operators that are called.
    """

    moved: int
    calls: int


def count_work(step: Callable[[], object]) -> StepWork:
    """The work of what ``step`` does, backward passes included, with convolutions as compilers have them."""
    with as_torch_does(), _Counting() as counting:
        step()
    return StepWork(counting.moved, counting.calls)


class _Counting(TorchDispatchMode):  # type: ignore[no-untyped-call]
    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.moved = self.calls = 0

    def __torch_dispatch__(
        self, func: Any, types: Sequence[type], args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        if not func.is_view:
            self.calls += 1
            if func.overloadpacket not in flop_registry:
                self.moved += sum(one.nbytes for one in _tensors(out))
        return out


def _tensors(out: Any) -> list[Tensor]:
    many = out if isinstance(out, (tuple, list)) else [out]
    return [one for one in many if isinstance(one, torch.Tensor)]
