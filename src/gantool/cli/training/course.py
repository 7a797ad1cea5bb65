"""What is known of a training so far, for whoever shows it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gantool.cli.training.pace import Pace

if TYPE_CHECKING:
    from gantool.engine.events import EpochDone, StepDone
    from gantool.workflows.training_events import Started

__all__ = ["Course", "Score"]

_SHARE = 0.05  # of a new loss in its running mean, which goes over about twenty steps


@dataclass(frozen=True)
class Score:
    """The metric of an epoch: its name, its value, whether it is the best so far, and the best value before it."""

    epoch: int
    name: str
    value: float
    best: bool
    before: float | None


class Course:
    """Follows the events of a training.

    Other threads may read it: values are replaced, never changed.

    Attributes:
        epoch: that is being trained, from 1.
        step: of this epoch that is done.
        losses: running means by group.
        metrics: names of what the last measurement found, the metric first.
        classes: names of the classes that have an IoU.
        best: the score of the best epoch so far, if any was measured.
        all_done: whether the last epoch is.
    """

    def __init__(self, started: Started, records: Sequence[Mapping[str, Any]], clock: Callable[[], float]) -> None:
        """``records`` are those of the epochs before, of a run that is resumed."""
        self.pace = Pace(started, clock)
        self.epochs, self.steps_per_epoch = started.epochs, started.steps_per_epoch
        self.epoch, self.step = started.first_epoch + 1, 0
        self.losses: Mapping[str, float] = {}
        self.metrics: tuple[str, ...] = ()
        self.classes: tuple[str, ...] = ()
        self.all_done = False
        self._terms = started.losses
        self.best: Score | None = None
        for record in records:
            self._measured(record.get("epoch", 0), record.get("metrics", {}), best=record.get("best", False))

    @property
    def groups(self) -> tuple[str, ...]:
        """The groups of losses that there are, in the order of the method's own list."""
        names = dict.fromkeys(term.group for term in self._terms.values())
        return tuple(name for name in names if not self.losses or name in self.losses)

    def by_group(self, losses: Mapping[str, float]) -> dict[str, float]:
        """Losses of an epoch, added up by group and in order."""
        from gantool.engine.loss_terms import by_group

        values = by_group(losses, self._terms)
        names = dict.fromkeys(term.group for term in self._terms.values())
        return {name: values[name] for name in names if name in values}

    def take_step(self, event: StepDone) -> None:
        self.pace.step(event)
        self.epoch, self.step, self.steps_per_epoch = event.epoch, event.step_in_epoch, event.steps_per_epoch
        if event.losses:
            before = self.losses
            self.losses = {
                name: (mean := before.get(name, value)) + _SHARE * (value - mean)
                for name, value in self.by_group(event.losses).items()
            }

    def end_epoch(self, event: EpochDone) -> Score | None:
        """Go on to the next epoch; the metric of the one that ended, if it was measured."""
        self.pace.epoch(event, self.steps_per_epoch)
        self.all_done = event.epoch >= self.epochs
        self.epoch, self.step = min(event.epoch + 1, self.epochs), 0
        return self._measured(event.epoch, event.metrics, best=event.best)

    def _measured(self, epoch: int, metrics: Mapping[str, float], *, best: bool) -> Score | None:
        if not metrics:
            return None
        self.metrics = tuple(name for name in metrics if "/" not in name)
        self.classes = tuple(name.removeprefix("iou/") for name in metrics if name.startswith("iou/"))
        name, value = next(iter(metrics.items()))
        score = Score(epoch, name, value, best, self.best.value if self.best is not None else None)
        if best:
            self.best = score
        return score
