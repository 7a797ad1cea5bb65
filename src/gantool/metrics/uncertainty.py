"""How sure a segmenter is of a picture, from the probabilities that it gives anyway."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from gantool.arrays import Floats, Pixels

__all__ = ["Doubts"]


class Doubts:
    """Takes the bands of probabilities of one picture, from top to bottom, and sums up how much they leave open.

    Settles: Active Learning Literature Survey, 2009, sections 2.1 and 2.2.
    """

    def __init__(self, classes: Sequence[str]) -> None:
        self._classes = classes
        self._entropies = np.zeros(len(classes))
        self._counts = np.zeros(len(classes), dtype=np.int64)
        self._margin = 0.0
        self._rows: list[Pixels] = []

    def __call__(self, band: Floats) -> None:
        """Look at probabilities ``(C, rows, W)``; where they do not add up to 1, their proportions count."""
        likely = band / np.maximum(band.sum(axis=0), np.finfo(np.float32).tiny)
        entropy = -(likely * np.log(np.maximum(likely, np.finfo(np.float32).tiny))).sum(axis=0)
        entropy = np.clip(entropy / np.log(max(len(likely), 2)), 0, 1)
        label = likely.argmax(axis=0).ravel()
        self._counts += np.bincount(label, minlength=len(self._classes))
        self._entropies += np.bincount(label, entropy.ravel(), minlength=len(self._classes))
        if len(likely) > 1:
            second, first = np.partition(likely, -2, axis=0)[-2:]
            self._margin += float((first - second).sum(dtype=np.float64))
        else:
            self._margin += float(label.size)
        self._rows.append(np.rint(255 * entropy).astype(np.uint8))

    @property
    def entropy(self) -> float:
        """Mean over the pixels of ``-sum p log p``, divided by the logarithm of the number of classes: 0 to 1."""
        return float(self._entropies.sum() / self._counts.sum())

    @property
    def margin(self) -> float:
        """Mean over the pixels of the largest probability minus the second largest: 1 is sure, 0 is torn."""
        return self._margin / int(self._counts.sum())

    @property
    def by_class(self) -> Mapping[str, float]:
        """Mean entropy of the pixels that have a class, for the classes that any have."""
        pairs = zip(self._classes, self._entropies, self._counts, strict=True)
        return {name: float(total / count) for name, total, count in pairs if count}

    def picture(self) -> Pixels:
        """The entropy of every pixel as ``(h, w, 1)`` uint8 at the scale of the network; 255 is 1."""
        return np.concatenate(self._rows)[:, :, None]
