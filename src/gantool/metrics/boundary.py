"""Boundary IoU: how well outlines agree.

Cheng et al. 2021 (https://arxiv.org/abs/2103.16562): for every class only the pixels within d of its outline, on the
inside, are compared, with d = 2 % of the image's diagonal. Summed over the whole split before dividing, as IoU is.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from gantool.metrics.estimates import Estimate, draws
from gantool.metrics.segmentation import IGNORE, mean_there

__all__ = ["BoundaryIou"]

_SHARE = 0.02


class BoundaryIou:
    """Counts of boundary pixels by class."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)
        self._images: list[NDArray[np.int64]] = []  # pixels of every class in both boundaries, and in either

    def add(self, truth: NDArray[np.uint8], predicted: NDArray[np.uint8]) -> None:
        """Count the boundaries of two ``(H, W)`` maps; pixels that either ignores are left out."""
        valid = (truth != IGNORE) & (predicted != IGNORE)
        distance = max(round(_SHARE * float(np.hypot(*truth.shape))), 1)
        counts = np.zeros((2, len(self.names)), dtype=np.int64)
        for index in np.union1d(np.unique(truth[valid]), np.unique(predicted[valid])):
            a, b = (inner_boundary(mask == index, distance) & valid for mask in (truth, predicted))
            counts[:, index] = (a & b).sum(), (a | b).sum()
        self._images.append(counts)

    def per_class(self) -> tuple[float, ...]:
        """In [0, 1]; nan for a class that is not there."""
        return tuple(_shares(self._counts()).tolist())

    def mean(self) -> Estimate:
        """Over the classes that are there, with an interval from resampling the images."""
        images = np.array(self._images)
        resampled = [mean_there(_shares(images[chosen].sum(0))) for chosen in draws(len(images))]
        return Estimate.around(mean_there(_shares(self._counts())), resampled)

    def _counts(self) -> NDArray[np.int64]:
        nothing = np.zeros((2, len(self.names)), dtype=np.int64)
        return np.asarray(np.sum([nothing, *self._images], axis=0))


def _shares(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    both, either = counts
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(both / either)


def inner_boundary(mask: NDArray[np.bool_], distance: int) -> NDArray[np.bool_]:
    """Pixels of ``(H, W)`` that are at most ``distance`` steps (also diagonal ones) from a pixel outside the mask.

    The border of the image counts as outside.
    """
    outside = F.pad(torch.from_numpy(~mask)[None, None].float(), [1] * 4, value=1.0)
    side = 2 * distance + 1
    # A square window is a row of columns.
    near = F.max_pool2d(outside, (side, 1), stride=1, padding=(distance, 0))
    near = F.max_pool2d(near, (1, side), stride=1, padding=(0, distance))
    found: NDArray[np.bool_] = near[0, 0, 1:-1, 1:-1].numpy() > 0
    return found & mask
