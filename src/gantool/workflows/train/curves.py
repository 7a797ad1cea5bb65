"""The curves of a run, as its papers read them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from gantool.engine.loss_terms import ADVERSARIAL, DISCRIMINATOR, LossTerm, by_curve
from gantool.report.plots import Panel

__all__ = ["loss_panels"]


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
        panels.append(("adversarial losses", game, dict(term.reference for term in terms.values() if term.reference)))
    if others:
        panels.append(("other losses" if game else "losses", others, {}))
    metrics = _curves([record.get("metrics", {}) for record in records])
    metrics = {name: curve for name, curve in metrics.items() if "/" not in name}
    # Shares and distances in levels of 255 would flatten each other on one scale.
    shares = {name: curve for name, curve in metrics.items() if max([0.0, *filter(math.isfinite, curve)]) <= 1}
    distances = {name: curve for name, curve in metrics.items() if name not in shares}
    panels += [(title, some, {}) for title, some in (("metrics", shares), ("distances", distances)) if some]
    return panels


def _curves(records: Sequence[Mapping[str, float]]) -> dict[str, list[float]]:
    names = list(dict.fromkeys(name for record in records for name in record))
    return {name: [float(record.get(name, math.nan)) for record in records] for name in names}
