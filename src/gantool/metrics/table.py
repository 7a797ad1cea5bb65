"""All metrics of an evaluation by name. A new one is a function and a row here; torch is not imported."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

__all__ = ["METRICS", "Metric", "Need", "better_is", "gated_metrics", "pair_metrics", "worst_first"]

Need = Literal[
    "real images", "Inception weights", "pairs", "LPIPS weights", "label maps", "a way back", "a segmenter"
]


@dataclass(frozen=True)
class Metric:
    """What a number means.

    Attributes:
        about: in one line.
        needs: what must be there for it to be measured.
        function: of a metric of pairs, ``module:name`` of what takes an image and its truth ``(H, W, C)`` uint8.
        smallest: side of the images, from which on it is defined.
        by_class: whether there is a value of every class only, and none over all.
        unit: of the value; empty for shares and for distances, which have none.
    """

    about: str
    higher_is_better: bool
    needs: tuple[Need, ...]
    function: str = ""
    smallest: int = 1
    by_class: bool = False
    unit: str = ""


def _labels(about: str, *, by_class: bool = False) -> Metric:
    return Metric(about, True, ("label maps",), by_class=by_class)


_PERCEPTUAL = "gantool.metrics.perceptual"

METRICS: Mapping[str, Metric] = {
    "mean_iou": _labels("IoU, mean of the classes that are there"),
    "accuracy": _labels("part of the pixels that have the right class"),
    "mean_f1": _labels("F1, mean of the classes that are there"),
    "mean_accuracy": _labels("recall, mean of the classes that are there"),
    "frequency_weighted_iou": _labels("IoU, mean weighted by the true pixels of every class"),
    "boundary_iou": _labels("IoU of the pixels along the outlines of the classes"),
    "iou": _labels("intersection over union", by_class=True),
    "precision": _labels("part of the pixels taken for the class that are of it", by_class=True),
    "recall": _labels("part of the pixels of the class that were taken for it", by_class=True),
    "f1": _labels("harmonic mean of precision and recall", by_class=True),
    "fid": Metric("Fréchet distance of Inception features of two sets", False, ("real images", "Inception weights")),
    "kid": Metric("kernel distance of Inception features of two sets", False, ("real images", "Inception weights")),
    "swd": Metric("sliced Wasserstein distance of patches of two sets", False, ("real images",)),
    "l1": Metric("mean absolute difference to the truth, in levels of 255", False, ("pairs",),
                 "gantool.metrics.paired:l1_of", unit="0 to 255"),
    "psnr": Metric("peak signal to noise ratio, in dB", True, ("pairs",), f"{_PERCEPTUAL}:psnr",
                   unit="dB"),
    "ssim": Metric("structural similarity", True, ("pairs",), f"{_PERCEPTUAL}:ssim", smallest=11),  # the window
    "ms_ssim": Metric("structural similarity on five scales", True, ("pairs",), f"{_PERCEPTUAL}:ms_ssim",
                      smallest=176),  # the window after four halvings
    "lpips": Metric("distance of AlexNet's features", False, ("pairs", "LPIPS weights"), smallest=32),
    "cycle_l1": Metric("mean absolute difference to the input after going there and back", False, ("a way back",),
                       unit="0 to 255"),
    "segmenter_mean_iou": Metric("mean IoU of what a segmenter sees in generated photos to their label maps", True,
                                 ("label maps", "a segmenter")),
    "segmenter_accuracy": Metric("accuracy of what a segmenter sees in generated photos to their label maps", True,
                                 ("label maps", "a segmenter")),
    "consistency_mean_iou": Metric("mean IoU of what a segmenter sees after and before translating", True,
                                   ("a segmenter",)),
    "consistency_accuracy": Metric("accuracy of what a segmenter sees after and before translating", True,
                                   ("a segmenter",)),
}  # fmt: skip


def better_is(name: str) -> str:
    """``higher`` or ``lower``; empty where that is not known.

    Args:
        name: of a row here, or made of one: of a class, of a direction, or as a ratio.

    >>> better_is("iou/sky"), better_is("l1_ratio_to_winter"), better_is("L1"), better_is("cycle error")
    ('higher', 'lower', 'lower', '')
    """
    base = name.partition("/")[0].partition("_to_")[0].removesuffix("_ratio").lower()
    if base not in METRICS:
        return ""
    return "higher" if METRICS[base].higher_is_better else "lower"


def gated_metrics() -> list[str]:
    """Those that have one value over all, which a script can hold against a bound."""
    return [name for name, metric in METRICS.items() if not metric.by_class]


def pair_metrics() -> dict[str, Metric]:
    """Those of an image and its truth."""
    return {name: metric for name, metric in METRICS.items() if "pairs" in metric.needs}


def worst_first(
    images: Iterable[tuple[str, Mapping[str, float]]], metric: str
) -> tuple[tuple[str, Mapping[str, float]], ...]:
    """Images and their values, ordered by one of these; equal ones keep their order.

    >>> worst_first([("a", {"accuracy": 0.9}), ("b", {"accuracy": 0.5})], "accuracy")[0][0]
    'b'
    """
    sign = 1 if METRICS[metric].higher_is_better else -1
    return tuple(sorted(images, key=lambda entry: sign * entry[1][metric]))
