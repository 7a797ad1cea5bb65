"""The curves of a run, as its papers read them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from gantool.report.plots import Panel

__all__ = ["loss_panels"]

_LN2 = {"ln 2": math.log(2)}


def loss_panels(records: Sequence[Mapping[str, Any]], *, vanilla: bool) -> list[Panel]:
    """Panels from the epochs of ``metrics.jsonl``.

    Discriminators get a panel of their own. Under the vanilla objective a discriminator that knows nothing loses ln 2
    (the mean of its two terms), and so does a generator that deceives it half of the time; the line marks that.
    """
    losses = _curves(records, "losses")
    critics = {name: curve for name, curve in losses.items() if name.startswith("discriminator")}
    if set(critics) == {"discriminator_real", "discriminator_fake"}:
        pairs = zip(critics["discriminator_real"], critics["discriminator_fake"], strict=True)
        critics = {"discriminator": [(real + fake) / 2 for real, fake in pairs]}
    adversarial = {name: curve for name, curve in losses.items() if name.startswith("adversarial")}
    others = {name: curve for name, curve in losses.items() if not name.startswith(("discriminator", "adversarial"))}
    panels: list[Panel] = []
    if critics:
        panels.append(("adversarial losses", {**adversarial, **critics}, _LN2 if vanilla else {}))
    if others:
        panels.append(("other losses" if critics else "losses", others, {}))
    metrics = {name: curve for name, curve in _curves(records, "metrics").items() if "/" not in name}
    # Shares and distances in levels of 255 would flatten each other on one scale.
    shares = {name: curve for name, curve in metrics.items() if max([0.0, *filter(math.isfinite, curve)]) <= 1}
    distances = {name: curve for name, curve in metrics.items() if name not in shares}
    panels += [(title, some, {}) for title, some in (("metrics", shares), ("distances", distances)) if some]
    return panels


def _curves(records: Sequence[Mapping[str, Any]], group: str) -> dict[str, list[float]]:
    names = list(dict.fromkeys(name for record in records for name in record.get(group, {})))
    return {name: [float(record.get(group, {}).get(name, math.nan)) for record in records] for name in names}
