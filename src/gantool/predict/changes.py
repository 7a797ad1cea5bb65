"""Find a translation on a small picture and apply it to a large one as a change of its colors and tones.

With G the network, x the picture and s the same picture made small, and squash(v) = atanh(0.95 v),

    result = tanh(squash(x) + strength * enlarge(smooth(squash(G(s)) - squash(s)))) / 0.95

Every detail of the result is one of the picture itself; what the network adds is how light and of which color things
are. Textures that it would make up, with their noise, are smoothed away. A large picture costs hardly more than a
small one, and besides the picture and the result only a band of rows is in memory. Nothing but numpy and Pillow is
needed, so that exported files are used in the same way.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image

from gantool.arrays import Floats, Pixels, to_levels
from gantool.predict.scaling import between

__all__ = ["Change"]

_SMALLEST_SIDE = 16
_BAND = 64  # rows that a change is applied to at a time, few enough to stay near the processor
_GAP = 3.0  # how much larger than the small picture the one between is
_CONTRAST = np.float32(0.95)  # keeps atanh finite where a picture is black or white
_SQUASHED = np.arctanh(_CONTRAST * (np.arange(256, dtype=np.float32) / np.float32(127.5) - 1))  # by level


@dataclass(frozen=True)
class Change:
    """How a change is found.

    Attributes:
        size: longer side of the small picture; smaller pictures keep their own.
        blur: standard deviation of the Gaussian that smooths the change, in pixels of the small picture; 0 for none.
        strength: share of the change that is applied; more than 1 exaggerates.
        exact: height and width of the small picture whatever the large one has, for files that take one size only.
    """

    size: int
    blur: float = 0.0
    strength: float = 1.0
    exact: tuple[int, int] | None = None

    def small(self, height: int, width: int) -> tuple[int, int]:
        """Height and width that the network sees of a picture."""
        if self.exact is not None:
            return self.exact
        scale = min(self.size / max(height, width), 1.0)
        return max(round(height * scale), _SMALLEST_SIDE), max(round(width * scale), _SMALLEST_SIDE)

    def apply(self, net: Callable[[Pixels], Floats], pixels: Pixels) -> Pixels:
        """Translate ``(H, W, C)`` uint8.

        Args:
            net: gives ``(C, h, w)`` in [-1, 1] for ``(h, w, C)`` uint8.
        """
        return self.put(self.found(net, pixels), pixels)

    def found(self, net: Callable[[Pixels], Floats], pixels: Pixels, *, quick: bool = False) -> Floats:
        """The change of ``(H, W, C)`` uint8: ``(h, w, C)`` in squashed values, on the small picture.

        Args:
            quick: make the small picture in two steps, in a tenth of the time; its pixels differ by a level or two.
        """
        size = self.small(*pixels.shape[:2])[::-1]
        gray = pixels.shape[2] == 1
        image = Image.fromarray(pixels[:, :, 0] if gray else pixels)
        image = image.resize(size, Image.Resampling.LANCZOS, reducing_gap=_GAP if quick else None)
        small = np.asarray(image)[:, :, None] if gray else np.asarray(image)
        made = np.arctanh(_CONTRAST * np.clip(net(small), -1, 1)).transpose(1, 2, 0)
        return np.float32(self.strength) * _smoothed(made - _SQUASHED[small], self.blur)

    def put(self, change: Floats, pixels: Pixels) -> Pixels:
        """Apply what was `found` to ``(H, W, C)`` uint8."""
        height, width = pixels.shape[:2]
        wide = _widened(change, width)
        out = np.empty_like(pixels)
        for top in range(0, height, _BAND):
            rows = slice(top, min(top + _BAND, height))
            values = _lengthened(wide, rows, height)
            values += _SQUASHED.take(pixels[rows])
            np.tanh(values, out=values)
            # The contrast that the squashing took is given back, so that no change leaves the picture as it was.
            values /= _CONTRAST
            out[rows] = to_levels(values)
        return out


def _widened(small: Floats, width: int) -> Floats:
    """``(h, w, C)`` as ``(h, width, C)``, between pixels in proportion."""
    left, right, across = between(np.arange(width), width, small.shape[1])
    wide: Floats = small.take(left, 1)  # whose rows lie in memory one after the other; small[:, left] has columns
    wide += (small.take(right, 1) - wide) * across[:, None]
    return wide


def _lengthened(small: Floats, rows: slice, height: int) -> Floats:
    """Some rows of ``(h, width, C)`` enlarged to ``(height, width, C)``, between pixels in proportion."""
    above, below, down = between(np.arange(rows.start, rows.stop), height, len(small))
    upper, lines = small.take(above, 0), small.take(below, 0)
    lines -= upper
    lines *= down[:, None, None]
    lines += upper
    return lines


def _smoothed(planes: Floats, std: float) -> Floats:
    if std <= 0:
        return planes
    reach = min(int(3 * std), min(planes.shape[:2]) - 1)
    places = np.arange(-reach, reach + 1)
    taps = np.exp(-np.square(places) / (2 * std**2)).astype(np.float32)
    taps /= taps.sum()
    for axis in (0, 1):
        side = planes.shape[axis]
        padded = np.pad(planes, [(reach, reach) if axis == n else (0, 0) for n in range(3)], mode="reflect")
        parts = (np.take(padded, np.arange(n, n + side), axis) * tap for n, tap in enumerate(taps))
        planes = np.sum(list(parts), axis=0, dtype=np.float32)
    return planes
