"""``--engine ray``: the shares of a command as tasks of a Ray cluster, which tries again where a worker dies.

A task does within its worker what ``--shard I/N`` would do: the worker's packages are imported once for all shares
that it gets, and whoever kills it kills the share, so that its lock is free for the next try.
"""

from __future__ import annotations

import importlib.util
import io
import logging
import os
import secrets
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from gantool._version import __version__
from gantool.errors import UsageError
from gantool.hardware import usable_cores
from gantool.workflows.shares.share import OWN_SHARE, RAY
from gantool.workflows.shares.tries import launch_folder

__all__ = ["Launch", "ShareEnd", "ShareTask", "do_share", "require_ray", "tasks_on_ray"]

RETRIES = 3
"""How often a share is tried again whose worker or machine has died."""

_PER_WORKER = 4  # shares, so that none waits long for the last one, and a worker that dies loses little
_MOST = 10_000
_PATIENCE = 10.0  # seconds for tasks that were asked to end
_LOOK = 1.0  # seconds until a wait for tasks lets Ctrl-C in
_OBJECTS = 2**27  # bytes of memory; what shares say is all there is
_LONGEST_FOLDER = 20  # bytes, for temporary files: Ray makes sockets in it, whose paths have at most 107

_OTHER_CLUSTER = (
    "Set RAY_ADDRESS to one that runs, or unset it for one on this machine; one that wants a token needs "
    "RAY_AUTH_MODE=token."
)

_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",  # tells its makers nothing
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",  # would send the current folder to the cluster
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # and without a warning about the years to come
    # Deaths of workers are printed on stdout, whatever is said of logs to init(), unless a pattern skips them.
    "RAY_DEDUP_LOGS": "1",
    "RAY_DEDUP_LOGS_SKIP_REGEX": "^",
    "RAY_DEDUP_LOGS_ALLOW_REGEX": "(?!)",
    "RAY_BACKEND_LOG_LEVEL": "fatal",
}


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


def require_ray() -> None:
    """See to it that Ray is installed, without importing it.

    Raises:
        UsageError: it is not.
    """
    spec = importlib.util.find_spec("ray")
    if spec is None or spec.origin is None:  # a folder of that name is no package
        raise UsageError("--engine ray needs Ray, which is not installed.", 'Install it: pip install "gantool[ray]".')


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
    require_ray()
    job = secrets.token_hex(8)
    with launch_folder(launch.output, job) as folder, _cluster() as ray:
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
            f"{missing[0]}: Ray's worker on {host} does not see this. Inputs and -o have to be on a disk that all "
            "machines of the cluster share."
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


@contextmanager
def _cluster() -> Iterator[Any]:
    """Connect to a cluster, and yield Ray.

    Raises:
        UsageError: none answers, or none can be started.
    """
    address = os.environ.get("RAY_ADDRESS", "").strip()
    is_local = address in ("", "local")
    os.environ.update(_QUIET)
    if is_local:  # it listens to the network, so it gets a token that only it and this process know
        os.environ.update(RAY_AUTH_MODE="token", RAY_AUTH_TOKEN=secrets.token_hex(32))
    ray = import_module("ray")  # which reads all these
    with ExitStack() as stack:
        options: dict[str, Any] = {"address": address}
        if is_local:
            options = _own_cluster(stack.enter_context(_short_folder()))
        try:
            _listens(address)
            stack.callback(ray.shutdown)
            with _own_signals(), _silence():
                ray.init(**options, log_to_driver=False, logging_level=logging.CRITICAL)
        except (OSError, RuntimeError, ValueError, TimeoutError) as error:
            line = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
            what = "a Ray cluster cannot be started here" if is_local else f"no Ray cluster answers at {address}"
            remedy = "" if is_local else _OTHER_CLUSTER
            raise UsageError(f"--engine ray: {what} ({line}).", remedy) from None
        yield ray


def _listens(address: str) -> None:
    """Find out whether anything is at an address, for which Ray would wait for ever.

    Raises:
        OSError: nothing is.
        ValueError: it is none.
    """
    place = urlsplit(address if "://" in address else f"//{address}")
    if place.hostname and place.port:
        socket.create_connection((place.hostname, place.port), timeout=_PATIENCE).close()


def _own_cluster(folder: str) -> dict[str, Any]:
    """What `ray.init` is told of a cluster on this machine: a worker a core, no dashboard, few objects."""
    options = {"num_cpus": usable_cores(), "include_dashboard": False, "object_store_memory": _OBJECTS}
    return {"address": "local", "_temp_dir": folder, **options}


@contextmanager
def _short_folder() -> Iterator[str]:
    """For sockets and logs of a cluster, which go with it."""
    long = len(os.fsencode(tempfile.gettempdir())) > _LONGEST_FOLDER
    where = "/tmp" if long and Path("/tmp").is_dir() else None
    with tempfile.TemporaryDirectory(prefix="gantool-ray-", dir=where, ignore_cleanup_errors=True) as folder:
        yield folder


@contextmanager
def _own_signals() -> Iterator[None]:
    """Keep what ends this process, which Ray would replace."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _silence() -> Iterator[None]:
    """Nothing on stderr, neither of what is no Python, which tells every second that it has not connected yet."""
    sys.stderr.flush()
    kept, nothing = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nothing, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nothing)


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


def _cancel(ray: Any, waiting: Sequence[Any] | dict[Any, int]) -> None:
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
