"""What a training tells whoever iterates over it, beside the events of the loop itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from gantool.engine.events import Event as LoopEvent
from gantool.engine.loss_terms import LossTerm

__all__ = ["Event", "Finished", "Notice", "Started", "TrainResult"]


@dataclass(frozen=True)
class Started:
    """A run begins or goes on.

    ``losses`` says what they are; ``main`` is False in all processes but one; ``stopping`` tells at any moment
    whether the training was asked to stop, which it does after the step that it is at.
    """

    run: Path
    data: str
    device: str
    precision: str
    world_size: int
    epochs: int
    first_epoch: int
    steps_per_epoch: int
    batch_size: int
    parameters: Mapping[str, int]
    losses: Mapping[str, LossTerm]
    main: bool
    stopping: Callable[[], bool] = lambda: False


@dataclass(frozen=True)
class Notice:
    """Something the user should know."""

    text: str


@dataclass(frozen=True)
class TrainResult:
    """What a training left behind.

    Attributes:
        run: the run's directory.
        model: the model file, which `translate` takes; None if nothing was delivered yet.
        epochs: epochs done.
        stopped: whether it ended early because it was asked to.
        metrics: on data that nothing in the run has seen, where there is a truth; otherwise those of the epoch that
            was delivered.
        baselines: the same numbers for guesses without a network.
        losses: means of the last epoch.
        unseen: whether ``metrics`` are of images that played no part; False where these chose the epoch.
    """

    run: Path
    model: Path | None
    epochs: int
    stopped: bool
    metrics: Mapping[str, float] = field(default_factory=dict)
    baselines: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    losses: Mapping[str, float] = field(default_factory=dict)
    unseen: bool = True


@dataclass(frozen=True)
class Finished:
    """The last event."""

    result: TrainResult
    signal: int | None = None


Event = LoopEvent | Started | Notice | Finished
