"""Writing files and folders under temporary names that become their own when they are whole."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import secrets
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from itertools import takewhile
from pathlib import Path

from gantool.files.unfinished import Unfinished, left_to_others, told

__all__ = ["atomic", "is_alive", "is_temporary", "new_folder", "scratch"]

_NAME = re.compile(r"\.([0-9a-f]{6})-(\d+)-[0-9a-f]{8}\.")  # how `_temporary` names begin: machine, process, chance


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; on success it replaces ``path``, on failure it is removed.

    Folders that were made for it go with it where they are empty.

    The data is flushed to the disk before the replacement, so that a power cut leaves the old file or the new one. In
    `finishing_later` and `FilesTogether` both happen later.
    What a process left that was killed in between is removed when the next one writes into the folder.

    Raises:
        OutputError: the disk is full, or the folder cannot be written to.
    """
    temporary = _temporary(path)
    made: list[Path] = []
    written = Unfinished(temporary, path, made)
    try:
        with told(path):
            made += takewhile(lambda folder: not folder.exists(), path.parents)
            if made:
                path.parent.mkdir(parents=True, exist_ok=True)
            _sweep(path.parent.resolve(), os.getpid())
            temporary.touch()
            mode = temporary.stat().st_mode
            yield temporary
            temporary.chmod(mode)  # some libraries write files that nobody else may read
    except BaseException:
        written.discard()
        raise
    if not left_to_others(written):
        written.finish()


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Yield a temporary folder beside ``path`` that gets its name at the end, with all that is in it by then.

    Raises:
        FileExistsError: something of that name is there by then; an empty folder may be.
    """
    temporary = _temporary(path)
    _sweep(path.parent.resolve(), os.getpid())
    temporary.mkdir()
    try:
        yield temporary
        with suppress(OSError):
            path.rmdir()  # an empty one, which not every system lets be replaced
        temporary.rename(path)
    except OSError as error:
        if error.errno in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR) and path.exists():
            raise FileExistsError(errno.EEXIST, "exists already", str(path)) from None
        raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def scratch(path: Path) -> Path:
    """A temporary path beside ``path``, whose folder is made, for a file that nothing will refer to.

    If the process is killed before it has removed the file, the next one that writes into the folder does.

    Raises:
        OSError: the folder cannot be made.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    _sweep(path.parent.resolve(), os.getpid())
    return _temporary(path)


def _temporary(path: Path) -> Path:
    return path.with_name(f"{_prefix(os.getpid())}{secrets.token_hex(4)}.{path.name[-60:]}")


def is_temporary(name: str) -> bool:
    """Whether a name is one under which `atomic` writes, of any process on any machine."""
    return _NAME.match(name) is not None


def _prefix(process: int) -> str:
    """How the temporary names of a process on this machine begin."""
    return f".{_machine()}-{process}-"


@cache
def _machine() -> str:
    return hashlib.sha256(socket.gethostname().encode()).hexdigest()[:6]


@cache
def _sweep(folder: Path, process: int) -> None:
    """Remove what processes of this machine left that are no more; once per folder and process.

    A folder on a shared disk can hold those of other machines, whose processes cannot be asked for.
    """
    with suppress(OSError):
        for entry in folder.iterdir():
            match = _NAME.match(entry.name)
            if not match or match[1] != _machine():
                continue
            if int(match[2]) != process and not is_alive(int(match[2])):
                with suppress(OSError):
                    shutil.rmtree(entry) if entry.is_dir() else entry.unlink()


def is_alive(process: int) -> bool:
    """Whether there is a process of this number on this machine; True where that cannot be told."""
    if os.name == "nt":  # there a signal of 0 would end the process; what was left stays
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True
