"""The learning rate as a function of progress."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from gantool.settings.schema import Schedule

__all__ = ["Plateau", "lr_factor"]


def lr_factor(schedule: Schedule, epoch: int, epochs: int) -> float:
    """What the base learning rate is multiplied by in ``epoch`` (from 0) of ``epochs``.

    A pure function, so that a run that is extended recomputes it for its new length. ``plateau`` depends on the
    past and is `Plateau`'s; its factor here is 1.
    """
    if schedule.name == "constant_linear":
        constant = epochs // 2 if schedule.constant_epochs is None else schedule.constant_epochs
        falling = max(epochs - constant, 0)
        return 1.0 - max(0, epoch + 1 - constant) / (falling + 1)
    if schedule.name == "cosine":
        return 0.5 * (1 + math.cos(math.pi * epoch / epochs))
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
