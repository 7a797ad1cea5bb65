"""Label maps against their truths."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gantool.arrays import IGNORE, Mask
from gantool.metrics.boundary import BoundaryIou
from gantool.metrics.estimates import Estimate, ImageRow
from gantool.metrics.segmentation import Confusion, Scores

__all__ = ["ClassScores", "LabelScores"]


@dataclass(frozen=True)
class ClassScores:
    """What is known of every class.

    Attributes:
        boundary: boundary IoU by class, nan for a class that is not there.
        confusion: pixels by true (row) and predicted class.
    """

    scores: Scores
    boundary: tuple[float, ...]
    confusion: NDArray[np.int64]

    def per_class(self) -> dict[str, dict[str, float | None]]:
        """All values by class; None for what is not there."""
        return {
            name: {**values, "boundary_iou": None if np.isnan(boundary) else boundary}
            for (name, values), boundary in zip(self.scores.per_class().items(), self.boundary, strict=True)
        }


class LabelScores:
    """The metrics of label maps and their truths, for each image and over all."""

    def __init__(self, names: Sequence[str]) -> None:
        self.images: list[tuple[str, dict[str, float]]] = []
        self._row = ImageRow()
        self._confusion, self._boundary = Confusion(names), BoundaryIou(names)

    def add(
        self, name: str, truth: Mask, predicted: Mask, cluster: Hashable = None, place: int | None = None
    ) -> None:
        """Measure two ``(H, W)`` maps; pixels that either ignores are left out.

        Args:
            cluster: what the image is a part of; None where it stands for itself.
            place: of the image among all; default after those before it.

        Raises:
            ValueError: different shapes, or an index that is no class.
        """
        self._confusion.add(truth, predicted, cluster, place)
        self._boundary.add(truth, predicted, cluster, place)
        self._row.add(cluster, place)
        valid = truth != IGNORE
        accuracy = float((predicted[valid] == truth[valid]).mean()) if valid.any() else 1.0
        self.images.append((name, {"accuracy": accuracy}))

    def state(self) -> dict[str, Any]:
        """All that is known, for `include`."""
        return {
            "confusion": self._confusion.state(), "boundary": self._boundary.state(), "images": self.images,
            "row": self._row.state(),
        }  # fmt: skip

    def include(self, states: Sequence[Mapping[str, Any]]) -> None:
        """Take over what others have measured, of fewer classes maybe."""
        self._confusion.include([one["confusion"] for one in states])
        self._boundary.include([one["boundary"] for one in states])
        images = [*self.images, *((name, values) for one in states for name, values in one["images"])]
        self.images = self._row.include([one["row"] for one in states], images)

    def values(self) -> dict[str, Estimate]:
        """Over all classes, with intervals from resampling the images."""
        return {**self._confusion.estimates(), "boundary_iou": self._boundary.mean()}

    def classes(self) -> ClassScores:
        """Of every class."""
        return ClassScores(self._confusion.scores(), self._boundary.per_class(), self._confusion.counts)
