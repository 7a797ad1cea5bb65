"""``gantool info``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from gantool.cli.console import Screen
from gantool.cli.contract import completion
from gantool.cli.options import MODEL, JsonOption, ModelOption, QuietOption, RunsOption, VerboseOption, named_model

__all__ = ["info"]


EXAMPLES = """
gantool info
gantool info cyclegan-1
gantool info data/photos
gantool info photo.jpg --json
"""


def info(
    subject: Annotated[
        str | None,
        typer.Argument(
            metavar="[SUBJECT]",
            help="A model, run, data set or file to describe. Default: this machine.",
            rich_help_panel=MODEL,
            autocompletion=completion.offered(completion.subjects),
        ),
    ] = None,
    model_option: ModelOption = None,
    runs: RunsOption = Path("runs"),
    json_output: JsonOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> int:
    """Describe this machine, a model, a run, a data set or an image."""
    subject = named_model(subject, model_option)
    screen = Screen(quiet=quiet, verbose=verbose, json_output=json_output)
    from gantool.workflows.info import describe, describe_machine
    from gantool.workflows.info.table import rows_of

    facts = describe_machine(runs) | _settings() if subject is None else describe(subject, runs)
    shown = {key: value for key, value in facts.items() if key != "describes"}
    screen.print_table(("", subject or "this machine"), rows_of(shown))
    screen.json("info", facts)
    return 0


def _settings() -> dict[str, Any]:
    """The settings files and variables that are in effect, checked for all commands."""
    from gantool.cli.app import command_line
    from gantool.cli.contract.defaults import effective

    root: Any = typer.main.get_command(command_line())
    return effective(root.commands.values())
