"""What can go wrong, and what to do about it.

    GantoolError            something the user can fix; says what, where and how
    ├── UsageError          an option or a name on the command line
    ├── SettingsError       a key or value in the settings
    ├── DataError           a data set or an input image
    ├── ModelError          a model file, a checkpoint or a network's limits
    ├── RunError            a run directory: its name, its settings, resuming it
    ├── OutputError         a file that cannot or must not be written
    ├── MismatchError       an exported file whose results differ from its model's
    └── TrainingError       training cannot continue (a loss is NaN or infinite, a rank is gone)

Each of them ends a command with its ``exit_code`` and only its message, without a traceback.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = [
    "DataError",
    "GantoolError",
    "MismatchError",
    "ModelError",
    "OutputError",
    "RunError",
    "SettingsError",
    "TrainingError",
    "UsageError",
    "closest",
    "counted",
]


_SHOWN = 60  # characters of a name in a list of names


class GantoolError(Exception):
    """An error that the user can fix.

    Args:
        message: one sentence that names the file, key or option.
        remedy: what to do about it, as a sentence of its own; empty if the message already says so.
    """

    exit_code = 2
    is_own = False
    """Whether it concerns only this process, of several that run a command together."""

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(f"{message} {remedy}".strip())
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        # Notes are added on the way up by those who know more, such as what is still safe.
        return " ".join([super().__str__(), *getattr(self, "__notes__", ())])


class UsageError(GantoolError):
    """A command line that cannot be carried out."""


class SettingsError(GantoolError):
    """A settings key that does not exist or a value that is not allowed."""


class DataError(GantoolError):
    """A data set that cannot be trained on, or an image that cannot be read."""


class ModelError(GantoolError):
    """A model that cannot be found, read or used for what was asked."""


class RunError(GantoolError):
    """A run that cannot be started, found or resumed."""


class OutputError(GantoolError):
    """A result that cannot be written, or must not be because it would overwrite a file."""


class MismatchError(GantoolError):
    """An exported file whose results differ from its model's; it was not kept."""

    exit_code = 1


class TrainingError(GantoolError):
    """Training that had to stop; everything up to the last checkpoint is saved."""

    exit_code = 1


def closest(name: str, known: Iterable[str]) -> str:
    """Return the remedy for an unknown name: the nearest valid one, or all of them when they are few.

    >>> closest("wintr", ["summer", "winter"])
    'Did you mean "winter"?'
    """
    names = list(dict.fromkeys(str(entry) for entry in known))
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    if near:
        return f'Did you mean "{near[0]}"?'
    if not names:
        return ""
    shown = ", ".join(name if len(name) <= _SHOWN else f"{name[:_SHOWN]}..." for name in sorted(names)[:12])
    return f"Known: {shown}{', ...' if len(names) > 12 else '.'}"


def counted(number: int, noun: str) -> str:
    """A number with its noun, in the plural where needed.

    >>> counted(1, "epoch"), counted(20, "epoch")
    ('1 epoch', '20 epochs')
    """
    return f"{number} {noun}{'' if number == 1 else 's'}"
