"""Locks: one process at a time writes a run or a data set, and others are told which one.

A lock is the operating system's (`filelock.FileLock`), so it ends with its process however that ends. A file beside
it says who holds it, for people to read; nothing is decided by that file. Both are removed when the lock is released,
and what a killed process left of them is removed by the next one that locks.
"""

from __future__ import annotations

import errno
import json
import os
import socket
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, SoftFileLock, Timeout

from gantool.documents import load_json, shown
from gantool.errors import GantoolError, OutputError
from gantool.files import is_alive

__all__ = ["WITHOUT_LOCKS", "holder_of", "locked"]

WITHOUT_LOCKS = "The file system has no locks; make sure that nothing else writes to {path} meanwhile."
"""What to tell where `locked` yields False."""

_NO_LOCKS = frozenset({errno.ENOSYS, errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL})
_PATIENCE = 10.0  # seconds for what a killed process started, and what may have its open files, to end as well


@contextmanager
def locked(path: Path, what: Path, busy: Callable[[str], GantoolError]) -> Iterator[bool]:
    """Hold a lock; yields whether there is one, which some network file systems do not have.

    Args:
        path: the lock's file; its folder is made if it is missing, and goes again if it stays empty.
        what: the lock is for.
        busy: makes the error for a lock that another process holds, from a phrase such as
            ``process 123 on host since 2026-11-21 14:03:05``.

    Raises:
        GantoolError: what ``busy`` made.
        OutputError: nothing can be written there.
    """
    holder = path.with_name(f"{path.name}.holder")
    lock = FileLock(path, thread_local=False)
    alone = not path.parent.exists()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        real = _acquire(lock, path, 0.0 if _may_live(holder) else _PATIENCE)
    except Timeout:
        raise busy(_described(holder)) from None
    except OSError as error:
        why = os.strerror(errno.ENOTDIR) if isinstance(error, FileExistsError) else error.strerror or error
        raise OutputError(f"{what}: cannot be written ({why}).", "Choose another place.") from error
    try:
        if real:
            with suppress(OSError):  # a full disk keeps nobody from working
                holder.write_text(json.dumps(_me()) + "\n", "utf-8")
        yield real
    finally:
        # While the lock is held, so that nobody who holds the next one loses its files.
        for file in (holder, path):
            with suppress(OSError):
                file.unlink(missing_ok=True)
        if alone:
            with suppress(OSError):
                path.parent.rmdir()
        lock.release(force=True)


def holder_of(path: Path) -> str | None:
    """Which process of this machine seems to hold a lock, for people to read; None where none is known to."""
    holder = path.with_name(f"{path.name}.holder")
    known = _read(holder)
    return (
        _described(holder) if known is not None and known[1] == socket.gethostname() and is_alive(known[0]) else None
    )


def _acquire(lock: FileLock, path: Path, patience: float) -> bool:
    """Acquire the lock; False if the file system has none.

    Raises:
        Timeout: another process holds it.
        OSError: its file cannot be written.
    """
    while True:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # newer versions of filelock warn of what is answered here
                lock.acquire(timeout=patience)
        except Timeout:
            if _lacks_locks(path):
                return False
            raise
        except NotImplementedError:
            return False
        except OSError as error:
            if error.errno in _NO_LOCKS:
                return False
            raise
        # Where there are no locks filelock takes a soft one, which would outlive a killed process; its class need not
        # tell.
        if isinstance(lock, SoftFileLock) or _lacks_locks(path):
            lock.release(force=True)
            return False
        if path.exists():
            return True
        lock.release(force=True)  # the one before removed the file between our opening and our locking it


def _lacks_locks(path: Path) -> bool:
    """Whether locking fails for another reason than that somebody has the lock; filelock does not always tell."""
    if os.name == "nt":
        return False
    import fcntl

    try:
        with path.open("r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno in _NO_LOCKS
    return False


def _me() -> dict[str, object]:
    return {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _read(holder: Path) -> tuple[int, str, datetime] | None:
    """Process, host and time; None where nothing readable stands."""
    try:
        value = load_json(holder.read_text("utf-8"))
        return int(value["pid"]), str(value["host"]), datetime.fromisoformat(value["since"]).astimezone()
    except (OSError, ValueError, LookupError, TypeError, OverflowError):
        return None


def _may_live(holder: Path) -> bool:
    """Whether the process that is noted may still be there, as far as can be told from here."""
    known = _read(holder)
    return known is None or known[1] != socket.gethostname() or is_alive(known[0])


def _described(holder: Path) -> str:
    known = _read(holder)
    if known is None:
        return "another process"
    process, host, since = known
    return f"process {process} on {shown(host)[1:-1]} since {since:%Y-%m-%d %H:%M:%S}"
