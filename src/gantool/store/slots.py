"""A file of numbered slots, in memory or on a disk, that processes fill and read together without locks.

The file begins with a token and an index of (offset, length) per slot, zeros where there is nothing yet; the records
follow in the order of their coming. A record is written in one appending call, for which the system finds the place,
and noted in the index afterwards: a reader sees all of it or nothing. Two processes that fill the same slot write the
same bytes twice, and either may be read.

Files are written to, never mapped: where there is no room left, writing fails and the slot stays empty, whereas a
process that touches a mapped page for which there is no room is killed.
"""

from __future__ import annotations

import errno
import math
import os
import secrets
import socket
import struct
import sys
import weakref
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gantool.arrays import Pixels
from gantool.files import scratch
from gantool.store.room import available_memory, free_disk

__all__ = ["Bound", "Heap", "SlotFile", "shared_memory"]

_TOKEN, _ENTRY, _HEADER = 16, struct.Struct("<qq"), struct.Struct("<8q")
_LARGEST = 2**31 - 2**20  # what one call writes at most

Arrays = tuple[Pixels, ...]
"""One or two uint8 arrays of two or three dimensions."""


@dataclass(frozen=True)
class Bound:
    """How large something may grow.

    Attributes:
        most: its own bytes.
        spare: bytes of memory or disk that must be left to others.
    """

    most: int
    spare: int


def shared_memory() -> bool:
    """Whether the system has files in memory that vanish with the processes that have them open."""
    return sys.platform == "linux" and hasattr(os, "memfd_create") and Path("/proc/self/fd").is_dir()


class SlotFile:
    """See the module. Travels to worker processes by fork, and to any process of this machine by pickle.

    Args:
        count: slots.
        bound: how large it may grow.
        folder: where the file is made; None is in memory (see `shared_memory`).

    Raises:
        OSError: the file cannot be made.
    """

    def __init__(self, count: int, bound: Bound, folder: Path | None = None) -> None:
        self._bound, self._folder = bound, folder
        self._host, self._token = socket.gethostname(), secrets.token_bytes(_TOKEN)
        self._attach(*(_in_memory() if folder is None else _on_disk(folder)), owner=os.getpid())
        start = self._token + bytes(count * _ENTRY.size)
        if os.pwrite(self._file, start, 0) < len(start):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), self._name)

    def _attach(self, file: int, name: str, owner: int = 0) -> None:
        """Take over an open file; the name that it may have is removed by the process that owns it."""
        self._file, self._name, self._full = file, name, False
        self._appending: tuple[int, int] | None = None
        self._opened = [file]
        weakref.finalize(self, _close, self._opened, name, owner)

    def get(self, slot: int) -> Arrays | None:
        """The arrays of a slot, or None; not to be written to."""
        try:
            offset, length = _ENTRY.unpack(os.pread(self._file, _ENTRY.size, _TOKEN + slot * _ENTRY.size))
            record = os.pread(self._file, length, offset) if length else b""
        except (OSError, ValueError, struct.error):
            return None
        return _arrays(slot, record)

    def put(self, slot: int, arrays: Arrays) -> bool:
        """Keep the arrays if there is room."""
        parts: list[bytes | memoryview] = [
            _header(slot, arrays),
            *(np.ascontiguousarray(array).data for array in arrays),
        ]
        length = _HEADER.size + sum(array.nbytes for array in arrays)
        try:
            if self._full or length > _LARGEST or not self._has_room(length):
                return False
            file = self._for_appending()
            if os.writev(file, parts) < length:
                self._full = True
                return False
            end = os.lseek(file, 0, os.SEEK_CUR)
            os.pwrite(self._file, _ENTRY.pack(end - length, length), _TOKEN + slot * _ENTRY.size)
        except OSError:  # a full disk, or one that is gone: what is kept so far stays
            self._full = True
            return False
        return True

    def _has_room(self, length: int) -> bool:
        free = available_memory() if self._folder is None else free_disk(self._folder)
        return os.fstat(self._file).st_size + length <= self._bound.most and free - length >= self._bound.spare

    def _for_appending(self) -> int:
        """The file opened once more, in every process anew: what is forked shares its place in the file."""
        if self._appending is None or self._appending[0] != os.getpid():
            file = os.open(self._name or f"/proc/self/fd/{self._file}", os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
            self._opened.append(file)
            self._appending = (os.getpid(), file)
        return self._appending[1]

    def __getstate__(self) -> dict[str, Any]:
        path = self._name or f"/proc/{os.getpid()}/fd/{self._file}"
        return {
            "bound": self._bound, "folder": self._folder, "host": self._host, "token": self._token, "path": path
        }  # fmt: skip

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Open the file of the process that this comes from; where it is not to be had, all slots stay empty."""
        self._bound, self._folder = state["bound"], state["folder"]
        self._host, self._token = state["host"], state["token"]
        file = -1
        if self._host == socket.gethostname():
            with suppress(OSError):
                file = os.open(state["path"], os.O_RDWR | os.O_CLOEXEC)
                if os.pread(file, _TOKEN, 0) != self._token:
                    os.close(file)
                    file = -1
        name = "" if state["path"].startswith("/proc/") else state["path"]
        self._attach(file, name)
        self._full = file < 0


class Heap:
    """Slots in the memory of one process, for systems without shared files in memory.

    Args:
        bound: how large they may grow together.
    """

    def __init__(self, bound: Bound) -> None:
        self._bound, self._kept, self._size = bound, dict[int, Arrays](), 0

    def get(self, slot: int) -> Arrays | None:
        return self._kept.get(slot)

    def put(self, slot: int, arrays: Arrays) -> bool:
        length = sum(array.nbytes for array in arrays)
        if self._size + length > self._bound.most or available_memory() - length < self._bound.spare:
            return False
        # Copies, for a view would keep all of the image that it was cut from.
        self._kept[slot] = tuple(array.copy() for array in arrays)
        self._size += length
        return True


def _in_memory() -> tuple[int, str]:
    if sys.platform != "linux":
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    return os.memfd_create("gantool-images", os.MFD_CLOEXEC), ""


def _on_disk(folder: Path) -> tuple[int, str]:
    """A file without a name where the system can open it all the same, so that it goes with its processes."""
    if not hasattr(os, "pread"):
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    path = scratch(folder / "images")
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    if not shared_memory():
        return file, str(path)
    path.unlink()
    return file, ""


def _close(files: list[int], name: str, owner: int) -> None:
    """Close what a process has open of a file; the one that owns it removes its name."""
    for file in files:
        with suppress(OSError):
            os.close(file)
    if name and owner == os.getpid():
        with suppress(OSError):
            Path(name).unlink(missing_ok=True)


def _header(slot: int, arrays: Arrays) -> bytes:
    """Slot, number of arrays, and two shapes filled up with -1."""
    sizes = [size for array in arrays for size in (*array.shape, -1, -1)[:3]]
    return _HEADER.pack(slot, len(arrays), *(*sizes, -1, -1, -1)[:6])


def _arrays(slot: int, record: bytes) -> Arrays | None:
    """Read-only views of a record; None for what is no record of the slot."""
    if len(record) < _HEADER.size:
        return None
    found, count, *sizes = _HEADER.unpack_from(record)
    shapes = [tuple(size for size in sizes[at : at + 3] if size >= 0) for at in (0, 3)][:count]
    if found != slot or len(record) != _HEADER.size + sum(math.prod(shape) for shape in shapes):
        return None
    arrays, at = [], _HEADER.size
    for shape in shapes:
        arrays.append(np.frombuffer(record, np.uint8, math.prod(shape), at).reshape(shape))
        at += arrays[-1].nbytes
    return tuple(arrays)
