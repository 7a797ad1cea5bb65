"""Cut large images and their label maps into tiles without losing a pixel, and stitch them together again."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from gantool.data.sources.description import read_description

Array = TypeVar("Array", bound=NDArray[np.generic])

__all__ = ["cut_tiles", "photograph_of", "stitch_tiles", "tile_corners"]

_TILE = re.compile(r"(.+)_\d{5}_\d{5}\.(?:png|jpg|webp)")  # name, top and left, as ``gantool prepare`` writes them


def tile_corners(height: int, width: int, tile: int, stride: int | None = None) -> list[tuple[int, int]]:
    """Return ``(top, left)`` of every tile; the last ones of a row or column are moved back to end at the border.

    An image smaller than a tile becomes one tile of its own size.

    >>> tile_corners(5, 8, 4)
    [(0, 0), (0, 4), (1, 0), (1, 4)]
    """
    step = stride or tile
    return [(top, left) for top in _starts(height, tile, step) for left in _starts(width, tile, step)]


def cut_tiles(array: Array, tile: int, stride: int | None = None) -> Iterator[tuple[int, int, Array]]:
    """Yield ``(top, left, part)`` of ``(H, W, ...)``; the parts are views."""
    for top, left in tile_corners(array.shape[0], array.shape[1], tile, stride):
        yield top, left, array[top : top + tile, left : left + tile]  # type: ignore[misc]


def stitch_tiles(tiles: Iterable[tuple[int, int, Array]], height: int, width: int) -> Array:
    """The inverse of `cut_tiles`: put the parts in their places; where they overlap, the later one wins."""
    whole: Array | None = None
    for top, left, part in tiles:
        if whole is None:
            whole = np.zeros((height, width, *part.shape[2:]), dtype=part.dtype)  # type: ignore[assignment]
        whole[top : top + part.shape[0], left : left + part.shape[1]] = part  # type: ignore[index]
    assert whole is not None
    return whole


def _starts(length: int, tile: int, step: int) -> list[int]:
    if length <= tile:
        return [0]
    starts = list(range(0, length - tile + 1, step))
    if starts[-1] != length - tile:
        starts.append(length - tile)
    return starts


def photograph_of(name: str) -> str:
    """The photograph that an image of a prepared data set was cut from: the same for all its tiles; the name itself
    for images that are not tiles.

    Args:
        name: ``SET/SPLIT/images/STEM_TTTTT_LLLLL.png``, where ``SET/dataset.yaml`` says that there are tiles.
    """
    path = Path(name)
    if path.parent.suffix == ".tar":  # the tiles of one photograph may be in two shards
        path = path.parent.parent / "shards" / "images" / path.name
    cut = _TILE.fullmatch(path.name)
    return str(path.parent / cut[1]) if cut and _has_tiles(path.parent.parent.parent) else name


def _has_tiles(root: Path) -> bool:
    about = root / "dataset.yaml"
    return about.is_file() and _describes_tiles(root, about.stat().st_mtime_ns)


@lru_cache(maxsize=8)  # asked for every tile of a set
def _describes_tiles(root: Path, written: int) -> bool:
    return read_description(root).get("tile") is not None
