"""From the options of ``gantool serve`` to a server that runs, and to one that has stopped in good order."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import ipaddress
import logging
import signal
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import uvicorn

from gantool.errors import UsageError
from gantool.hardware import threads_to_compute
from gantool.serve.app import make_app
from gantool.serve.connections import connections_with
from gantool.serve.door import Door
from gantool.serve.limits import Limits
from gantool.serve.metrics import Metrics
from gantool.serve.models import ServedModel, Shelf, find_served
from gantool.serve.workers.pool import Pool
from gantool.serve.workers.process import Setup

__all__ = ["ServeOptions", "Started", "serve"]

_SHORTEST_TOKEN = 16  # characters


@dataclass(frozen=True)
class ServeOptions:
    """How pictures are served.

    Attributes:
        host, port: where it listens; port 0 for any that is free.
        models: names as for ``--model``; none for the built-in ones.
        token: that requests have to bring; empty for none.
        hosts: names that requests may call the server by, besides addresses and ``localhost``.
        workers: processes that run images; 0 for one per core, or one where the device is a GPU.

    Raises:
        UsageError: it would be open to others without a token, or the token is too short.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    models: tuple[str, ...] = ()
    runs: Path = Path("runs")
    token: str = ""
    hosts: tuple[str, ...] = ()
    workers: int = 0
    device: str = "auto"
    trust: bool = False
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        if self.token and (len(self.token) < _SHORTEST_TOKEN or not self.token.isascii() or " " in self.token):
            raise UsageError(
                f"--token: expected at least {_SHORTEST_TOKEN} ASCII characters without spaces.",
                'Make one: python -c "import secrets; print(secrets.token_urlsafe())"',
            )
        if not self.token and not _is_loopback(self.host):
            raise UsageError(
                f"--host {self.host}: others could reach it, so it needs a token.",
                "Give one with --token, or in the environment as GANTOOL_TOKEN.",
            )


@dataclass(frozen=True)
class Started:
    """A server that takes requests from now on."""

    address: str
    models: tuple[ServedModel, ...]
    device: str
    workers: int


def serve(options: ServeOptions, on_start: Callable[[Started], None], on_stop: Callable[[int], None]) -> None:
    """Serve until SIGTERM or SIGINT; requests under way are finished first. A second SIGINT ends it at once.

    Args:
        on_start: called when it takes requests.
        on_stop: called with how many connections are still open when it is told to stop.

    Raises:
        UsageError, ModelError: it cannot be started; with the remedy.
    """
    models = find_served(options.models, options.runs)
    with _listening(options.host, options.port) as listener:
        asyncio.run(_run(options, models, listener, on_start, on_stop))


async def _run(
    options: ServeOptions,
    models: tuple[ServedModel, ...],
    listener: socket.socket,
    on_start: Callable[[Started], None],
    on_stop: Callable[[int], None],
) -> None:
    metrics, limits = Metrics(), options.limits
    cores = threads_to_compute()
    count = options.workers or (1 if options.device.startswith(("cuda", "mps")) else cores)
    setup = Setup(models, limits, options.device, options.trust, threads=max(cores // count, 1))
    pool = Pool(setup, count, on_restart=metrics.restart, on_mistake=metrics.mistake)
    app = make_app(pool, Shelf(models), limits, metrics, token=options.token, hosts=options.hosts)
    logging.getLogger("uvicorn.error").addHandler(logging.NullHandler())
    config = uvicorn.Config(
        app, http=connections_with(limits), ws="none", lifespan="off", loop="asyncio", log_config=None,
        access_log=False, proxy_headers=False, server_header=False, timeout_keep_alive=int(limits.headers),
        timeout_graceful_shutdown=int(limits.upload + 2 * limits.seconds), backlog=1024,
    )  # fmt: skip
    logging.getLogger("uvicorn").setLevel(logging.CRITICAL + 1)  # it would tell of requests
    try:
        await pool.start()
        started = Started(_address(options.host, listener), models, pool.device, count)
        await _Server(config, app, lambda: on_start(started), on_stop).serve(sockets=[listener])
    finally:
        pool.stop_now()


class _Server(uvicorn.Server):
    """Ends by itself on SIGTERM and SIGINT, once what is under way is answered."""

    def __init__(
        self, config: uvicorn.Config, door: Door, on_start: Callable[[], None], on_stop: Callable[[int], None]
    ) -> None:
        super().__init__(config)
        self._door, self._on_start, self._on_stop = door, on_start, on_stop

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._on_start()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._door.closing = True
        self._on_stop(len(self.server_state.connections))
        await super().shutdown(sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Handlers of the base class, which would raise the signal again after all is done."""
        before: dict[int, Any] = {
            one: signal.signal(one, self.handle_exit) for one in (signal.SIGINT, signal.SIGTERM)
        }
        try:
            yield
        finally:
            for one, handler in before.items():
                signal.signal(one, handler)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self.should_exit and sig == signal.SIGINT:
            self.force_exit = True
        self.should_exit = True


@contextlib.contextmanager
def _listening(host: str, port: int) -> Iterator[socket.socket]:
    """A socket that listens, taken before models are loaded.

    Raises:
        UsageError: there is no such address here, or the port is taken.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        listener = socket.create_server(address[:2], family=family, backlog=1024)
    except (OSError, UnicodeError, OverflowError) as error:
        if getattr(error, "errno", None) == errno.EADDRINUSE:
            raise UsageError(f"--port {port}: is taken.", "Choose another one, or 0 for any that is free.") from None
        reason = getattr(error, "strerror", None) or str(error)
        raise UsageError(
            f"--host {host} --port {port}: cannot listen there ({reason}).", "Take another one."
        ) from None
    with listener:
        yield listener


def _address(host: str, listener: socket.socket) -> str:
    shown = f"[{host}]" if ":" in host else host
    return f"http://{shown}:{listener.getsockname()[1]}/"


def _is_loopback(host: str) -> bool:
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
