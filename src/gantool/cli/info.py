"""``gantool info``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gantool.cli.console import Screen
from gantool.cli.options import JsonOption, QuietOption, RunsOption, VerboseOption
from gantool.errors import UsageError

__all__ = ["info"]


def info(
    subjects: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[MODEL|RUN|DATASET|FILE]...",
            help="What to describe; default this machine. With --page: the runs to compare, default all.",
        ),
    ] = None,
    page: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Compare runs side by side on a page: settings, metrics, curves, samples."),
    ] = None,
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
    subject = names[0] if names else None
    from gantool.workflows.info import describe, describe_machine

    facts = describe_machine(runs) if subject is None else describe(subject, runs)
    screen.print_table(("", subject or "this machine"), _flatten(facts))
    screen.json(facts)
    return 0


def _compare(screen: Screen, names: list[str], runs: Path, page: Path) -> int:
    from gantool.workflows.compare_runs import compare_runs

    found = compare_runs(names, runs, page)
    screen.result(page)
    screen.json({"page": str(page), "runs": [str(run.path) for run in found]})
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
