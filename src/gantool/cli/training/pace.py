"""How fast a training goes, and how long it has gone and will go on."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gantool.engine.events import EpochDone, StepDone
    from gantool.workflows.training_events import Started

__all__ = ["Pace"]

_STEPS = 20  # that a running mean goes over, which keeps the numbers readable


class Pace:
    """Times of one training.

    Args:
        clock: seconds from any moment on.

    Attributes:
        step_seconds: of a step, on average; 0 before the first one.
        wait_share: part of them that went into waiting for data.
    """

    def __init__(self, started: Started, clock: Callable[[], float]) -> None:
        self._clock, self._start = clock, clock()
        self._epochs, self._batch_size = started.epochs, started.batch_size
        self.step_seconds = self.wait_share = 0.0
        self._steps = 0
        self._between = 0.0  # seconds from the last step of an epoch to the next one: measuring and saving
        self._last_step = self._start
        self._left = 0.0
        self._told = self._start  # when that much was left

    def step(self, event: StepDone) -> None:
        now = self._clock()
        if self._steps and event.step_in_epoch == 1:
            self._between = max(now - self._last_step - event.seconds, 0.0)
        self._steps += 1
        # The first step warms up and tells nothing of the others.
        part = 1.0 if self._steps <= 2 else max(1 / (self._steps - 1), 1 / _STEPS)
        self.step_seconds += part * (event.seconds - self.step_seconds)
        waited = event.waited / event.seconds if event.seconds > 0 else 0.0
        self.wait_share += part * (waited - self.wait_share)
        epochs = self._epochs - event.epoch + 1
        steps = epochs * event.steps_per_epoch - event.step_in_epoch
        self._left, self._told = steps * self.step_seconds + epochs * self._between, now
        self._last_step = now

    def epoch(self, event: EpochDone, steps_per_epoch: int) -> None:
        """An epoch was measured."""
        now = self._clock()
        self._between = max(self._between, now - self._last_step)
        epochs = self._epochs - event.epoch
        self._left, self._told = epochs * (steps_per_epoch * self.step_seconds + self._between), now

    @property
    def images_per_second(self) -> float | None:
        return self._batch_size / self.step_seconds if self.step_seconds > 0 else None

    @property
    def elapsed(self) -> float:
        """Seconds since the training was started or resumed."""
        return self._clock() - self._start

    @property
    def left(self) -> float | None:
        """Seconds to the end of the last epoch; None before the first step."""
        return max(self._left - (self._clock() - self._told), 0.0) if self._steps else None
