"""From an image of any size to its label map, with bounded memory and with numpy and Pillow alone.

The image is scaled as in training, run in one piece or in overlapping windows whose probabilities fade into each
other, and the probabilities are scaled back to the image's size. Rows are finished from top to bottom, so that only a
band of probabilities is ever in memory, and of that only one class at the image's size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gantool.arrays import Floats, Pixels, resized
from gantool.predict.scaling import between, widened
from gantool.predict.sizes import require_size
from gantool.predict.tiling import ramp, tile_starts

__all__ = ["Segmented", "in_windows", "loaded", "loaded_size", "resized_rows", "segment_in_bands"]

_ROWS = 64  # finished rows that are handed on and scaled back at a time


@dataclass(frozen=True)
class Segmented:
    """The label map of an image.

    Attributes:
        mask: ``(H, W)`` uint8 class indices.
        probabilities: ``(H, W, C)`` float16, where they were asked for.
    """

    mask: NDArray[np.uint8]
    probabilities: NDArray[np.float16] | None = None


def segment_in_bands(
    bands: Callable[[Pixels], Iterator[Floats]], pixels: Pixels, *, load_size: int, probabilities: bool = False
) -> Segmented:
    """Segment ``(H, W, 3)`` uint8, H and W at least 1.

    Args:
        bands: ``(h, w, 3)`` uint8 to finished probabilities ``(C, rows, w)`` from top to bottom.
        load_size: shorter side to scale to first; 0 keeps the image's size.

    Raises:
        UsageError: so long and narrow an image would get too large.
    """
    height, width = pixels.shape[:2]
    scaled = loaded(pixels, load_size)
    mask = np.zeros((height, width), dtype=np.uint8)
    kept: NDArray[np.float16] | None = None
    for top, planes in resized_rows(bands(scaled), scaled.shape[0], height, width):
        # One output is enough for two classes; as probabilities there are two again.
        best: Floats | None = None
        for n, plane in enumerate(planes):
            rows = slice(top, top + len(plane))
            if best is None:
                best = plane
            else:
                mask[rows][plane > best] = n
                best = np.maximum(best, plane)
            if probabilities:
                if kept is None:
                    kept = np.empty((height, width, len(planes)), dtype=np.float16)
                kept[rows, :, n] = plane
    return Segmented(mask, kept)


def loaded(pixels: Pixels, load_size: int) -> Pixels:
    """An image as the network sees it; see `segment_in_bands`."""
    height, width = pixels.shape[:2]
    if load_size == 0:
        return pixels
    high, wide = loaded_size(height, width, load_size)
    require_size(f"--shorter-side {load_size}", wide, high)
    return resized(pixels, (wide, high), Image.Resampling.BILINEAR)


def loaded_size(height: int, width: int, load_size: int) -> tuple[int, int]:
    """Height and width that an image is scaled to; see `segment_in_bands`."""
    grow = load_size / min(height, width) if load_size else 1.0
    return max(round(height * grow), 1), max(round(width * grow), 1)


def in_windows(probabilities: Callable[[Pixels], Floats], pixels: Pixels, side: int) -> Iterator[Floats]:
    """Yield finished probabilities ``(C, rows, W)`` from top to bottom.

    Args:
        probabilities: of a window, ``(h, w, 3)`` uint8 to ``(C, h, w)``.
        side: of the windows; 0 for one piece.
    """
    if side == 0:
        yield probabilities(pixels)
        return
    height, width = pixels.shape[:2]
    overlap = side // 4
    tops, lefts = tile_starts(height, side, overlap), tile_starts(width, side, overlap)
    high, wide = min(side, height), min(side, width)
    down, across = _fades(tops, high, height, overlap), _fades(lefts, wide, width, overlap)
    band: Floats | None = None
    for place, top in enumerate(tops):
        for n, left in enumerate(lefts):
            part = probabilities(pixels[top : top + high, left : left + wide])
            if band is None:
                band = np.zeros((len(part), high, width), dtype=np.float32)
            band[:, :, left : left + wide] += part * np.outer(down[place], across[n])
        assert band is not None
        finished = (tops[place + 1] if place + 1 < len(tops) else height) - top
        # Few at a time: they are scaled, and may have to wait for other views.
        for first in range(0, finished, _ROWS):
            yield band[:, first : min(first + _ROWS, finished)].copy()
        band[:, : high - finished] = band[:, finished:]
        band[:, high - finished :] = 0


def _fades(starts: list[int], side: int, length: int, overlap: int) -> list[Floats]:
    """Weights of every window along one axis; they add up to 1 everywhere."""
    one = ramp(side, overlap)
    total = np.zeros(length, dtype=np.float32)
    for start in starts:
        total[start : start + side] += one
    return [one / total[start : start + side] for start in starts]


class _Rows:
    """Some rows ``(C, rows, W)``, one class at a time: between two source rows in proportion."""

    def __init__(self, source: Floats, above: NDArray[np.int64], below: NDArray[np.int64], share: Floats) -> None:
        self._source, self._above, self._below, self._share = source, above, below, share[:, None]

    def __len__(self) -> int:
        return len(self._source)

    def __iter__(self) -> Iterator[Floats]:
        same = not self._share.any()
        for plane in self._source:
            rows = plane[self._above]
            if not same:
                rows += (plane[self._below] - rows) * self._share
            yield rows


def resized_rows(bands: Iterator[Floats], source_height: int, height: int, width: int) -> Iterator[tuple[int, _Rows]]:
    """Scale bands of rows, bilinearly, to ``(C, height, width)`` as if they were one; yield ``(top, rows)``."""
    buffer: Floats | None = None
    first = 0  # source row of the buffer's first
    done = 0
    for band in bands:
        wide = widened(band, width)
        buffer = wide if buffer is None else np.concatenate([buffer, wide], 1)
        del band, wide  # large, and several of these generators can wait for each other
        end = first + buffer.shape[1]
        while done < height:
            places = np.arange(done, min(done + _ROWS, height))
            above, below, share = between(places, height, source_height)
            if below[-1] >= end:
                break
            yield done, _Rows(buffer, above - first, below - first, share)
            done += len(places)
        if done < height:
            needed = int(between(np.array([done]), height, source_height)[0][0])
            cut = max(min(needed - first, buffer.shape[1]), 0)
            buffer, first = buffer[:, cut:].copy(), first + cut
