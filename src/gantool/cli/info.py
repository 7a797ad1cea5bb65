"""``gantool info``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

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
            autocompletion=completion.subjects,
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

    facts = describe_machine(runs) if subject is None else describe(subject, runs)
    screen.print_table(("", subject or "this machine"), _flatten(facts))
    screen.json("info", facts)
    return 0


def _flatten(facts: dict[str, object], prefix: str = "") -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    for key, value in facts.items():
        if isinstance(value, dict):
            rows += _flatten(value, f"{prefix}{key}.")
        elif isinstance(value, list):
            rows.append((f"{prefix}{key}", ", ".join(str(entry) for entry in value) or "none"))
        else:
            rows.append((f"{prefix}{key}", str(value)))
    return rows
