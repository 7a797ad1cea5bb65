"""Distances to a known truth, and what guessing without a network would reach.

Images are ``(H, W, C)`` uint8 arrays; distances are in levels of 255, computed in float64.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from gantool.arrays import Pixels

__all__ = ["histogram_matcher", "l1", "l1_of", "l1_ratio", "median_image"]


def l1(images: Iterable[Pixels], truths: Iterable[Pixels]) -> float:
    """Mean absolute difference over all images, each image weighing the same."""
    return float(np.mean([l1_of(image, truth) for image, truth in zip(images, truths, strict=True)]))


def l1_of(image: Pixels, truth: Pixels) -> float:
    """Mean absolute difference of one image to its truth."""
    return float(np.mean(np.abs(image.astype(np.float64) - truth)))


def l1_ratio(results: Sequence[Pixels], inputs: Sequence[Pixels], truths: Sequence[Pixels]) -> float:
    """L1(result, truth) / L1(input, truth): 0 is perfect, 1 is no better than doing nothing."""
    return l1(results, truths) / l1(inputs, truths)


def median_image(images: Sequence[Pixels]) -> Pixels:
    """The per-pixel median of images of one size: the best constant guess under L1."""
    median: Pixels = np.median(np.stack(images), axis=0).astype(np.uint8)
    return median


def histogram_matcher(references: Sequence[Pixels]) -> HistogramMatcher:
    """Return a function that gives an image the color distribution of ``references``, channel by channel."""
    return HistogramMatcher(references)


class HistogramMatcher:
    """Per-channel histogram matching (Gonzalez & Woods, "Digital Image Processing", histogram specification)."""

    def __init__(self, references: Sequence[Pixels]) -> None:
        channels = references[0].shape[2]
        self._targets = [
            _cumulative(np.concatenate([image[..., c].ravel() for image in references])) for c in range(channels)
        ]

    def __call__(self, image: Pixels) -> Pixels:
        """Map every level to the one with the same fraction of pixels below it."""
        levels = np.arange(256)
        out = np.empty_like(image)
        for c, target in enumerate(self._targets):
            table = np.interp(_cumulative(image[..., c]), target, levels)
            out[..., c] = np.rint(table).astype(np.uint8)[image[..., c]]
        return out


def _cumulative(values: NDArray[np.uint8]) -> NDArray[np.float64]:
    counts = np.bincount(values.ravel(), minlength=256).astype(np.float64)
    fractions: NDArray[np.float64] = (np.cumsum(counts) - counts / 2) / counts.sum()
    return fractions
