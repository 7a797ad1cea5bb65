"""Shards on their way to an address: one after the other, and the index last, which makes a set of them.

There are no locks at an address. Before anything else a mark takes the place of the index
(see `gantool.shards.mark`), which the storage makes only if there is none, so of two writers the second one is told.
``--overwrite`` replaces whatever is there, also the mark of a writer that is gone. Should it be at work after all, it
finds another mark than its own before the next shard, and ends.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from shutil import rmtree

from gantool.errors import GantoolError, OutputError
from gantool.fetch.cache import cache_folder
from gantool.fetch.remote.addresses import Server
from gantool.fetch.remote.outbox import Outbox, RemoteFile, outgoing_folder
from gantool.fetch.remote.patience import NotThereError
from gantool.shards.index import INDEX
from gantool.shards.mark import MARK_SIZE, new_mark, writer_of

__all__ = ["Sending", "SetAtAddress"]

_SHARD = re.compile(r"(train|val|test)(-.*)?-\d{6}\.tar")


class SetAtAddress:
    """The place of a set of shards that is not on a disk.

    Attributes:
        address: of its folder.
        name: of the set.

    Raises:
        UsageError: the address holds a password, or more than a path.
        DataError: a package for such addresses is missing, or it is not known.
    """

    def __init__(self, address: str) -> None:
        self.address = address.rstrip("/")
        self.name = self.address.rpartition("/")[2]
        self._outbox = Outbox(self.address, replace=True)
        self._server: Server = self._outbox.server

    def __str__(self) -> str:
        return self.address

    def is_complete(self) -> bool:
        """Whether a set is there, and not only a part of one.

        Raises:
            OutputError: the address may not be listed, or the server does not answer for a while.
        """
        return INDEX in self._server.names() and writer_of(self._start_of_index()) is None

    def require_free(self, *, replace: bool) -> None:
        """Refuse an address where something is, unless it is a set that may be replaced.

        Raises:
            OutputError: it may not, or may not be listed, or the server does not answer for a while.
        """
        there = self._server.names()
        if not there or (replace and INDEX in there):
            return
        if INDEX in there and (writer := writer_of(self._start_of_index())) is not None:
            raise self._busy(writer)
        raise OutputError(
            f"{self.address}: exists already.",
            "Choose another -o, or --overwrite a set of shards that gantool wrote.",
        )

    @contextmanager
    def writing(self, *, replace: bool) -> Iterator[Sending]:
        """Put the mark there, and yield what takes the shards.

        Args:
            replace: what is there.

        Raises:
            OutputError: another process writes there, or it cannot be written.
        """
        mark, folder = new_mark(), outgoing_folder()
        try:
            if not self._server.write(INDEX, mark, replace=replace):
                raise self._busy(writer_of(self._start_of_index()) or "another process")
            sending = Sending(self._outbox, folder, mark)
            try:
                yield sending
            except BaseException:
                self._outbox.give_up()
                if not replace and not sending.names:  # nothing was sent, so nothing is there
                    with suppress(GantoolError):
                        if self._server.read(INDEX) == mark:  # else somebody has replaced it
                            self._server.remove(INDEX)
                raise
        except OSError as error:
            raise OutputError(
                f"{cache_folder()}: a shard on its way to {self.address} cannot be written there "
                f"({error.strerror or error}).",
                "Free some space, make shards smaller (--shard-size), or set GANTOOL_CACHE to another folder.",
            ) from error
        finally:
            rmtree(folder, ignore_errors=True)

    def _start_of_index(self) -> bytes:
        """What may be a mark, without fetching an index."""
        try:
            whole = self._server.facts(INDEX).get("size") == str(MARK_SIZE)
            return self._server.read(INDEX) if whole else b""
        except NotThereError:
            return b""

    def _busy(self, writer: str) -> OutputError:
        return OutputError(
            f"{self.address}: is being written by {writer}, or its writing was interrupted.",
            "Wait for its end; if nobody is at work there, --overwrite makes the set anew.",
        )


class Sending:
    """Takes the files of a set, and sends them while the next ones are made.

    Attributes:
        folder: to make them in.
        names: of what was sent.
    """

    def __init__(self, outbox: Outbox, folder: Path, mark: bytes) -> None:
        self.folder = folder
        self.names: list[str] = []
        self._outbox, self._mark = outbox, mark
        self._last: RemoteFile | None = None

    def send(self, path: Path) -> None:
        """Send a file and remove it here. Waits for the one before, so that memory never holds two.

        Raises:
            OutputError: the one before could not be sent, or another process has begun to write there.
        """
        self._wait()
        self._require_own()
        self._last = self._outbox.file(path.name)
        self.names.append(path.name)
        self._last.write(path.read_bytes())
        path.unlink()

    def complete(self) -> None:
        """Send what else is in the folder, remove shards that an earlier set had more, and at last send the index.

        Raises:
            OutputError: something cannot be sent, or another process has begun to write there.
        """
        for path in sorted(self.folder.iterdir()):
            if path.name != INDEX:
                self.send(path)
        self._wait()
        self._require_own()
        server = self._outbox.server
        for name in sorted(server.names() - set(self.names)):
            if _SHARD.fullmatch(name):
                server.remove(name)
        self.send(self.folder / INDEX)
        self._wait()

    def _wait(self) -> None:
        if self._last is not None:
            self._last.arrive()

    def _require_own(self) -> None:
        """See whether the mark is still this writer's."""
        server = self._outbox.server
        try:
            found = server.read(INDEX)
        except NotThereError:
            found = b""
        if found != self._mark:
            who = writer_of(found) or "another process"
            raise OutputError(
                f"{server.address}: {who} has begun to write there as well, with --overwrite, so this one ends.",
                "Write a set with one process.",
            )
