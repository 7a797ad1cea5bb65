"""How far two sets of features are apart: the Fréchet distance (FID) and the kernel distance (KID).

For features ``x`` with mean m and covariance C, and ``y`` with m' and C',

    FID = |m - m'|^2 + Tr(C + C' - 2 (C C')^(1/2))
    KID = E k(x, x*) + E k(y, y*) - 2 E k(x, y),  k(u, v) = (u.v / d + 1)^3

(Heusel et al. 2017, https://arxiv.org/abs/1706.08500; Bińkowski et al. 2018, https://arxiv.org/abs/1801.01401), both
in float64. Neither depends on the order in which features come.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gantool.metrics.estimates import Estimate, clustered

__all__ = ["FeatureSet", "frechet_distance", "kernel_distance"]

Doubles = NDArray[np.float64]

KEPT = 10_000  # features that are kept for the kernel distance and the intervals
_BLOCK = 2048
_BOOTSTRAPS = 50
_SUBSET = 1000  # of the kernel distance under a bootstrap


class FeatureSet:
    """Features ``(N, D)`` that arrive in batches: their moments, and a sample of them that does not grow.

    The sample are the features with the smallest ``keys``. With keys that depend on the images alone, neither order
    nor batch size change anything.
    """

    def __init__(self, *, keep: int = KEPT) -> None:
        self.count = 0
        self._keep = keep
        self._sum: Doubles | None = None
        self._outer: Doubles | None = None
        self._parts: list[NDArray[np.float32]] = []
        self._keys: list[Doubles] = []
        self._clusters: list[NDArray[np.object_]] = []
        self._places: list[NDArray[np.int64]] = []

    def add(
        self,
        features: NDArray[np.floating],
        keys: Doubles,
        clusters: Sequence[Hashable] | None = None,
        places: Sequence[int] | None = None,
    ) -> None:
        """Add a batch ``(B, D)`` with one key in [0, 1) for each.

        Args:
            clusters: what every image is a part of; None where each stands for itself.
            places: of the images among all, which decide between equal keys; default after those before them.
        """
        batch = np.asarray(features, dtype=np.float64)
        if self._sum is None or self._outer is None:
            self._sum = np.zeros(batch.shape[1])
            self._outer = np.zeros((batch.shape[1], batch.shape[1]))
        numbers = range(self.count, self.count + len(batch)) if places is None else places
        self._places.append(np.array(numbers, dtype=np.int64))
        self._clusters.append(_objects(numbers if clusters is None else clusters))
        self.count += len(batch)
        self._sum += batch.sum(0)
        self._outer += batch.T @ batch
        self._parts.append(batch.astype(np.float32))
        self._keys.append(np.asarray(keys, dtype=np.float64))
        if sum(len(part) for part in self._parts) > 2 * self._keep:
            self._prune()

    def _prune(self) -> None:
        features, keys, places = np.concatenate(self._parts), np.concatenate(self._keys), np.concatenate(self._places)
        chosen = np.lexsort((places, keys))[: self._keep]
        self._parts, self._keys, self._places = [features[chosen]], [keys[chosen]], [places[chosen]]
        self._clusters = [np.concatenate(self._clusters)[chosen]]

    def state(self) -> dict[str, Any]:
        """All that is known, for `include`."""
        if not self.count:
            return {"count": 0}
        self._prune()
        sums = {} if self.count <= self._keep else {"sum": self._sum, "outer": self._outer}
        return {
            "count": self.count, "features": self._parts[0], "keys": self._keys[0], "places": self._places[0],
            "clusters": self._clusters[0].tolist(), **sums,
        }  # fmt: skip

    def include(self, states: Sequence[Mapping[str, Any]]) -> None:
        """Take over what others have seen: sums of theirs, and the features of the smallest keys of all."""
        for one in states:
            if not one["count"]:
                continue
            self.count += one["count"]
            features = one["features"].astype(np.float64)  # of all images, where there are no sums
            sums = (one["sum"], one["outer"]) if "sum" in one else (features.sum(0), features.T @ features)
            self._sum = sums[0] if self._sum is None else self._sum + sums[0]
            self._outer = sums[1] if self._outer is None else self._outer + sums[1]
            self._parts.append(one["features"])
            self._keys.append(one["keys"])
            self._places.append(one["places"])
            self._clusters.append(_objects(one["clusters"]))

    def sample(self) -> Doubles:
        """The kept features ``(n, D)``, in the order of their keys."""
        self._prune()
        return self._parts[0].astype(np.float64)

    def moments(self) -> tuple[Doubles, Doubles]:
        """Mean ``(D,)`` and covariance ``(D, D)``, with n - 1 in the denominator, of all features."""
        if self._sum is None or self._outer is None or self.count < 2:
            raise ValueError("at least two images are needed")
        mean = self._sum / self.count
        covariance = (self._outer - self.count * np.outer(mean, mean)) / (self.count - 1)
        return mean, covariance

    def _groups(self) -> list[NDArray[np.int64]]:
        """The places in the sample that belong together."""
        return clustered(np.concatenate(self._clusters).tolist())

    def frechet(self, other: FeatureSet, *, intervals: bool = True) -> Estimate:
        """FID to another set; with an interval where all features of both could be kept."""
        whole = self.count <= self._keep and other.count <= other._keep
        if not whole:
            return Estimate(frechet_distance(*self.moments(), *other.moments()))
        x, y = self.sample(), other.sample()
        value = _frechet_of(x, y)
        # With more features than images the distance is quick, otherwise each replicate costs seconds.
        if not intervals or max(len(x), len(y)) > x.shape[1]:
            return Estimate(value)
        rng = np.random.default_rng(0)
        groups = self._groups(), other._groups()
        if min(len(some) for some in groups) < 2:
            return Estimate(value)
        replicates = [
            _frechet_of(_resampled(x, groups[0], rng), _resampled(y, groups[1], rng)) for _ in range(_BOOTSTRAPS)
        ]
        return Estimate.around(value, replicates)

    def kernel(self, other: FeatureSet, *, intervals: bool = True) -> Estimate:
        """KID to another set, of the kept features."""
        x, y = self.sample(), other.sample()
        value = kernel_distance(x, y)
        groups = self._groups(), other._groups()
        whole = min(len(some) for some in groups)
        part = min(whole, _SUBSET) // 2
        if not intervals or part < 2:
            return Estimate(value)
        rng = np.random.default_rng(0)
        parts = [
            kernel_distance(*(_part(one, some, part, rng) for one, some in zip((x, y), groups, strict=True)))
            for _ in range(_BOOTSTRAPS)
        ]
        # Parts drawn without replacement vary around the whole by 1/part - 1/whole, the whole itself by 1/whole.
        scale = np.sqrt(part / (whole - part))
        return Estimate.around(value, (value + (np.array(parts) - np.mean(parts)) * scale).tolist())


def _objects(values: Sequence[Hashable]) -> NDArray[np.object_]:
    out = np.empty(len(values), dtype=object)
    out[:] = values
    return out


def frechet_distance(mean_x: Doubles, covariance_x: Doubles, mean_y: Doubles, covariance_y: Doubles) -> float:
    """FID of two Gaussians; also for singular covariances.

    Tr (C C')^(1/2) is the sum of the roots of the eigenvalues of C^(1/2) C' C^(1/2), which is symmetric, so no root
    of a general matrix is needed.
    """
    values, vectors = np.linalg.eigh(covariance_x)
    half = vectors * np.sqrt(np.clip(values, 0, None))
    roots = np.sqrt(np.clip(np.linalg.eigvalsh(half.T @ covariance_y @ half), 0, None)).sum()
    gap = mean_x - mean_y
    return max(float(gap @ gap + np.trace(covariance_x) + np.trace(covariance_y) - 2 * roots), 0.0)


def _frechet_of(x: Doubles, y: Doubles) -> float:
    """FID of two samples.

    With X and Y centered and divided by the roots of n - 1, C = X'X and C' = Y'Y, the roots of the eigenvalues of C
    C' are the singular values of X Y': a small matrix where there are fewer images than features.
    """
    if max(len(x), len(y)) > x.shape[1]:
        covariances = [np.atleast_2d(np.cov(one, rowvar=False)) for one in (x, y)]
        return frechet_distance(x.mean(0), covariances[0], y.mean(0), covariances[1])
    gap = x.mean(0) - y.mean(0)
    a = (x - x.mean(0)) / np.sqrt(len(x) - 1)
    b = (y - y.mean(0)) / np.sqrt(len(y) - 1)
    roots = np.linalg.svd(a @ b.T, compute_uv=False).sum()
    return max(float(gap @ gap + np.square(a).sum() + np.square(b).sum() - 2 * roots), 0.0)


def kernel_distance(x: Doubles, y: Doubles) -> float:
    """The unbiased estimate of KID; it can be slightly below 0.

    Raises:
        ValueError: fewer than two features in a set.
    """
    n, m = len(x), len(y)
    if min(n, m) < 2:
        raise ValueError("at least two images are needed")
    within_x = (_kernel_sum(x, x) - _kernel_diagonal(x)) / (n * (n - 1))
    within_y = (_kernel_sum(y, y) - _kernel_diagonal(y)) / (m * (m - 1))
    return within_x + within_y - 2 * _kernel_sum(x, y) / (n * m)


def _kernel_sum(x: Doubles, y: Doubles) -> float:
    total = 0.0
    for start in range(0, len(x), _BLOCK):
        total += float(((x[start : start + _BLOCK] @ y.T / x.shape[1] + 1) ** 3).sum())
    return total


def _kernel_diagonal(x: Doubles) -> float:
    return float(((np.square(x).sum(1) / x.shape[1] + 1) ** 3).sum())


def _resampled(x: Doubles, groups: Sequence[NDArray[np.int64]], rng: np.random.Generator) -> Doubles:
    """As many clusters as there are, with replacement."""
    drawn = [groups[n] for n in rng.integers(0, len(groups), len(groups))]
    return np.asarray(x[np.concatenate(drawn)])


def _part(x: Doubles, groups: Sequence[NDArray[np.int64]], count: int, rng: np.random.Generator) -> Doubles:
    """Some clusters, without replacement."""
    drawn = [groups[n] for n in rng.choice(len(groups), count, False)]
    return np.asarray(x[np.concatenate(drawn)])
