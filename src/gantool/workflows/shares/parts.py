"""What the shares of one job hand in, in a folder that all of them see, and who puts it together: whoever is last.

Nobody waits and nobody is in charge, so that a share that dies takes nothing with it: when it is run again it finds
the others' parts, and puts them together if it is the last. The folder lies within the output's,
``.gantool-shares/KEY``, and goes when all is done; the key is made of the question, so that parts of another job are
never taken for this one's. Within it, a share's part and its lock. Where a launcher starts all processes, the parts
are named for its launch, so that those of an earlier one, which died, are not taken either, but go with this one's.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from gantool._version import __version__
from gantool.errors import OutputError
from gantool.locks import locked
from gantool.workflows.shares.share import FOLDER, Share
from gantool.workflows.shares.trees import load_tree, save_tree

__all__ = ["FOLDER", "Parts", "ShareError"]

_PATIENCE = 3.0  # seconds for one who only looks whether a share is at work
_PAUSE = 0.1


class ShareError(OutputError):
    """Something that concerns this process alone, so that it tells of it itself, whoever speaks for the others."""

    is_own = True


class Parts:
    """The parts of one job.

    Args:
        output: the folder of the results, on a disk that all processes see.
        question: all that the results depend on, as JSON; equal for all shares of a job.
        again: whether a part of an earlier launch answers the question as well.

    Attributes:
        stage: that was reached; a job can have several, whose parts are named so.
    """

    def __init__(self, share: Share, output: Path, question: Any, *, again: bool = False) -> None:
        self.share, self.output = share, output
        self.key = _digest(json.dumps([__version__, share.count, question], default=str))
        self._launch = "" if again or not share.job else f"-{_digest(share.job)[:8]}"
        self.folder = output / FOLDER / self.key[:16]
        self.stage = "part"

    @contextmanager
    def working(self) -> Iterator[bool]:
        """Keep others from doing this share meanwhile; yields whether the file system can do that.

        Raises:
            ShareError: another process does it.
        """
        deadline = time.monotonic() + _PATIENCE
        while True:
            try:
                with self._locked(f"{self.share.place + 1}.lock") as real:
                    yield real
                return
            except _BusyError as error:
                if time.monotonic() > deadline:
                    raise ShareError(
                        f"{self.output}: share {self.share} is being done by {error.who}.",
                        "Wait for its end, or choose another share or another -o.",
                    ) from None
                time.sleep(_PAUSE)

    def path(self, place: int | None = None, stage: str = "part", suffix: str = ".npz") -> Path:
        """Where a share hands in; its own by default."""
        number = (self.share.place if place is None else place) + 1
        return self.folder / f"{stage}-{number}{self._launch}{suffix}"

    def hand_in(self, tree: Any, stage: str = "part") -> None:
        """Write this share's part.

        Raises:
            OutputError: it cannot be written.
        """
        self.stage = stage
        save_tree(self.path(stage=stage), {"key": self.key, "part": tree})

    def handed_in(self, place: int, stage: str = "part") -> Any:
        """A share's part; None where there is none.

        Raises:
            OutputError: it is damaged.
        """
        try:
            tree = load_tree(self.path(place, stage))
        except FileNotFoundError:
            return None
        if not isinstance(tree, dict) or tree.get("key") != self.key:
            raise OutputError(f"{self.path(place, stage)}: is of another job.", f"Delete {self.folder}.")
        return tree["part"]

    def forget(self) -> None:
        """Remove what this share handed in at an earlier try."""
        for rest in (".*", "-*.*"):
            self._remove(f"*-{self.share.place + 1}{rest}")

    def missing(self, stage: str = "part") -> list[int]:
        """Places of the shares that have not handed in."""
        return [place for place in range(self.share.count) if not self.path(place, stage).exists()]

    @contextmanager
    def last(self, stage: str = "part") -> Iterator[list[Any] | None]:
        """Yield all parts, in order, if all are there and nobody has put them together; else None.

        Whoever gets them puts them together; the folder goes if that succeeds.
        """
        with self._waited("merge.lock"):
            if self.missing(stage):
                yield None
                return
            yield [self.handed_in(place, stage) for place in range(self.share.count)]
            self._remove("*-*.*")

    @contextmanager
    def finishing(self, stage: str) -> Iterator[list[int] | None]:
        """Yield the places of the shares that have gone without handing in, for one who does their work and finishes.

        None if one of them is still at work, who will, or if all is done. The parts go if the finishing succeeds.
        """
        with self._waited("merge.lock"):
            missing = self.missing(stage)
            if self.share.place in missing or any(self.is_at_work(place) for place in missing):
                yield None
                return
            yield missing
            self._remove("*-*.*")

    def wait(self, stage: str, patience: float) -> bool:
        """Wait until all have handed in; False if those who have not are not at work, and do not come.

        Args:
            patience: seconds for them to come.
        """
        self.stage, since = stage, time.monotonic()
        while missing := self.missing(stage):
            if self.share.place in missing:  # all is done, and the parts are gone
                return False
            if any(self.is_at_work(place) for place in missing):
                since = time.monotonic()
            elif time.monotonic() - since > patience:
                return False
            time.sleep(_PAUSE)
        return True

    def is_at_work(self, place: int) -> bool:
        """Whether a process holds the lock of a share."""
        path = self.folder / f"{place + 1}.lock"
        if os.name == "nt":
            return path.exists()
        import fcntl

        try:
            with path.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except OSError:
            return True
        return False

    def _remove(self, pattern: str) -> None:
        for path in self.folder.glob(pattern):
            with suppress(OSError):
                path.unlink()

    def tidy(self) -> None:
        """Remove the folder if nothing is left in it; to be called last."""
        for folder in (self.folder, self.folder.parent):
            with suppress(OSError):
                folder.rmdir()

    @contextmanager
    def _waited(self, name: str) -> Iterator[bool]:
        """Hold a lock, however long another one has it."""
        while True:
            try:
                with self._locked(name) as real:
                    yield real
                return
            except _BusyError:
                time.sleep(_PAUSE)

    def _locked(self, name: str) -> Any:
        return locked(self.folder / name, self.output, _BusyError)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


class _BusyError(OutputError):
    def __init__(self, who: str) -> None:
        super().__init__(who)
        self.who = who
