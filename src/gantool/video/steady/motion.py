"""Where everything in a frame was in the frame before: dense optical flow, and how far it can be trusted.

Flow is DIS (Kroeger et al. 2016), both ways; where going there and back does not lead home, something was covered or
uncovered (Sundaram et al. 2010), and where the frame before looks different, the flow is wrong. OpenCV is imported
here and nowhere else, when the first of these functions is called.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from gantool.arrays import Floats, Pixels
from gantool.errors import UsageError

__all__ = ["Motion", "carried", "mixed", "motion_between", "require_flow"]

_LONGEST = 480  # side of what flow is found on; more of it costs more than it gains
_HOME, _SLACK = 0.01, 0.5  # share of the squared way, and squared pixels, by which the way back may miss
_SAME = 3.0  # levels within which two places look the same
_CHANGE = 16.0  # levels that a place may look different in before half of the trust is gone
_LOST = 0.15  # trust, on average, of frames that have nothing in common
_CHANNELS = 4  # that OpenCV carries at a time


@dataclass(frozen=True)
class Motion:
    """From a frame back to the one before.

    Attributes:
        flow: ``(h, w, 2)`` float32, to the right and down, in shares of the width and height.
        trust: ``(h, w)`` float32, 0 where nothing is known to 1.
    """

    flow: Floats
    trust: Floats

    @property
    def is_lost(self) -> bool:
        """Whether next to nothing of the frame before is in sight."""
        return float(self.trust.mean()) < _LOST


def require_flow() -> None:
    """Import OpenCV.

    Raises:
        UsageError: it is not installed; says how to get it.
    """
    try:
        import cv2
    except ImportError:
        raise UsageError(
            "--steady needs OpenCV, which is not installed.", "Install it: pip install 'gantool[video]'."
        ) from None
    cv2.setNumThreads(1)  # frames are looked at side by side


def motion_between(before: Pixels, after: Pixels) -> Motion:
    """Motion of ``after`` from ``before``, both ``(H, W, 3)`` uint8."""
    old, new = _gray(before), _gray(after)
    back, forth = _flow(new, old), _flow(old, new)
    height, width = new.shape
    places = _places(height, width)
    there = places + back
    returned = _remap(forth, there)
    miss = np.square(back + returned).sum(2)
    way = np.square(back).sum(2) + np.square(returned).sum(2)
    # What is smooth looks the same a few pixels off, and does no harm there. Blurred, since noise is no difference.
    smooth = _blurred(new.astype(np.float32))
    home = np.abs(smooth - _remap(smooth, there + returned))
    known = (miss < _HOME * way + _SLACK) | (home < _SAME)
    known &= (there >= 0).all(2) & (there[:, :, 0] <= width - 1) & (there[:, :, 1] <= height - 1)
    apart = np.abs(smooth - _remap(_blurred(old.astype(np.float32)), there))
    trust = known / (1 + np.square(apart / np.float32(_CHANGE)))
    shares: Floats = (back / np.array([width, height], np.float32)).astype(np.float32)
    return Motion(shares, _blurred(trust.astype(np.float32)))


def carried(values: Floats, motion: Motion) -> tuple[Floats, Floats]:
    """What ``(h, w, C)`` of the frame before becomes by the motion, and the trust ``(h, w, 1)`` in it."""
    there, trust = _at_size(motion, *values.shape[:2])
    return _remap(values, there), trust[:, :, None]


def mixed(picture: Pixels, before: Pixels, motion: Motion, share: float) -> Pixels:
    """``(H, W, 3)`` uint8 with that share, where it can be trusted, of what was ``before``, carried along."""
    import cv2

    there, trust = _at_size(motion, *picture.shape[:2])
    moved = cv2.remap(before, there, None, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    trust *= np.float32(share)
    return np.asarray(cv2.blendLinear(picture, moved, 1 - trust, trust))


def _at_size(motion: Motion, height: int, width: int) -> tuple[Floats, Floats]:
    """Where every pixel of a picture of that size was, ``(height, width, 2)``, and the trust ``(height, width)``."""
    import cv2

    way = cv2.INTER_AREA if width < motion.flow.shape[1] else cv2.INTER_LINEAR
    flow, trust = (
        np.asarray(cv2.resize(one, (width, height), interpolation=way)) for one in (motion.flow, motion.trust)
    )
    flow *= np.array([width, height], np.float32)
    flow += _places(height, width)
    return flow, trust


def _gray(pixels: Pixels) -> Pixels:
    import cv2

    scale = min(_LONGEST / max(pixels.shape[:2]), 1.0)
    gray: Any = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    if scale < 1:
        size = (max(round(gray.shape[1] * scale), 16), max(round(gray.shape[0] * scale), 16))
        gray = cv2.resize(gray, size, interpolation=cv2.INTER_AREA)
    return np.asarray(gray)


def _flow(one: Pixels, other: Pixels) -> Floats:
    import cv2

    library: Any = cv2  # whose own list of names lacks this one
    finder = library.DISOpticalFlow_create(library.DISOPTICAL_FLOW_PRESET_FAST)
    return np.asarray(finder.calc(one, other, None), dtype=np.float32)


@lru_cache(maxsize=4)
def _places(height: int, width: int) -> Floats:
    across, down = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    return np.dstack([across, down])


def _remap(values: Floats, there: Floats) -> Floats:
    """Values at places; cubic, since what is carried on and on by linear means gets blurred."""
    import cv2

    channels = 1 if values.ndim == 2 else values.shape[2]
    parts = [
        cv2.remap(
            np.ascontiguousarray(values[..., n : n + _CHANNELS] if values.ndim == 3 else values), there, None,
            cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE,
        ).reshape(*there.shape[:2], -1)
        for n in range(0, channels, _CHANNELS)
    ]  # fmt: skip
    made = parts[0] if len(parts) == 1 else np.concatenate(parts, 2)
    return made[:, :, 0] if values.ndim == 2 else made


def _blurred(plane: Floats) -> Floats:
    import cv2

    return np.asarray(cv2.GaussianBlur(plane, (0, 0), 1.5))
