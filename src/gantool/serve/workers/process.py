"""A process that decodes and runs images, one after the other; it may be killed at any moment.

What it is told and what it says are a line of JSON and bytes: the server takes no pickles from a process that reads
strangers' images.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING

from gantool.serve.limits import Limits, Refusal

if TYPE_CHECKING:
    from gantool.serve.models import ServedModel
    from gantool.serve.workers.work import Bench

__all__ = ["Setup", "main"]

_BYTES_PER_PIXEL = 48  # of an image that is decoded, run and encoded, at most; measured 14 to 34
_BESIDES = 2**30  # bytes that the libraries take as they go


@dataclass(frozen=True)
class Setup:
    """What a worker needs to know.

    Attributes:
        threads: that it computes on.
    """

    models: tuple[ServedModel, ...]
    limits: Limits
    device: str = "auto"
    trust: bool = False
    threads: int = 1


def main(pipe: Connection, setup: Setup) -> None:
    """Load the models, say so, and answer until the other end of the pipe is gone."""
    for stop in (signal.SIGINT, signal.SIGTERM):  # meant for the server, which lets its workers finish
        signal.signal(stop, signal.SIG_IGN)
    os.environ["OMP_NUM_THREADS"] = str(setup.threads)
    logging.disable(logging.CRITICAL)  # what libraries say of an image is nobody's business
    with suppress(EOFError, OSError):
        bench = _opened(pipe, setup)
        while bench is not None:
            _serve(pipe, bench)


def _opened(pipe: Connection, setup: Setup) -> Bench | None:
    from gantool.errors import GantoolError
    from gantool.serve.workers.work import Bench
    from gantool.workflows.kept_memory import keep_freed_memory

    try:
        bench = Bench(setup.models, setup.limits.pixels, device=setup.device, trust=setup.trust)
    except GantoolError as error:
        pipe.send_bytes(json.dumps({"error": str(error)}).encode())
        return None
    keep_freed_memory()
    if bench.device == "cpu":
        _limit_memory(setup.limits.pixels * _BYTES_PER_PIXEL + _BESIDES)
    pipe.send_bytes(json.dumps({"device": bench.device}).encode())
    return bench


def _limit_memory(more: int) -> None:
    """Let the process have so many bytes more than it has; only where the system can tell how many these are."""
    if not sys.platform.startswith("linux"):
        return
    import resource

    with suppress(OSError, ValueError):
        limit = int(Path("/proc/self/statm").read_text("ascii").split()[0]) * resource.getpagesize() + more
        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        resource.setrlimit(resource.RLIMIT_AS, (limit if hard == resource.RLIM_INFINITY else min(limit, hard), hard))


def _serve(pipe: Connection, bench: Bench) -> None:
    """Answer one request; see `gantool.serve.workers.pool` for the other end."""
    from gantool.serve.workers.work import Wish

    wish = Wish.from_json(pipe.recv_bytes())
    body = pipe.recv_bytes()
    try:
        answer = bench.answer(wish, body)
        head = {"status": 200, "type": answer.type, "pixels": answer.pixels, "shares": answer.shares}
        data = answer.data
    except Refusal as refusal:
        head, data = {"status": refusal.status, "sentence": refusal.sentence}, b""
    except Exception as error:
        # A mistake of ours, or an image that no one thought of: its kind is told, its words may tell of the image.
        head, data = {"status": 422, "sentence": "The image cannot be worked on.", "kind": type(error).__name__}, b""
    pipe.send_bytes(json.dumps(head).encode())
    pipe.send_bytes(data)
