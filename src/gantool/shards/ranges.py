"""Bytes from the middle of a file, wherever it lies: what shards need of a disk or of a server."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from gantool.errors import DataError

__all__ = ["LocalFiles", "Ranges"]

_OPEN = 64  # files at the same time, of the 1024 that systems allow


class Ranges(Protocol):
    """The shards of one set, by their names."""

    def read(self, name: str, offset: int, size: int) -> bytes:
        """So many bytes; fewer only where the file ends.

        Raises:
            DataError: it cannot be read.
        """
        ...

    def size(self, name: str) -> int | None:
        """Bytes; None if there is no such file."""
        ...


class LocalFiles:
    """Shards in a folder. Any number of threads and forked processes may read."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._opened: OrderedDict[str, _Opened] = OrderedDict()
        self._lock = threading.Lock()

    def read(self, name: str, offset: int, size: int) -> bytes:
        try:
            return self._file(name).read(offset, size)
        except FileNotFoundError:
            raise DataError(f"{self._folder / name}: the shard is not there.", "Put it back.") from None
        except OSError as error:
            raise DataError(f"{self._folder / name}: cannot be read ({error.strerror or error}).") from None

    def size(self, name: str) -> int | None:
        try:
            return (self._folder / name).stat().st_size
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise DataError(f"{self._folder / name}: cannot be read ({error.strerror or error}).") from None

    def _file(self, name: str) -> _Opened:
        with self._lock:
            found = self._opened.get(name)
            if found is None:
                found = self._opened[name] = _Opened(self._folder / name)
                if len(self._opened) > _OPEN:
                    self._opened.popitem(last=False)  # closed when the last thread has read
            else:
                self._opened.move_to_end(name)
            return found


class _Opened:
    """A file that is open as long as somebody refers to it."""

    def __init__(self, path: Path) -> None:
        self._file = -1
        self._file = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0))
        self._lock = threading.Lock()

    def read(self, offset: int, size: int) -> bytes:
        if hasattr(os, "pread"):
            return os.pread(self._file, size, offset)
        with self._lock:  # Windows: one place per file
            os.lseek(self._file, offset, os.SEEK_SET)
            return os.read(self._file, size)

    def __del__(self) -> None:
        if self._file >= 0:
            with suppress(OSError):
                os.close(self._file)
