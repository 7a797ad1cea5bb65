"""Images with label maps, in memory or read when they are asked for, and the training set made of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from gantool.arrays import Mask, Pixels
from gantool.data.augment_masks import LabelledPreparation
from gantool.data.datasets import Order, Position, shuffled
from gantool.data.images import read_pixels
from gantool.data.paste import Pasting, pasted
from gantool.data.sources.labels import LabelledImage
from gantool.errors import DataError
from gantool.store.places import Store

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
        self.images = images

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
    """Crops ``{"image": (3, S, S) in [-1, 1], "mask": (S, S) uint8}`` by ``(epoch, position)``.

    Args:
        counts: pixels of every class in every image, ``(images, 256)``; for what is pasted from one into another.
        order: which image stands where.

    Attributes:
        store: keeps images and label maps as they are in the files; None reads them every time.
    """

    def __init__(
        self,
        images: LabelledImages,
        preparation: LabelledPreparation,
        *,
        seed: int = 0,
        counts: NDArray[np.int64] | None = None,
        order: Order = shuffled,
    ) -> None:
        self.images, self.preparation, self.seed = images, preparation, seed
        self.store: Store | None = None
        self.order = order
        share = preparation.change.paste
        self._pasting = Pasting.of(counts, share) if share and counts is not None else None

    @property
    def slots(self) -> int:
        """Images that a store can be asked for."""
        return 0 if isinstance(self.images, ArrayLabels) else len(self.images)

    @property
    def most_bytes(self) -> int | None:
        """Bytes that they take, which only their files can tell."""
        return None

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, position: Position) -> dict[str, Tensor]:
        epoch, place = position
        index = self.order(self.seed, epoch, 0, len(self.images), place)
        image, label = self._sample(index, [self.seed, epoch, place])
        chance = np.random.default_rng([self.seed, epoch, place, 1])
        chosen = self._pasting.draw(chance) if self._pasting is not None else None
        if chosen is not None:
            kind, donor = chosen
            image, label = pasted(image, label, *self._sample(donor, [self.seed, epoch, place, 2]), kind)
        return {"image": image, "mask": label}

    def _sample(self, index: int, seed: Sequence[int]) -> tuple[Tensor, Tensor]:
        if self.store is None:
            pixels, mask = self.images[index]
        else:
            pixels, mask = self.store.take(index, lambda: self.images[index])
        return self.preparation.training(pixels, mask, np.random.default_rng(seed))
