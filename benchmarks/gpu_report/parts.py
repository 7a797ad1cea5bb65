"""What the report consists of, in the order in which it is done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gantool.methods.registry import METHODS

__all__ = ["STAGES", "Part", "chosen"]

STAGES = ("tests", "speed", "seasons")


@dataclass(frozen=True)
class Part:
    """A part of the report.

    Attributes:
        function: ``module:function`` of this package, taking a `Context` (and an argument after a second colon).
        weight: share of the time that is left when it begins, against the parts that follow.
        group: neighbors of one group run in one process, so that torch is started once.
    """

    name: str
    stage: str
    function: str
    weight: float
    group: str


PARTS: Sequence[Part] = (
    Part("pytest", "tests", "checks:pytest_gpu", 18, "pytest"),
    Part("limits", "speed", "speed:limits", 3, "eager"),
    Part("parity", "tests", "checks:parity", 6, "eager"),
    *(Part(name, "speed", f"speed:training:{name}", 16 if name == "cyclegan" else 6, "eager") for name in METHODS),
    Part("inference", "speed", "speed:inference", 5, "eager"),
    Part("processes", "tests", "checks:processes", 8, "processes"),
    Part("compiled", "speed", "speed:compiled", 22, "compiled"),
    Part("graphs", "speed", "speed:graphs", 9, "graphs"),
    Part("seasons", "seasons", "seasons:seasons", 25, "seasons"),
)


def chosen(stages: Sequence[str]) -> list[Part]:
    """The parts of these stages; of all if none is named."""
    return [part for part in PARTS if not stages or part.stage in stages]
