"""``gantool serve``."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from gantool.cli.console import Screen
from gantool.cli.contract import completion
from gantool.cli.options import COMPUTING, MODEL, DeviceOption, QuietOption, RunsOption, TrustOption, VerboseOption
from gantool.errors import UsageError, counted

__all__ = ["serve"]

EXAMPLES = """
gantool serve
gantool serve --model cyclegan-1 --model seasons
gantool serve --host 0.0.0.0 --token SECRET
"""

_NEEDED = ("starlette", "uvicorn", "python_multipart")
_MEGA = 10**6
_ADDRESS, _LIMITS = "Address", "Limits"


def serve(
    models: Annotated[
        list[str] | None,
        typer.Option(
            "--model",
            metavar="MODEL",
            help="Run, built-in model or model file; repeatable. Default: the built-in models.",
            rich_help_panel=MODEL,
            autocompletion=completion.offered(completion.models),
        ),
    ] = None,
    host: Annotated[
        str,
        typer.Option(
            "--host",
            metavar="HOST",
            help="Address to listen on; all but loopback need a token.",
            rich_help_panel=_ADDRESS,
        ),
    ] = "127.0.0.1",
    port: Annotated[
        int,
        typer.Option(
            "--port",
            min=0,
            max=65535,
            metavar="N",
            help="Port to listen on; 0 for any free one.",
            rich_help_panel=_ADDRESS,
        ),
    ] = 8000,
    token: Annotated[
        str | None,
        typer.Option(
            "--token",
            metavar="TEXT",
            envvar="GANTOOL_TOKEN",
            help="Token that requests must send. Better set as GANTOOL_TOKEN, which other users cannot see.",
            rich_help_panel=_ADDRESS,
        ),
    ] = None,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(
            "--allow-host",
            metavar="NAME",
            help="Host name that requests may use; repeatable. IP addresses and localhost always work.",
            rich_help_panel=_ADDRESS,
        ),
    ] = None,
    workers: Annotated[
        int,
        typer.Option(
            "--workers",
            min=0,
            max=256,
            metavar="N",
            help="Images computed at the same time; 0 for one per core.",
            rich_help_panel=COMPUTING,
        ),
    ] = 0,
    max_body: Annotated[
        float,
        typer.Option(
            "--max-body",
            metavar="MB",
            help="Largest request; a batch may have four times as much.",
            rich_help_panel=_LIMITS,
        ),
    ] = 32.0,
    max_pixels: Annotated[
        float, typer.Option("--max-pixels", metavar="MILLIONS", help="Largest image.", rich_help_panel=_LIMITS)
    ] = 50.0,
    queue: Annotated[
        int, typer.Option("--queue", metavar="N", help="Images that may wait for a worker.", rich_help_panel=_LIMITS)
    ] = 64,
    seconds: Annotated[
        float,
        typer.Option(
            "--seconds", metavar="S", help="Seconds that an image may wait, and may take.", rich_help_panel=_LIMITS
        ),
    ] = 30.0,
    runs: RunsOption = Path("runs"),
    device: DeviceOption = None,
    trust: TrustOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> int:
    """Serve a web page to drop pictures on, and an HTTP API that takes an image and returns one.

    It listens on this machine only, until Ctrl-C; requests under way are finished first.
    """
    screen = Screen(quiet=quiet, verbose=verbose)
    if any(find_spec(name) is None for name in _NEEDED):
        raise UsageError('gantool serve needs packages that are not installed: pip install "gantool[serve]".')
    from gantool.predict.sizes import MOST_PIXELS
    from gantool.serve import server
    from gantool.serve.limits import Limits

    # What is not a number is nothing: int() would fail on it.
    body, pixels = (int(value * _MEGA) if value < _MEGA else 0 for value in (max_body, max_pixels))
    limits = Limits(body, min(pixels, MOST_PIXELS), queue, seconds)
    options = server.ServeOptions(
        host, port, tuple(models or ()), runs, token or "", tuple(allow_host or ()), workers, device or "auto",
        trust, limits,
    )  # fmt: skip

    def started(now: server.Started) -> None:
        screen.result(now.address)
        names = ", ".join(model.name for model in now.models)
        screen.note(f"{names} on {now.device}, {counted(now.workers, 'worker')}; Ctrl-C stops it")
        screen.detail(f"the addresses and what they take: {now.address}docs")

    def stopping(open_connections: int) -> None:
        first = f", once {counted(open_connections, 'connection')} are answered" if open_connections else ""
        screen.note(f"stopping{first}")

    server.serve(options, started, stopping)
    return 0
