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
from gantool.files.flushing import flush_disks, flush_file

__all__ = ["Together", "Unfinished", "finish_together", "finishing_later", "flush_for", "left_to_others", "told"]

_FEW = 1  # a file by itself is flushed as fast
_MOST = 64  # files that wait for each other ...
_LONGEST = 1.0  # ... and seconds that one may wait for more

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
            for other in files[place + 1 :]:
                other.discard()
            raise


def flush_for(files: Sequence[Unfinished]) -> bool:
    """Flush the disks of files at once; False if each has to be flushed."""
    return len(files) > _FEW and flush_disks({file.temporary.parent for file in files})


class Together:
    """Finishes the files of many pieces of work together: flushing a disk takes hardly longer than flushing a file.

    When the block ends, all are finished, whatever ended it. A process that is killed leaves the files of a second
    under their temporary names.
    """

    def __init__(self) -> None:
        self._waiting: list[Unfinished] = []
        self._oldest = 0.0
        self._lock = threading.Lock()

    def __enter__(self) -> Together:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            finish_together(self._waiting)
        except OutputError:
            if error is None:
                raise
        finally:
            self._waiting = []

    @contextmanager
    def piece(self) -> Iterator[None]:
        """Let what a thread writes in this block, in its order, wait for that of other blocks.

        Raises:
            OutputError: a file cannot be finished, of this block or of one before.
        """
        with finishing_later() as written:
            yield
        with self._lock:
            if written and not self._waiting:
                self._oldest = time.monotonic()
            self._waiting += written
            if len(self._waiting) < _MOST and time.monotonic() - self._oldest < _LONGEST:
                return
            due, self._waiting = self._waiting, []
        finish_together(due)
