"""Time on a device that works by itself: events on a GPU, the clock elsewhere; and what to do with failures."""

from __future__ import annotations

import gc
import itertools
import math
import signal
import statistics
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from measured import middle

__all__ = [
    "Broken",
    "Deadline",
    "OutOfTime",
    "Timing",
    "describe",
    "free",
    "limited",
    "out_of_memory",
    "synchronize",
    "time_steps",
]


_STICKY = (
    "illegal memory access", "device-side assert", "unspecified launch failure", "misaligned address",
    "launch timed out", "uncorrectable ecc", "context is destroyed",
)  # fmt: skip
"""What CUDA says where a process has lost its GPU."""


class OutOfTime(Exception):  # noqa: N818 -- no error of the program
    """A time limit ended it."""


class Broken(Exception):  # noqa: N818
    """The GPU cannot be used by this process any more."""


class Deadline:
    """A moment by which something has to be done."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    @property
    def left(self) -> float:
        return self._end - time.monotonic()

    def require(self, seconds: float = 0.0) -> None:
        """Raise OutOfTime unless so much is left."""
        if self.left <= seconds:
            raise OutOfTime("not reached in time")


@dataclass(frozen=True)
class Timing:
    """Seconds of one call (median), their noise, and bytes of device memory at most."""

    seconds: float
    noise: float | None
    peak: int
    first: float
    """Seconds of the first call, with whatever it set up."""


def synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def time_steps(
    step: Callable[[], object], device: torch.device, deadline: Deadline, *, seconds: float = 1.5, most: int = 60
) -> Timing:
    """Time calls that follow each other without a pause, after two that warm up.

    At least three are timed, and as many as fit into ``seconds``. On a GPU events stand between the calls, so that
    the CPU may run ahead as it does in a training.

    Raises:
        OutOfTime: the deadline would be missed.
    """
    deadline.require()
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    first = _clocked(step, device)
    deadline.require()
    once = min(_clocked(step, device), first)
    count = max(3, min(most, math.ceil(seconds / max(once, 1e-5))))
    if count * once > deadline.left:
        count = max(1, int(deadline.left / once))
    times = _events(step, device, count) if device.type == "cuda" else [_clocked(step, device) for _ in range(count)]
    peak = torch.cuda.max_memory_allocated(device) if device.type == "cuda" else 0
    return Timing(statistics.median(times), middle(times)[1], peak, first)


def _clocked(step: Callable[[], object], device: torch.device) -> float:
    synchronize(device)
    started = time.perf_counter()
    step()
    synchronize(device)
    return time.perf_counter() - started


def _events(step: Callable[[], object], device: torch.device, count: int) -> list[float]:
    with torch.cuda.device(device):
        events = [torch.cuda.Event(enable_timing=True) for _ in range(count + 1)]
        events[0].record()
        for event in events[1:]:
            step()
            event.record()
        torch.cuda.synchronize()
    return [one.elapsed_time(other) / 1000 for one, other in itertools.pairwise(events)]


@contextmanager
def limited(seconds: float) -> Iterator[None]:
    """End what happens inside after so many seconds, where the system can (not within one long call into C++).

    Raises:
        OutOfTime: it took longer.
    """
    if not hasattr(signal, "SIGALRM") or threading.current_thread() is not threading.main_thread():
        yield
        return

    def ring(number: int, frame: object) -> None:
        raise OutOfTime(f"took more than {seconds:.0f} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, max(seconds, 0.01))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def out_of_memory(error: BaseException) -> bool:
    """Whether the GPU had too little memory, however it is said."""
    text = str(error).lower()
    said = ("out of memory", "alloc_failed", "cudnn_status_internal_error_host_allocation")
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or any(one in text for one in said)


def _chain(error: BaseException) -> list[BaseException]:
    """A failure and what it came from; of one while compiling the innermost tells most."""
    found: list[BaseException] = []
    inner: BaseException | None = error
    while inner is not None and inner not in found:
        found.append(inner)
        inner = inner.__cause__ or (None if inner.__suppress_context__ else inner.__context__)
    return found


def describe(error: BaseException) -> str:
    """A failure in one line.

    Raises:
        Broken: nothing more can be done on the GPU after it.
    """
    chain = _chain(error)
    if any(isinstance(one, OutOfTime) for one in chain):
        return next(str(one) for one in chain if isinstance(one, OutOfTime))
    if any(out_of_memory(one) for one in chain):
        return "out of memory"
    lines = (str(error).strip() or type(error).__name__).splitlines()
    text = f"{type(error).__name__}: {lines[0]}"[:300]
    if any(word in str(one).lower() for one in chain for word in _STICKY):
        raise Broken(text) from None
    return text


def free(device: torch.device) -> None:
    """Give back what failed or ended calls left."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()


def log_failure(error: BaseException) -> None:
    """The whole story goes into the log; frames are let go, for they hold tensors."""
    print("".join(traceback.format_exception(error)), flush=True)
    for one in _chain(error):
        traceback.clear_frames(one.__traceback__)
