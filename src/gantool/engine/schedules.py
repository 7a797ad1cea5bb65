"""The learning rate as a function of progress."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from gantool.settings.schema import Schedule

__all__ = ["Plateau", "lr_factor"]


_RISE = 0.3  # share of one_cycle in which the rate rises, from a 25th to all, before it falls to a 10,000th of that
_SMOOTH = frozenset({"linear", "cosine", "poly", "one_cycle"})


def lr_factor(schedule: Schedule, progress: float, epochs: int) -> float:
    """What the base learning rate is multiplied by after ``progress`` of ``epochs`` epochs.

    A pure function, so that a run that is extended recomputes it for its new length. Schedules of the GAN papers
    change between epochs only, the smooth ones with every step. ``plateau`` depends on the past and is `Plateau`'s;
    its factor here is 1. one_cycle is that of Smith and Topin, "Super-Convergence", 2018, with cosines.
    """
    warm = min(progress / schedule.warmup_epochs, 1.0) if schedule.warmup_epochs else 1.0
    if schedule.name in _SMOOTH:
        length = max(epochs - schedule.warmup_epochs, 1e-9)
        return warm * _smooth(schedule, min(max(progress - schedule.warmup_epochs, 0) / length, 1.0))
    return warm * _stepwise(schedule, int(progress), epochs)


def _smooth(schedule: Schedule, done: float) -> float:
    if schedule.name == "linear":
        return 1 - done
    if schedule.name == "cosine":
        return 0.5 * (1 + math.cos(math.pi * done))
    if schedule.name == "poly":
        return float((1 - done) ** schedule.power)
    if done < _RISE:
        return 1 - (1 - 1 / 25) * 0.5 * (1 + math.cos(math.pi * done / _RISE))
    return 1e-4 + (1 - 1e-4) * 0.5 * (1 + math.cos(math.pi * (done - _RISE) / (1 - _RISE)))


def _stepwise(schedule: Schedule, epoch: int, epochs: int) -> float:
    if schedule.name == "constant_linear":
        constant = epochs // 2 if schedule.constant_epochs is None else schedule.constant_epochs
        falling = max(epochs - constant, 0)
        return 1.0 - max(0, epoch + 1 - constant) / (falling + 1)
    if schedule.name == "step":
        return float(schedule.factor ** (epoch // schedule.step_epochs))
    return 1.0


class Plateau:
    """Lowers the rate when a value that should fall has not done so for ``patience`` epochs."""

    def __init__(self, schedule: Schedule) -> None:
        self.schedule = schedule
        self.factor = 1.0
        self._best = math.inf
        self._waited = 0

    def observe(self, value: float) -> None:
        """Take one epoch's value; counts as better from 0.1 % on."""
        if self.schedule.name != "plateau":
            return
        if value < self._best * 0.999:
            self._best, self._waited = value, 0
            return
        self._waited += 1
        if self._waited > self.schedule.patience:
            self.factor *= self.schedule.factor
            self._waited = 0

    def state_dict(self) -> dict[str, Any]:
        return {"factor": self.factor, "best": self._best, "waited": self._waited}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.factor, self._best, self._waited = state["factor"], state["best"], state["waited"]
