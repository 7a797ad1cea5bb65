"""Images with label maps, in memory or read when they are asked for, and the training set made of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from torch import Tensor
from torch.utils.data import Dataset

from gantool.arrays import Mask, Pixels
from gantool.data.augment_masks import LabelledPreparation
from gantool.data.datasets import Position, shuffled
from gantool.data.images import read_pixels
from gantool.data.sources.labels import LabelledImage
from gantool.errors import DataError

__all__ = ["ArrayLabels", "FileLabels", "LabelledDataset", "LabelledImages"]


class LabelledImages(Protocol):
    """A sequence of ``(H, W, 3)`` uint8 images with ``(H, W)`` uint8 label maps."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> tuple[Pixels, Mask]: ...

    def name(self, index: int) -> str: ...


class ArrayLabels:
    """Images and label maps held in memory."""

    def __init__(self, pairs: Sequence[tuple[Pixels, Mask]]) -> None:
        self.pairs = list(pairs)

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: int) -> tuple[Pixels, Mask]:
        return self.pairs[index]

    def name(self, index: int) -> str:
        return f"scene {index}"


class FileLabels:
    """Images and label maps read from files."""

    def __init__(self, images: Sequence[LabelledImage]) -> None:
        self.images = list(images)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Pixels, Mask]:
        one = self.images[index]
        pixels, mask = read_pixels(one.image), one.mask()
        if mask.shape != pixels.shape[:2]:
            raise DataError(
                f"{one.image}: has {pixels.shape[1]}x{pixels.shape[0]} pixels, its mask "
                f"{mask.shape[1]}x{mask.shape[0]}."
            )
        return pixels, mask

    def name(self, index: int) -> str:
        return str(self.images[index].image)


class LabelledDataset(Dataset[dict[str, Tensor]]):
    """Crops ``{"image": (3, S, S) in [-1, 1], "mask": (S, S) uint8}`` by ``(epoch, position)``."""

    def __init__(self, images: LabelledImages, preparation: LabelledPreparation, *, seed: int = 0) -> None:
        self.images, self.preparation, self.seed = images, preparation, seed

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, position: Position) -> dict[str, Tensor]:
        epoch, place = position
        index = shuffled(self.seed, epoch, 0, len(self.images), place)
        pixels, mask = self.images[index]
        image, label = self.preparation.training(pixels, mask, np.random.default_rng([self.seed, epoch, place]))
        return {"image": image, "mask": label}
