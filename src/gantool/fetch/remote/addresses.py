"""Asking servers for parts of files, again and again until they answer, through whatever fsspec knows.

Credentials come from where fsspec and its file systems look for them (environment, ``~/.aws``, ``~/.config/fsspec``),
never from an address.
"""

from __future__ import annotations

import os
import random
import re
import threading
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit

from gantool.errors import DataError, UsageError

__all__ = ["NotThereError", "Server", "is_address"]

ATTEMPTS = 8
PATIENCE = 0.25  # seconds before the second attempt; doubled each time
_TIMEOUT = 30  # seconds without a byte
_REFUSED = frozenset({401, 403, 407})
_GONE = frozenset({400, 404, 405, 410, 416})
_HTTP = ("http", "https")

Answer = TypeVar("Answer")


def is_address(text: str) -> bool:
    """Whether a text is an address and no path.

    >>> is_address("s3://bucket/set"), is_address("data/set"), is_address("C:/data")
    (True, False, False)
    """
    return re.match(r"[a-z][a-z0-9+.-]+://", text) is not None


class Server:
    """What lies below one address. May be used by several threads, and in forked processes.

    Args:
        address: of a folder.

    Raises:
        UsageError: it holds a password, or more than a path.
        DataError: a package for such addresses is missing, or it is not known.
    """

    def __init__(self, address: str) -> None:
        parts = urlsplit(address)
        if "@" in parts.netloc and parts.scheme in _HTTP:
            raise UsageError(
                f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}: an address must hold no password.",
                "Put it where fsspec looks for it; see the page on scale.",
            )
        if parts.query or parts.fragment:
            raise UsageError(
                f"{parts.scheme}://{parts.netloc}{parts.path}: expected the address of a folder, without ? and #."
            )
        self.address = address.rstrip("/")
        self.scheme = parts.scheme
        self._systems: dict[int, Any] = {}
        self._lock = threading.Lock()
        self._system()

    def read(self, name: str, start: int | None = None, end: int | None = None) -> bytes:
        """A file, or the bytes from ``start`` to ``end`` of it.

        Raises:
            DataError: it is not there, may not be read, or the server does not answer for a while.
        """

        def ask() -> bytes:
            content: bytes = self._system().cat_file(self._path(name), start=start, end=end)
            if start is not None and end is not None:
                if len(content) > end - start:
                    raise DataError(
                        f"{self.address}/{name}: the server sends all of a file when it is asked for a part.",
                        "Copy the set to a disk, or to a server that knows ranges.",
                    )
                if len(content) < end - start:
                    raise _ShortError(f"only {len(content)} of {end - start} bytes came")
            return content

        return self._patiently(name, ask)

    def facts(self, name: str) -> dict[str, str]:
        """What the server says of a version of a file: its size, ETag or time where it has them; else nothing.

        Raises:
            DataError: as `read`.
        """

        def ask() -> dict[str, str]:
            about = self._system().info(self._path(name))
            known = ("size", "ETag", "etag", "LastModified", "Last-Modified", "mtime", "created", "md5Hash")
            return {key: str(about[key]) for key in known if about.get(key) is not None}

        try:
            return self._patiently(name, ask, attempts=2 if self.scheme in _HTTP else ATTEMPTS)
        except DataError:
            if self.scheme in _HTTP:  # it has no HEAD, or said nothing in time
                return {}
            raise

    def listing(self, *, recursive: bool = False) -> dict[str, tuple[int, int]] | None:
        """Bytes and time of the last change (ns, or 0) of every file in the folder; None if it cannot be listed.

        Args:
            recursive: those in folders within it, too, by their names relative to the address.

        Raises:
            DataError: as `read`.
        """
        if self.scheme in _HTTP:
            return None

        def ask() -> dict[str, tuple[int, int]]:
            system = self._system()
            system.invalidate_cache()
            top = str(system._strip_protocol(self.address)).rstrip("/")
            listed = system.find(top, detail=True).values() if recursive else system.ls(top, detail=True)
            return {
                str(one["name"])[len(top) :].lstrip("/"): (int(one["size"] or 0), _time(one))
                for one in listed
                if one.get("type") != "directory"
            }

        return self._patiently("", ask)

    def _path(self, name: str) -> str:
        plain = quote(name) if self.scheme in _HTTP else name
        return f"{self.address}/{plain}".rstrip("/")

    def _system(self) -> Any:
        """The file system of this process: those of a process that was forked cannot be used."""
        with self._lock:
            found = self._systems.get(os.getpid())
            if found is None:
                found = self._systems[os.getpid()] = _opened(self.address, self.scheme)
            return found

    def _patiently(self, name: str, ask: Callable[[], Answer], attempts: int | None = None) -> Answer:
        """Ask until there is an answer; see `read` for what is raised."""
        where = f"{self.address}/{name}".rstrip("/")
        attempts = attempts or ATTEMPTS
        for attempt in range(1, attempts + 1):
            try:
                return ask()
            except DataError:
                raise
            except Exception as error:  # of fsspec's many file systems, each with its own
                final = _final(where, error)
                if final is not None:
                    raise final from None
                if attempt == attempts:
                    raise DataError(
                        f"{where}: cannot be read, also at the {attempts}th attempt ({_line(error)}).",
                        "Run the command again when the server answers; what was done so far is kept.",
                    ) from None
                time.sleep(PATIENCE * 2 ** (attempt - 1) * random.SystemRandom().uniform(0.5, 1.5))
        raise AssertionError

    def __getstate__(self) -> str:
        return self.address

    def __setstate__(self, address: str) -> None:
        self.__init__(address)  # type: ignore[misc]


class NotThereError(DataError):
    """There is nothing at an address."""


class _ShortError(Exception):
    """An answer that ended too early."""


def _opened(address: str, scheme: str) -> Any:
    try:
        import fsspec
        from fsspec.config import conf
    except ImportError:
        raise DataError(f"{scheme}://: needs a package.", 'Install it: pip install "gantool[remote]".') from None
    own = conf.get(scheme, {})
    options: dict[str, Any] = {}
    try:
        if scheme in _HTTP and "client_kwargs" not in own:
            import aiohttp

            waiting = aiohttp.ClientTimeout(total=None, sock_connect=_TIMEOUT, sock_read=_TIMEOUT)
            options = {"client_kwargs": {"timeout": waiting}}
        elif scheme == "s3" and "config_kwargs" not in own:
            options = {"config_kwargs": {"connect_timeout": _TIMEOUT, "read_timeout": _TIMEOUT}}
        system, _ = fsspec.core.url_to_fs(address, **options)
    except ImportError as error:
        raise DataError(
            f"{scheme}://: needs a package ({_line(error)}).", 'Install it: pip install "gantool[remote]".'
        ) from None
    except ValueError as error:
        raise DataError(
            f"{address}: {_line(error)}.", "Expected s3://, gs://, https:// or another of fsspec's."
        ) from None
    return system


def _final(where: str, error: Exception) -> DataError | None:
    """The error where asking again changes nothing."""
    status = getattr(error, "status", None)
    named = type(error).__name__
    if isinstance(error, PermissionError) or status in _REFUSED or "Credentials" in named or "NoAuth" in named:
        return DataError(
            f"{where}: may not be read ({_line(error)}).", "See to the credentials; the page on scale says where."
        )
    if isinstance(error, FileNotFoundError) or status in _GONE:
        return NotThereError(f"{where}: is not there.", "Look for mistakes in the address.")
    if isinstance(error, (ImportError, NotImplementedError, TypeError)):
        return DataError(f"{where}: cannot be read ({_line(error)}).")
    return None


def _time(about: Mapping[str, Any]) -> int:
    found = about.get("LastModified", about.get("mtime", about.get("created", 0)))
    if isinstance(found, datetime):
        found = found.timestamp()
    return int(found * 10**9) if isinstance(found, (int, float)) else 0


def _line(error: Exception) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 160 else f"{text[:157]}..."
