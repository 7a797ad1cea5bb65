"""Cut an image into overlapping tiles and blend the results.

Exact for networks whose output depends on a neighborhood only. A network with instance norm sees each tile's own
statistics, so the colors of tiles differ; `strips` is the exact way there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from gantool.arrays import Pixels
from gantool.errors import UsageError
from gantool.predict.sizes import parse_side

__all__ = ["Tiling", "parse_tiling", "ramp", "run_in_tiles", "tile_starts"]


@dataclass(frozen=True)
class Tiling:
    """How large images are run: ``auto`` (in strips when one piece does not fit), ``off``, or tiles of ``size``."""

    mode: Literal["auto", "off", "size"] = "auto"
    size: int = 0


def tile_starts(length: int, tile: int, overlap: int) -> list[int]:
    """Where the tiles of one axis begin: evenly spread, overlapping by at least ``overlap``.

    >>> tile_starts(100, 40, 10)
    [0, 30, 60]
    """
    if length <= tile:
        return [0]
    count = -(-(length - overlap) // (tile - overlap))
    return [round(n * (length - tile) / (count - 1)) for n in range(count)]


def run_in_tiles(run: Callable[[Pixels], Pixels], pixels: Pixels, *, tile: int, overlap: int) -> Pixels:
    """Apply ``run`` to tiles of ``(H, W, C)`` uint8 and cross-fade where they overlap.

    Args:
        run: ``(tile, tile, C) -> (tile, tile, C')``, uint8; smaller tiles at an image smaller than a tile.
        tile: side in pixels.
        overlap: pixels shared by neighbors, less than half a tile.
    """
    height, width = pixels.shape[:2]
    sums: NDArray[np.float32] | None = None
    weights = np.zeros((height, width, 1), dtype=np.float32)
    for top, left in _corners(height, width, tile, overlap):
        part = run(pixels[top : top + tile, left : left + tile])
        if sums is None:
            sums = np.zeros((height, width, part.shape[2]), dtype=np.float32)
        fade = np.outer(ramp(part.shape[0], overlap), ramp(part.shape[1], overlap))[:, :, None]
        sums[top : top + part.shape[0], left : left + part.shape[1]] += part * fade
        weights[top : top + part.shape[0], left : left + part.shape[1]] += fade
    assert sums is not None
    blended: Pixels = np.rint(sums / weights).astype(np.uint8)
    return blended


def _corners(height: int, width: int, tile: int, overlap: int) -> Iterator[tuple[int, int]]:
    for top in tile_starts(height, tile, overlap):
        for left in tile_starts(width, tile, overlap):
            yield top, left


def ramp(length: int, overlap: int) -> NDArray[np.float32]:
    """Weights that rise over the overlap, stay at 1 and fall again; never 0, so that the border is covered."""
    places = np.arange(length, dtype=np.float32) + 1
    return np.minimum(np.minimum(places, places[::-1]) / (overlap + 1), 1)


def parse_tiling(text: str) -> Tiling:
    """Read ``--tile auto|N|off``."""
    if text in ("auto", "off"):
        return Tiling(text)  # type: ignore[arg-type]
    side = parse_side(text)
    if side is not None and side >= 64:
        return Tiling("size", side)
    raise UsageError(f"--tile {text}: expected auto, off or a side in pixels of at least 64.")
