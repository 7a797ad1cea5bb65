"""What Pillow and NumPy warn of while a file is read, given to whoever reads it instead of to stderr."""

from __future__ import annotations

import ctypes
import logging
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from typing import Any

from PIL import Image, _imaging

__all__ = ["collected_warnings"]

_SOURCES = r"(PIL|gantool\.data)\."  # modules, as a pattern
_lock = threading.Lock()
_reading = 0  # calls of `collected_warnings` that have begun and not ended, in all threads
_restore: list[Callable[[], None]] = []
_heard = threading.local()


@contextmanager
def collected_warnings() -> Iterator[list[str]]:
    """Yield a list that gets what is warned of in this thread, one line each; a large picture is nothing to warn of.

    Filters of warnings belong to the whole process, so they are set when the first thread begins to read and put back
    when the last one is done; what other code warns of goes where it always does.
    """
    outer: list[str] | None = getattr(_heard, "lines", None)
    lines: list[str] = []
    _heard.lines = lines
    _begin()
    try:
        yield lines
    finally:
        _end()
        _heard.lines = outer


@cache
def _silence_libtiff() -> None:
    """Keep libtiff from writing to stderr itself; what it finds wrong Pillow raises."""
    with suppress(AttributeError, OSError):  # where Pillow contains it rather than loads it, it cannot be reached
        handlers = ctypes.CDLL(_imaging.__file__)
        for install in (handlers.TIFFSetErrorHandler, handlers.TIFFSetWarningHandler):
            install.argtypes, install.restype = (ctypes.c_void_p,), ctypes.c_void_p
            install(None)


def _begin() -> None:
    _silence_libtiff()
    global _reading
    with _lock:
        _reading += 1
        if _reading > 1:
            return
        filters = warnings.catch_warnings()
        filters.__enter__()
        warnings.filterwarnings("always", module=_SOURCES)
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        show = warnings.showwarning

        def hear(message: Warning | str, category: type[Warning], *where: Any, **more: Any) -> None:
            if not _hear(str(message)):
                show(message, category, *where, **more)

        warnings.showwarning = hear
        handler = _Handler(logging.WARNING)
        logging.getLogger("PIL").addHandler(handler)
        _restore[:] = [
            lambda: logging.getLogger("PIL").removeHandler(handler),
            lambda: filters.__exit__(None, None, None),
        ]


def _end() -> None:
    global _reading
    with _lock:
        _reading -= 1
        if not _reading:
            for restore in _restore:
                restore()


class _Handler(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        _hear(record.getMessage())


def _hear(text: str) -> bool:
    """Note one line for this thread; False where nobody is reading."""
    lines: list[str] | None = getattr(_heard, "lines", None)
    if lines is None:
        return False
    line = " ".join(text.split())
    if line not in lines:
        lines.append(line)
    return True
