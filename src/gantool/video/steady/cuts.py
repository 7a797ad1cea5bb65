"""Where one scene ends and the next begins."""

from __future__ import annotations

import numpy as np
from PIL import Image

from gantool.arrays import Floats, Pixels

__all__ = ["is_cut", "thumbnail"]

_SIZE = (48, 27)
_BINS = 16
_LEAST_DIFFERENCE = 0.15  # of the histograms of two scenes; a pan keeps them
_MOST_LIKENESS = 0.9  # of two scenes, whose light may be the same; a flash keeps the likeness


def thumbnail(pixels: Pixels) -> Floats:
    """A frame as ``(h, w, 3)`` float32, to be held against the next one's."""
    image = Image.fromarray(pixels).resize(_SIZE, Image.Resampling.BOX, reducing_gap=1.0)
    return np.asarray(image, dtype=np.float32)


def is_cut(before: Floats, after: Floats) -> bool:
    """Whether a new scene begins: neither the colors are the same nor what is where."""
    return _distance(before, after) > _LEAST_DIFFERENCE and _likeness(before, after) < _MOST_LIKENESS


def _distance(one: Floats, other: Floats) -> float:
    """Share of the pixels by which the histograms differ, on average over the channels."""
    counts = [np.stack([np.histogram(part[:, :, n], _BINS, (0, 256))[0] for n in range(3)]) for part in (one, other)]
    smooth = [_spread(count.astype(np.float32)) for count in counts]
    return float(np.abs(smooth[0] - smooth[1]).sum() / 2 / (3 * one.shape[0] * one.shape[1]))


def _spread(counts: Floats) -> Floats:
    """Half of what is in a bin goes to its neighbors, so that a little more light is not another histogram."""
    padded = np.pad(counts, [(0, 0), (1, 1)], mode="edge")
    spread: Floats = 0.5 * counts + 0.25 * (padded[:, :-2] + padded[:, 2:])
    return spread


def _likeness(one: Floats, other: Floats) -> float:
    """Correlation of the brightness, 1 for the same picture in whatever light."""
    left, right = (part.mean(2) - part.mean() for part in (one, other))
    size = float(np.sqrt(np.square(left).sum() * np.square(right).sum()))
    return float((left * right).sum()) / size if size > 0 else 1.0
