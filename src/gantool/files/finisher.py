"""Threads that wait for the disk, so that others need not."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Generic, TypeVar

from gantool.errors import OutputError
from gantool.files.unfinished import Unfinished, finish_together, flush_for

__all__ = ["Finisher"]

Result = TypeVar("Result")


class Finisher(Generic[Result]):
    """Finishes files in the background; what comes while the disk is waited for is flushed together.

    Args:
        threads: that wait, which is more than one for disks whose files are flushed one by one.
    """

    def __init__(self, threads: int) -> None:
        self._threads = ThreadPoolExecutor(threads)
        self._lock = threading.Lock()
        self._waiting: list[tuple[Sequence[Unfinished], Callable[[OutputError | None], Result], Future[Any]]] = []

    def finish(self, files: Sequence[Unfinished], conclude: Callable[[OutputError | None], Result]) -> Future[Result]:
        """Finish files that belong together, in their order, up to the first that cannot be.

        Returns:
            What ``conclude`` makes of that; it gets the error, or None.
        """
        future: Future[Result] = Future()
        with self._lock:
            self._waiting.append((files, conclude, future))
        try:
            self._threads.submit(self._finish_what_waits)
        except RuntimeError:  # Python is about to end, as somebody insists
            self._finish_what_waits()
        return future

    def close(self) -> None:
        """Wait until all is finished."""
        self._threads.shutdown()

    def _finish_what_waits(self) -> None:
        with self._lock:
            taken, self._waiting = self._waiting, []
        try:
            flushed = flush_for([file for files, _, _ in taken for file in files])
        except BaseException:  # one by one, which tells whose it is
            flushed = False
        for files, conclude, future in taken:
            try:
                problem = None
                try:
                    finish_together(files, flushed=flushed)
                except OutputError as error:
                    problem = error
                future.set_result(conclude(problem))
            except BaseException as error:
                future.set_exception(error)
