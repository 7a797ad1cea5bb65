"""Large files at an address, read by parts: in blocks that are kept, asked for ahead of time by threads."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial

from gantool.errors import DataError
from gantool.fetch.cache import cache_folder
from gantool.fetch.remote.addresses import Server
from gantool.fetch.remote.background import Background
from gantool.fetch.remote.blocks import BlockCache, cache_limit

__all__ = ["RemoteFiles"]

BLOCK = 4 * 2**20
"""Bytes asked for at once: a request costs as much time as a megabyte or more."""

_AHEAD = 8  # blocks of the same file
_THREADS = 8
_RECENT = 8

_ahead = Background("gantool-ahead", _THREADS)  # whoever wants a block gets its error


class RemoteFiles:
    """Files below an address.

    Args:
        length: bytes of a file.
        version: what changes when a file does, so that old blocks of it are not taken for new ones.
    """

    def __init__(self, server: Server, length: Callable[[str], int | None], version: Callable[[str], str]) -> None:
        self.server, self._length, self._version = server, length, version
        folder = cache_folder() / "blocks"
        self._cache = BlockCache(folder, cache_limit(folder))
        self._process = -1
        self._begin()

    def _begin(self) -> None:
        """What a forked process has to make anew."""
        if self._process != os.getpid():
            self._process = os.getpid()
            self._lock = threading.Lock()
            self._coming: dict[tuple[str, int], Future[bytes]] = {}
            self._recent: dict[str, bytes] = {}
            self._asked: dict[str, int] = {}

    def read(self, name: str, offset: int, size: int) -> bytes:
        """See `gantool.shards.ranges.Ranges`."""
        self._begin()
        length = self._length(name)
        if length is None:
            raise DataError(f"{self.server.address}/{name}: is no file of this set.")
        end = min(offset + size, length)
        parts = []
        for number in range(offset // BLOCK, -(-end // BLOCK)):
            start = max(offset - number * BLOCK, 0)
            parts.append(self._part(name, number, length, start, min(end - number * BLOCK, BLOCK) - start))
        return b"".join(parts)

    def forget(self, name: str, offset: int, size: int) -> None:
        """Let what is kept of a part be fetched again."""
        for number in range(offset // BLOCK, -(-(offset + size) // BLOCK)):
            self._recent.pop(self._key(name, number), None)
            self._cache.forget(self._key(name, number))

    def _part(self, name: str, number: int, length: int, start: int, size: int) -> bytes:
        kept = self._kept(self._key(name, number), start, size)
        if kept is None:
            future, mine = self._claim(name, number)
            if mine:
                self._fetch(future, name, number, length)
            kept = future.result()[start : start + size]
        if self._asked.get(name) != number:
            self._asked[name] = number
            self._ask_ahead(name, number, length)
        return kept

    def _kept(self, key: str, start: int, size: int) -> bytes | None:
        recent = self._recent.get(key)
        return recent[start : start + size] if recent is not None else self._cache.get(key, start, size)

    def _claim(self, name: str, number: int) -> tuple[Future[bytes], bool]:
        """The future of a block, and whether whoever asked has to fetch it."""
        with self._lock:
            future = self._coming.get((name, number))
            if future is not None:
                return future, False
            future = self._coming[name, number] = Future()
            return future, True

    def _fetch(self, future: Future[bytes], name: str, number: int, length: int) -> None:
        key = self._key(name, number)
        try:
            # Another thread may have fetched it after whoever claims it looked, and before the claim.
            content = self._kept(key, 0, BLOCK)
            if content is None:
                content = self.server.read(name, number * BLOCK, min((number + 1) * BLOCK, length))
                self._keep(key, content)
            future.set_result(content)
        except BaseException as error:
            future.set_exception(error)
            if not isinstance(error, DataError):
                raise
        finally:
            with self._lock:
                self._coming.pop((name, number), None)

    def _keep(self, key: str, content: bytes) -> None:
        """On the disk, and the last few in memory for where there is no room on it."""
        self._cache.put(key, content)
        with self._lock:
            self._recent[key] = content
            while len(self._recent) > _RECENT:
                self._recent.pop(next(iter(self._recent)))

    def _ask_ahead(self, name: str, number: int, length: int) -> None:
        """Have threads fetch the next blocks of the file; after its last come its first."""
        last = -(-length // BLOCK)
        wanted = [(number + step) % last for step in range(1, min(_AHEAD, last - 1) + 1)]
        for other in wanted:
            if self._cache.has(self._key(name, other)):
                continue
            with self._lock:
                if len(self._coming) >= 2 * _THREADS or (name, other) in self._coming:
                    continue
                future = self._coming[name, other] = Future()
            _ahead.do(partial(self._fetch, future, name, other, length))

    def _key(self, name: str, number: int) -> str:
        return f"{self._version(name)}:{BLOCK}:{number}"
