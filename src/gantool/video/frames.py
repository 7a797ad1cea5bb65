"""What a clip is, whoever reads it: facts that are known before its frames, and frames with their times."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Protocol

from gantool.arrays import Mask, Pixels

__all__ = ["Clip", "ColorTags", "Cut", "Damage", "Frame", "Sink", "Source"]


@dataclass(frozen=True)
class ColorTags:
    """How numbers of a video stand for colors, in ffmpeg's words; see its ``setparams`` filter.

    Attributes:
        matrix: between RGB and YUV, ``bt709`` for what is high-definition, ``smpte170m`` for what is not.
        range: ``tv`` for 16 to 235, ``pc`` for 0 to 255.
        primaries, transfer: empty where the clip does not say.
    """

    matrix: str = "bt709"
    range: str = "tv"
    primaries: str = ""
    transfer: str = ""


@dataclass(frozen=True)
class Clip:
    """What is known of a clip before a frame of it is read.

    Attributes:
        name: the file, folder or pattern that was named.
        width, height: of its frames, upright.
        time_base: seconds of one tick; times of frames are whole numbers of ticks.
        rate: frames per second, of a variable rate on average.
        count: how many frames there will be, as far as that is known.
        seconds: how long it lasts; None where that is not known.
        pixel_shape: width of a pixel over its height.
        sound: the codecs of its sound tracks.
        alpha: whether its frames are transparent in places.
        loop: how often an animation is shown, 0 for ever; None for what is no animation.
        variable: whether the time from frame to frame changes.
        notes: what cannot be kept of it, in words for the user.
    """

    name: str
    width: int
    height: int
    time_base: Fraction
    rate: Fraction
    count: int | None = None
    seconds: Fraction | None = None
    colors: ColorTags = field(default_factory=ColorTags)
    pixel_shape: Fraction = Fraction(1)
    sound: tuple[str, ...] = ()
    alpha: bool = False
    loop: int | None = None
    variable: bool = False
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Cut:
    """Which part of a clip is wanted.

    Attributes:
        start, end: in seconds; None for its own.
        every: of so many frames the first one.
        size: ``(width, height)`` to scale to; None for the clip's own.
    """

    start: Fraction | None = None
    end: Fraction | None = None
    every: int = 1
    size: tuple[int, int] | None = None

    @property
    def seconds(self) -> Fraction | None:
        """How long that part is, if the clip is long enough."""
        return None if self.end is None else self.end - (self.start or 0)


@dataclass(frozen=True)
class Frame:
    """One frame.

    Attributes:
        pixels: ``(H, W, 3)`` uint8 RGB.
        time, duration: in ticks of the clip's time base.
        alpha: ``(H, W)`` uint8, or None.
    """

    pixels: Pixels
    time: int
    duration: int
    alpha: Mask | None = None


@dataclass
class Damage:
    """What of a clip could not be read.

    Attributes:
        skipped: packets or images without a frame; the one before is shown longer.
        patched: frames with places that the decoder made up.
    """

    skipped: int = 0
    patched: int = 0

    def notes(self) -> list[str]:
        """In words for the user; empty where all could be read."""
        found = []
        if self.skipped:
            found.append(f"{_damaged(self.skipped, 'packet')} skipped")
        if self.patched:
            found.append(f"{_damaged(self.patched, 'frame')} patched by the decoder")
        return [" and ".join(found)] if found else []


def _damaged(count: int, noun: str) -> str:
    return f"1 damaged {noun} is" if count == 1 else f"{count} damaged {noun}s are"


class Source(Protocol):
    """Reads a clip once, from its first frame to its last.

    Attributes:
        clip: what it reads.
        damage: what could not be read so far.
    """

    clip: Clip
    damage: Damage

    def frames(self) -> Iterator[Frame]:
        """The frames, in order of their times.

        Raises:
            DataError: nothing of it can be read.
        """
        ...

    def close(self) -> None:
        """Stop reading, from whatever thread."""
        ...


class Sink(Protocol):
    """Writes a clip; what it writes has its final name only after `finish`.

    Attributes:
        notes: what could not be kept, in words for the user.
    """

    notes: list[str]

    def write(self, frame: Frame) -> None:
        """Add a frame, whose pixels may be ``(H, W, 1)`` where the sink is one of masks.

        Raises:
            OutputError: the disk is full, or the like.
        """
        ...

    def finish(self) -> None:
        """Complete the file.

        Raises:
            OutputError: as above.
        """
        ...

    def abandon(self) -> None:
        """Leave nothing; also after `finish`, which it does not undo."""
        ...
