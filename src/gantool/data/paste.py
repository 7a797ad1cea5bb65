"""Cut and paste of rare classes: a region of one image into another (Ghiasi et al., "Simple Copy-Paste", 2021)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gantool.arrays import IGNORE

__all__ = ["Pasting", "pasted"]

_LEAST = 0.01  # of an image's pixels that a class has where it is worth cutting out


@dataclass(frozen=True)
class Pasting:
    """Which class is pasted from where.

    Attributes:
        share: of the samples that get something.
        donors: images that hold enough of a class, for every class that is rarer than the average one.
    """

    share: float
    donors: tuple[tuple[int, NDArray[np.int64]], ...]

    @staticmethod
    def of(counts: NDArray[np.int64], share: float) -> Pasting:
        """Find rare classes and their images from pixels of every class ``(images, 256)``."""
        labelled = counts[:, :IGNORE]
        present = np.flatnonzero(labelled.sum(0))
        parts = labelled / np.maximum(labelled.sum(1, keepdims=True), 1)
        mean = parts.mean(0)
        rare = [kind for kind in present if mean[kind] < 1 / len(present)]
        found = ((int(kind), np.flatnonzero(parts[:, kind] >= _LEAST)) for kind in rare)
        return Pasting(share, tuple((kind, images) for kind, images in found if images.size))

    def draw(self, rng: np.random.Generator) -> tuple[int, int] | None:
        """A class, evenly, and one of its images; or nothing."""
        if not self.donors or rng.random() >= self.share:
            return None
        kind, images = self.donors[rng.integers(len(self.donors))]
        return kind, int(images[rng.integers(len(images))])


def pasted(image: Tensor, label: Tensor, other: Tensor, other_label: Tensor, kind: int) -> tuple[Tensor, Tensor]:
    """Put what ``other`` has of a class where it lies into an image ``(3, H, W)`` and its mask ``(H, W)``."""
    region = other_label == kind
    return torch.where(region, other, image), torch.where(region, other_label, label)
