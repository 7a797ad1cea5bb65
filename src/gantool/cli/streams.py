"""The three streams that a process starts with, whatever the shell made of them."""

from __future__ import annotations

import io
import os
import sys
from contextlib import suppress
from typing import Any

__all__ = ["prepare_streams"]


class _BestEffort(io.FileIO):
    """What is told on it may get lost (``2> /dev/full``, a reader that left), but never ends what was to be done."""

    def write(self, data: Any, /) -> int:
        try:
            return super().write(data) or 0
        except OSError:
            return len(data)


def prepare_streams() -> None:
    """Make stdin, stdout and stderr safe to use.

    Names of files need not be UTF-8. The numbers of streams that are closed (``>&-``) are taken, so that no file that
    is opened later gets what is meant for them; results for a closed stdout are an error like those for a full one.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.dup2(os.open(os.devnull, os.O_RDONLY if number < 2 else os.O_WRONLY), number)
    if sys.stdout is None:
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 -- as long as the process
    for stream in (sys.stdin, sys.stdout):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="surrogateescape")
    if isinstance(sys.stderr, io.TextIOWrapper):
        with suppress(OSError):
            sys.stderr = io.TextIOWrapper(
                io.BufferedWriter(_BestEffort(2, "w", closefd=False)), sys.stderr.encoding, "backslashreplace",
                line_buffering=True, write_through=True,
            )  # fmt: skip
