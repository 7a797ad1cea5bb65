"""Asking servers for parts of files, or to take files, through whatever fsspec knows.

Credentials come from where fsspec and its file systems look for them (environment, ``~/.aws``, ``~/.config/fsspec``),
never from an address.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit

from gantool.errors import DataError, UsageError
from gantool.fetch.remote.making import Making, has_buckets
from gantool.fetch.remote.patience import ShortError, in_a_line, patiently

__all__ = ["Server", "is_address", "require_disk", "takes_files"]

_TIMEOUT = 30  # seconds without a byte
_HTTP = ("http", "https")

Answer = TypeVar("Answer")


def is_address(text: str) -> bool:
    """Whether a text is an address and no path.

    >>> is_address("s3://bucket/set"), is_address("data/set"), is_address("C:/data")
    (True, False, False)
    """
    return re.match(r"[a-z][a-z0-9+.-]+://", text) is not None


def takes_files(address: str) -> bool:
    """Whether servers of such addresses take files, as far as the address tells.

    >>> takes_files("s3://bucket/out"), takes_files("https://example.com/out")
    (True, False)
    """
    return urlsplit(address).scheme not in _HTTP


def require_disk(output: object, what: str, option: str = "-o", remedy: str | None = None) -> None:
    """Refuse an address for what needs a disk.

    Args:
        output: text, or a path that was made of it; None for none.
        option: that names it.
        remedy: what to do instead, if not to copy it there.

    Raises:
        UsageError: it is one.
    """
    text = re.sub("^([a-z][a-z0-9+.-]+):/+", r"\1://", str(output))
    if is_address(text):
        place = "folder" if option in ("-o", "--runs") else "file"
        raise UsageError(
            f"{option} {text}: {what} to a disk.", remedy or f"Name a {place}, and copy it there with any tool."
        )


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
        self._making, self._has_bucket = Making(self.scheme), False
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
                    raise ShortError(f"only {len(content)} of {end - start} bytes came")
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
            return self._patiently(name, ask, attempts=2 if self.scheme in _HTTP else None)
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

    def names(self, folder: str = "") -> frozenset[str]:
        """What the files in a folder are called; nothing where there is no such folder yet.

        Raises:
            OutputError: the bucket is not there, may not be listed, or the server does not answer for a while.
        """

        def ask() -> frozenset[str]:
            system, path = self._system(), self._path(folder)
            system.invalidate_cache()
            try:
                listed = system.ls(path, detail=True)
            except FileNotFoundError:
                self._require_bucket(system)
                return frozenset()
            found = (str(one["name"]).rpartition("/")[2] for one in listed if one.get("type") != "directory")
            return frozenset(found)

        return self._patiently(folder, ask, doing="listed")

    def write(self, name: str, content: bytes, *, replace: bool, stopped: threading.Event | None = None) -> bool:
        """Make a file, whole or not at all.

        Args:
            replace: what is there.
            stopped: set when nobody waits for the file any more.

        Returns:
            Whether the file has this content now; False where another one is there that is not to be replaced.

        Raises:
            OutputError: it may not be written, or the server does not answer for a while.
        """

        def ask() -> bool:
            try:
                self._making.make(self._system(), self._path(name), content, replace=replace)
            except FileExistsError:  # perhaps by an earlier attempt whose answer was lost
                self._system().invalidate_cache()  # or by somebody after this one listed the folder
                return self.read(name) == content
            return True

        return self._patiently(name, ask, doing="written", stopped=stopped)

    def remove(self, name: str) -> None:
        """Remove a file, if it is there.

        Raises:
            OutputError: as `write`.
        """

        def ask() -> None:
            with suppress(FileNotFoundError):
                self._system().rm_file(self._path(name))

        self._patiently(name, ask, doing="removed")

    def _require_bucket(self, system: Any) -> None:
        """Raise FileNotFoundError where an address begins with what is not there; others can be made."""
        if self._has_bucket or not has_buckets(self.scheme):
            return
        bucket = f"{self.scheme}://{urlsplit(self.address).netloc}"
        if not system.exists(bucket):  # which says so of all that goes wrong, too
            with suppress(PermissionError):  # who may write in a folder need not know the rest
                system.ls(bucket, detail=False)
        self._has_bucket = True

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

    def _patiently(
        self,
        name: str,
        ask: Callable[[], Answer],
        attempts: int | None = None,
        doing: str = "read",
        stopped: threading.Event | None = None,
    ) -> Answer:
        """Ask until there is an answer; see `read` and `write` for what is raised."""
        return patiently(f"{self.address}/{name}".rstrip("/"), ask, attempts, doing, stopped)

    def __getstate__(self) -> str:
        return self.address

    def __setstate__(self, address: str) -> None:
        self.__init__(address)  # type: ignore[misc]


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
            f"{scheme}://: needs a package ({in_a_line(error)}).", 'Install it: pip install "gantool[remote]".'
        ) from None
    except ValueError as error:
        raise DataError(
            f"{address}: {in_a_line(error)}.", "Expected s3://, gs://, https:// or another of fsspec's."
        ) from None
    return system


def _time(about: Mapping[str, Any]) -> int:
    found = about.get("LastModified", about.get("mtime", about.get("created", 0)))
    if isinstance(found, datetime):
        found = found.timestamp()
    return int(found * 10**9) if isinstance(found, (int, float)) else 0
