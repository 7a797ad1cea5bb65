"""Look at every image of a data set once: is it whole, how large is it, what is in it, which others is it like?

The facts of an image take a few hundred bytes, so a set of any size is looked at as a stream.
"""

from __future__ import annotations

import hashlib
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from gantool.arrays import Pixels
from gantool.data.images import as_rgb, open_image
from gantool.data.parallel.helpers import in_order_by_helpers
from gantool.errors import DataError

__all__ = [
    "NEAR_DISTANCE",
    "SMALLEST_SIDE",
    "ImageFacts",
    "channel_statistics",
    "content_hash",
    "exact_duplicates",
    "inspect_image",
    "inspect_images",
    "near_duplicates",
    "problems",
    "usable_image",
]

SMALLEST_SIDE = 8
"""Pixels that an image must have in both directions."""

NEAR_DISTANCE = 3
"""Largest number of differing fingerprint bits of a near duplicate."""

_BANDS = NEAR_DISTANCE + 1  # two fingerprints that differ in 3 bits agree in at least one of 4 bands
_LEVELS = np.arange(256) / 255


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """What is known of one image.

    Attributes:
        problem: why it cannot be used, in a sentence that names it; empty if it can.
        content: SHA-256 of its pixels, the same for files that show exactly the same.
        fingerprint: 64-bit difference hash, similar for similar pictures; see `near_duplicates`.
        mean, square: per RGB channel, of values in [0, 1], and of their squares.
    """

    path: Path
    problem: str = ""
    width: int = 0
    height: int = 0
    content: str = ""
    fingerprint: int = 0
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    square: tuple[float, float, float] = (0.0, 0.0, 0.0)


def usable_image(path: Path) -> Image.Image:
    """Decode an image completely, as RGB.

    Raises:
        DataError: it cannot be read, or is too small to be learned from.
    """
    image = as_rgb(open_image(path))
    if min(image.size) < SMALLEST_SIDE:
        raise DataError(
            f"{path}: has {image.width}x{image.height} pixels, at least {SMALLEST_SIDE}x{SMALLEST_SIDE} are needed."
        )
    return image


def problems(paths: Sequence[Path]) -> Iterator[str]:
    """Decode all images on all cores and yield what is wrong with some, in order."""
    yield from filter(None, in_order_by_helpers(_problem, paths, paths))


def _problem(path: Path) -> str:
    try:
        usable_image(path)
    except DataError as error:
        return error.message
    return ""


def inspect_image(path: Path) -> ImageFacts:
    """Decode an image completely and note its facts; never raises for a bad image."""
    try:
        image = usable_image(path)
    except DataError as error:
        return ImageFacts(path, error.message)
    width, height = image.size
    pixels = np.asarray(image)
    # Averages over a small copy are those of the whole up to rounding; a histogram has them at a third of the time.
    small = image.reduce(max(min(width, height) // 64, 1))
    shares = np.array(small.histogram(), dtype=np.float64).reshape(3, 256) / (small.width * small.height)
    mean, square = shares @ _LEVELS, shares @ np.square(_LEVELS)
    return ImageFacts(
        path, "", width, height, content_hash(pixels), _fingerprint(image), _triple(mean), _triple(square)
    )


def content_hash(pixels: Pixels) -> str:
    """SHA-256 of an ``(H, W, 3)`` uint8 image and its size."""
    content = hashlib.sha256(f"{pixels.shape[1]}x{pixels.shape[0]}".encode())
    content.update(np.ascontiguousarray(pixels).data)
    return content.hexdigest()


def inspect_images(paths: Sequence[Path]) -> Iterator[ImageFacts]:
    """Inspect images on all cores, in order, reading only a few ahead."""
    return in_order_by_helpers(inspect_image, paths, paths)


def exact_duplicates(facts: Iterable[ImageFacts]) -> list[list[ImageFacts]]:
    """Groups of two or more images with the same pixels, in the order of their first members."""
    groups: dict[str, list[ImageFacts]] = defaultdict(list)
    for one in facts:
        if not one.problem:
            groups[one.content].append(one)
    return [group for group in groups.values() if len(group) > 1]


def near_duplicates(facts: Sequence[ImageFacts]) -> list[tuple[ImageFacts, ImageFacts, int]]:
    """Pairs of different images whose fingerprints differ in at most `NEAR_DISTANCE` bits, with that number.

    Only images that agree in one of four bands of the fingerprint are compared, which finds every such pair
    without comparing all with all. Flat pictures, whose fingerprint says nothing, are left out.
    """
    usable = [one for one in facts if not one.problem and 4 < one.fingerprint.bit_count() < 60]
    bits = 64 // _BANDS
    pairs: dict[tuple[int, int], int] = {}
    for band in range(_BANDS):
        buckets: dict[int, list[int]] = defaultdict(list)
        for place, one in enumerate(usable):
            buckets[(one.fingerprint >> (band * bits)) & ((1 << bits) - 1)].append(place)
        for members in buckets.values():
            _compare(usable, members, pairs)
    return [(usable[a], usable[b], distance) for (a, b), distance in sorted(pairs.items())]


def _compare(facts: Sequence[ImageFacts], members: Sequence[int], pairs: dict[tuple[int, int], int]) -> None:
    for n, first in enumerate(members):
        for second in members[n + 1 :]:
            distance = (facts[first].fingerprint ^ facts[second].fingerprint).bit_count()
            if distance <= NEAR_DISTANCE and facts[first].content != facts[second].content:
                pairs[(first, second)] = distance


def _fingerprint(image: Image.Image) -> int:
    """Difference hash: is each of 8x8 gray cells darker than its right neighbor?"""
    cells = np.asarray(image.convert("L").resize((9, 8), Image.Resampling.BOX), dtype=np.int16)
    bits = (cells[:, :-1] < cells[:, 1:]).ravel()
    return int.from_bytes(np.packbits(bits).tobytes(), "big")


def _triple(values: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> tuple[float, float, float]:
    r, g, b = (float(value) for value in values)
    return r, g, b


def channel_statistics(facts: Sequence[ImageFacts]) -> Mapping[str, tuple[float, float]]:
    """Mean and standard deviation of red, green and blue over all images, each image weighing the same."""
    usable = [one for one in facts if not one.problem]
    if not usable:
        return {}
    found = {}
    for n, name in enumerate(("red", "green", "blue")):  # sums without rounding are the same in any order
        mean = math.fsum(one.mean[n] for one in usable) / len(usable)
        square = math.fsum(one.square[n] for one in usable) / len(usable)
        found[name] = (mean, math.sqrt(max(square - mean**2, 0.0)))
    return found
