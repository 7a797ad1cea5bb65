"""Bounds that an evaluation has to keep: ``mean_iou=0.6`` over all, ``iou/sky=0.9`` of one class."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gantool.errors import UsageError, closest
from gantool.metrics.table import METRICS, gated_metrics
from gantool.workflows.evaluate.results import Evaluation, Result

__all__ = ["CLASS_METRICS", "Gate", "parse_gates", "require_classes"]

CLASS_METRICS = (*(name for name, metric in METRICS.items() if metric.by_class), "boundary_iou")
"""Those that every class has a value of."""


@dataclass(frozen=True)
class Gate:
    """One bound.

    Attributes:
        class_name: whose value it is of; empty for that over all.
        above: whether more than the bound is too much, and not less.
    """

    metric: str
    class_name: str
    bound: float
    above: bool

    @property
    def name(self) -> str:
        """As it is typed."""
        return f"{self.metric}/{self.class_name}" if self.class_name else self.metric

    def missed(self, evaluation: Evaluation) -> Iterator[str]:
        """A sentence for each result that is beyond the bound, or has no such value."""
        for one in evaluation.results:
            value = self._of(one)
            if value is None or math.isnan(value):
                yield f"{one.label}: {self.name} was not measured."
            elif not (value <= self.bound if self.above else value >= self.bound):
                side = "above" if self.above else "below"
                yield f"{one.label}: {self.name} is {_shown(value, self.bound)}, {side} {self.bound:g}."

    def _of(self, result: Result) -> float | None:
        if not self.class_name:
            return result.overall().get(self.metric)
        classes = result.classes.per_class() if result.classes is not None else {}
        return classes.get(self.class_name, {}).get(self.metric)


def _shown(value: float, bound: float) -> str:
    """With as many digits as it takes to tell the two apart."""
    digits = next((digits for digits in range(3, 8) if f"{value:.{digits}f}" != f"{bound:.{digits}f}"), 8)
    return f"{value:.{digits}f}"


def parse_gates(under: Sequence[str], over: Sequence[str]) -> list[Gate]:
    """Read ``NAME=VALUE`` and ``NAME/CLASS=VALUE``.

    Args:
        under: what values may not be below.
        over: what they may not be above.

    Raises:
        UsageError: no number, or no such metric.
    """
    return [
        *(_parsed("--fail-under", text, above=False) for text in under),
        *(_parsed("--fail-over", text, above=True) for text in over),
    ]


def _parsed(option: str, text: str, *, above: bool) -> Gate:
    name, equals, value = text.rpartition("=")
    try:
        bound = float(value if equals else "x")
    except ValueError:
        bound = math.nan
    if math.isnan(bound):
        raise UsageError(f"{option} {text}: expected NAME=VALUE, such as mean_iou=0.6, or of one class iou/sky=0.9.")
    metric, slash, class_name = name.partition("/")
    metric, class_name = metric.strip(), class_name.strip()
    known = CLASS_METRICS if slash else gated_metrics()
    if metric in known and bool(slash) == bool(class_name):
        return Gate(metric, class_name, bound, above)
    if metric in CLASS_METRICS and not class_name:
        raise UsageError(
            f"{option} {name}: every class has its own {metric}.", f"Name one, such as {metric}/sky=0.9."
        )
    if slash and metric in gated_metrics():
        raise UsageError(
            f"{option} {name}: {metric} has no values of classes.", f"Those are {_listed(CLASS_METRICS)}."
        )
    raise UsageError(f'{option} {metric}: there is no metric "{metric}".', closest(metric, known))


def _listed(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}"


def require_classes(named: Sequence[str], classes: Sequence[str]) -> None:
    """Refuse classes that the data has not, before anything is measured.

    Raises:
        UsageError: names the known ones.
    """
    for name in named:
        if name not in classes:
            known = ", ".join(classes)
            near = closest(name, classes)
            remedy = near if near.startswith("Did") else ""
            raise UsageError(f'There is no class "{name}"; the data has {known}.', remedy)
