"""What a worker of Ray does: a share within its own process, with what it says caught.

The worker's packages are imported once for all shares that it gets, and whoever kills it kills the share, so that its
lock is free for the next try.
"""

from __future__ import annotations

import io
import os
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gantool._version import __version__
from gantool.workflows.shares.share import OWN_SHARE

__all__ = ["ShareEnd", "ShareTask", "do_share"]


@dataclass(frozen=True)
class ShareTask:
    """What a worker is told of its share.

    Attributes:
        share: as in ``OWN_SHARE``.
        version: of the gantool that asks.
        folder: that names are relative to.
        seen: files and folders that the worker has to see.
    """

    arguments: tuple[str, ...]
    share: str
    version: str
    folder: str
    seen: tuple[str, ...]


@dataclass(frozen=True)
class ShareEnd:
    """How a share ended: its exit code, and what it has said."""

    place: int
    code: int
    out: str = ""
    err: str = ""


def do_share(run: Callable[[list[str]], int], task: ShareTask, stdin: bytes | None) -> ShareEnd:
    """In a worker: do a share within this process."""
    place = int(task.share.partition("/")[0]) - 1
    problem = _problem(task)
    if problem:
        return ShareEnd(place, 2, err=f"error: {problem}\n")
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", "surrogateescape", write_through=True) for _ in range(2))
    with ExitStack() as stack:
        stack.enter_context(_variable(OWN_SHARE, task.share))
        stack.callback(_set_stdin, sys.stdin)
        _set_stdin(io.TextIOWrapper(io.BytesIO(stdin or b""), "utf-8", "surrogateescape"))
        stack.enter_context(redirect_stdout(out))
        stack.enter_context(redirect_stderr(err))
        code = run(list(task.arguments))
    return ShareEnd(
        place, code, *(stream.buffer.getvalue().decode("utf-8", "surrogateescape") for stream in (out, err))
    )


def _problem(task: ShareTask) -> str:
    """Why this worker cannot do the share; empty if it can. Goes to the folder that names are relative to."""
    host = socket.gethostname()
    if task.version != __version__:
        return (
            f"Ray's worker on {host} has gantool {__version__}, this is {task.version}. Install one version on all."
        )
    missing = [path for path in task.seen if not Path(path).exists()]
    if missing:
        return (
            f"{missing[0]}: Ray's worker on {host} does not see this. Inputs, models and -o have to be on a disk "
            "that all machines of the cluster share."
        )
    with suppress(OSError):  # whose names are absolute need not see it
        os.chdir(task.folder)
    return ""


@contextmanager
def _variable(name: str, value: str) -> Iterator[None]:
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


def _set_stdin(stream: Any) -> None:
    sys.stdin = stream
