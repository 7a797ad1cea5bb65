"""The console script: commands, exit codes, and no traceback for a user's mistake."""

from __future__ import annotations

import errno
import gc
import os
import re
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from gantool._version import __version__
from gantool.cli import console
from gantool.cli.contract.command import Command, Group
from gantool.cli.shares import StartProcesses, StartTasks
from gantool.cli.streams import prepare_streams
from gantool.errors import GantoolError

__all__ = ["COMMANDS", "command_line", "main", "run"]

COMMANDS = ("prepare", "train", "translate", "segment", "evaluate", "export", "serve", "info")

_EXAMPLES = """
gantool translate photo.jpg --to winter
gantool segment painting.png
gantool train cyclegan --domain summer=DIR1 --domain winter=DIR2
gantool evaluate cyclegan
gantool info
"""

Command.siblings = COMMANDS

INTERNAL_ERROR = 70
_HELPER_PATIENCE = 2.0  # seconds for the first process to tell what went wrong before it is stopped with us


def command_line(names: Iterable[str] = COMMANDS) -> typer.Typer:
    """The commands of these names; making the options of all of them takes longer than most of them need to start."""
    made = typer.Typer(
        name="gantool",
        cls=Group,
        epilog=_EXAMPLES,
        help="Image-to-image translation and semantic segmentation from the command line: check a data set, train on "
        "it, then translate or segment pictures of any size.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode="rich",
        context_settings={"help_option_names": ["--help", "-h"]},
    )
    made.callback()(_options)
    for name in names:
        module = import_module(f"gantool.cli.{name}")
        made.command(cls=Command, epilog=getattr(module, "EXAMPLES", None))(getattr(module, name))
    return made


def _show_version(wanted: bool) -> None:
    if wanted:
        console.Screen().result(f"gantool {__version__}")
        raise typer.Exit


def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    pass


def main() -> None:
    """Entry point of the ``gantool`` script."""
    prepare_streams()
    # Pydantic looks for plugins in the metadata of every package there is; none has anything to do here.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    code = run(sys.argv[1:])
    gc.freeze()  # the interpreter would look through all there is before it ends
    sys.exit(code)


def run(arguments: list[str]) -> int:
    """Run a command line and return its exit code."""
    previous = signal.signal(signal.SIGTERM, _terminate) if _in_main_thread() else None
    wants_json = "--json" in arguments[: arguments.index("--") if "--" in arguments else None]
    try:
        with console.one_call(json_output=wants_json):
            return _run(arguments)
    finally:
        if previous is not None:
            signal.signal(signal.SIGTERM, previous)


def _run(arguments: list[str]) -> int:
    named = [name for name in arguments[:1] if name in COMMANDS]
    try:
        return _run_or_divide(named, arguments)
    except GantoolError as error:
        if _is_helper() and not error.is_own:
            time.sleep(_HELPER_PATIENCE)
        else:
            console.fatal(error, error.exit_code)
        return error.exit_code
    except typer.Exit as stop:
        return int(stop.exit_code)
    except (KeyboardInterrupt, console.Interrupted, typer.Abort):
        console.fatal("interrupted", 130, "Interrupted")
        return 130
    except console.ReaderGone:
        return 0
    except SystemExit as stop:  # of rich, which shows the help
        if isinstance(stop.__context__, BrokenPipeError):
            return 0
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
            console.fatal(f"{str(error.filename)[:80]}...: is too long for the name of a file.", 2, "UsageError")
            return 2
        if isinstance(error, OSError) and error.filename is None and error.errno in (errno.ENOSPC, errno.EBADF):
            console.failure(str(console.cannot_be_written(error)))  # the help
            return 2
        if hasattr(error, "format_message"):  # of typer, which brings its own copy of click
            return _show_usage_error(error)
        if isinstance(error, ModuleNotFoundError) and (package := _package_that_is_missing(error)):
            console.failure(f"this needs {package}, which is not installed here. All it needs: pip install gantool")
            return 2
        if isinstance(error, RuntimeError) and "operator torchvision::" in str(error):
            console.failure("torch and torchvision do not fit each other. Install both from one place, and anew.")
            return 2
        return _internal_error(error)


def _run_or_divide(named: list[str], arguments: list[str]) -> int:
    """Run a command here, or as what does its shares."""
    try:
        code = command_line(named or COMMANDS)(arguments, prog_name="gantool", standalone_mode=False)
        return int(code or 0)
    except StartProcesses as wanted:
        return _run_processes(wanted, arguments)
    except StartTasks as wanted:
        from gantool.cli.shares.cluster import run_tasks

        return run_tasks(wanted, arguments, run)


def _run_processes(wanted: StartProcesses, arguments: list[str]) -> int:
    from gantool.workflows.shares.processes import run_processes, this_program

    try:
        return run_processes(this_program(arguments), wanted.count, console.failure, wanted.stdin)
    except GantoolError as error:
        console.failure(str(error))
        return error.exit_code
    except KeyboardInterrupt:
        return 130  # the processes have said so


def _is_helper() -> bool:
    """Whether this is a further process of a run on several devices; the first one speaks for all."""
    return os.environ.get("LOCAL_RANK", "0") != "0"


def _terminate(number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + number)  # lets temporary files be removed on the way out


def _in_main_thread() -> bool:
    import threading

    return threading.current_thread() is threading.main_thread()


def _show_usage_error(error: Exception) -> int:
    message = error.format_message()  # type: ignore[attr-defined]
    if message:  # else there were no arguments, and the help was shown
        console.fatal(message, 2, "UsageError")
    return 2


def _package_that_is_missing(error: ModuleNotFoundError) -> str | None:
    """The package of gantool's that could not be imported, where it was installed without some of them, else None."""
    from importlib.metadata import PackageNotFoundError, requires

    module = (error.name or "").split(".")[0]
    try:
        lines = [line for line in requires("gantool") or () if "extra ==" not in line]
    except PackageNotFoundError:
        return None
    names = {re.split(r"[^\w.-]", line, maxsplit=1)[0] for line in lines}
    return next((name for name in names if name.replace("-", "_") == module), None)


def _internal_error(error: Exception) -> int:
    stamp = time.strftime("%Y%m%d-%H%M%S")
    path = Path(tempfile.gettempdir()) / f"gantool-{stamp}-{os.getpid()}.log"
    try:
        path.write_text("".join(traceback.format_exception(error)), "utf-8")
        where = f"The traceback is in {path}."
    except OSError:
        where = "".join(traceback.format_exception(error))
    console.fatal(f"internal error: {type(error).__name__}: {error}. {where}", INTERNAL_ERROR, "InternalError")
    return INTERNAL_ERROR
