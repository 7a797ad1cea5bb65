"""Unpacking archives of unknown origin: nothing lands outside, no links, no bombs, names that every system takes."""

from __future__ import annotations

import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from gantool.documents import brief
from gantool.errors import DataError, OutputError
from gantool.files import safe_name

__all__ = ["ARCHIVES", "is_archive", "unpack"]

ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
_MOST_ENTRIES = 5_000_000
_ALWAYS_ALLOWED = 2**30  # bytes
_MOST_GROWTH = 200  # times the archive; pictures hardly shrink when packed
_CHUNK = 1 << 20


@dataclass(frozen=True)
class _Entry:
    name: str
    size: int
    open: Callable[[], IO[bytes]]


def is_archive(path: Path) -> bool:
    """Whether the name is that of an archive."""
    return path.name.lower().endswith(ARCHIVES)


def unpack(archive: Path, target: Path, on_progress: Callable[[int, int], None] = lambda done, total: None) -> None:
    """Unpack all regular files into ``target``, which is complete if it exists and absent otherwise.

    Args:
        on_progress: called with the bytes of the archive that were worked through, and all of them.

    Raises:
        DataError: no archive, damaged, locked with a password, or with entries that lead outside, are links, or grow
            beyond reason.
        OutputError: the disk is full.
    """
    if target.exists():
        return
    partial = target.with_name(f"{target.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    packed = archive.stat().st_size
    allowed = max(_ALWAYS_ALLOWED, _MOST_GROWTH * packed)
    used: set[str] = set()
    written = 0
    try:
        partial.mkdir(parents=True)
        with _entries(archive, on_progress, packed) as entries:
            for number, entry in enumerate(entries):
                path = partial / _safe_path(archive, entry.name, used)
                written += entry.size
                if written > allowed or number > _MOST_ENTRIES:
                    raise DataError(
                        f"{archive}: unpacks to more than {allowed >> 20} MiB or too many files; refused."
                    )
                path.parent.mkdir(parents=True, exist_ok=True)
                with entry.open() as source, path.open("wb") as out:
                    left = entry.size
                    while chunk := source.read(min(_CHUNK, left + 1)):
                        left -= len(chunk)
                        if left < 0:
                            raise DataError(f"{archive}: {entry.name} is longer than the archive says; refused.")
                        out.write(chunk)
        partial.rename(target)
    except OSError as error:
        raise OutputError(f"{target}: cannot be written ({error.strerror or error}).") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


@contextmanager
def _entries(archive: Path, on_progress: Callable[[int, int], None], packed: int) -> Iterator[Iterator[_Entry]]:
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as opened:
                yield _zip_entries(archive, opened, on_progress)
        elif tarfile.is_tarfile(archive):
            with archive.open("rb") as raw, tarfile.open(fileobj=raw, mode="r:*") as tar:
                yield _tar_entries(archive, tar, lambda: on_progress(raw.tell(), packed))
        else:
            raise DataError(f"{archive}: is no archive that can be read (zip, tar, tar.gz).")
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, zlib.error, NotImplementedError) as error:
        raise DataError(f"{archive}: the archive is damaged ({brief(error, 160)}).", "Download it again.") from None
    except RuntimeError as error:
        raise DataError(
            f"{archive}: cannot be unpacked ({error}).", "Archives with passwords must be unpacked by hand."
        ) from None


def _zip_entries(archive: Path, opened: zipfile.ZipFile, on_progress: Callable[[int, int], None]) -> Iterator[_Entry]:
    infos = opened.infolist()
    total, done = sum(info.compress_size for info in infos), 0
    for info in infos:
        done += info.compress_size
        on_progress(done, total)
        if info.is_dir() or _unwanted(info.filename):
            continue
        if stat.S_ISLNK(info.external_attr >> 16):
            raise DataError(f"{archive}: has the link {info.filename}; refused.")

        def open_it(info: zipfile.ZipInfo = info) -> IO[bytes]:
            return opened.open(info)

        yield _Entry(info.filename, info.file_size, open_it)


def _tar_entries(archive: Path, tar: tarfile.TarFile, on_progress: Callable[[], None]) -> Iterator[_Entry]:
    for member in tar:
        on_progress()
        if member.isdir() or _unwanted(member.name):
            continue
        if not member.isreg():
            raise DataError(f"{archive}: has {member.name}, which is a link or a device; refused.")

        def open_it(member: tarfile.TarInfo = member) -> IO[bytes]:
            source = tar.extractfile(member)
            assert source is not None
            return source

        yield _Entry(member.name, member.size, open_it)


def _unwanted(name: str) -> bool:
    """What macOS leaves in archives."""
    parts = PurePosixPath(name).parts
    return "__MACOSX" in parts or (bool(parts) and (parts[-1] == ".DS_Store" or parts[-1].startswith("._")))


def _safe_path(archive: Path, name: str, used: set[str]) -> Path:
    plain = name.replace("\\", "/")
    parts = [part for part in plain.split("/") if part not in ("", ".")]
    if (
        ".." in parts
        or plain.startswith("/")
        or (len(plain) > 1 and plain[1] == ":" and plain[0].isalpha() and plain[2:3] == "/")
    ):
        raise DataError(f"{archive}: has the entry {name}, which leads outside; refused.")
    if not parts:
        raise DataError(f"{archive}: has an entry without a name; refused.")
    clean = [safe_name(part) for part in parts]
    path, number = Path(*clean), 1
    while str(path).lower() in used:  # two names that became one
        number += 1
        path = Path(*clean[:-1], f"{Path(clean[-1]).stem}-{number}{Path(clean[-1]).suffix}")
    used.add(str(path).lower())
    return path
