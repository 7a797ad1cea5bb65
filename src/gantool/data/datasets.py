"""Training data as a pure function of ``(seed, epoch, position)``.

Nothing here has a state: which image, which crop and which flip stand at a position of an epoch does not depend
on worker processes, on ranks or on whether the run was interrupted.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from gantool.arrays import Color, Pixels
from gantool.data.augment import Preparation, to_tensor
from gantool.data.images import read_pixels
from gantool.errors import SettingsError
from gantool.shards.members import MemberPaths, is_member
from gantool.store.places import Store

Position = tuple[int, int]

WINDOW = 8
"""Shards whose images are mixed where they come by shards."""

Order = Callable[[int, int, int, int, int], int]
"""See `shuffled`."""

__all__ = [
    "WINDOW",
    "ArrayImages",
    "ByShards",
    "FileImages",
    "Images",
    "LabelPictures",
    "Order",
    "Position",
    "PositionBatches",
    "UnpairedDataset",
    "by_shards",
    "orders_by_shards",
    "shuffled",
]


class Images(Protocol):
    """A sequence of ``(H, W, C)`` uint8 images."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Pixels: ...

    def name(self, index: int) -> str: ...


class FileImages:
    """Images read from files when they are asked for.

    Args:
        half: only the left (0) or right (1) half of each.
    """

    def __init__(self, paths: Sequence[Path], channels: int = 3, half: int | None = None) -> None:
        # Strings travel to worker processes on any system; views of shards make their paths when they are asked.
        self.paths: Sequence[str | Path] = paths if isinstance(paths, MemberPaths) else [str(path) for path in paths]
        self.channels = channels
        self.half = half

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> Pixels:
        pixels = read_pixels(Path(self.paths[index]), self.channels)
        if self.half is None:
            return pixels
        middle = pixels.shape[1] // 2
        return pixels[:, self.half * middle : (self.half + 1) * middle]

    def name(self, index: int) -> str:
        return str(self.paths[index])


class LabelPictures:
    """Label maps in the colors of their classes, painted when they are asked for."""

    def __init__(self, masks: Sequence[Callable[[], Pixels]], colors: Sequence[Color]) -> None:
        self.masks = list(masks)
        self.table = np.full((256, 3), 0, dtype=np.uint8)
        self.table[: len(colors)] = colors

    def __len__(self) -> int:
        return len(self.masks)

    def __getitem__(self, index: int) -> Pixels:
        return np.asarray(self.table[self.masks[index]()])

    def name(self, index: int) -> str:
        return f"label map {index + 1}"


class ArrayImages:
    """Images held in memory."""

    def __init__(self, arrays: Sequence[Pixels], channels: int = 3) -> None:
        self.arrays = [_to_channels(array, channels) for array in arrays]

    def __len__(self) -> int:
        return len(self.arrays)

    def __getitem__(self, index: int) -> Pixels:
        return self.arrays[index]

    def name(self, index: int) -> str:
        return f"image {index + 1}"


class ByShards:
    """An order for images that are far away: shards in any order, and images up to `WINDOW` shards later than theirs.

    Image n of the shard that is the r-th stands where r + `WINDOW` u_n is among all, with u_n drawn from [0, 1). So a
    reader needs the images of a few neighboring shards at any time, and a new shard little by little. With at most
    `WINDOW` shards it is the order of all other data.

    Args:
        shards: of every image, by any numbers.
    """

    def __init__(self, shards: NDArray[np.integer[Any]]) -> None:
        numbers, self._shard = np.unique(shards, return_inverse=True)
        self.count = len(numbers)
        self._last: tuple[tuple[int, ...], NDArray[np.int64]] | None = None

    def __call__(self, seed: int, epoch: int, side: int, count: int, place: int) -> int:
        """See `shuffled`."""
        if self.count <= WINDOW:
            return shuffled(seed, epoch, side, count, place)
        key = (seed, epoch, side, place // count)
        last = self._last
        if last is None or last[0] != key:
            chance = np.random.default_rng([*key, 1])
            ranks = chance.permutation(self.count)
            order = np.argsort(ranks[self._shard] + WINDOW * chance.random(count), kind="stable")
            last = self._last = (key, order)
        return int(last[1][place % count])


def orders_by_shards(sides: Sequence[Images]) -> list[ByShards]:
    """The orders of one or two sides whose images are in shards; label maps have that of their photos.

    Raises:
        SettingsError: they are not.
    """
    files = [images if isinstance(images, FileImages) else None for images in sides]
    found = [one or next((other for other in files if other is not None), None) for one in files]
    return [by_shards(one.paths if one is not None else ()) for one in found]


def by_shards(paths: Sequence[str | Path]) -> ByShards:
    """The order of images by their paths.

    Raises:
        SettingsError: they are in no shards.
    """
    if isinstance(paths, MemberPaths):
        return ByShards(paths.shards)
    if not paths or not is_member(Path(paths[0])):
        raise SettingsError("data.shuffle: shards needs data in shards.", "Make some with gantool prepare --shards.")
    return ByShards(np.unique([str(path).split(f".tar{os.sep}")[0] for path in paths], return_inverse=True)[1])


def shuffled(seed: int, epoch: int, side: int, count: int, place: int) -> int:
    """Which image stands at ``place`` of an epoch; beyond the last one the next round begins, newly shuffled."""
    return int(_permutation(seed, epoch, side, count, place // count)[place % count])


@lru_cache(maxsize=16)
def _permutation(seed: int, epoch: int, side: int, count: int, turn: int) -> NDArray[np.int64]:
    return np.random.default_rng([seed, epoch, side, turn, 1]).permutation(count)


class UnpairedDataset(Dataset[dict[str, Tensor]]):
    """Pairs of unrelated images ``{"a": (C_a, H, W), "b": (C_b, H, W)}`` in [-1, 1], by ``(epoch, position)``.

    An epoch shows the larger domain once; the smaller one starts over in a new order. With ``align`` image n of
    one domain comes with image n of the other, cropped and flipped alike.

    Args:
        preparation: of both domains, or of each.
        orders: which image stands where, of each.
        sides: which domains are read; an epoch is that of these.

    Attributes:
        store: keeps images as they are before chance changes them; None reads them every time.
    """

    def __init__(
        self,
        a: Images,
        b: Images,
        preparation: Preparation | tuple[Preparation, Preparation],
        *,
        seed: int = 0,
        align: bool = False,
        orders: Sequence[Order] = (shuffled, shuffled),
        sides: str = "ab",
    ) -> None:
        self.images = (a, b)
        self.sides = {name: side for side, name in enumerate("ab") if name in sides}
        self.preparations = preparation if isinstance(preparation, tuple) else (preparation, preparation)
        self.seed = seed
        self.align = align
        self.orders = (orders[0], orders[0 if align else 1])
        self.store: Store | None = None

    @property
    def slots(self) -> int:
        """Images that a store can be asked for."""
        used = [self.images[side] for side in self.sides.values()]
        return sum(map(len, used)) if any(map(_is_read, used)) else 0

    @property
    def most_bytes(self) -> int | None:
        """Bytes that they take, as far as that is known."""
        total = 0
        for side in self.sides.values():
            size = self.preparations[side].scaled_size
            if size is None:
                return None
            total += 3 * len(self.images[side]) * size
        return total

    def __len__(self) -> int:
        return max(len(self.images[side]) for side in self.sides.values())

    def __getitem__(self, position: Position) -> dict[str, Tensor]:
        epoch, place = position
        out = {}
        for name, side in self.sides.items():
            order = 0 if self.align else side
            index = self.orders[side](self.seed, epoch, order, len(self.images[side]), place)
            rng = np.random.default_rng([self.seed, epoch, place, order])
            out[name] = to_tensor(self.preparations[side].changed(self._scaled(side, index), rng))
        return out

    def _scaled(self, side: int, index: int) -> Pixels:
        images, preparation = self.images[side], self.preparations[side]
        if self.store is None or not _is_read(images):
            return preparation.scaled(images[index])
        slot = index + (len(self.images[0]) if side and "a" in self.sides else 0)
        return self.store.take(slot, lambda: (preparation.scaled(images[index]),))[0]


def _is_read(images: Images) -> bool:
    """Whether images come from files, and not from memory as those of the built-in sample."""
    return not isinstance(images, ArrayImages)


class PositionBatches(Sampler[list[Position]]):
    """This rank's positions of one epoch, batch by batch, from ``first_step`` on.

    Every batch is full: the last one goes on into the next round of images. A batch is cut into equal consecutive
    parts for the ranks, so that together they see what a single process would.
    """

    def __init__(self, length: int, batch_size: int, *, rank: int = 0, world_size: int = 1) -> None:
        self.steps = -(-length // batch_size)
        self.batch_size = batch_size
        self.share = batch_size // world_size
        self.rank = rank
        self.epoch = 0
        self.first_step = 0

    def __len__(self) -> int:
        return self.steps - self.first_step

    def __iter__(self) -> Iterator[list[Position]]:
        for step in range(self.first_step, self.steps):
            start = step * self.batch_size + self.rank * self.share
            yield [(self.epoch, place) for place in range(start, start + self.share)]


def _to_channels(array: Pixels, channels: int) -> Pixels:
    if channels == 3:
        return array
    gray = np.rint(array @ np.array([0.299, 0.587, 0.114]))
    return np.asarray(gray, dtype=np.uint8)[:, :, None]
