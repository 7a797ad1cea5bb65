"""What stands in the place of an index while the shards of a set are sent to an address, where there are no locks.

It is made before the first shard and replaced by the index after the last one, so that nobody takes shards that are
there for all of them. It says who writes, for people to read, and differs from try to try, so that a writer can see
whether it still is the one.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
from datetime import UTC, datetime

from gantool.documents import load_json, shown
from gantool.errors import DataError

__all__ = ["MARK_SIZE", "new_mark", "refuse_mark", "writer_of"]

MARK_SIZE = 256
"""Bytes of every mark; the header of an index alone has more."""

_SIGN = b"GTBEGUN\n"


def new_mark() -> bytes:
    """A mark of this process."""
    facts = {
        "pid": os.getpid(),
        "host": socket.gethostname()[:64],
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
        "try": secrets.token_hex(8),
    }
    return (_SIGN + json.dumps(facts).encode())[:MARK_SIZE].ljust(MARK_SIZE)


def writer_of(content: bytes) -> str | None:
    """Who writes, such as ``process 123 on host since 2026-11-21 14:03:05``; None if the content is no mark."""
    if content[: len(_SIGN)] != _SIGN:
        return None
    try:
        facts = load_json(content[len(_SIGN) :].decode())
        since = datetime.fromisoformat(facts["since"]).astimezone()
        return f"process {int(facts['pid'])} on {shown(str(facts['host']))[1:-1]} since {since:%Y-%m-%d %H:%M:%S}"
    except (ValueError, LookupError, TypeError, OverflowError):
        return "another process"


def refuse_mark(content: bytes, what: object) -> None:
    """Refuse to read a set whose index is a mark.

    Args:
        content: of the index, or its first `MARK_SIZE` bytes.
        what: to call it.

    Raises:
        DataError: it is one.
    """
    writer = writer_of(content)
    if writer is not None:
        raise DataError(
            f"{what}: the set is being written by {writer}, or its writing was interrupted.",
            "Wait for its end, or write it again with gantool prepare --shards --overwrite.",
        )
