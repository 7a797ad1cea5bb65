"""``--engine ray``: what is said of shares that a cluster does, as if one command had done all."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from gantool.cli.console import Screen, error_in_json, print_text
from gantool.cli.shares import StartTasks

if TYPE_CHECKING:
    from gantool.workflows.shares.ray_worker import ShareEnd

__all__ = ["run_tasks"]

_LINES = 20  # about how many tell of the progress where there is no terminal


def run_tasks(wanted: StartTasks, arguments: list[str], run: Callable[[list[str]], int]) -> int:
    """Do a command as tasks; returns the exit code: the shares' where they agree, else 1.

    Args:
        run: does a command line and returns its exit code; called in the workers.

    Raises:
        GantoolError: there is no cluster, or nothing can be written where the results go.
    """
    from gantool.workflows.shares.ray_tasks import tasks_on_ray

    screen, teller = wanted.screen, _Teller(wanted.screen)
    codes: set[int] = set()
    with tasks_on_ray(run, wanted.launch(arguments)) as (count, ends):
        screen.note(f"{count} shares (ray)")
        with screen.counting(count, "shares") as progress:
            for number, end in enumerate(ends, 1):
                codes.add(end.code)
                teller.tell(end)
                if progress is not None:
                    progress.advance(progress.task_ids[0])
                elif number * _LINES // count > (number - 1) * _LINES // count:
                    screen.note(f"{number} of {count} shares have ended.")
    code = codes.pop() if len(codes) == 1 else 1
    teller.end(code)
    return code


class _Teller:
    """Says what shares have said, and once what several have: that a model is not there, they all find out."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._lines: set[str] = set()
        self._errors: list[str] = []
        self._error_document = ""
        self._answered = False

    def tell(self, end: ShareEnd) -> None:
        self._tell_results(end.out)
        lines = end.err.splitlines()
        for line in lines:
            if line not in self._lines or not line.startswith(("error: ", "warning: ")):
                with suppress(OSError):
                    print(line, file=sys.stderr)
        self._lines.update(lines)
        self._errors += [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]

    def _tell_results(self, out: str) -> None:
        if self._screen.json_output and '"schema": "gantool.error/' in out[:60]:
            self._error_document = self._error_document or out
        elif out:
            self._answered = True
            print_text(out)

    def end(self, code: int) -> None:
        """With ``--json`` there is an answer, if only that there is none."""
        if not self._screen.json_output or self._answered:
            return
        if self._error_document:
            print_text(self._error_document)
        else:
            reason = self._errors[0] if self._errors else "No share has put the answers together."
            error_in_json(reason, code or 1)
