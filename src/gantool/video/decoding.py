"""Frames of a clip from ffmpeg, through a pipe."""

from __future__ import annotations

import queue
import re
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np

from gantool.arrays import Pixels
from gantool.errors import DataError
from gantool.video.frames import Clip, Cut, Damage, Frame
from gantool.video.probe import probe
from gantool.video.programs import Program, file_url, keep_times, program

__all__ = ["PRECISE", "FfmpegSource", "cut_words"]

PRECISE = "bicubic+accurate_rnd+full_chroma_int+full_chroma_inp"
"""How ffmpeg is to convert between RGB and YUV: a color there and back moves by 0.4 levels. Its usual way is half as
long and makes all pictures darker by one level."""

_TIME = re.compile(r"\] n: *\d+ pts: *(-?\d+|NOPTS) ")
_TICK = re.compile(r"config in time_base: (\d+)/(\d+)")
_LOST = ("Error while decoding stream", "Error submitting packet to decoder", "Error submitting a packet")
_PATCHED = "corrupt decoded frame"
_HEARD = 30.0  # seconds that the time of a frame may come after the frame


class FfmpegSource:
    """Reads a file with ffmpeg. Frames come upright, deinterlaced and as RGB of 8 bits; see `Source`.

    Raises:
        DataError: no clip.
        UsageError: there is no ffmpeg.
    """

    def __init__(self, path: Path, cut: Cut | None = None, *, alpha: bool = False) -> None:
        self._path, self._cut = path, cut or Cut()
        self._ffmpeg = program()
        self._probed = probe(path)
        self.clip = _part(self._probed.clip, self._cut)
        self._alpha = alpha and self.clip.alpha
        self.damage = Damage()
        self._times: queue.SimpleQueue[int | None] = queue.SimpleQueue()
        self._tick = self.clip.time_base
        self._program: Program | None = None

    def frames(self) -> Iterator[Frame]:
        """See `Source.frames`: the duration of a frame is the time to the next one."""
        self._program = running = Program(self._words(), read=True, hear=self._hear)
        try:
            yield from self._each(running)
        finally:
            running.stop()

    def _each(self, running: Program) -> Iterator[Frame]:
        before: Frame | None = None
        usual = max(round(1 / (self.clip.rate * self.clip.time_base)), 1)
        while (values := self._read(running)) is not None:
            time = self._time(running)
            if before is not None:
                # A clip that goes back in time, or stands still, would not be taken by any player.
                time = before.time + usual if time is None else max(time, before.time + 1)
                yield replace(before, duration=time - before.time)
            before = Frame(values[:, :, :3], time or 0, usual, values[:, :, 3] if self._alpha else None)
        code = running.wait()
        if before is None:
            raise DataError(f"{self._path}: no frame of it can be read ({self._reason(code)}).")
        yield replace(before, duration=self._last(before, usual))

    def close(self) -> None:
        if self._program is not None:
            self._program.stop()

    def _reason(self, code: int) -> str:
        said = self._program.complaint() if self._program is not None else ""
        if not said and code == 0 and self._cut.start is not None:
            return f"it ends before --start {float(self._cut.start):g}"
        return said or "its video is empty"

    def _last(self, frame: Frame, usual: int) -> int:
        """How long the last frame is shown: until the end of the clip, unless that is long ago or far away."""
        if self.clip.seconds is None:
            return usual
        left = round(self.clip.seconds / self.clip.time_base) - frame.time
        return left if 0 < left <= 100 * usual else usual

    def _words(self) -> list[str]:
        probed = self._probed
        return [
            self._ffmpeg, "-hide_banner", "-nostdin", "-nostats", "-loglevel", "level+info",
            "-protocol_whitelist", "file,pipe", *cut_words(self._cut),
            *(("-c:v", probed.decoder) if probed.decoder else ()), "-i", file_url(self._path),
            "-map", f"0:{probed.stream}", "-an", "-sn", "-dn", "-vf", ",".join(self._filters()),
            *keep_times(self._ffmpeg), "-f", "rawvideo", "pipe:1",
        ]  # fmt: skip

    def _filters(self) -> Iterator[str]:
        if self._probed.interlaced:
            yield "yadif=deint=interlaced"
        if self._cut.every > 1:
            yield f"select=not(mod(n\\,{self._cut.every}))"
        yield "showinfo=checksum=0"
        colors = self.clip.colors
        yield (
            f"scale=w={self.clip.width}:h={self.clip.height}:flags={PRECISE}:in_color_matrix={colors.matrix}:"
            f"in_range={'full' if colors.range == 'pc' else 'limited'}"
        )
        yield "format=rgba" if self._alpha else "format=rgb24"

    def _hear(self, line: str) -> None:
        if found := _TIME.search(line):
            self._times.put(None if found[1] == "NOPTS" else int(found[1]))
        elif found := _TICK.search(line):
            self._tick = Fraction(int(found[1]), int(found[2]))
        elif any(words in line for words in _LOST):
            self.damage.skipped += 1
        elif _PATCHED in line:
            self.damage.patched += 1

    def _read(self, running: Program) -> Pixels | None:
        values = np.empty((self.clip.height, self.clip.width, 4 if self._alpha else 3), np.uint8)
        left = memoryview(values.data).cast("B")
        while left:
            try:
                count = running.stdout.readinto(left)  # type: ignore[attr-defined]
            except (OSError, ValueError):  # closed by who does not want to read on
                return None
            if not count:
                return None
            left = left[count:]
        return values

    def _time(self, running: Program) -> int | None:
        """The time of the frame that was read, in ticks of the clip's time base."""
        try:
            time = self._times.get(timeout=_HEARD)
        except queue.Empty:
            return None
        return None if time is None else round(time * self._tick / self.clip.time_base)


def cut_words(cut: Cut) -> list[str]:
    """The options before an input of which a part is wanted; its times begin with that part."""
    words = []
    if cut.start is not None:
        words += ["-ss", f"{float(cut.start):.6f}"]
    if cut.seconds is not None:
        words += ["-t", f"{float(cut.seconds):.6f}"]
    return words


def _part(clip: Clip, cut: Cut) -> Clip:
    """What is known of that part of a clip."""
    width, height = cut.size or (clip.width, clip.height)
    seconds = clip.seconds
    if seconds is not None:
        seconds = max(min(seconds, cut.end if cut.end is not None else seconds) - (cut.start or 0), Fraction(0))
    count = clip.count
    if seconds is not None and clip.seconds and count is not None:
        count = round(count * seconds / clip.seconds)
    if count is not None:
        count = -(-count // cut.every)
    rate = clip.rate / cut.every
    return replace(clip, width=width, height=height, seconds=seconds, count=count, rate=rate)
