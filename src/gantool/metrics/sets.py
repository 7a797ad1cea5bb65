"""What can be said about generated images: against real ones, and against their truths where there are any."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch

from gantool.arrays import Pixels, as_color
from gantool.errors import ModelError
from gantool.metrics.distribution import FeatureSet
from gantool.metrics.estimates import Estimate, ImageRow
from gantool.metrics.inception import InceptionFeatures, Resize, content_key, find_inception_weights, load_inception
from gantool.metrics.perceptual import Lpips
from gantool.metrics.sliced import PatchSet, sliced_distance
from gantool.metrics.table import pair_metrics

__all__ = ["ImageSet", "Instruments", "Measured", "PairScores", "compare_sets", "make_instruments"]


_BATCH = 16  # images that Inception sees at a time
_FEW = 2048  # below this FID says more about the number of images than about them


@dataclass(frozen=True)
class Instruments:
    """The trained networks that could be had for measuring, and why others could not."""

    inception: InceptionFeatures | None = None
    lpips: Lpips | None = None
    left_out: Mapping[str, str] = field(default_factory=dict)

    @property
    def block(self) -> int:
        """How many neighbors are looked at together."""
        return _BATCH if self.inception is not None else 1

    @property
    def fid_mode(self) -> Resize | None:
        return self.inception.resize if self.inception is not None else None


def make_instruments(
    *, inception_weights: Path | None, resize: Resize, paired: bool, device: torch.device | str
) -> Instruments:
    """Load what is at hand or can be downloaded.

    Args:
        inception_weights: a file named by the user; that one must be usable.

    Raises:
        ModelError: the named file cannot be used.
    """
    left_out: dict[str, str] = {}
    inception = lpips = None
    try:
        inception = InceptionFeatures(load_inception(find_inception_weights(inception_weights)), resize, device)
    except ModelError as error:
        if inception_weights is not None:
            raise
        left_out["fid, kid"] = _reason(error)
    if paired:
        try:
            lpips = Lpips(device)
        except ModelError as error:
            left_out["lpips"] = _reason(error)
    return Instruments(inception, lpips, left_out)


def _reason(error: ModelError) -> str:
    """What is the matter, and below it what to do."""
    return f"{error.message.rstrip('.')}.\n{error.remedy}" if error.remedy else error.message


class ImageSet:
    """Patches and features of a set of images, one at a time and with bounded memory.

    Args:
        size: side that images are scaled to for their patches, a power of two from 32 on.
    """

    def __init__(self, size: int, instruments: Instruments) -> None:
        self.patches = PatchSet(size)
        self.features = FeatureSet() if instruments.inception is not None else None
        self._inception = instruments.inception
        self._waiting: list[tuple[Pixels, float, Hashable, int]] = []
        self._next = 0

    @property
    def count(self) -> int:
        return self.patches.count

    def add(
        self, pixels: Pixels, cluster: Hashable = None, made_of: Pixels | None = None, place: int | None = None
    ) -> None:
        """Add an image.

        Args:
            cluster: what the image is a part of; None where it stands for itself.
            made_of: its source, so that sets of the same sources are resampled alike.
            place: of the image among all; default after those before it.
        """
        place = self._next if place is None else place
        self._next = place + 1
        own = place if cluster is None else cluster
        self.patches.add(pixels, own, place)
        if self._inception is not None:
            self._waiting.append((pixels, content_key(pixels if made_of is None else made_of), own, place))
            if len(self._waiting) == _BATCH:
                self.flush()

    def flush(self) -> None:
        """Look at the images that wait for a batch to become full."""
        if self._inception is not None and self.features is not None and self._waiting:
            images, keys, clusters, places = zip(*self._waiting, strict=True)
            self.features.add(self._inception(images), np.array(keys), clusters, places)
            self._waiting.clear()

    def state(self) -> dict[str, Any]:
        """All that is known, for `include`."""
        self.flush()
        features = {} if self.features is None else {"features": self.features.state()}
        return {"patches": self.patches.state(), **features}

    def include(self, states: Sequence[Mapping[str, Any]]) -> None:
        """Take over what others have seen, in an empty set."""
        self.patches.include([one["patches"] for one in states])
        if self.features is not None:
            self.features.include([one["features"] for one in states])


@dataclass(frozen=True)
class Measured:
    """Values by metric name, and what was left out, with the reason and in a second line what to do about it."""

    values: Mapping[str, Estimate] = field(default_factory=dict)
    left_out: Mapping[str, str] = field(default_factory=dict)
    swd_levels: Mapping[int, float] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


def compare_sets(real: ImageSet, generated: ImageSet, instruments: Instruments) -> Measured:
    """FID, KID and SWD of two sets."""
    for one in (real, generated):
        one.flush()
    values: dict[str, Estimate] = {}
    left_out = {key: reason for key, reason in instruments.left_out.items() if key == "fid, kid"}
    warnings: list[str] = []
    fewest = min(real.count, generated.count)
    if real.features is not None and generated.features is not None:
        if fewest < 2:
            left_out["fid, kid"] = "at least two images are needed"
        else:
            values["fid"] = generated.features.frechet(real.features)
            values["kid"] = generated.features.kernel(real.features)
            if fewest < _FEW:
                warnings.append(
                    f"FID of {fewest} images is too high by an amount that depends on their number; compare only "
                    "numbers of as many images, and trust KID more"
                )
    sliced = sliced_distance(real.patches, generated.patches)
    values["swd"] = sliced.overall
    if fewest < 10:
        few = "1 image is" if fewest == 1 else f"{fewest} images are"
        warnings.append(f"{few} too few for a distance between sets")
    return Measured(values, left_out, sliced.levels, tuple(warnings))


class PairScores:
    """The metrics of images and their truths, for each image and over all."""

    def __init__(self, instruments: Instruments) -> None:
        self.images: list[tuple[str, dict[str, float]]] = []
        self._row = ImageRow()
        self._left_out = {key: reason for key, reason in instruments.left_out.items() if key == "lpips"}
        self._metrics = [
            (name, metric.smallest, instruments.lpips if name == "lpips" else _imported(metric.function))
            for name, metric in pair_metrics().items()
        ]

    def add(
        self, name: str, image: Pixels, truth: Pixels, cluster: Hashable = None, place: int | None = None
    ) -> None:
        """Measure one ``(H, W, C)`` pair of equal size.

        Args:
            cluster: what the image is a part of; None where it stands for itself.
            place: of the image among all; default after those before it.
        """
        if image.shape[2] != truth.shape[2]:
            image, truth = as_color(image), as_color(truth)
        side = min(image.shape[:2])
        values = {}
        for key, smallest, measure in self._metrics:
            if measure is not None and side >= smallest:
                values[key] = measure(image, truth)
            elif measure is not None:
                self._left_out[key] = f"needs images of at least {smallest} pixels"
        self.images.append((name, values))
        self._row.add(cluster, place)

    def state(self) -> dict[str, Any]:
        """All that is known, for `include`."""
        return {"images": self.images, "left_out": self._left_out, "row": self._row.state()}

    def include(self, states: Sequence[Mapping[str, Any]]) -> None:
        """Take over what others have measured."""
        images = [*self.images, *((name, values) for one in states for name, values in one["images"])]
        self.images = self._row.include([one["row"] for one in states], images)
        for one in states:
            self._left_out |= one["left_out"]

    def measured(self) -> Measured:
        """Means over the images that have the metric, with intervals from resampling the images."""
        if not self.images:
            return Measured()
        return Measured({key: value for key, *_ in self._metrics if (value := self._mean(key))}, self._left_out)

    def _mean(self, key: str) -> Estimate | None:
        """Over the finite values; infinite where none is."""
        some = [
            (found[key], own) for (_, found), own in zip(self.images, self._row.clusters, strict=True) if key in found
        ]
        finite = [(value, own) for value, own in some if math.isfinite(value)]
        if not some or not finite:
            return Estimate(math.inf) if some else None
        values, clusters = zip(*finite, strict=True)
        return Estimate.mean(values, clusters)


def _imported(function: str) -> Callable[[Pixels, Pixels], float]:
    module, _, name = function.partition(":")
    found: Callable[[Pixels, Pixels], float] = getattr(import_module(module), name)
    return found
