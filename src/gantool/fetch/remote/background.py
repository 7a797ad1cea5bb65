"""A few threads that work in the background, and that nobody waits for when the process ends."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable
from contextlib import suppress

__all__ = ["Background"]

Jobs = queue.SimpleQueue[Callable[[], None]]


class Background:
    """Threads that begin with the first job; a forked process has none of its parent's.

    Args:
        name: of the threads.
        threads: how many.
    """

    def __init__(self, name: str, threads: int) -> None:
        self._name, self._threads = name, threads
        self._jobs: dict[int, Jobs] = {}

    def do(self, job: Callable[[], None]) -> None:
        """Have one of the threads do it, who leaves what it raises to the job."""
        jobs = self._jobs.get(os.getpid())
        if jobs is None:
            made: Jobs = queue.SimpleQueue()
            jobs = self._jobs.setdefault(os.getpid(), made)  # no lock, which a fork could find held
            for _ in range(self._threads if jobs is made else 0):
                threading.Thread(target=_work, args=(jobs,), daemon=True, name=self._name).start()
        jobs.put(job)


def _work(jobs: Jobs) -> None:
    while True:
        with suppress(Exception):
            jobs.get()()
