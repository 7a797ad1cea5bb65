"""Memory that one picture needed, kept for the next one."""

from __future__ import annotations

import ctypes
from contextlib import suppress

__all__ = ["keep_freed_memory"]

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # M_... of glibc's malloc.h


def keep_freed_memory() -> bool:
    """Let glibc keep a little of what is freed, instead of giving it back and asking for it anew with every picture.

    It comes to do so by itself once a large array was freed; these are the numbers that it ends with then. For small
    pictures it never happens, and the system spends a tenth of their time on clearing pages. False for other C
    libraries, where nothing is done.
    """
    with suppress(AttributeError, OSError, TypeError):
        mallopt = ctypes.CDLL(None).mallopt
        return bool(mallopt(_MMAP_THRESHOLD, 32 * 2**20) and mallopt(_TRIM_THRESHOLD, 64 * 2**20))
    return False
