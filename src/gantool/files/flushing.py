"""Having the disk hold what was written: one file, or everything at once."""

from __future__ import annotations

import os
import platform
import re
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import cache
from pathlib import Path

__all__ = ["can_flush_disk", "flush_disks", "flush_file"]

_TOLD_SINCE = (5, 8)  # the version of Linux whose syncfs tells of errors
# File systems on which syncfs waits until all is on the disk, and tells if something is not. Overlays, as of
# containers, wait as well, but tell nothing of the disk below them.
_KINDS = frozenset({"ext4", "xfs"})


def flush_file(path: Path) -> None:
    """Wait until a file is on its disk.

    Raises:
        OSError: the disk is full, or fails.
    """
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def can_flush_disk(folder: Path) -> bool:
    """Whether the disk of a folder can be flushed as a whole."""
    try:
        return _system_call() is not None and _is_known(folder.stat().st_dev)
    except OSError:
        return False


def flush_disks(folders: Iterable[Path]) -> bool:
    """Wait until everything that was written to the disks of folders is on them; False if that is not for certain."""
    flush = _system_call()
    try:
        disks = {folder.stat().st_dev: folder for folder in folders}
        return flush is not None and all(_is_known(disk) and _flush(flush, disks[disk]) for disk in disks)
    except OSError:
        return False


def _flush(flush: Callable[[int], int], folder: Path) -> bool:
    handle = os.open(folder, os.O_RDONLY)
    try:
        return flush(handle) == 0
    finally:
        os.close(handle)


@cache
def _system_call() -> Callable[[int], int] | None:
    """``syncfs`` of Linux; Python has no function for it, as it has no ``sync`` of one disk."""
    version = re.match(r"(\d+)\.(\d+)", platform.release())
    if sys.platform != "linux" or version is None or (int(version[1]), int(version[2])) < _TOLD_SINCE:
        return None
    import ctypes

    with suppress(OSError, AttributeError):
        call = ctypes.CDLL(None).syncfs
        call.argtypes, call.restype = [ctypes.c_int], ctypes.c_int
        return call
    return None


@cache
def _is_known(device: int) -> bool:
    """Whether a disk is of a kind of which it is known what ``syncfs`` does."""
    name = f"{os.major(device)}:{os.minor(device)}"
    with suppress(OSError):
        for line in Path("/proc/self/mountinfo").read_text("utf-8", "replace").splitlines():
            mount, _, source = line.partition(" - ")  # see proc_pid_mountinfo(5)
            if mount.split()[2] == name:
                return source.split()[0] in _KINDS
    return False
