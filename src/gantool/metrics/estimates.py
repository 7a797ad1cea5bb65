"""Values with intervals from resampling the images (the bootstrap), and differences of such values.

Two measurements of the same images are resampled alike: every replicate of both is of the same images. What an easy
or a hard picture does to both then falls out of their difference, whose interval is often much narrower than the two
beside each other suggest.

Images of one cluster, such as the tiles of one photograph, are drawn together: they are alike, and ten tiles of one
photograph say little more about other photographs than one tile does.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["Estimate", "ImageRow", "clustered", "differences_of", "draws", "padded", "shown"]

Entry = TypeVar("Entry")

REPLICATES = 200


@dataclass(frozen=True)
class Estimate:
    """A value with its 95 % interval (normal approximation with the bootstrap's std); None where unknown.

    Attributes:
        replicates: the value after each resampling of the images, for differences.
    """

    value: float
    low: float | None = None
    high: float | None = None
    replicates: tuple[float, ...] = field(default=(), compare=False, repr=False)

    @classmethod
    def around(cls, value: float, replicates: Sequence[float]) -> Estimate:
        """The interval of ``value``, given what resampling the images makes of it.

        Resampled distances are larger on average, since doubled images are no new ones; only their spread is used.
        """
        if len(replicates) < 2 or not np.isfinite([value, *replicates]).all():
            return cls(value)
        half = 1.96 * float(np.std(replicates, ddof=1))
        return cls(value, value - half, value + half, tuple(replicates))

    @classmethod
    def mean(cls, values: ArrayLike, clusters: Sequence[Hashable] | None = None) -> Estimate:
        """The mean over images, from one value of each; ``clusters`` name what every image is a part of."""
        column = np.asarray(values, dtype=np.float64)
        resampled = draws(range(len(column)) if clusters is None else clusters)
        return cls.around(float(column.mean()), [float(column[chosen].mean()) for chosen in resampled])

    def minus(self, other: Estimate) -> Estimate:
        """The difference, with an interval where both have replicates of the same number."""
        value = self.value - other.value
        if len(self.replicates) != len(other.replicates):
            return Estimate(value)
        return Estimate.around(value, (np.array(self.replicates) - np.array(other.replicates)).tolist())


def differences_of(values: Mapping[str, Estimate], others: Mapping[str, Estimate]) -> dict[str, Estimate]:
    """Of every metric that both have and that can be subtracted."""
    both = {key: value.minus(others[key]) for key, value in values.items() if key in others}
    return {key: value for key, value in both.items() if np.isfinite(value.value)}


def shown(estimate: Estimate | None, *, sign: bool = False) -> str:
    """For people; with ``sign`` as a difference.

    >>> shown(Estimate(0.5, 0.25, 0.75)), shown(None), shown(Estimate(0.5), sign=True)
    ('0.5 (0.25 to 0.75)', 'n/a', '+0.5')
    """
    if estimate is None or np.isnan(estimate.value):
        return "n/a"
    plus = "+" if sign else ""
    value = f"{estimate.value:{plus}.4g}"
    if estimate.low is None or estimate.high is None:
        return value
    return f"{value} ({estimate.low:{plus}.3g} to {estimate.high:{plus}.3g})"


class ImageRow:
    """Where the images stand that something was measured of, so that several measurements can be put together.

    Attributes:
        places: among all images, in ascending order.
        clusters: what every image is a part of; its place where it stands for itself.
    """

    def __init__(self) -> None:
        self.places: list[int] = []
        self.clusters: list[Hashable] = []

    def add(self, cluster: Hashable, place: int | None) -> None:
        """Note an image; without a place it stands after those before it."""
        number = (self.places[-1] + 1 if self.places else 0) if place is None else place
        self.places.append(number)
        self.clusters.append(number if cluster is None else cluster)

    def state(self) -> dict[str, Any]:
        return {"places": np.array(self.places, dtype=np.int64), "clusters": self.clusters}

    def include(self, states: Sequence[Mapping[str, Any]], entries: Sequence[Entry]) -> list[Entry]:
        """Put what others noted into the row.

        Args:
            entries: of each image, these first and then the others', in their order.

        Returns:
            The entries in the order of the places.
        """
        for one in states:
            self.places += np.asarray(one["places"]).tolist()
            self.clusters += one["clusters"]
        order = np.argsort(self.places, kind="stable").tolist()
        self.places = [self.places[n] for n in order]
        self.clusters = [self.clusters[n] for n in order]
        return [entries[n] for n in order]


def padded(counts: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """Counts ``(..., C)`` of classes, with none of those that are missing at the end."""
    missing = size - counts.shape[-1]
    return np.pad(counts, [(0, 0)] * (counts.ndim - 1) + [(0, missing)])


def clustered(clusters: Sequence[Hashable]) -> list[NDArray[np.int64]]:
    """The places of the images of every cluster, in the order in which clusters first appear."""
    places: dict[Hashable, list[int]] = {}
    for place, cluster in enumerate(clusters):
        places.setdefault(cluster, []).append(place)
    return [np.array(some) for some in places.values()]


def draws(clusters: Sequence[Hashable], replicates: int = REPLICATES) -> Iterator[NDArray[np.int64]]:
    """Places of images whose clusters are drawn with replacement; the same for every measurement of the same images.

    Args:
        clusters: what every image is a part of; all different where images are independent.
    """
    groups = clustered(clusters)
    if len(groups) > 1:
        rng = np.random.default_rng(0)
        for _ in range(replicates):
            yield np.concatenate([groups[n] for n in rng.integers(0, len(groups), len(groups))])
