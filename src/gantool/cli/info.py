"""``gantool info``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from gantool.cli.console import Screen
from gantool.cli.contract import completion
from gantool.cli.options import (
    MODEL,
    RESULTS,
    JsonOption,
    ModelOption,
    QuietOption,
    RunsOption,
    VerboseOption,
    named_model,
)
from gantool.errors import UsageError

__all__ = ["info"]


EXAMPLES = """
gantool info
gantool info cyclegan-1
gantool info data/photos
gantool info photo.jpg --json
gantool info --page runs.html
"""


def info(
    subjects: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[SUBJECT]...",
            help="Model, run, data set or file to describe. Default: this machine. With --page: runs "
            "to compare; default: all.",
            rich_help_panel=MODEL,
            autocompletion=completion.offered(completion.subjects),
        ),
    ] = None,
    page: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write a page that compares runs: settings, metrics, curves, samples.",
            rich_help_panel=RESULTS,
        ),
    ] = None,
    model_option: ModelOption = None,
    runs: RunsOption = Path("runs"),
    json_output: JsonOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> int:
    """Describe this machine, a model, a run, a data set or an image."""
    screen = Screen(quiet=quiet, verbose=verbose, json_output=json_output)
    names = subjects or []
    if page is not None:
        return _compare(screen, names, runs, page)
    if len(names) > 1:
        raise UsageError(f"{names[1]}: one thing is described at a time.", "Compare runs on a page: --page FILE.")
    subject = named_model(names[0] if names else None, model_option)
    from gantool.workflows.info import describe, describe_machine
    from gantool.workflows.info.table import rows_of

    facts = describe_machine(runs) | _settings() if subject is None else describe(subject, runs)
    shown = {key: value for key, value in facts.items() if key != "describes"}
    screen.print_table(("", subject or "this machine"), rows_of(shown))
    screen.json("info", facts)
    return 0


def _compare(screen: Screen, names: list[str], runs: Path, page: Path) -> int:
    from gantool.fetch.remote.addresses import require_disk
    from gantool.workflows.compare_runs import compare_runs

    require_disk(page, "pages are written", "--page")
    found = compare_runs(names, runs, page)
    screen.result(page)
    screen.json("info", {"describes": "runs", "page": str(page), "runs": [str(run.path) for run in found]})
    return 0


def _settings() -> dict[str, Any]:
    """The settings files and variables that are in effect, checked for all commands."""
    from gantool.cli.app import command_line
    from gantool.cli.contract.defaults import effective

    root: Any = typer.main.get_command(command_line())
    return effective(root.commands.values())
