"""Everything about a segmentation from one confusion matrix over a whole split.

With counts ``n[i, j]`` of pixels of class i that were taken for class j: accuracy is what is on the diagonal, and for
class i with TP = n[i, i], FP = sum over rows of column i less TP, FN = sum of row i less TP,

    IoU = TP / (TP + FP + FN)    precision = TP / (TP + FP)    recall = TP / (TP + FN)    F1 = 2 TP / (2 TP + FP + FN)

A class that neither the truth nor the prediction has is not there (nan), and counts for no mean.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gantool.arrays import IGNORE, Mask
from gantool.metrics.estimates import Estimate, ImageRow, draws, padded

__all__ = ["Confusion", "Scores", "mean_there"]


@dataclass(frozen=True)
class Scores:
    """Values in [0, 1]; per class, nan for a class that is not there.

    Attributes:
        mean_iou: mean over the classes that are there.
        frequency_weighted_iou: mean weighted by the true pixels of every class.
        mean_accuracy: mean recall.
        pixels: true pixels of every class.
    """

    names: tuple[str, ...]
    accuracy: float
    mean_iou: float
    frequency_weighted_iou: float
    mean_accuracy: float
    mean_f1: float
    iou: tuple[float, ...]
    precision: tuple[float, ...]
    recall: tuple[float, ...]
    f1: tuple[float, ...]
    pixels: tuple[int, ...]

    def overall(self) -> dict[str, float]:
        """The values that are not per class."""
        return {
            "mean_iou": self.mean_iou,
            "accuracy": self.accuracy,
            "mean_f1": self.mean_f1,
            "mean_accuracy": self.mean_accuracy,
            "frequency_weighted_iou": self.frequency_weighted_iou,
        }

    def per_class(self) -> dict[str, dict[str, float | None]]:
        """IoU, precision, recall and F1 by class; None for what is not there."""
        columns = {"iou": self.iou, "precision": self.precision, "recall": self.recall, "f1": self.f1}
        return {
            name: {key: None if np.isnan(values[n]) else values[n] for key, values in columns.items()}
            for n, name in enumerate(self.names)
        }


class Confusion:
    """Counts of pixels, true class by row and predicted class by column."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)
        self.counts: NDArray[np.int64] = np.zeros((len(names), len(names)), dtype=np.int64)
        self._images: list[NDArray[np.int64]] = []  # hits, true and guessed pixels of every class
        self._row = ImageRow()

    def add(self, truth: Mask, predicted: Mask, cluster: Hashable = None, place: int | None = None) -> None:
        """Count the pixels of two ``(H, W)`` maps; those that either ignores are left out.

        Args:
            cluster: what the image is a part of; None where it stands for itself.
            place: of the image among all; default after those before it.

        Raises:
            ValueError: different shapes, or an index that is no class.
        """
        if truth.shape != predicted.shape:
            raise ValueError(f"truth has the shape {truth.shape}, prediction {predicted.shape}")
        valid = (truth != IGNORE) & (predicted != IGNORE)
        rows, columns = truth[valid].astype(np.int64), predicted[valid].astype(np.int64)
        size = len(self.names)
        if rows.size and max(int(rows.max()), int(columns.max())) >= size:
            raise ValueError(f"an index of {max(int(rows.max()), int(columns.max()))}, there are {size} classes")
        counts = np.bincount(rows * size + columns, minlength=size * size).reshape(size, size)
        self.counts += counts
        self._images.append(np.stack([np.diag(counts), counts.sum(1), counts.sum(0)]))
        self._row.add(cluster, place)

    def state(self) -> dict[str, Any]:
        """All that is known, for `include`."""
        return {"counts": self.counts, "images": np.array(self._images), "row": self._row.state()}

    def include(self, states: Sequence[Mapping[str, Any]]) -> None:
        """Take over what others have counted, of fewer classes maybe."""
        size = len(self.names)
        for one in states:
            known = len(one["counts"])
            self.counts[:known, :known] += one["counts"]
            self._images += [padded(image, size) for image in one["images"]]
        self._images = self._row.include([one["row"] for one in states], self._images)

    def scores(self) -> Scores:
        """Derive everything."""
        return _scores(self.names, np.diag(self.counts), self.counts.sum(1), self.counts.sum(0))

    def estimates(self) -> dict[str, Estimate]:
        """The values that are not per class, with intervals from resampling the images."""
        images = np.array(self._images)
        resampled = [_scores(self.names, *images[chosen].sum(0)).overall() for chosen in draws(self._row.clusters)]
        return {
            key: Estimate.around(value, [one[key] for one in resampled])
            for key, value in self.scores().overall().items()
        }


def _scores(
    names: tuple[str, ...], hits: NDArray[np.int64], true: NDArray[np.int64], guessed: NDArray[np.int64]
) -> Scores:
    total = true.sum()
    with np.errstate(divide="ignore", invalid="ignore"):
        iou, precision = hits / (true + guessed - hits), hits / guessed
        recall, f1 = hits / true, 2 * hits / (true + guessed)
        weighted = np.nansum(np.where(true > 0, iou * true, 0)) / total
        accuracy = hits.sum() / total
    return Scores(
        names, float(accuracy), mean_there(iou), float(weighted), mean_there(recall), mean_there(f1),
        tuple(iou.tolist()), tuple(precision.tolist()), tuple(recall.tolist()), tuple(f1.tolist()),
        tuple(int(count) for count in true),
    )  # fmt: skip


def mean_there(values: NDArray[np.float64]) -> float:
    """The mean of what is not nan."""
    there = values[~np.isnan(values)]
    return float(there.mean()) if there.size else float("nan")
