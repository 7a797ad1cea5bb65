"""How the losses of a training step are read: which belong together, and how they add up to an objective."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["ADVERSARIAL", "DISCRIMINATOR", "LossTerm", "by_curve", "by_group", "generator_objective"]

ADVERSARIAL, DISCRIMINATOR = "adversarial", "discriminator"
"""The groups of the two players' game; its losses rise and fall against each other and tell nothing by themselves."""


@dataclass(frozen=True)
class LossTerm:
    """What a named loss of a step is.

    Attributes:
        group: losses of one group are added up where there is room for one number.
        weight: of the loss, as the step returns it, in its player's objective; below 1 it is a part of its group's
            value and has no curve of its own.
        reference: name and value of a line to read its curve against.
    """

    group: str
    weight: float = 1.0
    reference: tuple[str, float] | None = None


def by_group(losses: Mapping[str, float], terms: Mapping[str, LossTerm]) -> dict[str, float]:
    """What every group adds to the objectives: ``cycle_summer`` and ``cycle_winter`` become ``cycle``."""
    return _added(losses, terms, {name: terms[name].group for name in losses})


def by_curve(losses: Mapping[str, float], terms: Mapping[str, LossTerm]) -> dict[str, float]:
    """The losses as they are drawn: one by one, the parts of a value as that value."""
    return _added(losses, terms, {name: name if terms[name].weight == 1 else terms[name].group for name in losses})


def generator_objective(losses: Mapping[str, float], terms: Mapping[str, LossTerm]) -> float:
    """What is minimized by all that is delivered: every loss but the discriminators'."""
    return sum(value * terms[name].weight for name, value in losses.items() if terms[name].group != DISCRIMINATOR)


def _added(losses: Mapping[str, float], terms: Mapping[str, LossTerm], names: Mapping[str, str]) -> dict[str, float]:
    out: dict[str, float] = {}
    for name, value in losses.items():
        out[names[name]] = out.get(names[name], 0.0) + value * terms[name].weight
    return out
