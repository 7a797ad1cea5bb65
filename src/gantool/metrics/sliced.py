"""The sliced Wasserstein distance between sets of images, which needs no trained network.

Karras et al. 2018 (https://arxiv.org/abs/1710.10196), section 5: small patches from every level of a Laplacian
pyramid are compared along random directions; the distance along one is that of the sorted projections. The finest
level tells of texture, the coarsest of large shapes and colors.

Two things differ from the paper's code. Patches are scaled by mean and std of the real set, not each by its own, so
that a color cast counts. And positions depend on the image's content and not on chance, so that identical sets are at
distance 0 and order and batch size change nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gantool.arrays import Floats, Pixels
from gantool.metrics.estimates import Estimate

__all__ = ["PatchSet", "SlicedDistance", "common_size", "sliced_distance"]


PATCH = 7
_SMALLEST = 16  # side of the coarsest level
_PER_IMAGE = 64  # patches of each level
_KEPT = 65_536  # of each level
_DIRECTIONS = 128
_BOOTSTRAPS, _BOOTSTRAP_DIRECTIONS, _QUANTILES = 40, 24, 512


@dataclass(frozen=True)
class SlicedDistance:
    """In stds of the real patches: the mean of the levels, and each level by the side of its images."""

    overall: Estimate
    levels: Mapping[int, float]


def common_size(width: int, height: int) -> int:
    """The largest power of two, from 32 to 256, that fits into images of this size."""
    side = max(min(width, height, 256), 32)
    return 1 << (side.bit_length() - 1)


class PatchSet:
    """Patches of a set of images, with bounded memory.

    Args:
        size: images are scaled to squares of this side, a power of two from 32 on.
    """

    def __init__(self, size: int, *, per_image: int = _PER_IMAGE, keep: int = _KEPT) -> None:
        if size < 2 * _SMALLEST or size & (size - 1):
            raise ValueError(f"a power of two from 32 on, got {size}")
        self.size, self.per_image, self._keep = size, per_image, keep
        self.count = 0
        self._clusters: dict[Hashable, int] = {}  # numbers in the order in which they first came
        self._first: list[int] = []  # and the place of the image that brought each
        self._next = 0
        sides = []
        while size >= _SMALLEST:
            sides.append(size)
            size //= 2
        self.sides = tuple(sides)
        self._levels = {side: _Level() for side in sides}

    @property
    def clusters(self) -> int:
        """How many images there are that are no parts of others."""
        return len(self._clusters)

    def add(self, pixels: Pixels, cluster: Hashable = None, place: int | None = None) -> None:
        """Add an image ``(H, W, C)`` uint8, gray or color.

        Args:
            cluster: what the image is a part of; None where it stands for itself.
            place: of the image among all; default after those before it.
        """
        place = self._next if place is None else place
        self._next = place + 1
        own = self._clusters.setdefault(place if cluster is None else cluster, len(self._clusters))
        if own == len(self._first):
            self._first.append(place)
        square = _scaled(pixels, self.size)
        digest = hashlib.sha256(square.tobytes()).digest()
        seed = np.frombuffer(digest[:16], dtype=np.uint32)
        for number, (side, level) in enumerate(zip(self.sides, _pyramid(square, len(self.sides)), strict=True)):
            rng = np.random.default_rng([*seed.tolist(), number])
            rows, columns = rng.integers(0, side - PATCH + 1, (2, self.per_image))
            windows = np.lib.stride_tricks.sliding_window_view(level, (PATCH, PATCH), axis=(0, 1))
            patches = windows[rows, columns].reshape(self.per_image, -1)
            self._levels[side].add(patches, rng.random(self.per_image), own, place, self._keep)
        self.count += 1

    def state(self) -> dict[str, Any]:
        """All that is known, for `include`."""
        return {
            "count": self.count, "clusters": list(self._clusters), "first": self._first,
            "levels": [level.state(self._keep) for level in self._levels.values()],
        }  # fmt: skip

    def include(self, states: Sequence[Mapping[str, Any]]) -> None:
        """Take over what others have seen, in an empty set."""
        first: dict[Hashable, int] = {}
        for one in states:
            self.count += one["count"]
            for cluster, place in zip(one["clusters"], one["first"], strict=True):
                first[cluster] = min(first.get(cluster, place), place)
        self._clusters = {cluster: n for n, cluster in enumerate(sorted(first, key=lambda own: first[own]))}
        for one in states:
            numbers = np.array([self._clusters[cluster] for cluster in one["clusters"]], dtype=np.int64)
            for level, seen in zip(self._levels.values(), one["levels"], strict=True):
                level.include(seen, numbers)

    def patches(self, side: int) -> tuple[Floats, NDArray[np.int64]]:
        """``(n, C * 49)``, channel by channel, and the number of the cluster of each."""
        return self._levels[side].kept(self._keep)


class _Level:
    def __init__(self) -> None:
        self.parts: list[Floats] = []
        self.keys: list[NDArray[np.float64]] = []
        self.clusters: list[NDArray[np.int64]] = []
        self.places: list[NDArray[np.int64]] = []  # of the images, which decide between equal keys
        self.total = 0

    def add(self, patches: Floats, keys: NDArray[np.float64], cluster: int, place: int, keep: int) -> None:
        self.parts.append(patches)
        self.keys.append(keys)
        self.clusters.append(np.full(len(patches), cluster))
        self.places.append(np.full(len(patches), place))
        self.total += len(patches)
        if self.total > 2 * keep:
            self.kept(keep)

    def kept(self, keep: int) -> tuple[Floats, NDArray[np.int64]]:
        keys, places = np.concatenate(self.keys), np.concatenate(self.places)
        chosen = np.lexsort((places, keys))[:keep]
        self.parts, self.clusters = (
            [np.concatenate(self.parts)[chosen]],
            [np.concatenate(self.clusters)[chosen]],
        )
        self.keys, self.places = [keys[chosen]], [places[chosen]]
        self.total = len(chosen)
        return self.parts[0], self.clusters[0]

    def state(self, keep: int) -> dict[str, Any]:
        if not self.parts:
            return {}
        parts, clusters = self.kept(keep)
        return {"patches": parts, "keys": self.keys[0], "clusters": clusters, "places": self.places[0]}

    def include(self, seen: Mapping[str, Any], numbers: NDArray[np.int64]) -> None:
        """Take over what another one kept, with new ``numbers`` for its clusters."""
        if seen:
            self.parts.append(seen["patches"])
            self.keys.append(seen["keys"])
            self.clusters.append(numbers[seen["clusters"]])
            self.places.append(seen["places"])
            self.total += len(seen["keys"])


def sliced_distance(real: PatchSet, other: PatchSet, *, intervals: bool = True) -> SlicedDistance:
    """Distance of ``other`` to ``real``; not symmetric, because the real set sets the scale.

    Raises:
        ValueError: an empty set, or sets of different sizes.
    """
    if real.size != other.size:
        raise ValueError(f"images of {real.size} and of {other.size} pixels cannot be compared")
    if not real.count or not other.count:
        raise ValueError("there are no images")
    levels: dict[int, float] = {}
    replicates = np.zeros(_BOOTSTRAPS)
    for number, side in enumerate(real.sides):
        (x, x_clusters), (y, y_clusters) = real.patches(side), other.patches(side)
        mean, std = _channel_statistics(x)
        x, y = (x - mean) / std, (y - mean) / std
        directions = np.random.default_rng([7, number]).standard_normal((x.shape[1], _DIRECTIONS)).astype(np.float32)
        directions /= np.linalg.norm(directions, axis=0)
        a, b = x @ directions, y @ directions
        levels[side] = float(np.mean(np.abs(_quantiles(a, b) - _quantiles(b, a))))
        if intervals:
            some = slice(0, _BOOTSTRAP_DIRECTIONS)
            replicates += _bootstrapped(
                a[:, some], x_clusters, real.clusters, b[:, some], y_clusters, other.clusters, number
            )
    value = float(np.mean(list(levels.values())))
    enough = intervals and min(real.clusters, other.clusters) > 1
    spread = (replicates / len(levels)).tolist() if enough else []
    return SlicedDistance(Estimate.around(value, spread), levels)


def _quantiles(a: Floats, b: Floats) -> Floats:
    """The sorted columns of ``a``, stretched to as many rows as the longer of both has."""
    count = max(len(a), len(b))
    places = ((np.arange(count) + 0.5) * len(a) / count).astype(np.int64)
    return np.asarray(np.sort(a, axis=0)[places])


def _bootstrapped(
    a: Floats, a_clusters: NDArray[np.int64], a_count: int,
    b: Floats, b_clusters: NDArray[np.int64], b_count: int, level: int,
) -> NDArray[np.float64]:  # fmt: skip
    """The distance of this level after resampling the clusters of both sets, for every replicate."""
    draws = np.random.default_rng([11, level])
    out = np.zeros(_BOOTSTRAPS)
    sides = []
    for values, clusters, count in ((a, a_clusters, a_count), (b, b_clusters, b_count)):
        order = np.argsort(values, axis=0)
        sides.append((np.take_along_axis(values, order, axis=0), clusters[order], count))
    grid = (np.arange(_QUANTILES) + 0.5) / _QUANTILES
    for replicate in range(_BOOTSTRAPS):
        curves = []
        for values, clusters, count in sides:
            weights = np.bincount(draws.integers(0, count, count), minlength=count)
            curve = np.empty((_QUANTILES, values.shape[1]))
            for column in range(values.shape[1]):
                summed = np.cumsum(weights[clusters[:, column]])
                places = np.searchsorted(summed, grid * max(summed[-1], 1), side="right")
                curve[:, column] = values[np.minimum(places, len(values) - 1), column]
            curves.append(curve)
        out[replicate] = np.abs(curves[0] - curves[1]).mean()
    return out


def _channel_statistics(patches: Floats) -> tuple[Floats, Floats]:
    """Mean and std of every channel, repeated for its 49 places."""
    channels = patches.reshape(len(patches), -1, PATCH * PATCH)
    mean = channels.mean(axis=(0, 2), dtype=np.float64)
    std = np.maximum(channels.std(axis=(0, 2), dtype=np.float64), 1e-6)
    places = PATCH * PATCH
    return np.repeat(mean, places).astype(np.float32), np.repeat(std, places).astype(np.float32)


def _scaled(pixels: Pixels, size: int) -> Pixels:
    color = np.repeat(pixels, 3, axis=2) if pixels.shape[2] == 1 else pixels
    if color.shape[:2] == (size, size):
        return np.ascontiguousarray(color)
    return np.asarray(Image.fromarray(color).resize((size, size), Image.Resampling.BICUBIC))


def _pyramid(square: Pixels, levels: int) -> list[Floats]:
    """Burt & Adelson 1983: differences of neighboring scales, and at last the smallest image itself."""
    image = square.astype(np.float32)
    out: list[Floats] = []
    for _ in range(levels - 1):
        smaller = _blurred(image)[::2, ::2]
        larger = np.zeros_like(image)
        larger[::2, ::2] = smaller
        out.append(image - 4 * _blurred(larger))
        image = smaller
    return [*out, image]


def _blurred(image: Floats) -> Floats:
    """Binomial filter of five taps in both directions, continued by reflection."""
    taps = np.array([1, 4, 6, 4, 1], dtype=np.float32) / 16
    for axis in (0, 1):
        pads = [(0, 0)] * 3
        pads[axis] = (2, 2)
        padded = np.pad(image, pads, mode="reflect")
        length = image.shape[axis]
        image = sum(tap * np.take(padded, range(n, n + length), axis=axis) for n, tap in enumerate(taps))
    return image
