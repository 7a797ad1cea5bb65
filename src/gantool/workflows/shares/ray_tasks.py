"""``--engine ray``: the shares of a command as tasks of a Ray cluster, which tries again where a worker dies."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gantool._version import __version__
from gantool.errors import UsageError
from gantool.workflows.shares.ray_cluster import ray_cluster
from gantool.workflows.shares.ray_worker import ShareEnd, ShareTask, do_share
from gantool.workflows.shares.share import RAY
from gantool.workflows.shares.tries import launch_folder

__all__ = ["Launch", "tasks_on_ray"]

RETRIES = 3
"""How often a share is tried again whose worker or machine has died."""

_PER_WORKER = 4  # shares, so that none waits long for the last one, and a worker that dies loses little
_MOST = 10_000
_PATIENCE = 10.0  # seconds for tasks that were asked to end
_LOOK = 1.0  # seconds until a wait for tasks lets Ctrl-C in


@dataclass(frozen=True)
class Launch:
    """What is to be done as tasks.

    Attributes:
        arguments: the command line, which every share gets.
        output: the folder of the results, on a disk that all workers see.
        named: files and folders that they have to see as well.
        count: of the shares; None for some per worker.
        on_cpu: whether GPUs are of no use.
        stdin: what each share reads; None for nothing.
    """

    arguments: tuple[str, ...]
    output: Path
    named: tuple[Path, ...] = ()
    count: int | None = None
    on_cpu: bool = False
    stdin: bytes | None = None

    def __post_init__(self) -> None:
        if self.count is not None and not 1 <= self.count <= _MOST:
            raise UsageError(f"--devices {self.count}: with --engine there can be 1 to {_MOST} shares.")


@contextmanager
def tasks_on_ray(
    run: Callable[[list[str]], int], launch: Launch
) -> Iterator[tuple[int, Iterator[ShareEnd]]]:  # fmt: skip
    """Start the shares on the cluster of ``RAY_ADDRESS``, or on one of this machine's cores that ends with them.

    Yields their number, and how each ended, as they end. Whatever ends this block cancels those that have not.

    Args:
        run: does a command line and returns its exit code; called in the workers.

    Raises:
        UsageError: there is no Ray, or no cluster.
        OutputError: nothing can be written where the results go.
    """
    job = secrets.token_hex(8)
    with launch_folder(launch.output, job) as folder, ray_cluster() as ray:
        count, needs = _plan(ray.cluster_resources(), launch)
        do = ray.remote(**needs, max_retries=RETRIES)(do_share)
        stdin = ray.put(launch.stdin)
        seen = tuple(str(path.absolute()) for path in (folder, *launch.named))
        waiting: dict[Any, int] = {}
        try:
            for place in range(count):
                share = f"{place + 1}/{count}:{job}:{RAY}"
                task = ShareTask(launch.arguments, share, __version__, str(Path.cwd()), seen)
                waiting[do.options(name=f"gantool {share.partition(':')[0]}").remote(run, task, stdin)] = place
            yield count, _ends(ray, waiting, count)
        finally:
            _cancel(ray, waiting)


def _plan(resources: dict[str, float], launch: Launch) -> tuple[int, dict[str, float]]:
    """The number of shares, and what a task of a share takes of a cluster.

    >>> _plan({"CPU": 16, "GPU": 2}, Launch((), Path()))
    (8, {'num_cpus': 8, 'num_gpus': 1})
    >>> _plan({"CPU": 16, "GPU": 2}, Launch((), Path(), on_cpu=True))
    (64, {'num_cpus': 1, 'num_gpus': 0})
    """
    cores, gpus = max(int(resources.get("CPU", 0)), 1), int(resources.get("GPU", 0))
    use_gpus = gpus > 0 and not launch.on_cpu
    workers = gpus if use_gpus else cores
    count = launch.count or min(workers * _PER_WORKER, _MOST)
    return count, {"num_cpus": max(cores // gpus, 1) if use_gpus else 1, "num_gpus": int(use_gpus)}


def _ends(ray: Any, waiting: dict[Any, int], count: int) -> Iterator[ShareEnd]:
    while waiting:
        for reference in ray.wait(list(waiting), timeout=_LOOK)[0]:
            place = waiting.pop(reference)
            try:
                yield ray.get(reference)
            except ray.exceptions.RayError as error:
                yield ShareEnd(place, 1, err=f"error: {_given_up(ray, error, f'{place + 1}/{count}')}\n")


def _given_up(ray: Any, error: Exception, share: str) -> str:
    if isinstance(error, ray.exceptions.RayTaskError):  # the same for all
        cause = getattr(error, "cause", None) or error
        line = (str(cause).strip().splitlines() or [type(cause).__name__])[-1].rstrip(".")
        return f"Ray's workers cannot do this ({line}). They need gantool of this version."
    return (
        f"share {share} was given up after {RETRIES + 1} tries, as its worker died in each; what the others do "
        "stays. The same command does the rest; translate and segment with --skip-existing."
    )


def _cancel(ray: Any, waiting: dict[Any, int]) -> None:
    """Ask tasks to end, and make them after a while."""
    left = list(waiting)
    for force in (False, True):
        for reference in left:
            with suppress(ray.exceptions.RayError, ValueError):
                ray.cancel(reference, force=force)
        deadline = time.monotonic() + _PATIENCE
        while left and time.monotonic() < deadline:
            left = ray.wait(left, num_returns=len(left), timeout=_LOOK)[1]
        if not left:
            return
