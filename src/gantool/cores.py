"""How many cores a call of a runner computes on: all of them for a picture, or one for each of several at once.

Small pictures leave cores idle when each is computed on all of them, since its layers are cut into shares that are
hardly worth handing out; several at once, each on a core of its own, do not. The results are the same to the byte.
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
