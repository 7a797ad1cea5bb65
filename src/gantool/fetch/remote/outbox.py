"""Results on their way to an address: sent by threads while the next ones are made, each whole or not at all.

No locks are needed. Without ``replace`` a file is made only where there is none, which the storage itself sees to, so
of two writers with one name the second one is told; with it, the last one wins, and readers see one or the other.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from shutil import rmtree

from gantool.errors import OutputError
from gantool.fetch.cache import cache_folder
from gantool.fetch.remote.addresses import Server
from gantool.fetch.remote.background import Background
from gantool.fetch.remote.patience import RefusedError
from gantool.files import ByteStream, Target, scratch

__all__ = ["NothingArrivesError", "Outbox", "RemoteFile", "on_disk_first", "outgoing_folder"]

_MOST_BYTES = 128 * 2**20  # that wait to be sent; one file may always be more

_sending = Background("gantool-send", 8)


class NothingArrivesError(OutputError):
    """A server refuses the first files, as it will all others."""


@dataclass(frozen=True)
class RemoteFile(ByteStream):
    """A result that is sent to an address, which its name says."""

    path: str = field(kw_only=True)
    """Within the folder at the address."""
    outbox: Outbox = field(kw_only=True, repr=False)

    @property
    def is_on_its_way(self) -> bool:
        """Whether it has been written, and has not arrived."""
        return self.outbox.is_sending(self.path)

    def arrive(self) -> None:
        """Wait until what was written has arrived.

        Raises:
            OutputError: it cannot be sent; a `NothingArrivesError` if no other file could be sent either.
        """
        self.outbox.arrive(self.path)


class Outbox:
    """Sends files to a folder at an address. May be used by several threads.

    Args:
        replace: files that are there.
        keep: those, and say nothing of it; else that is an error.

    Raises:
        UsageError: the address holds a password, or more than a path.
        DataError: a package for such addresses is missing, or it is not known.
    """

    def __init__(self, address: str, *, replace: bool = False, keep: bool = False) -> None:
        self.server = Server(address)
        self._replace, self._keep = replace, keep
        self._names: dict[str, frozenset[str]] = {}
        self._coming: dict[str, Future[None]] = {}
        self._bytes = 0
        self._room = threading.Condition()
        self._stopped = threading.Event()
        self._arrived = False

    def file(self, path: str) -> RemoteFile:
        """A file below the address."""
        write = partial(self._send, path)
        return RemoteFile(f"{self.server.address}/{path}", Path(path).suffix.lower(), write, path=path, outbox=self)

    def has(self, path: str) -> bool:
        """Whether a file was there when its folder was listed, which is done once.

        Raises:
            OutputError: see `Server.names`.
        """
        folder, _, name = path.rpartition("/")
        if folder not in self._names:
            self._names[folder] = self.server.names(folder)
        return name in self._names[folder]

    def is_sending(self, path: str) -> bool:
        """See `RemoteFile`."""
        future = self._coming.get(path)
        return future is not None and not future.done()

    def arrive(self, path: str) -> None:
        """See `RemoteFile`."""
        future = self._coming.pop(path, None)
        if future is None:
            return
        try:
            future.result()
        except RefusedError as error:
            if self._arrived:
                raise
            raise NothingArrivesError(error.message, error.remedy) from None

    def give_up(self) -> None:
        """Send nothing more that was not begun, and ask no server again."""
        self._stopped.set()
        with self._room:
            self._room.notify_all()

    def _send(self, path: str, content: bytes) -> None:
        """Have a thread send it; waits while too much is waiting already."""
        with self._room:
            self._room.wait_for(
                lambda: not self._bytes or self._bytes + len(content) <= _MOST_BYTES or self._stopped.is_set()
            )
            self._bytes += len(content)
        future = self._coming[path] = Future()
        _sending.do(partial(self._deliver, future, path, content))

    def _deliver(self, future: Future[None], path: str, content: bytes) -> None:
        try:
            self._write(path, content)
            self._arrived = True
            future.set_result(None)
        except BaseException as error:
            future.set_exception(error)
        finally:
            with self._room:
                self._bytes -= len(content)
                self._room.notify_all()

    def _write(self, path: str, content: bytes) -> None:
        if self._stopped.is_set():
            raise OutputError(f"{self.server.address}/{path}: was not written, because the command ended.")
        written = self.server.write(path, content, replace=self._replace, stopped=self._stopped)
        if not written and not self._keep:
            raise OutputError(
                f"{self.server.address}/{path}: exists by now, with another content; somebody else has written it.",
                "Use --overwrite to replace, or --skip-existing to leave it.",
            )


def outgoing_folder() -> Path:
    """A new folder for files on their way; if the process is killed, the next one removes it.

    Raises:
        OutputError: it cannot be made.
    """
    place = cache_folder() / "outgoing" / "files"
    try:
        folder = scratch(place)
        folder.mkdir()
    except OSError as error:
        raise OutputError(f"{place.parent}: cannot be written ({error.strerror or error}).") from None
    return folder


@contextmanager
def on_disk_first(target: Target) -> Iterator[Path]:
    """Yield a path for what is written bit by bit; at the end it is sent if the target is at an address.

    Raises:
        OutputError: it cannot be sent.
    """
    if isinstance(target, Path):
        yield target
        return
    folder = outgoing_folder()
    try:
        path = folder / target.name.rpartition("/")[2]
        yield path
        if path.exists():
            target.write(path.read_bytes())
            if isinstance(target, RemoteFile):
                target.arrive()
    finally:
        rmtree(folder, ignore_errors=True)
