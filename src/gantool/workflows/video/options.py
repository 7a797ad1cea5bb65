"""What is asked for of a clip beyond what is asked for of a picture."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from gantool.errors import UsageError
from gantool.video.encoding import QUALITY
from gantool.video.frames import Cut
from gantool.video.names import require_steady

__all__ = ["ClipOptions", "parse_rate", "parse_time"]

_SLOWEST = Fraction(4)  # frames per second below which nothing can be followed from one to the next
_WORST = 51


@dataclass(frozen=True)
class ClipOptions:
    """How clips are read, steadied and written.

    Attributes:
        start, end: of the part that is wanted, in seconds; None for the clip's own.
        every: of so many frames the first one.
        rate: frames per second of numbered images; with it a folder of images is one clip.
        quality: of H.264 and VP9, as a constant rate factor: 0 is the best, 51 the smallest.
        steady: ``off``, ``auto`` or ``on``.

    Raises:
        UsageError: a value that no clip has.
    """

    start: Fraction | None = None
    end: Fraction | None = None
    every: int = 1
    rate: Fraction | None = None
    quality: int = QUALITY
    steady: str = "off"

    def __post_init__(self) -> None:
        if self.end is not None and self.end <= (self.start or 0):
            raise UsageError(f"--end {float(self.end):g}: is not after --start {float(self.start or 0):g}.")
        if self.every < 1:
            raise UsageError(f"--every {self.every}: expected a number of frames, 1 or more.")
        if not 0 <= self.quality <= _WORST:
            raise UsageError(f"--quality {self.quality}: expected 0 (the best) to {_WORST} (the smallest).")
        require_steady(self.steady)

    def cut(self, size: tuple[int, int] | None = None) -> Cut:
        """The part that is wanted, scaled to ``(width, height)``."""
        return Cut(self.start, self.end, self.every, size)

    def steadies(self, rate: Fraction) -> bool:
        """Whether frames that come at this rate are steadied: with ``auto`` those that can be followed."""
        return self.steady == "on" or (self.steady == "auto" and rate >= _SLOWEST)


def parse_time(option: str, text: str | None) -> Fraction | None:
    """Seconds, or ``minutes:seconds``, or ``hours:minutes:seconds``; None for None.

    >>> parse_time("--start", "1:02.5")
    Fraction(125, 2)

    Raises:
        UsageError: none of these.
    """
    if text is None:
        return None
    if not re.fullmatch(r"(\d{1,4}:){0,2}\d{1,6}(\.\d{1,6})?", text):
        raise UsageError(f"{option} {text}: expected seconds, or minutes and seconds, such as 12.5 or 1:30.")
    seconds = Fraction(0)
    for part in text.split(":"):
        seconds = seconds * 60 + Fraction(part)
    return seconds


def parse_rate(text: str | None) -> Fraction | None:
    """Frames per second such as ``25``, ``29.97`` or ``30000/1001``; None for None.

    Raises:
        UsageError: none of these.
    """
    if text is None:
        return None
    try:
        rate = Fraction(text)
    except (ValueError, ZeroDivisionError):
        rate = Fraction(0)
    if not 0 < rate <= 1000:
        raise UsageError(f"--fps {text}: expected frames per second, such as 25, 29.97 or 30000/1001.")
    return rate
