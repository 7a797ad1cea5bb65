"""Less flicker: what a model makes of a frame is averaged, along the motion, with what it made of those before.

With D the change of a frame (result less input, or what stands for it), W the way back along the motion and c how far
that can be trusted, 0 to 1, what is used instead of D is

    S(t) = D(t) + a c (W S(t-1) - D(t))

so noise of D that has nothing to do with the frame before shrinks to sqrt((1-a) / (1+a)) of it, a third for a = 0.8.
What the change is applied to is averaged in the same way, but less (b = 0.5): a change that has taken the noise of a
frame away would otherwise bring it back, having been averaged, and a model makes strong colors out of weak noise.
What comes into sight is not averaged, and a new scene begins anew.
"""

from __future__ import annotations

from gantool.arrays import Floats, Pixels
from gantool.video.steady.motion import Motion, carried, mixed

__all__ = ["Average", "PictureAverage"]

_OF_THE_CHANGE = 0.8  # share of the frames before, where the motion can be trusted: a
_OF_THE_PICTURE = 0.5  # b


class Average:
    """The average of changes so far; one frame after the other.

    Args:
        share: of the frames before, where the motion can be trusted.
    """

    def __init__(self, share: float = _OF_THE_CHANGE) -> None:
        self._share = share
        self._values: Floats | None = None

    def __call__(self, values: Floats, motion: Motion | None) -> Floats:
        """Average ``(h, w, C)`` float32 with what was before.

        Args:
            motion: from this frame back to the one before; None where a scene begins.
        """
        if motion is not None and self._values is not None and self._values.shape == values.shape:
            before, trust = carried(self._values, motion)
            before -= values
            before *= trust * values.dtype.type(self._share)
            values = values + before
        self._values = values
        return values


class PictureAverage:
    """The average of the pictures so far."""

    def __init__(self, share: float = _OF_THE_PICTURE) -> None:
        self._share = share
        self._picture: Pixels | None = None

    def __call__(self, picture: Pixels, motion: Motion | None) -> Pixels:
        """Average ``(H, W, 3)`` uint8; see `Average`."""
        if motion is not None and self._picture is not None:
            picture = mixed(picture, self._picture, motion, self._share)
        self._picture = picture
        return picture
