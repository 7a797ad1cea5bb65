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

__all__ = ["BoundaryIou"]

_SHARE = 0.02
_IGNORE = 255


class BoundaryIou:
    """Counts of boundary pixels by class."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)
        self._both = np.zeros(len(names), dtype=np.int64)
        self._either = np.zeros(len(names), dtype=np.int64)

    def add(self, truth: NDArray[np.uint8], predicted: NDArray[np.uint8]) -> None:
        """Count the boundaries of two ``(H, W)`` maps; pixels that either ignores are left out."""
        valid = (truth != _IGNORE) & (predicted != _IGNORE)
        distance = max(round(_SHARE * float(np.hypot(*truth.shape))), 1)
        for index in np.union1d(np.unique(truth[valid]), np.unique(predicted[valid])):
            a, b = (inner_boundary(mask == index, distance) & valid for mask in (truth, predicted))
            self._both[index] += int((a & b).sum())
            self._either[index] += int((a | b).sum())

    def per_class(self) -> tuple[float, ...]:
        """In [0, 1]; nan for a class that is not there."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return tuple((self._both / self._either).tolist())

    def mean(self) -> float:
        """Over the classes that are there."""
        there = [value for value in self.per_class() if not np.isnan(value)]
        return float(np.mean(there)) if there else float("nan")


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
