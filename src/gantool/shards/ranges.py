"""Bytes from the middle of a file, wherever it lies: what shards need of a disk or of a server."""

from __future__ import annotations

import io
import os
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from gantool.errors import DataError
from gantool.shards.parts import Shard

__all__ = ["LocalFiles", "RangeReader", "Ranges", "RemoteFolder", "RemoteShards"]

_OPEN = 64  # files at the same time, of the 1024 that systems allow
_ASKED = 32  # shards of a server that lists none


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

    def forget(self, name: str, offset: int, size: int) -> None:
        """Keep no copy of these bytes, which were found wrong."""
        ...


class RemoteShards:
    """Shards at an address.

    Args:
        shards: their names and what is known of them.
    """

    def __init__(self, address: str, shards: Sequence[Shard]) -> None:
        from gantool.fetch.remote.addresses import Server
        from gantool.fetch.remote.files import RemoteFiles

        self._shards = {shard.name: shard for shard in shards}
        self._server = Server(address)
        self._files = RemoteFiles(self._server, self._length, self._version)
        self._listing: Mapping[str, tuple[int, int]] | None = None

    def read(self, name: str, offset: int, size: int) -> bytes:
        return self._files.read(name, offset, size)

    def forget(self, name: str, offset: int, size: int) -> None:
        self._files.forget(name, offset, size)

    def size(self, name: str) -> int | None:
        """As the server says where it is soon asked; else as the index says."""
        if self._listing is None:
            self._listing = self._server.listing() or {}
        if self._listing:
            return self._listing[name][0] if name in self._listing else None
        found = self._server.facts(name).get("size") if len(self._shards) <= _ASKED else None
        return int(found) if found is not None else self._shards[name].size

    def _length(self, name: str) -> int | None:
        return self._shards[name].size if name in self._shards else None

    def _version(self, name: str) -> str:
        shard = self._shards[name]
        return shard.sha256 or f"{self._server.address}/{name}:{shard.size}:{shard.time}"


class RemoteFolder(RemoteShards):
    """Single files at an address, whose sizes are known from its listing."""

    def size(self, name: str) -> int | None:
        return self._length(name)


class RangeReader(io.RawIOBase):
    """A file of a set of shards, as Python reads files."""

    def __init__(self, ranges: Ranges, name: str, size: int) -> None:
        self._ranges, self._name, self._size, self._place = ranges, name, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._place = {os.SEEK_SET: 0, os.SEEK_CUR: self._place, os.SEEK_END: self._size}[whence] + offset
        return self._place

    def tell(self) -> int:
        return self._place

    def readinto(self, buffer: Any) -> int:
        wanted = max(min(len(buffer), self._size - self._place), 0)
        content = self._ranges.read(self._name, self._place, wanted) if wanted else b""
        buffer[: len(content)] = content
        self._place += len(content)
        return len(content)


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

    def forget(self, name: str, offset: int, size: int) -> None:
        return

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
