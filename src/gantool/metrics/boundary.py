"""Boundary IoU: how well outlines agree.

Cheng et al. 2021 (https://arxiv.org/abs/2103.16562): for every class only the pixels within d of its outline, on the
inside, are compared, with d = 2 % of the image's diagonal. Summed over the whole split before dividing, as IoU is.

The paper has no ignored pixels. Here they are no class: nobody knows what outline runs within them, so that next to
them there is none, in neither of the two maps.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from gantool.arrays import IGNORE, Mask
from gantool.metrics.estimates import Estimate, ImageRow, draws, padded
from gantool.metrics.segmentation import mean_there

__all__ = ["BoundaryIou"]

_FRACTION = 0.02  # of the diagonal


class BoundaryIou:
    """Counts of boundary pixels by class."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)
        self._images: list[NDArray[np.int64]] = []  # pixels of every class in both boundaries, and in either
        self._row = ImageRow()

    def add(self, truth: Mask, predicted: Mask, cluster: Hashable = None, place: int | None = None) -> None:
        """Count the boundaries of two ``(H, W)`` maps; pixels that either ignores are left out.

        Args:
            cluster: what the image is a part of; None where it stands for itself.
            place: of the image among all; default after those before it.
        """
        distance = max(round(_FRACTION * float(np.hypot(*truth.shape))), 1)
        ignored = (truth == IGNORE) | (predicted == IGNORE)
        truth, predicted = (np.where(ignored, np.uint8(IGNORE), labels) for labels in (truth, predicted))
        true, guessed = outlines(truth, distance), outlines(predicted, distance)
        both = _by_class(truth, true & guessed & (truth == predicted), len(self.names))
        each = [_by_class(truth, true, len(self.names)), _by_class(predicted, guessed, len(self.names))]
        self._images.append(np.stack([both, each[0] + each[1] - both]))
        self._row.add(cluster, place)

    def state(self) -> dict[str, Any]:
        """All that is known, for `include`."""
        return {"images": np.array(self._images), "row": self._row.state()}

    def include(self, states: Sequence[Mapping[str, Any]]) -> None:
        """Take over what others have counted, of fewer classes maybe."""
        size = len(self.names)
        images = [*self._images, *(padded(image, size) for one in states for image in one["images"])]
        self._images = self._row.include([one["row"] for one in states], images)

    def per_class(self) -> tuple[float, ...]:
        """In [0, 1]; nan for a class that is not there."""
        return tuple(_ratios(self._counts()).tolist())

    def mean(self) -> Estimate:
        """Over the classes that are there, with an interval from resampling the images."""
        images = np.array(self._images)
        resampled = [mean_there(_ratios(images[chosen].sum(0))) for chosen in draws(self._row.clusters)]
        return Estimate.around(mean_there(_ratios(self._counts())), resampled)

    def _counts(self) -> NDArray[np.int64]:
        nothing = np.zeros((2, len(self.names)), dtype=np.int64)
        return np.asarray(np.sum([nothing, *self._images], axis=0))


def _ratios(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    both, either = counts
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(both / either)


def _by_class(labels: NDArray[np.uint8], chosen: NDArray[np.bool_], classes: int) -> NDArray[np.int64]:
    return np.bincount(labels[chosen], minlength=classes)


def outlines(labels: NDArray[np.uint8], distance: int) -> NDArray[np.bool_]:
    """Pixels of ``(H, W)`` that are at most ``distance`` steps (also diagonal ones) from a pixel of another label.

    The border of the image counts as another, a pixel of `IGNORE` does not and is in no outline.
    """
    own = torch.from_numpy(labels).float()[None, None]
    ignored = own == IGNORE
    different = torch.zeros_like(own, dtype=torch.bool)
    for sign in (1, -1):  # a square window has another label if the largest or the smallest one is not its own
        # A square window is a row of columns.
        most = F.pad((sign * own).masked_fill(ignored, -256.0), [1] * 4, value=256.0)
        most = F.max_pool2d(most, (2 * distance + 1, 1), stride=1, padding=(distance, 0))
        most = F.max_pool2d(most, (1, 2 * distance + 1), stride=1, padding=(0, distance))
        different |= most[:, :, 1:-1, 1:-1] != sign * own
    return np.asarray((different & ~ignored)[0, 0])
