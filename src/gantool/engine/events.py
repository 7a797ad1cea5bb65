"""What happens while training; `gantool.engine.loop.Trainer` yields it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from gantool.report.confusion import ConfusionMatrix
from gantool.report.gallery import Gallery

__all__ = ["Decided", "EndedEarly", "EpochDone", "Event", "Sampled", "Saved", "StepDone", "Stopped"]


@dataclass(frozen=True)
class Decided:
    """Whether the networks are compiled, before the first step; a second one if they could not be.

    ``notable`` is False where nobody needs to be told.
    """

    compiled: bool
    reason: str
    notable: bool


@dataclass(frozen=True)
class StepDone:
    """One step. ``losses`` are this step's, read back every few steps on a GPU and None in between."""

    epoch: int
    step: int
    step_in_epoch: int
    steps_per_epoch: int
    losses: Mapping[str, float] | None
    seconds: float
    waited: float


@dataclass(frozen=True)
class EpochDone:
    """One epoch: mean losses, what was measured, and where the time went. ``epoch`` counts from 1.

    ``gallery`` has the worst and the best images of the measurement, ``confusion`` the matrix of label maps; both on
    the main process only.
    """

    epoch: int
    step: int
    losses: Mapping[str, float]
    metrics: Mapping[str, float]
    lr: float
    seconds: float
    images_per_second: float
    wait_share: float
    best: bool
    gallery: Gallery | None = None
    confusion: ConfusionMatrix | None = None


@dataclass(frozen=True)
class Sampled:
    """Pictures to look at, ``(N, C, H, W)`` in [-1, 1] by column title."""

    epoch: int
    pictures: Mapping[str, Tensor]


@dataclass(frozen=True)
class Saved:
    """A checkpoint was written."""

    path: Path
    step: int


@dataclass(frozen=True)
class Stopped:
    """Training ended before its last epoch because it was asked to; the checkpoint is written."""

    epoch: int
    step: int


@dataclass(frozen=True)
class EndedEarly:
    """Training ended because the metric has not been better for ``train.patience`` epochs."""

    epoch: int
    best_epoch: int


Event = Decided | StepDone | EpochDone | Sampled | Saved | Stopped | EndedEarly
