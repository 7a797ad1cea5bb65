"""How many cores a call of a runner uses: all of them for one picture, or one for each of several in parallel.

Small pictures leave cores idle when each is computed on all of them, since its layers are split into parts that are
hardly worth distributing; several at once, each on its own core, do not. The results are byte-identical.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["is_on_one_core", "on_one_core", "tell_torch"]

_here = threading.local()


@contextmanager
def on_one_core() -> Iterator[None]:
    """What runners compute in this thread meanwhile uses one core, because other threads compute as well."""
    before, _here.one = is_on_one_core(), True
    try:
        yield
    finally:
        _here.one = before


def is_on_one_core() -> bool:
    return getattr(_here, "one", False)


def tell_torch() -> None:
    """Let torch compute on one core in this thread from now on, if that is wished.

    Threads that compute already are left as they are.
    """
    if not is_on_one_core():
        return
    import torch

    if torch.get_num_threads() != 1:
        torch.set_num_threads(1)
