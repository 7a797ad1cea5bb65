"""Numbered images as a clip: ``frames/%04d.png``, or all images of a folder in the order of their names."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from gantool.arrays import Pixels, resized
from gantool.data.images import Picture, find_images, read_picture, upright_size, write_picture
from gantool.errors import DataError, OutputError, UsageError, counted
from gantool.files import scratch
from gantool.video.frames import Clip, Cut, Damage, Frame
from gantool.video.names import has_number

__all__ = ["RATE", "NumberedSink", "NumberedSource", "numbered"]

RATE = Fraction(25)
"""Frames per second where nobody says how many there are."""

WriteImage = Callable[[Path, Pixels], object]


def numbered(pattern: str) -> list[tuple[int, Path]]:
    """The images that a pattern stands for, with their numbers in order.

    Raises:
        DataError: there is none.
    """
    path = Path(pattern)
    before, width, after = re.split(r"%(0?\d*)d", path.name)
    digits = rf"\d{{{int(width)},}}" if width.startswith("0") else r"\d+"
    wanted = re.compile(f"{re.escape(before)}({digits}){re.escape(after)}")
    entries = path.parent.iterdir() if path.parent.is_dir() else ()
    found = sorted((int(match[1]), entry) for entry in entries if (match := wanted.fullmatch(entry.name)))
    if not found:
        raise DataError(f"{pattern}: there are no images of such names.")
    return found


class NumberedSource:
    """Reads images as frames of one clip; see `Source`.

    Args:
        name: a pattern, or a folder.

    Raises:
        DataError: no images, or the first of them cannot be read.
    """

    def __init__(
        self, name: str, rate: Fraction | None = None, cut: Cut | None = None, *, alpha: bool = False
    ) -> None:
        self._cut = cut or Cut()
        self._files, missing = _files(name)
        rate = rate or RATE
        notes = (f"{counted(missing, 'number')} between the first and the last are missing",) if missing > 0 else ()
        first, last = (0 if at is None else round(at * rate) for at in (self._cut.start, self._cut.end))
        if self._cut.start is not None or self._cut.end is not None:
            self._files = self._files[first : last if self._cut.end is not None else None]
        if not self._files:
            raise DataError(f"{name}: it ends before --start {float(self._cut.start or 0):g}.")
        seconds = len(self._files) / rate
        self._files = self._files[:: self._cut.every]
        width, height = self._own = upright_size(self._files[0])
        if self._cut.size is not None:
            width, height = self._cut.size
        self._keep = alpha
        clear = alpha and read_picture(self._files[0]).alpha is not None
        self.damage = Damage()
        self.clip = Clip(
            name, width, height, 1 / rate, rate / self._cut.every, len(self._files), seconds, alpha=clear,
            notes=notes,
        )  # fmt: skip

    def frames(self) -> Iterator[Frame]:
        """See `Source.frames`; an image that cannot be read, or of another size, is skipped and counted."""
        before: Frame | None = None
        for n, path in enumerate(self._files):
            picture = self._read(path)
            if picture is None:
                continue
            frame = self._frame(picture, n * self._cut.every)
            if before is not None:
                yield replace(before, duration=frame.time - before.time)
            before = frame
        if before is None:
            raise DataError(f"{self.clip.name}: none of its images can be read.")
        yield replace(before, duration=max(round((self.clip.seconds or 0) / self.clip.time_base) - before.time, 1))

    def close(self) -> None:
        pass

    def _read(self, path: Path) -> Picture | None:
        try:
            picture = read_picture(path)
        except DataError:
            picture = None
        if picture is None or picture.pixels.shape[1::-1] != self._own:
            self.damage.skipped += 1
            return None
        return picture

    def _frame(self, picture: Picture, time: int) -> Frame:
        pixels, alpha = picture.pixels, picture.alpha if self._keep else None
        if self._cut.size is not None:
            alpha = None if alpha is None else resized(alpha[:, :, None], self._cut.size)[:, :, 0]
            pixels = resized(pixels, self._cut.size)
        return Frame(pixels, time, 1, alpha)


def _files(name: str) -> tuple[list[Path], int]:
    """The images, and how many numbers between the first and the last have none."""
    if not Path(name).is_dir():
        found = numbered(name)
        return [path for _, path in found], found[-1][0] - found[0][0] + 1 - len(found)
    files = find_images(Path(name))
    if not files:
        raise DataError(f"{name}: holds no images.")
    return files, 0


class NumberedSink:
    """Writes images of a pattern, numbered from 1 on; they come to their folder when all are there. See `Sink`.

    Args:
        write: of an image without alpha; None for pictures in the format of the suffix.

    Raises:
        OutputError: the folder cannot be written to.
    """

    def __init__(self, pattern: str, write: WriteImage | None = None) -> None:
        if not has_number(pattern):
            raise UsageError(f"-o {pattern}: expected one number, such as frames/%04d.png.")
        self._pattern = Path(pattern)
        self._write = write
        self._count = 0
        self.notes: list[str] = []
        self._folder: Path | None = None
        self._made: list[Path] = []

    def write(self, frame: Frame) -> None:
        if self._folder is None:
            self._folder = self._begun()
        self._count += 1
        path = self._folder / (self._pattern.name % self._count)
        if self._write is not None:
            self._write(path, frame.pixels)
            return
        lost = write_picture(path, frame.pixels, Picture(frame.pixels, frame.alpha))
        self.notes += [note for note in lost if note not in self.notes]

    def finish(self) -> None:
        if self._folder is None:
            raise OutputError(f"{self._pattern}: cannot be written (there is no frame to write).")
        try:
            for path in sorted(self._folder.iterdir()):
                path.replace(self._pattern.parent / path.name)
        except OSError as error:
            raise OutputError(f"{self._pattern}: cannot be written ({error.strerror or error}).") from None
        finally:
            self.abandon()

    def abandon(self) -> None:
        if self._folder is None:
            return
        shutil.rmtree(self._folder, ignore_errors=True)
        with suppress(OSError):
            for folder in self._made:
                folder.rmdir()  # those that are empty

    def _begun(self) -> Path:
        """A folder beside the images, on the same disk, which is removed whatever happens."""
        try:
            self._made = [folder for folder in self._pattern.parents if not folder.exists()]
            folder = scratch(self._pattern.with_name("frames"))
            folder.mkdir()
        except OSError as error:
            raise OutputError(f"{self._pattern}: cannot be written ({error.strerror or error}).") from None
        return folder
