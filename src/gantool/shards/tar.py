"""Tar files of images: written so that the same content gives the same bytes, and looked through once.

The form is WebDataset's (Aizman, Maltby, Breuel: High Performance I/O For Large Scale Deep Learning, 2019): files
that follow each other and have one name up to the first dot belong together.
"""

from __future__ import annotations

import hashlib
import os
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from gantool.errors import DataError
from gantool.shards.parts import Packed, Shard

__all__ = ["TarFile", "scan", "split_name"]

_BLOCK, _RECORD = tarfile.BLOCKSIZE, tarfile.RECORDSIZE


class TarFile:
    """A tar file being written: no times, no owners, so that only names, contents and their order count."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: BinaryIO = path.open("xb")
        self._hash = hashlib.sha256()
        self.size = 0

    def __enter__(self) -> TarFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def add(self, name: str, content: bytes) -> Packed:
        """Append a file."""
        info = tarfile.TarInfo(name)
        info.size, info.mode = len(content), 0o644
        self._write(info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape"))
        offset = self.size
        self._write(content)
        self._write(bytes(-len(content) % _BLOCK))
        return Packed(name, offset, len(content), zlib.crc32(content))

    def close(self) -> Shard:
        """Write the end and see it onto the disk."""
        end = 2 * _BLOCK
        with self:
            self._write(bytes(end + -(self.size + end) % _RECORD))
            self._file.flush()
            os.fsync(self._file.fileno())
        return Shard(self._path.name, self.size, self._hash.hexdigest())

    def _write(self, data: bytes) -> None:
        self._file.write(data)
        self._hash.update(data)
        self.size += len(data)


def scan(path: Path | str, file: BinaryIO) -> Iterator[Packed]:
    """Look through the headers of a tar file from elsewhere: its regular files, under names without ``./``.

    Args:
        path: what to call it.

    Raises:
        DataError: it is no tar file, is compressed, or ends too early.
    """
    try:
        with tarfile.open(fileobj=file, mode="r:") as archive:
            while (entry := archive.next()) is not None:
                archive.members.clear()  # type: ignore[attr-defined]  # or else it keeps them all
                # What is hidden is never data, and what leads outside has no name here.
                parts = [part for part in entry.name.split("/") if part not in ("", ".")]
                hidden = any(part.startswith(".") for part in parts)
                if entry.isreg() and parts and not hidden and not entry.name.startswith("/"):
                    yield Packed("/".join(parts), entry.offset_data, entry.size)
            # Python takes what is no header for the end; the end is a block of zeros.
            file.seek(archive.offset)
            if file.read(_BLOCK) != bytes(_BLOCK):
                raise tarfile.ReadError("unexpected end of data")
    except tarfile.TarError as error:
        cut = "end of data" in str(error) or "truncated" in str(error)
        what = "is cut off" if cut else "is no tar file that can be read where it lies"
        raise DataError(
            f"{path}: {what} ({' '.join(str(error).split())}).",
            "Fetch it again." if cut else "Compressed ones have to be unpacked: shards are plain .tar files.",
        ) from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error}).") from None


def split_name(name: str) -> tuple[str, str]:
    """The key of a file, folders and all, and what follows its first dot, in lower case.

    >>> split_name("summer/0001.mask.PNG")
    ('summer/0001', 'mask.png')
    """
    folder, slash, base = name.rpartition("/")
    stem, _, ending = base.partition(".")
    return f"{folder}{slash}{stem}", ending.lower()
