"""What a measurement of networks found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from gantool.report.confusion import ConfusionMatrix
from gantool.report.gallery import Gallery

__all__ = ["Measurement"]


@dataclass(frozen=True)
class Measurement:
    """Numbers, and the images behind them.

    Attributes:
        values: by name, the most telling one first.
        best: decides which epoch is best; lower is better.
        baselines: the same values for guesses without a network.
        gallery: the worst and the best images; None where single images say nothing.
        confusion: of label maps.
    """

    values: Mapping[str, float]
    best: float
    baselines: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    gallery: Gallery | None = None
    confusion: ConfusionMatrix | None = None
