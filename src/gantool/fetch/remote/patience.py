"""Asking again and again until a server answers, and saying in one sentence why it does not."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from typing import TypeVar

from gantool.errors import DataError, GantoolError, OutputError

__all__ = ["NotThereError", "RefusedError", "ShortError", "in_a_line", "patiently"]

ATTEMPTS = 8
PATIENCE = 0.25  # seconds before the second attempt; doubled each time
_REFUSED = frozenset({401, 403, 407})
_GONE = frozenset({400, 404, 405, 410, 416})

Answer = TypeVar("Answer")


class NotThereError(DataError):
    """There is nothing at an address."""


class RefusedError(OutputError):
    """A server does not take files, or not from us; asking again changes nothing."""


class ShortError(Exception):
    """An answer that ended too early."""


def patiently(
    where: str,
    ask: Callable[[], Answer],
    attempts: int | None = None,
    doing: str = "read",
    stopped: threading.Event | None = None,
) -> Answer:
    """Ask until there is an answer.

    Args:
        where: the address that messages name.
        doing: what is done to it: read, listed, written or removed.
        stopped: set when nobody waits for the answer any more.

    Raises:
        DataError: it is not there, may not be read, or the server does not answer for a while.
        OutputError: the same of what is not reading; a `RefusedError` where asking again changes nothing.
    """
    attempts, stopped = attempts or ATTEMPTS, stopped or threading.Event()
    for attempt in range(1, attempts + 1):
        try:
            return ask()
        except GantoolError:
            raise
        except Exception as error:  # of fsspec's many file systems, each with its own
            final = _final(where, error, doing)
            if final is not None:
                raise final from None
            if attempt == attempts:
                raise (DataError if doing == "read" else OutputError)(
                    f"{where}: cannot be {doing}, also at the {attempts}th attempt ({in_a_line(error)}).",
                    "Run the command again when the server answers; what was done so far is kept.",
                ) from None
        if stopped.wait(PATIENCE * 2 ** (attempt - 1) * random.SystemRandom().uniform(0.5, 1.5)):
            break
    raise OutputError(f"{where}: was not {doing}, because the command ended.")


def _final(where: str, error: Exception, doing: str) -> GantoolError | None:
    """The error where asking again changes nothing."""
    reading = doing == "read"
    refused: type[GantoolError] = DataError if reading else RefusedError
    status = getattr(error, "status", None)
    named = type(error).__name__
    if isinstance(error, PermissionError) or status in _REFUSED or "Credentials" in named or "NoAuth" in named:
        remedy = "See to the credentials; the page on scale says where."
        if doing == "listed":
            remedy += " With --overwrite, nothing is listed."
        return refused(f"{where}: may not be {doing} ({in_a_line(error)}).", remedy)
    if isinstance(error, FileNotFoundError) or status in _GONE:
        if reading:
            return NotThereError(f"{where}: is not there.", "Look for mistakes in the address.")
        return refused(f"{where}: cannot be {doing}, its bucket is not there.", "Make it, or choose another -o.")
    if isinstance(error, (ImportError, NotImplementedError, TypeError)):
        return refused(f"{where}: cannot be {doing} ({in_a_line(error)}).")
    return None


def in_a_line(error: Exception) -> str:
    """What an error says, short and in one line."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 160 else f"{text[:157]}..."
