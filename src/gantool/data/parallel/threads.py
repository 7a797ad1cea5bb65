"""Work on many files at once, with the results in order."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from typing import TypeVar

from gantool.files import FilesTogether

__all__ = ["in_order", "writing_in_order"]

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_order(
    work: Callable[[Item], Result], items: Iterable[Item], workers: int | None = None
) -> Generator[Result, None, None]:
    """Yield ``work(item)`` of every item in order, on as many threads as there are cores, a few items ahead.

    Codecs work without Python's lock, so threads use all cores. What ``work`` raises is raised here, and what waits
    is not begun then.
    """
    count = workers or os.cpu_count() or 1
    with ThreadPoolExecutor(count) as pool:
        waiting: deque[Future[Result]] = deque()
        try:
            for item in items:
                waiting.append(pool.submit(work, item))
                if len(waiting) > 2 * count:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def writing_in_order(work: Callable[[Item], Result], items: Iterable[Item]) -> Generator[Result, None, None]:
    """As `in_order`, for work that writes files: the disk is waited for by many of them together, and at the end."""

    def piece(item: Item) -> Result:
        with together.piece():
            return work(item)

    with FilesTogether() as together, closing(in_order(piece, items)) as results:
        yield from results
