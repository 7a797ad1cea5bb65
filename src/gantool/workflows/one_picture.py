"""One picture, as people who call from Python hand it over, and the model that is kept for their next one."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from PIL import Image

from gantool.arrays import Pixels, as_color
from gantool.data.images import Picture, open_image, picture_from
from gantool.errors import DataError

__all__ = ["keep_loaded", "picture_of"]

Loaded = TypeVar("Loaded")
Options = TypeVar("Options", bound=Hashable)


def picture_of(image: str | Path | Image.Image | Pixels) -> Picture:
    """One picture as people hand it over: a file, a PIL image, or an array ``(H, W, 3)`` or ``(H, W)`` of uint8.

    Raises:
        DataError: the file cannot be read, or the array is no picture.
    """
    if not isinstance(image, np.ndarray):
        # A picture that is open already was turned by whoever opened it, or not on purpose.
        return picture_from(image if isinstance(image, Image.Image) else open_image(Path(image)))
    if image.dtype != np.uint8:
        raise DataError(f"The array has type {image.dtype}, expected uint8 in 0..255.")
    array = image[:, :, None] if image.ndim == 2 else image
    if array.ndim != 3 or array.shape[2] not in (1, 3) or 0 in array.shape:
        raise DataError(f"The array has shape {array.shape}, expected (height, width, 3) or (height, width).")
    return Picture(as_color(array))


def keep_loaded(load: Callable[[Options], Loaded], options: Options, path: Path) -> Loaded:
    """``load(options)``, kept for the next picture as long as the model's file ``path`` does not change."""
    loaded: Loaded = _kept(load, options, path.stat().st_mtime_ns)
    return loaded


@lru_cache(maxsize=4)
def _kept(load: Callable[[Any], Any], options: Hashable, changed: int) -> Any:
    return load(options)
