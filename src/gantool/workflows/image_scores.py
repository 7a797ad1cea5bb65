"""What can be said about generated images: against real ones, and against their truths where there are any."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from gantool.arrays import Pixels
from gantool.errors import ModelError
from gantool.metrics.distribution import FeatureSet
from gantool.metrics.estimates import Estimate
from gantool.metrics.inception import InceptionFeatures, Resize, content_key, find_inception_weights, load_inception
from gantool.metrics.paired import l1
from gantool.metrics.perceptual import MS_SSIM_SMALLEST, SSIM_SMALLEST, Lpips, ms_ssim, psnr, ssim
from gantool.metrics.sliced import PatchSet, sliced_distance

__all__ = ["ImageSet", "Instruments", "PairScores", "Scores", "compare_sets", "make_instruments"]


_BATCH = 16  # images that Inception sees at a time
_FEW = 2048  # below this FID says more about the number of images than about them


@dataclass(frozen=True)
class Instruments:
    """The trained networks that could be had for measuring, and why others could not."""

    inception: InceptionFeatures | None = None
    lpips: Lpips | None = None
    left_out: Mapping[str, str] = field(default_factory=dict)

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
    return f"{error.message} {error.remedy}".strip()


class ImageSet:
    """Patches and features of a set of images, one at a time and with bounded memory."""

    def __init__(self, size: int, instruments: Instruments) -> None:
        self.patches = PatchSet(size)
        self.features = FeatureSet() if instruments.inception is not None else None
        self._inception = instruments.inception
        self._waiting: list[tuple[Pixels, float]] = []

    @property
    def count(self) -> int:
        return self.patches.count

    def add(self, pixels: Pixels, source: Pixels | None = None) -> None:
        """Add an image; ``source`` is what it was made of, so that sets of the same sources are resampled alike."""
        self.patches.add(pixels)
        if self._inception is not None:
            self._waiting.append((pixels, content_key(pixels if source is None else source)))
            if len(self._waiting) == _BATCH:
                self.flush()

    def flush(self) -> None:
        if self._inception is not None and self.features is not None and self._waiting:
            images, keys = zip(*self._waiting, strict=True)
            self.features.add(self._inception(images), np.array(keys))
            self._waiting.clear()


@dataclass(frozen=True)
class Scores:
    """Values by metric name, and what was left out, with the reason."""

    values: Mapping[str, Estimate]
    left_out: Mapping[str, str] = field(default_factory=dict)
    swd_levels: Mapping[int, float] = field(default_factory=dict)
    warnings: Sequence[str] = ()


def compare_sets(real: ImageSet, generated: ImageSet, instruments: Instruments) -> Scores:
    """FID, KID and SWD of two sets."""
    for one in (real, generated):
        one.flush()
    values: dict[str, Estimate] = {}
    left_out = {key: reason for key, reason in instruments.left_out.items() if key.startswith("fid")}
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
        warnings.append(f"{fewest} images are too few for a distance between sets")
    return Scores(values, left_out, sliced.levels, tuple(warnings))


class PairScores:
    """Metrics of images and their truths, for each image and over all."""

    def __init__(self, instruments: Instruments) -> None:
        self._lpips = instruments.lpips
        self.images: list[tuple[str, dict[str, float]]] = []
        self._left_out = {key: reason for key, reason in instruments.left_out.items() if key == "lpips"}

    def add(self, name: str, image: Pixels, truth: Pixels) -> dict[str, float]:
        """Measure one ``(H, W, C)`` pair of equal size; returns its values."""
        if image.shape[2] != truth.shape[2]:
            image, truth = (np.repeat(x, 3, axis=2) if x.shape[2] == 1 else x for x in (image, truth))
        side = min(image.shape[:2])
        values = {"l1": l1([image], [truth]), "psnr": psnr(image, truth)}
        if side >= SSIM_SMALLEST:
            values["ssim"] = ssim(image, truth)
        if side >= MS_SSIM_SMALLEST:
            values["ms_ssim"] = ms_ssim(image, truth)
        else:
            self._left_out["ms_ssim"] = f"needs images of at least {MS_SSIM_SMALLEST} pixels"
        if self._lpips is not None and side >= 32:
            values["lpips"] = self._lpips(image, truth)
        self.images.append((name, values))
        return values

    def scores(self) -> Scores:
        """Means over the images that have the metric, with intervals from resampling the images."""
        values: dict[str, Estimate] = {}
        for key in dict.fromkeys(key for _, found in self.images for key in found):
            column = np.array([found[key] for _, found in self.images if key in found])
            finite = column[np.isfinite(column)]
            if not len(finite):
                values[key] = Estimate(math.inf)
                continue
            values[key] = Estimate.mean(finite)
        return Scores(values, self._left_out)
