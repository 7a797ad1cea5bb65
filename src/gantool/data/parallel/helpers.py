"""Work on very many items by helper processes, with the results in order: for work that mostly holds Python's lock.

Two threads that look at small images take as long as one, since what Python does between the codec's calls takes as
long as these. A helper is this module, run by the same Python, that gets pickled items and answers with pickled
results over its standard streams; unlike the processes of `multiprocessing` it does not run the main script again,
which need not be written for that. A helper that dies, or that meets an error, costs nothing but time: its items are
worked on here, where the error is raised as ever.
"""

from __future__ import annotations

import logging
import os
import pickle
import queue
import signal
import subprocess
import sys
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from gantool.data.parallel.threads import in_order, writing_in_order
from gantool.files import FilesTogether
from gantool.hardware import threads_to_compute
from gantool.shards.members import is_member

__all__ = ["LEAST", "in_order_by_helpers"]

Item = TypeVar("Item")
Result = TypeVar("Result")

LEAST = 2000
"""Items from which on helpers pay: one takes a quarter of a second to start."""

_AT_ONCE = 16  # items, so that a helper seldom waits for the next ones
_MOST = 8  # helpers, of some 50 MB each

_log = logging.getLogger("gantool")


def in_order_by_helpers(
    work: Callable[[Item], Result], items: Sequence[Item], files: Iterable[Path]
) -> Generator[Result, None, None]:
    """Yield ``work(item)`` of every item in order, by as many processes as there are cores, a few items ahead.

    Few items, or one core (``OMP_NUM_THREADS``), are left to threads, and so are files in shards or at an address,
    which only this process knows how to reach. What the work writes waits for the disk together.

    Args:
        work: can be pickled, and done again: a function of a module, or an object of a class of one. Items that
            cannot be pickled are worked on here.
        files: that the work reads.
    """
    count = min(threads_to_compute(), _MOST)
    if len(items) < LEAST or count < 2 or not sys.executable or any(map(is_member, files)):
        with closing(writing_in_order(work, items)) as by_threads:
            yield from by_threads
        return
    with ExitStack() as stack:
        helpers = [stack.enter_context(_Helper(work)) for _ in range(count)]
        free: queue.SimpleQueue[_Helper] = queue.SimpleQueue()
        for helper in helpers:
            free.put(helper)

        def several(start: int) -> list[Any]:
            part = items[start : start + _AT_ONCE]
            helper = free.get()
            try:
                found = helper.do(part)
            finally:
                free.put(helper)
            return [work(item) for item in part] if found is None else found

        starts = range(0, len(items), _AT_ONCE)
        found = stack.enter_context(closing(in_order(several, starts, count)))
        for helper in helpers:  # ended first, so that nothing is waited for
            stack.callback(helper.stop)
        for results in found:
            yield from results


class _Helper:
    """A process that does some work."""

    def __init__(self, work: Callable[[Any], Any]) -> None:
        package = str(Path(__file__).parents[3])
        path = os.pathsep.join(filter(None, [package, os.environ.get("PYTHONPATH", "")]))
        self._process: subprocess.Popen[bytes] | None = None
        self._stopped = False
        with suppress(OSError):
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", __name__],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
            )
            self._send(pickle.dumps(work))

    def __enter__(self) -> _Helper:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        if self._process is not None:
            for stream in (self._process.stdin, self._process.stdout):
                if stream is not None:
                    with suppress(OSError):
                        stream.close()
            self._process.wait()

    def stop(self) -> None:
        """End the process; what it is at comes back as nothing."""
        self._stopped = True
        if self._process is not None:
            self._process.kill()

    def do(self, items: Sequence[Any]) -> list[Any] | None:
        """The results, or None if they are not to be had from this process.

        What was logged there is logged here. After `stop` there are no results, and nobody to miss them.
        """
        if self._process is None or self._process.stdout is None:
            return [] if self._stopped else None
        try:
            pickled = pickle.dumps(items)
        except Exception:  # nothing that can be sent, of which pickle says nearly everything
            return None
        try:
            self._send(pickled)
            results, messages = pickle.load(self._process.stdout)
        except Exception:  # it has died, or what it says makes no sense
            self._process.kill()
            self._process.wait()  # so that what it was writing is known to be nobody's
            return [] if self._stopped else None
        for level, message in messages:
            _log.log(level, "%s", message)
        found: list[Any] | None = results
        return found

    def _send(self, pickled: bytes) -> None:
        assert self._process is not None and self._process.stdin is not None
        self._process.stdin.write(pickled)
        self._process.stdin.flush()


class _Heard(logging.Handler):
    """Keeps what is logged."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[tuple[int, str]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append((record.levelno, record.getMessage()))


def _help() -> None:
    """Be a helper until nobody asks any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process that is helped ends this one
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what else is printed is no answer
    heard = _Heard()
    _log.addHandler(heard)
    _log.propagate = False
    with suppress(EOFError, OSError):
        work = pickle.load(sys.stdin.buffer)
        while True:
            items = pickle.load(sys.stdin.buffer)
            results: list[Any] | None
            try:
                results = []
                with FilesTogether() as together:
                    for item in items:
                        with together.piece():
                            results.append(work(item))
            except Exception:  # whoever asked raises it
                results, heard.messages = None, []
            pickle.dump((results, heard.messages), answers)
            answers.flush()
            heard.messages = []


if __name__ == "__main__":
    _help()
