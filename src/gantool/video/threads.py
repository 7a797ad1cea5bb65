"""Reading ahead and writing behind, a few frames each, so that reading, computing and writing overlap."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator, Iterable
from contextlib import suppress
from typing import Generic, TypeVar

__all__ = ["Behind", "ahead"]

Item = TypeVar("Item")

_POLL = 0.2  # seconds after which a thread looks whether anyone still waits for it


def ahead(items: Iterable[Item], count: int = 2) -> Generator[Item]:
    """Yield items that another thread takes from ``items``, at most ``count`` before they are asked for.

    What the iterable raises is raised here. Whoever stops asking ends the thread, once its item has come.
    """
    ready: queue.Queue[tuple[Item | None, BaseException | None, bool]] = queue.Queue(count)
    left = threading.Event()

    def put(entry: tuple[Item | None, BaseException | None, bool]) -> None:
        while not left.is_set():
            with suppress(queue.Full):
                ready.put(entry, timeout=_POLL)
                return

    def read() -> None:
        try:
            for item in items:
                put((item, None, False))
                if left.is_set():
                    return
            put((None, None, True))
        except BaseException as error:  # of whatever kind: it is raised where it is waited for
            put((None, error, True))

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    try:
        while True:
            item, error, end = ready.get()
            if error is not None:
                raise error
            if end:
                return
            yield item  # type: ignore[misc]
    finally:
        left.set()


class Behind(Generic[Item]):
    """Hands items to ``write`` in a thread of its own, at most ``count`` of them waiting.

    What ``write`` raises is raised by the next `put`, or by `finish`.
    """

    def __init__(self, write: Callable[[Item], None], count: int = 2) -> None:
        self._write = write
        self._waiting: queue.Queue[tuple[Item] | None] = queue.Queue(count)
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while (entry := self._waiting.get()) is not None:
            if self._error is not None:
                continue  # nobody may wait for room for ever
            try:
                self._write(entry[0])
            except BaseException as error:  # of whatever kind: it is raised where it is noticed
                self._error = error

    def put(self, item: Item) -> None:
        self._raise()
        self._waiting.put((item,))

    def finish(self) -> None:
        """Wait until all is written."""
        self._waiting.put(None)
        self._thread.join()
        self._raise()

    def abandon(self) -> None:
        """Write nothing more, and wait for what is being written."""
        self._error = self._error or KeyboardInterrupt()
        self._waiting.put(None)
        self._thread.join()

    def _raise(self) -> None:
        if self._error is not None:
            raise self._error
