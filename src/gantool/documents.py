"""Untrusted JSON as plain data: within bounds, or refused with a one-line message."""

from __future__ import annotations

import json
import reprlib
from typing import Any

__all__ = ["DocumentError", "brief", "load_json", "require_length", "shown"]

_LONGEST = 2**20  # characters of a text

_SHORT = reprlib.Repr()
_SHORT.maxlevel, _SHORT.maxstring, _SHORT.maxother = 2, 80, 80


class DocumentError(ValueError):
    """What is wrong with a text, in one line of at most 160 characters."""

    def __init__(self, text: str) -> None:
        super().__init__(brief(text, 160))


def brief(text: object, longest: int = 100) -> str:
    """A text in one line of at most so many characters."""
    line = " ".join(str(text).split())
    return line if len(line) <= longest else f"{line[: longest - 3]}..."


def shown(value: object) -> str:
    """A value as Python writes it, cut short where it is long, however it is nested."""
    return brief(_SHORT.repr(value))


def load_json(text: str) -> Any:
    """The value of a JSON document.

    Raises:
        DocumentError: no JSON, or larger or deeper than anything meant to be read here.
    """
    require_length(text)
    try:
        return json.loads(text)
    except RecursionError:
        raise DocumentError("is nested too deeply") from None
    except ValueError as error:
        raise DocumentError(str(error)) from None


def require_length(text: str) -> None:
    """Refuse a text that is longer than anything meant to be read here.

    Raises:
        DocumentError: it is.
    """
    if len(text) > _LONGEST:
        raise DocumentError(f"is longer than {_LONGEST} characters")
