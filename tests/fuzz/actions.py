"""What is done with a damaged file: a command line, or a function of the package."""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gantool.cli import app

__all__ = ["Action", "Kind", "command", "function"]

Action = Callable[[], int]
"""Does it, and returns the exit code."""

Kind = Callable[[random.Random, Path], Action]
"""Writes a damaged file into the working folder, and says what is done with it."""


def command(*arguments: str) -> Action:
    """A command line; where it promises JSON and ends well, stdout is JSON."""

    def action() -> int:
        code = app.run([*arguments])
        if code == 0 and "--json" in arguments:
            json.loads(sys.stdout.getvalue())  # type: ignore[attr-defined]
        return code

    return action


def function(call: Callable[[], Any]) -> Action:
    """A call that may raise a `GantoolError` only."""

    def action() -> int:
        call()
        return 0

    return action
