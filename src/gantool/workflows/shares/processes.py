"""``--devices N``: the same command as several processes on this machine, each with its share."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from typing import IO

from gantool.errors import UsageError
from gantool.hardware import usable_cores
from gantool.workflows.shares.share import OWN_SHARE

__all__ = ["run_processes", "this_program"]

_PATIENCE = 20.0  # seconds for processes that were asked to end
_PAUSE = 0.05
_MOST = 1024


def run_processes(command: Sequence[str], count: int, tell: Callable[[str], None], stdin: bytes | None = None) -> int:
    """Run a command as several processes; returns its exit code: theirs where they agree, else 1.

    A process that dies does not stop the others. On a CPU the cores are divided among them, unless
    ``OMP_NUM_THREADS`` says otherwise.

    Args:
        command: to be run; each process finds its share in its environment.
        tell: called with a sentence for every process that died.
        stdin: what each of them reads; None for nothing.

    Raises:
        UsageError: a number of processes that there cannot be.
    """
    if not 1 <= count <= _MOST:
        raise UsageError(f"--devices {count}: there can be 1 to {_MOST} processes.")
    job = secrets.token_hex(8)
    with ExitStack() as stack:
        processes: list[subprocess.Popen[bytes]] = []
        stack.callback(lambda: _end(processes))
        for place in range(count):
            environment = {**os.environ, OWN_SHARE: f"{place + 1}/{count}:{job}", "LOCAL_RANK": str(place)}
            environment.setdefault("OMP_NUM_THREADS", str(max(usable_cores() // count, 1)))
            source = stack.enter_context(_source(stdin)) if stdin is not None else subprocess.DEVNULL
            processes.append(subprocess.Popen(command, env=environment, stdin=source))
        codes = _codes(processes, tell)
    agreed = set(codes)
    return codes[0] if len(agreed) == 1 and codes[0] >= 0 else 1


def _source(data: bytes) -> IO[bytes]:
    file = tempfile.TemporaryFile()  # noqa: SIM115 -- closed by the caller
    file.write(data)
    file.seek(0)
    return file


def _codes(processes: Sequence[subprocess.Popen[bytes]], tell: Callable[[str], None]) -> list[int]:
    """Exit codes of all, each told of when it ends."""
    count, running = len(processes), set(range(len(processes)))
    while running:
        for place in sorted(running):
            code = processes[place].poll()
            if code is None:
                continue
            running.discard(place)
            if code < 0:
                tell(
                    f"share {place + 1}/{count} was ended by signal {-code}; what the others do stays. "
                    "The same command does the rest; translate and segment with --skip-existing."
                )
        time.sleep(_PAUSE)
    codes = [process.returncode for process in processes]
    for place, code in enumerate(codes):
        if code > 1 and len(set(codes)) > 1:
            tell(f"share {place + 1}/{count} ended with exit code {code}.")
    return codes


def _end(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    """Ask those that still run to end, and make them after a while."""
    running = [process for process in processes if process.poll() is None]
    for process in running:
        with suppress(OSError):
            process.terminate()
    deadline = time.monotonic() + _PATIENCE
    for process in running:
        try:
            process.wait(max(deadline - time.monotonic(), 0.1))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def this_program(arguments: Sequence[str]) -> list[str]:
    """The command line of this program with these arguments."""
    return [sys.executable, "-m", "gantool", *arguments]
