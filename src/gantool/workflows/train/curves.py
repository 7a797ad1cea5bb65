"""The curves of a run, as its papers read them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from gantool.engine.loss_terms import ADVERSARIAL, DISCRIMINATOR, LossTerm, by_curve
from gantool.metrics.table import better_is
from gantool.report.charts import Panel
from gantool.report.words import title_of

__all__ = ["loss_panels"]

_MOST_CLASSES = 12  # of which curves can be told apart


def loss_panels(records: Sequence[Mapping[str, Any]], terms: Mapping[str, LossTerm]) -> list[Panel]:
    """Panels from the epochs of ``metrics.jsonl``.

    The game of discriminators and generators gets a panel of its own, with the lines that the objective is read
    against.

    Args:
        terms: what the losses are.
    """
    losses = _curves([by_curve(record.get("losses", {}), terms) for record in records])
    groups = {name: term.group for name, term in terms.items()}
    game = {
        name: curve
        for group in (ADVERSARIAL, DISCRIMINATOR)
        for name, curve in losses.items()
        if groups.get(name, name) == group
    }
    others = {name: curve for name, curve in losses.items() if name not in game}
    panels: list[Panel] = []
    if game:
        lines = dict(term.reference for term in terms.values() if term.reference)
        panels.append(Panel("Adversarial losses", _titled(game), lines))
    if others:
        panels.append(Panel("Other losses" if game else "Losses", _titled(others), better="lower"))
    return panels + _metric_panels(_curves([record.get("metrics", {}) for record in records]))


def _metric_panels(metrics: Mapping[str, Sequence[float]]) -> list[Panel]:
    """Shares apart from distances in levels of 255, which would flatten each other on one scale; then the classes."""
    overall = {name: curve for name, curve in metrics.items() if "/" not in name}
    shares = {name: curve for name, curve in overall.items() if max([0.0, *filter(math.isfinite, curve)]) <= 1}
    distances = {name: curve for name, curve in overall.items() if name not in shares}
    panels = [Panel(title, _titled(some), {}, _better(some))
              for title, some in (("Metrics", shares), ("Distances", distances)) if some]  # fmt: skip
    classes = {name.removeprefix("iou/"): curve for name, curve in metrics.items() if name.startswith("iou/")}
    if 1 < len(classes) <= _MOST_CLASSES:
        panels.append(Panel("IoU by class", classes, {}, "higher"))
    return panels


def _better(names: Mapping[str, object]) -> str:
    """What is better of all of them, if that is the same."""
    ways = {better_is(name) for name in names}
    return ways.pop() if len(ways) == 1 else ""


def _titled(curves: Mapping[str, Sequence[float]]) -> dict[str, Sequence[float]]:
    return {title_of(name): curve for name, curve in curves.items()}


def _curves(records: Sequence[Mapping[str, float]]) -> dict[str, list[float]]:
    names = list(dict.fromkeys(name for record in records for name in record))
    return {name: [float(record.get(name, math.nan)) for record in records] for name in names}
