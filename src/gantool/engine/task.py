"""What the training loop asks of a method, and what it gives it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from torch import Tensor, nn
from torch.optim import Optimizer

from gantool.cards import Card
from gantool.engine.loss_terms import LossTerm

__all__ = ["Batch", "Objective", "Parts", "Player", "Task", "Update", "each_part"]

Batch = Mapping[str, Tensor]


@dataclass(frozen=True)
class Player:
    """Some networks and the optimizer that moves them. A GAN has two players, a segmenter has one."""

    name: str
    nets: Mapping[str, nn.Module]
    optimizer: Optimizer

    @property
    def is_compiled(self) -> bool:
        """Whether the networks are compiled, for the number of threads that computed then."""
        return any(net._compiled_call_impl is not None for net in self.nets.values())

    def parameters(self) -> Iterator[nn.Parameter]:
        for net in self.nets.values():
            yield from net.parameters()

    def requires_grad_(self, on: bool) -> None:
        """Switch gradients of this player's weights on or off while the other one moves."""
        for net in self.nets.values():
            net.requires_grad_(on)


@dataclass(frozen=True)
class Parts:
    """An objective as the sum of what some functions compute.

    Attributes:
        functions: each computes a part. One after the other, only what one of them needs is in memory at a time.
        at_once: on a CPU they may run at the same time, each in a thread of its own on its share of the cores. They
            draw no random numbers, and change nothing that another one uses.
    """

    functions: Sequence[Callable[[], Tensor]]
    at_once: bool = False


Objective = Tensor | Parts
"""What a player minimizes."""

Update = Callable[[Player, Objective], None]
"""``update(player, objective)``: zero gradients, backward, average over ranks, clip, step."""


def each_part(loss: Objective) -> Iterator[Tensor]:
    """The loss itself, or its parts one after the other, each computed when it is asked for."""
    if isinstance(loss, Tensor):
        yield loss
        return
    for compute in loss.functions:
        yield compute()


class Task(Protocol):
    """A method: its players, one training step, what it shows and what it delivers."""

    @property
    def players(self) -> tuple[Player, ...]: ...

    @property
    def losses(self) -> Mapping[str, LossTerm]:
        """What the losses that `step` returns are, by name."""
        ...

    def step(self, batch: Batch, update: Update) -> dict[str, Tensor]:
        """Train on one batch, calling ``update`` once for each player that moves; return the detached losses."""
        ...

    def nets(self) -> dict[str, nn.Module]:
        """The networks a user gets, under the names that the model file gives them."""
        ...

    def preview(self, batch: Batch, nets: Mapping[str, nn.Module]) -> dict[str, Tensor]:
        """Pictures to look at, ``(N, C, H, W)`` in [-1, 1] each, in the order of the columns of a sample grid."""
        ...

    def card(self) -> Card:
        """What the delivered networks say about themselves; the run adds where they come from."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """What must be kept to go on exactly, beyond weights and optimizers."""
        ...

    def load_state_dict(self, state: Mapping[str, Any]) -> None: ...
