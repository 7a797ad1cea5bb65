"""Ray, connected to a cluster: that of ``RAY_ADDRESS``, or one of this machine that ends with the command."""

from __future__ import annotations

import importlib.util
import logging
import os
import secrets
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from gantool.errors import UsageError
from gantool.hardware import usable_cores

__all__ = ["ray_cluster", "require_ray"]

_PATIENCE = 10.0  # seconds for a machine to answer
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


def require_ray() -> None:
    """See to it that Ray is installed, without importing it.

    Raises:
        UsageError: it is not.
    """
    spec = importlib.util.find_spec("ray")
    if spec is None or spec.origin is None:  # a folder of that name is no package
        raise UsageError("--engine ray needs Ray, which is not installed.", 'Install it: pip install "gantool[ray]".')


@contextmanager
def ray_cluster() -> Iterator[Any]:
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
        except (OSError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
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
