"""The parts of a job whose results go to an address, where there are no locks.

Every share writes its part there, each whole, and then looks: storages show what was written before, so whoever was
the last to write sees all parts. If several do, the one whose claim is there first puts them together. A share that
is run again removes its part and the claim, so that one who died after claiming keeps nobody from it. Two processes
that do the same share write the same.
"""

from __future__ import annotations

import fnmatch
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import rmtree
from typing import Any

from gantool.fetch.remote.addresses import Server
from gantool.fetch.remote.outbox import Outbox, outgoing_folder
from gantool.fetch.remote.patience import NotThereError
from gantool.workflows.shares.parts import FOLDER, Parts
from gantool.workflows.shares.share import Share

__all__ = ["AnyParts", "PartsAtAddress"]


class PartsAtAddress:
    """The parts of one job, as `Parts` has them on a disk.

    Args:
        outbox: what sends the results.
        question: all that the results depend on, as JSON; equal for all shares of a job.

    Raises:
        OutputError: there is no place for parts on their way.
    """

    def __init__(self, share: Share, outbox: Outbox, question: Any) -> None:
        self._near = Parts(share, outgoing_folder(), question)
        self._server = Server(f"{outbox.server.address}/{FOLDER}/{self._near.key[:16]}")
        self.share, self.stage = share, self._near.stage

    @contextmanager
    def working(self) -> Iterator[bool]:
        """Others may do the same share: what they write is the same."""
        yield True

    def path(self, place: int | None = None, stage: str = "part", suffix: str = ".npz") -> Path:
        """Where a share's file lies on this machine before it is sent, or after it has come."""
        return self._near.path(place, stage, suffix)

    def hand_in(self, tree: Any, stage: str = "part") -> None:
        """Send this share's part, and before it what else it has made.

        Raises:
            OutputError: it cannot be written.
        """
        self._near.hand_in(tree, stage)
        part = self.path(stage=stage)
        for file in (*sorted(set(self._near.folder.iterdir()) - {part}), part):
            self._server.write(file.name, file.read_bytes(), replace=True)

    def forget(self) -> None:
        """Remove what this share handed in at an earlier try, and who claimed to put all together."""
        number = self.share.place + 1
        self._remove(f"*-{number}.*", f"*-{number}-*.*", "*.claim")

    def missing(self, stage: str = "part") -> list[int]:
        """Places of the shares that have not handed in."""
        there = self._server.names()
        return [place for place in range(self.share.count) if self.path(place, stage).name not in there]

    @contextmanager
    def last(self, stage: str = "part") -> Iterator[list[Any] | None]:
        """Yield all parts, in order, if all are there and nobody else puts them together; else None."""
        claim = self.path(0, "who", ".claim").name
        mine = secrets.token_bytes(16)
        if self.missing(stage) or not self._server.write(claim, mine, replace=False):
            yield None
            return
        # Who put all together meanwhile has removed the parts, and then the claim, which made room for this one.
        if self.missing(stage) or not self._fetch():
            self._server.remove(claim)
            yield None
            return
        yield [self._near.handed_in(place, stage) for place in range(self.share.count)]
        self._remove("*-*.npz", "*-*.json", "*.claim")

    def tidy(self) -> None:
        """Remove what is on this machine."""
        rmtree(self._near.output, ignore_errors=True)

    def _fetch(self) -> bool:
        """Copy all to this machine; False if they are gone, because another one has put them together."""
        try:
            for name in self._server.names():
                (self._near.folder / name).write_bytes(self._server.read(name))
        except NotThereError:
            return False
        return True

    def _remove(self, *patterns: str) -> None:
        for name in sorted(self._server.names()):  # parts before the claim
            if any(fnmatch.fnmatch(name, pattern) for pattern in patterns):
                self._server.remove(name)


AnyParts = Parts | PartsAtAddress
