"""Animated GIF and WebP, read with Pillow and written without gathering frames where that can be helped."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import IO, Any

import numpy as np
from PIL import Image, ImageSequence

from gantool.arrays import as_color, resized
from gantool.data.decoder_warnings import collected_warnings
from gantool.errors import DataError, OutputError
from gantool.video.frames import Clip, Cut, Damage, Frame
from gantool.video.gif import END, frame_bytes, head_bytes
from gantool.video.new_file import NewFile

__all__ = ["AnimationSource", "GifSink", "WebpSink"]

_TICK = Fraction(1, 1000)  # of the durations that Pillow tells
_UNSAID = 100  # ticks that programs show a frame that says nothing, or less than a hundredth of a second
_SHORTEST = 10
_QUALITY = 90


class AnimationSource:
    """Reads an animated GIF or WebP; see `Source`.

    Raises:
        DataError: it cannot be read.
    """

    def __init__(self, path: Path, cut: Cut | None = None, *, alpha: bool = False) -> None:
        self._path, self._cut, self._keep = path, cut or Cut(), alpha
        self.damage = Damage()
        with self._opened() as image:
            loop = _shown(image)
            (width, height), clear, times = image.size, _is_clear(image), [0]
            for frame in self._each(image):
                times.append(times[-1] + _duration(frame))
        self._times = times
        kept = self._kept()
        if not kept:
            raise DataError(f"{path}: it ends before --start {float(self._cut.start or 0):g}.")
        first, last = times[kept[0]], times[kept[-1] + 1]
        seconds = (last - first) * _TICK
        self._kept_frames = kept[:: self._cut.every]
        self._first = first
        if self._cut.size is not None:
            width, height = self._cut.size
        self.clip = Clip(
            str(path), width, height, _TICK, len(self._kept_frames) / seconds, len(self._kept_frames), seconds,
            alpha=clear, loop=loop, variable=len({b - a for a, b in pairwise(times)}) > 1,
        )  # fmt: skip

    def frames(self) -> Iterator[Frame]:
        wanted = self._kept_frames
        ends = [*(self._times[n] for n in wanted[1:]), self._first + round((self.clip.seconds or 0) / _TICK)]
        places = {
            n: (self._times[n] - self._first, end - self._times[n]) for n, end in zip(wanted, ends, strict=True)
        }
        with self._opened() as image:
            for n, frame in enumerate(self._each(image)):
                if n in places:
                    yield self._frame(frame, *places[n])

    def close(self) -> None:
        pass

    def _kept(self) -> list[int]:
        """The frames that begin within the part that is wanted."""
        start = self._cut.start or 0
        end = self._cut.end
        count = len(self._times) - 1
        begun = [self._times[n] * _TICK for n in range(count)]
        return [n for n in range(count) if begun[n] >= start and (end is None or begun[n] < end)]

    def _frame(self, image: Image.Image, time: int, duration: int) -> Frame:
        alpha = None
        if self._keep and self.clip.alpha:
            straight = image.convert("RGBA")
            alpha, image = np.asarray(straight.getchannel("A")), straight
        pixels = np.asarray(image.convert("RGB"))
        if self._cut.size is not None:
            pixels = resized(pixels, self._cut.size)
            alpha = None if alpha is None else resized(alpha[:, :, None], self._cut.size)[:, :, 0]
        return Frame(pixels, time, duration, alpha)

    def _opened(self) -> Image.Image:
        try:
            return Image.open(self._path)
        except Exception as error:  # Pillow's readers raise nearly everything
            raise DataError(f"{self._path}: is not an animation that can be read ({_line(error)}).") from None

    def _each(self, image: Image.Image) -> Iterator[Image.Image]:
        """The frames as far as they can be read; the first one that cannot be ends it, and is counted."""
        with collected_warnings():
            frames = ImageSequence.Iterator(image)
            number = 0
            while True:
                try:
                    frame = next(frames)
                    frame.load()
                except StopIteration:
                    return
                except Exception as error:
                    if not number:
                        raise DataError(f"{self._path}: the animation is damaged ({_line(error)}).") from None
                    self.damage.skipped = 1
                    return
                number += 1
                yield frame


def _shown(image: Image.Image) -> int:
    """How often an animation is shown in all; 0 for ever. A GIF that does not say is shown once."""
    if image.format != "GIF":
        return int(image.info.get("loop", 0))
    repeated = image.info.get("loop")
    return 1 if repeated is None else int(repeated) + 1 if repeated else 0


def _duration(frame: Image.Image) -> int:
    told = int(frame.info.get("duration", 0) or 0)
    return told if told >= _SHORTEST else _UNSAID


def _is_clear(image: Image.Image) -> bool:
    if "transparency" in image.info or image.mode in ("RGBA", "LA", "PA"):
        lowest = image.convert("RGBA").getchannel("A").getextrema()[0]
        return isinstance(lowest, (int, float)) and lowest < 255
    return False


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:160] or type(error).__name__


class _FileSink:
    """An open file that gets its name at the end."""

    def __init__(self, path: Path) -> None:
        self.notes: list[str] = []
        self._path = path
        self._new = NewFile(path)
        self._file: IO[bytes] = self._new.temporary.open("wb")

    def _put(self, data: bytes) -> None:
        try:
            self._file.write(data)
        except OSError as error:
            raise self._unwritten(error) from None

    def _unwritten(self, error: Exception) -> OutputError:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else _line(error)
        return OutputError(f"{self._path}: cannot be written ({reason}).")

    def _named(self) -> None:
        try:
            self._file.close()
        except OSError as error:
            self.abandon()
            raise self._unwritten(error) from None
        self._new.keep()

    def abandon(self) -> None:
        with suppress(OSError):  # of what waits to be written
            self._file.close()
        self._new.drop()


class GifSink(_FileSink):
    """Writes an animated GIF, frame after frame; see `Sink`."""

    def __init__(self, path: Path, clip: Clip) -> None:
        super().__init__(path)
        self._clip, self._begun = clip, False

    def write(self, frame: Frame) -> None:
        if not self._begun:
            self._put(head_bytes(frame.pixels.shape[1], frame.pixels.shape[0], self._clip.loop or 0))
            self._begun = True
        # Rounding the ends, not the durations, keeps the whole as long as it is.
        begin, end = (round(100 * at * self._clip.time_base) for at in (frame.time, frame.time + frame.duration))
        self._put(frame_bytes(frame.pixels, end - begin, frame.alpha))

    def finish(self) -> None:
        self._put(END)
        self._named()


class WebpSink(_FileSink):
    """Writes an animated WebP, whose encoder keeps what it has compressed until the end; see `Sink`."""

    def __init__(self, path: Path, clip: Clip) -> None:
        super().__init__(path)
        self._clip = clip
        self._durations: list[int] = []
        self._frames: queue.Queue[Image.Image | None] = queue.Queue(2)
        self._error: Exception | None = None
        self._thread: threading.Thread | None = None

    def write(self, frame: Frame) -> None:
        if self._error is not None:
            raise self._unwritten(self._error)
        begin, end = (round(1000 * at * self._clip.time_base) for at in (frame.time, frame.time + frame.duration))
        self._durations.append(end - begin)
        image = Image.fromarray(as_color(frame.pixels))
        if frame.alpha is not None:
            image.putalpha(Image.fromarray(frame.alpha))
        if self._thread is None:
            self._thread = threading.Thread(target=self._save, args=(image,), daemon=True)
            self._thread.start()
        else:
            self._frames.put(image)

    def finish(self) -> None:
        self._end()
        if self._error is not None:
            self.abandon()
            raise self._unwritten(self._error)
        self._named()

    def abandon(self) -> None:
        self._end()
        super().abandon()

    def _end(self) -> None:
        if self._thread is not None:
            self._frames.put(None)
            self._thread.join()
            self._thread = None

    def _save(self, first: Image.Image) -> None:
        others: Any = iter(self._frames.get, None)
        try:
            first.save(
                self._file, "WEBP", save_all=True, append_images=others, duration=self._durations,
                loop=self._clip.loop or 0, quality=_QUALITY, method=2,
            )  # fmt: skip
        except Exception as error:  # of Pillow's encoder, of whatever kind
            self._error = error
            for _ in others:  # nobody may wait for room for ever
                pass
