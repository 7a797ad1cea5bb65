"""Frames to a video file by ffmpeg, through a pipe, with the sound of the clip that they are made from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import numpy as np

from gantool.arrays import Pixels
from gantool.errors import OutputError
from gantool.video.decoding import PRECISE, cut_words
from gantool.video.frames import Clip, Cut, Frame
from gantool.video.matroska import frame_head, stream_head
from gantool.video.new_file import NewFile
from gantool.video.programs import Program, file_url, keep_times, program

__all__ = ["LOSSLESS", "QUALITY", "FfmpegSink", "Recipe", "keeps_alpha"]

QUALITY = 18
"""Constant rate factor: a step of 6 halves or doubles the file; below 18 nobody sees a difference."""

LOSSLESS = ".mkv"
"""Of files of masks."""

_SOUND = {  # what a container takes as it is, and the encoder of what it does not
    ".mp4": ({"aac", "mp3", "ac3", "eac3", "alac", "opus", "flac", "mp2"}, "aac"),
    ".m4v": ({"aac", "ac3", "eac3", "alac"}, "aac"),
    ".mov": ({"aac", "mp3", "ac3", "eac3", "alac", "pcm_s16le", "pcm_s16be", "pcm_s24le", "pcm_f32le"}, "aac"),
    ".webm": ({"opus", "vorbis"}, "libopus"),
}
_GRAY, _RGB, _RGBA = b"Y800", b"RGB\x18", b"RGBA"


@dataclass(frozen=True)
class Recipe:
    """How a file is written.

    Attributes:
        quality: constant rate factor, of 0 to 51.
        lossless: every level is kept, as masks need it.
        tags: what the file says of itself, by name.
    """

    quality: int = QUALITY
    lossless: bool = False
    tags: tuple[tuple[str, str], ...] = ()


def keeps_alpha(path: Path) -> bool:
    """Whether a file of that name can be transparent."""
    return path.suffix.lower() in (".webm", ".mov")


class FfmpegSink:
    """Writes a file of one of `CONTAINERS`; see `Sink`.

    Args:
        clip: what it is made from; its times, colors, shape of pixels and sound are kept.
        source: the file that has the sound; None for no sound.
        cut: which part of it that is.

    Raises:
        UsageError: there is no ffmpeg.
        OutputError: the folder cannot be written to.
    """

    def __init__(
        self,
        path: Path,
        clip: Clip,
        recipe: Recipe | None = None,
        *,
        source: Path | None = None,
        cut: Cut | None = None,
    ) -> None:
        self._path, self._clip, self._recipe = path, clip, recipe or Recipe()
        self._sound = source if clip.sound else None
        self._cut = cut or Cut()
        self._ffmpeg = program()
        self.notes: list[str] = []
        self._alpha = clip.alpha and keeps_alpha(path) and not self._recipe.lossless
        self._needs_even = not (self._recipe.lossless or self._alpha or path.suffix.lower() == ".webm")
        self._usual = Fraction(1) / clip.rate
        self._last: Frame | None = None
        self._program: Program | None = None
        self._file = NewFile(path)

    def write(self, frame: Frame) -> None:
        if self._program is None:
            self._begin(frame)
        self._put(frame)
        self._last = frame

    def finish(self) -> None:
        if self._program is None or self._last is None:
            self.abandon()
            raise OutputError(f"{self._path}: cannot be written (there is no frame to write).")
        self._hold()
        try:
            self._program.stdin.close()
        except OSError:
            raise self._failed() from None
        if self._program.wait() != 0 or not self._program.wrote_all:
            raise self._failed()
        self._program.stop()
        self._file.keep()

    def abandon(self) -> None:
        if self._program is not None:
            self._program.stop()
        self._file.drop()

    def _failed(self) -> OutputError:
        assert self._program is not None
        code = self._program.wait()
        reason = self._program.complaint() or f"ffmpeg ended with {code}"
        remedy = "Free some space and run the command again." if "No space left" in reason else ""
        return OutputError(f"{self._path}: cannot be written ({reason}).", remedy)

    def _hold(self) -> None:
        """Files say when a frame begins, not how long the last one is shown: a long one is shown twice."""
        last, tick = self._last, self._clip.time_base
        assert last is not None
        usual = max(round(self._usual / tick), 1)
        if last.duration > usual + usual // 2:
            self._put(replace(last, time=last.time + last.duration - usual, duration=usual))

    def _put(self, frame: Frame) -> None:
        assert self._program is not None
        values = self._packed(frame)
        tick = self._clip.time_base
        try:
            for part in (
                frame_head(frame.time * tick, frame.duration * tick, values.nbytes),
                memoryview(values.data).cast("B"),
            ):
                left = memoryview(part)
                while left:
                    left = left[self._program.stdin.write(left) :]
        except (OSError, ValueError):
            raise self._failed() from None

    def _packed(self, frame: Frame) -> Pixels:
        """What is written of a frame: with even sides, where the format needs that, and with its alpha."""
        values = frame.pixels
        if self._alpha:
            alpha = np.full(values.shape[:2], 255, np.uint8) if frame.alpha is None else frame.alpha
            values = np.dstack([np.broadcast_to(values, (*values.shape[:2], 3)), alpha])
        if self._needs_even and (values.shape[0] % 2 or values.shape[1] % 2):
            values = np.pad(values, [(0, values.shape[0] % 2), (0, values.shape[1] % 2), (0, 0)], mode="edge")
        return np.ascontiguousarray(values)

    def _begin(self, frame: Frame) -> None:
        height, width, channels = self._packed(frame).shape
        if (height, width) != frame.pixels.shape[:2]:
            own = f"{frame.pixels.shape[1]}x{frame.pixels.shape[0]}"
            self.notes.append(f"H.264 needs even sides: {own} is padded to {width}x{height}")
        self._program = Program(self._words(), feed=True)
        try:
            self._program.stdin.write(
                stream_head(width, height, {1: _GRAY, 3: _RGB, 4: _RGBA}[channels], self._clip.rate)
            )
        except OSError:
            raise self._failed() from None

    def _words(self) -> list[str]:
        tick = self._clip.time_base
        return [
            self._ffmpeg, "-hide_banner", "-nostdin", "-nostats", "-loglevel", "level+error", "-y",
            "-probesize", "32", "-analyzeduration", "0", "-f", "matroska", "-i", "pipe:0", *self._sound_input(),
            "-map", "0:v", *self._picture(), *self._sound_words(),
            *keep_times(self._ffmpeg), "-enc_time_base", f"{tick.numerator}/{tick.denominator}",
            *(word for name, value in self._recipe.tags for word in ("-metadata", f"{name}={value}")),
            *self._form(), file_url(self._file.temporary),
        ]  # fmt: skip

    def _sound_input(self) -> Sequence[str]:
        if self._sound is None:
            return ()
        return ("-protocol_whitelist", "file,pipe", *cut_words(self._cut), "-i", file_url(self._sound))

    def _sound_words(self) -> list[str]:
        """Tracks are copied where the container takes all of them as they are."""
        if self._sound is None:
            return []
        taken, encoder = _SOUND.get(self._path.suffix.lower(), (None, ""))
        words = ["-map", "1:a", "-map_metadata", "1"]
        if taken is None or set(self._clip.sound) <= taken:
            return [*words, "-c:a", "copy"]
        self.notes.append(
            f"its sound ({', '.join(self._clip.sound)}) is encoded anew as {encoder.removeprefix('lib')}"
        )
        return [*words, "-c:a", encoder]

    def _form(self) -> list[str]:
        suffix = self._path.suffix.lower()
        form = {".mkv": "matroska", ".m4v": "mp4"}.get(suffix, suffix[1:])
        ticks = self._clip.time_base.denominator
        if form not in ("mp4", "mov"):
            return ["-f", form]
        return ["-f", form, "-movflags", "+faststart", "-video_track_timescale", str(ticks)]

    def _picture(self) -> list[str]:
        if self._recipe.lossless:
            return ["-c:v", "ffv1", "-level", "3", "-g", "1"]
        colors, shape, suffix = self._clip.colors, self._clip.pixel_shape, self._path.suffix.lower()
        kept = {"colorspace": colors.matrix, "color_primaries": colors.primaries, "color_trc": colors.transfer}
        kept = {key: value for key, value in kept.items() if value}
        layout, words = self._codec(suffix)
        levels = "full" if colors.range == "pc" else "limited"
        filters = [
            f"scale=flags={PRECISE}:out_color_matrix={colors.matrix}:out_range={levels}",
            f"format={layout}",
            f"setsar={shape.numerator}/{shape.denominator}",
            "setparams=" + ":".join([f"range={colors.range}", *(f"{key}={value}" for key, value in kept.items())]),
        ]
        tagged = [word for key, value in kept.items() for word in (f"-{key}", value)]
        return ["-vf", ",".join(filters), *words, "-color_range", colors.range, *tagged]

    def _codec(self, suffix: str) -> tuple[str, list[str]]:
        """The layout of pixels, and the encoder with its options."""
        quality = str(self._recipe.quality)
        if suffix == ".webm":
            words = [
                "-c:v", "libvpx-vp9", "-crf", quality, "-b:v", "0", "-row-mt", "1", "-deadline", "good",
                "-cpu-used", "5",
            ]  # fmt: skip
            return ("yuva420p", [*words, "-auto-alt-ref", "0"]) if self._alpha else ("yuv420p", words)
        if suffix == ".mov" and self._alpha:
            return "yuva444p10le", ["-c:v", "prores_ks", "-profile:v", "4444"]
        # Without B-frames the length of an MP4 is right where the time from frame to frame changes.
        plain = ["-bf", "0"] if self._clip.variable else []
        return "yuv420p", ["-c:v", "libx264", "-preset", "veryfast", "-crf", quality, *plain]
