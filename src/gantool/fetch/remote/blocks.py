"""Parts of remote files on this machine's disk: a bounded number, the latest used ones, for all processes together.

Every block is a file: its checksum, and its content. It gets its name when it is whole; one that a crash tore all the
same is found by its checksum, and fetched again. When there are too many bytes, those go that were not used for the
longest time; whoever has one of them open reads on.
"""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import time
import zlib
from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout

from gantool.errors import UsageError
from gantool.files import parse_bytes, scratch

__all__ = ["BlockCache", "cache_limit"]

_log = logging.getLogger("gantool")

_USUAL, _SHARE = 32 * 10**9, 0.25  # bytes, and at most this share of what is free
_MARK = 4  # bytes before the content: its CRC-32
_STEP = 1 / 32  # of the limit: written by a process before it counts again
_LOWERED = 0.9  # of the limit, after making room
_FRESH = 60.0  # seconds in which a use is not noted again


def cache_limit(folder: Path) -> int:
    """Bytes that blocks may take: ``GANTOOL_REMOTE_CACHE`` (as ``20GB``), else 32 GB or a quarter of the free disk.

    Raises:
        UsageError: it is no size.
    """
    given = os.environ.get("GANTOOL_REMOTE_CACHE", "")
    if given:
        limit = parse_bytes(given)
        if limit is None:
            raise UsageError(f"GANTOOL_REMOTE_CACHE={given}: expected a size such as 20GB.")
        return limit
    there = next((parent for parent in (folder, *folder.parents) if parent.is_dir()), Path())
    return min(_USUAL, int(shutil.disk_usage(there).free * _SHARE))


class BlockCache:
    """See the module.

    Args:
        limit: bytes of all blocks; a process may exceed it by a thirty-second part before it makes room.
    """

    def __init__(self, folder: Path, limit: int) -> None:
        self.folder, self.limit = folder, limit
        self._written = limit  # so that the first one counts what there is
        self._sound: set[str] = set()
        self._full = False

    def get(self, key: str, start: int, size: int) -> bytes | None:
        """Bytes of a block; None if it is not here, or not whole."""
        path = self._path(key)
        try:
            with path.open("rb") as file:
                if key not in self._sound:
                    data = file.read()
                    if zlib.crc32(data[_MARK:]).to_bytes(_MARK, "little") != data[:_MARK]:
                        raise ValueError
                    self._sound.add(key)
                    self._note_use(path)
                    return data[_MARK + start : _MARK + start + size]
                file.seek(_MARK + start)
                found = file.read(size)
            self._note_use(path)
        except ValueError:
            self.forget(key)
            return None
        except OSError:
            self._sound.discard(key)
            return None
        return found

    def put(self, key: str, content: bytes) -> None:
        """Keep a block, if there is room on the disk."""
        path = self._path(key)
        temporary: Path | None = None
        try:
            temporary = scratch(path)
            temporary.write_bytes(zlib.crc32(content).to_bytes(_MARK, "little") + content)
            temporary.replace(path)
            self._full = False
        except OSError as error:
            if not self._full:
                _log.warning(
                    "%s: nothing can be kept there (%s); all is asked for again.",
                    self.folder,
                    error.strerror or error,
                )
            self._full = True
            self._written = self.limit
            if temporary is not None:
                with suppress(OSError):
                    temporary.unlink(missing_ok=True)
        self._written += len(content)
        if self._written > self.limit * _STEP:
            self._written = 0
            self._make_room()

    def forget(self, key: str) -> None:
        """Remove a block."""
        self._sound.discard(key)
        with suppress(OSError):
            self._path(key).unlink(missing_ok=True)

    def has(self, key: str) -> bool:
        """Whether a block is here, whole or not."""
        return self._path(key).exists()

    def _path(self, key: str) -> Path:
        name = hashlib.sha256(key.encode()).hexdigest()[:40]
        return self.folder / name[:2] / name

    def _note_use(self, path: Path) -> None:
        now = time.time()
        with suppress(OSError):
            if now - path.stat().st_mtime > _FRESH:
                os.utime(path, (now, now))

    def _make_room(self) -> None:
        """Remove the blocks that were not used for the longest time; one process at a time."""
        try:
            with FileLock(self.folder / "room.lock", timeout=0):
                found = []
                for path in self.folder.glob("??/*"):
                    with suppress(OSError):
                        about = path.stat()
                        found.append((about.st_mtime, about.st_size, path))
                total = sum(size for _, size, _ in found)
                for _, size, path in sorted(found) if total > self.limit else ():
                    if total <= self.limit * _LOWERED:
                        break
                    with suppress(OSError):
                        path.unlink()
                        total -= size
        except (Timeout, OSError, NotImplementedError):
            return  # another process does it, or the folder is gone
