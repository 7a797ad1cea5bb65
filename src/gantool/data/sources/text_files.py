"""Lists as data sets bring them along: a text file with an entry per line."""

from __future__ import annotations

from pathlib import Path

from gantool.errors import DataError

__all__ = ["read_lines"]


def read_lines(path: Path) -> list[str]:
    """All lines without the space around them, empty ones among them.

    Raises:
        DataError: it cannot be read, or is no text.
    """
    try:
        return [line.strip() for line in path.read_text("utf-8-sig").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read ({error}).") from None
