"""How far translations are from the truth, where there is one, and how far guesses without a network are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from gantool.data.augment import to_tensor
from gantool.engine.runtime import Runtime
from gantool.metrics.paired import histogram_matcher, l1_ratio, median_image
from gantool.settings import CycleGanSettings
from gantool.workflows.unpaired_data import PairedTruth, UnpairedData

Pixels = NDArray[np.uint8]

__all__ = ["baseline_ratios", "make_evaluate", "ratios_to_truth"]


def make_evaluate(
    settings: CycleGanSettings, data: UnpairedData, runtime: Runtime
) -> Callable[[Mapping[str, nn.Module]], dict[str, float]] | None:
    """Return what measures networks on the validation scenes, or None where there is no truth.

    The first value is the mean of the L1 ratios of both directions, which decides which epoch is best.
    """
    if data.validation is None:
        return None
    count = settings.metrics.images
    truth = PairedTruth(data.validation.a[:count], data.validation.b[:count])

    def evaluate(nets: Mapping[str, nn.Module]) -> dict[str, float]:
        ratios = ratios_to_truth(nets, data.names, truth, runtime.device)
        return {"l1_ratio": sum(ratios.values()) / len(ratios), **ratios}

    return evaluate


def ratios_to_truth(
    nets: Mapping[str, nn.Module], names: tuple[str, str], truth: PairedTruth, device: torch.device
) -> dict[str, float]:
    """L1(translated, truth) / L1(untranslated, truth) in both directions."""
    a, b = names
    return {
        f"l1_ratio_to_{b}": l1_ratio(_translated(nets[f"to_{b}"], truth.a, device), truth.a, truth.b),
        f"l1_ratio_to_{a}": l1_ratio(_translated(nets[f"to_{a}"], truth.b, device), truth.b, truth.a),
    }


def baseline_ratios(data: UnpairedData) -> dict[str, dict[str, float]]:
    """The same ratios for the median training image and for per-channel histogram matching."""
    assert data.truth is not None
    out: dict[str, dict[str, float]] = {}
    sides = ((data.truth.a, data.truth.b, 1), (data.truth.b, data.truth.a, 0))
    for inputs, truths, side in sides:
        training = [data.preparation.testing(data.train[side][n]) for n in range(len(data.train[side]))]
        constant = median_image(training)
        matcher = histogram_matcher(training)
        key = f"l1_ratio_to_{data.names[side]}"
        out.setdefault("median training image", {})[key] = l1_ratio([constant] * len(truths), inputs, truths)
        out.setdefault("histogram matching", {})[key] = l1_ratio([matcher(x) for x in inputs], inputs, truths)
    return out


def _translated(net: nn.Module, images: Sequence[Pixels], device: torch.device) -> list[Pixels]:
    with torch.no_grad():
        results = [net(to_tensor(image)[None].to(device))[0].float().cpu() for image in images]
    return [((x.clamp(-1, 1) + 1) * 127.5).round().byte().permute(1, 2, 0).numpy() for x in results]
