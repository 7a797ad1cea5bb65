"""Writing files atomically, and giving them names that every system accepts."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import secrets
import shutil
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from gantool.errors import OutputError

__all__ = [
    "LONGEST_NAME",
    "ByteStream",
    "Target",
    "Unfinished",
    "atomic",
    "finishing_later",
    "folder_of",
    "is_alive",
    "new_folder",
    "parse_bytes",
    "put",
    "safe_name",
    "scratch",
]

LONGEST_NAME = 200
"""Bytes of a file name; systems allow 255, and tiles and temporary files add to it."""

_here = threading.local()
_RESERVED = {"con", "prn", "aux", "nul", *(f"{kind}{n}" for kind in ("com", "lpt") for n in range(1, 10))}


@dataclass(frozen=True)
class ByteStream:
    """Where the bytes of one result go that gets no file here: the next program's pipe, or an address.

    Attributes:
        name: what messages call it.
        suffix: of a file that would hold the same, such as ``.png``.
        write: takes all the bytes at once; raises an `OutputError` where they cannot be written.
    """

    name: str
    suffix: str
    write: Callable[[bytes], None]

    def __str__(self) -> str:
        return self.name


Target = Path | ByteStream
"""Where a result goes."""


def folder_of(target: Target) -> Path | str:
    """The folder of a result, or the address of that."""
    return target.parent if isinstance(target, Path) else target.name.rpartition("/")[0]


def put(target: Target, data: bytes) -> None:
    """Write a whole result: into its file, atomically, or to its stream.

    Raises:
        OutputError: it cannot be written.
    """
    if isinstance(target, ByteStream):
        target.write(data)
        return
    with atomic(target) as temporary:
        temporary.write_bytes(data)


def parse_bytes(text: str) -> int | None:
    """A number of bytes with its unit, as people write it; None for anything else.

    >>> parse_bytes("256MB"), parse_bytes("1.5 g"), parse_bytes("0KB"), parse_bytes("10000")
    (256000000, 1500000000, 0, None)
    """
    found = re.fullmatch(r"(\d{1,9}(?:\.\d+)?) ?([KMGT])B?", text.strip(), re.IGNORECASE | re.ASCII)
    return int(float(found[1]) * 1000 ** ("KMGT".index(found[2].upper()) + 1)) if found else None


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; on success it replaces ``path``, on failure it is removed.

    Folders that were made for it go with it where they are empty.

    The data is flushed to the disk before the replacement, so that a power cut leaves the old file or the new one.
    What a process left that was killed in between is removed when the next one writes into the folder.

    Raises:
        OutputError: the disk is full, or the folder cannot be written to.
    """
    temporary = _temporary(path)
    made: list[Path] = []
    written = Unfinished(temporary, path, made)
    later: list[Unfinished] | None = getattr(_here, "later", None)
    try:
        with _told(path):
            made += [folder for folder in path.parents if not folder.exists()]
            path.parent.mkdir(parents=True, exist_ok=True)
            _sweep(path.parent.resolve(), os.getpid())
            temporary.touch()
            mode = temporary.stat().st_mode
            yield temporary
            temporary.chmod(mode)  # some libraries write files that nobody else may read
    except BaseException:
        written.discard()
        raise
    if later is not None:
        later.append(written)
    else:
        written.finish()


@dataclass(frozen=True)
class Unfinished:
    """A file that is written, but under a temporary name and not yet on the disk for certain.

    Attributes:
        made: folders that were made for it.
    """

    temporary: Path
    path: Path
    made: Sequence[Path]

    def finish(self) -> None:
        """Flush it and give it its name.

        Raises:
            OutputError: that is not possible; then it is gone.
        """
        try:
            with _told(self.path):
                with self.temporary.open("rb+") as file:
                    os.fsync(file.fileno())
                self.temporary.replace(self.path)
        finally:
            self.discard()

    def discard(self) -> None:
        """Remove what is left of it under its temporary name."""
        with suppress(OSError):
            self.temporary.unlink(missing_ok=True)
            for folder in self.made if not self.path.exists() else ():
                folder.rmdir()


@contextmanager
def _told(path: Path) -> Iterator[None]:
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
        for one in written:
            with suppress(OutputError):
                one.finish()
        written.clear()
        raise
    finally:
        _here.later = before


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
    pattern = re.compile(rf"\.{_machine()}-(\d+)-[0-9a-f]{{8}}\.")
    with suppress(OSError):
        for entry in folder.iterdir():
            match = pattern.match(entry.name)
            if match and int(match[1]) != process and not is_alive(int(match[1])):
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


def safe_name(name: str) -> str:
    """Return ``name`` as a file name that Windows accepts too.

    >>> safe_name("2011-06-26 18:49:32.jpg")
    '2011-06-26 18_49_32.jpg'
    """
    # Surrogates stand for bytes of a name that are no UTF-8.
    clean = re.sub(r'[<>:"/\\|?*\x00-\x1f\ud800-\udfff]', "_", name).rstrip(" .") or "_"
    if len(clean.encode()) > LONGEST_NAME:
        # Shortened, with a part of its hash so that two long names stay two.
        suffix = Path(clean).suffix if len(Path(clean).suffix) <= 8 else ""
        mark = hashlib.sha256(clean.encode()).hexdigest()[:8]
        clean = clean.encode()[: LONGEST_NAME - 20].decode(errors="ignore").rstrip(" .") + f"-{mark}{suffix}"
    if clean.split(".")[0].lower() in _RESERVED:
        clean = f"_{clean}"
    return clean
