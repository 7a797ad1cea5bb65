"""Files that are written, but not yet on the disk for certain, and how they get there: one by one, or together."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from gantool.errors import OutputError
from gantool.files.flushing import can_flush_disk, flush_disks, flush_file

__all__ = ["FilesTogether", "Unfinished", "finish_together", "finishing_later", "flush_for", "left_to_others", "told"]

_FEW = 1  # a file by itself is flushed as fast
_MOST = 64  # files that wait for each other ...
_LONGEST = 1.0  # ... and seconds after which the next piece that ends finishes them

_here = threading.local()


@dataclass(frozen=True)
class Unfinished:
    """A file that is written, but under a temporary name and not yet on the disk for certain.

    Attributes:
        made: folders that were made for it.
    """

    temporary: Path
    path: Path
    made: Sequence[Path]

    def finish(self, *, flushed: bool = False) -> None:
        """Flush it, unless that is done, and give it its name.

        Raises:
            OutputError: that is not possible; then it is gone.
        """
        try:
            with told(self.path):
                if not flushed:
                    flush_file(self.temporary)
                self.temporary.replace(self.path)
        except BaseException:
            self.discard()
            raise

    def discard(self) -> None:
        """Remove what is left of it under its temporary name."""
        with suppress(OSError):
            self.temporary.unlink(missing_ok=True)
            for folder in self.made if not self.path.exists() else ():
                folder.rmdir()


@contextmanager
def told(path: Path) -> Iterator[None]:
    """Raise what a disk refuses as an `OutputError` about a file."""
    try:
        yield
    except OSError as error:
        remedy = "Free some space and run the command again." if error.errno in (28, 122) else ""
        raise OutputError(f"{path}: cannot be written ({error.strerror or error}).", remedy) from error


@contextmanager
def finishing_later() -> Iterator[list[Unfinished]]:
    """Leave the end of every `atomic` of this thread, which waits for the disk, to whoever gets this list.

    Where the block fails, what was written before is finished, as without it.
    """
    before, written = getattr(_here, "later", None), list[Unfinished]()
    _here.later = written
    try:
        yield written
    except BaseException:
        with suppress(OutputError):
            finish_together(written)
        written.clear()
        raise
    finally:
        _here.later = before


def left_to_others(file: Unfinished) -> bool:
    """Hand a file to who finishes those of this thread; False if nobody does."""
    later: list[Unfinished] | None = getattr(_here, "later", None)
    if later is not None:
        later.append(file)
    return later is not None


def finish_together(files: Sequence[Unfinished], *, flushed: bool | None = None) -> None:
    """Give files their names in their order, after one flush of their disk where that is possible.

    Args:
        flushed: whether that is done.

    Raises:
        OutputError: one cannot be finished; then it is gone, and so are those after it.
    """
    if flushed is None:
        flushed = flush_for(files)
    for place, file in enumerate(files):
        try:
            file.finish(flushed=flushed)
        except BaseException:
            for other in reversed(files[place:]):  # the first one last, with the folders that were made for it
                other.discard()
            raise


def flush_for(files: Sequence[Unfinished]) -> bool:
    """Flush the disks of files at once; False if each has to be flushed."""
    return len(files) > _FEW and flush_disks({file.temporary.parent for file in files})


class FilesTogether:
    """Finishes the files of many pieces of work together: flushing a disk takes hardly longer than flushing a file.

    Whenever a piece ends, those that wait are finished if they are many, or if the first of them has waited for a
    second; and all when the block ends, whatever ended it. Where a disk cannot be flushed as a whole, nothing waits.
    A process that is killed leaves what waits under temporary names.
    """

    def __init__(self) -> None:
        self._waiting: list[Sequence[Unfinished]] = []
        self._count = 0
        self._oldest = 0.0
        self._lock = threading.Lock()

    def __enter__(self) -> FilesTogether:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        due, self._waiting, self._count = self._waiting, [], 0
        try:
            _finish_pieces(due)
        except OutputError:
            if error is None:
                raise

    @contextmanager
    def piece(self) -> Iterator[None]:
        """Let what a thread writes in this block, in its order, wait for that of other blocks.

        Raises:
            OutputError: a file cannot be finished, of this block or of one before.
        """
        with finishing_later() as written:
            yield
        if not written:
            return
        if not can_flush_disk(written[0].temporary.parent):
            finish_together(written, flushed=False)
            return
        with self._lock:
            if not self._waiting:
                self._oldest = time.monotonic()
            self._waiting.append(written)
            self._count += len(written)
            if self._count < _MOST and time.monotonic() - self._oldest < _LONGEST:
                return
            due, self._waiting, self._count = self._waiting, [], 0
        _finish_pieces(due)


def _finish_pieces(pieces: Sequence[Sequence[Unfinished]]) -> None:
    """Finish all pieces after one flush; one that cannot be finished costs none of the others.

    Raises:
        OutputError: of the first that cannot be.
    """
    flushed = flush_for([file for piece in pieces for file in piece])
    problem: OutputError | None = None
    for piece in pieces:
        try:
            finish_together(piece, flushed=flushed)
        except OutputError as error:
            problem = problem or error
    if problem is not None:
        raise problem
