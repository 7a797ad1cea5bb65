"""A file that is written over a long time by several calls, and that has its name only when it is whole."""

from __future__ import annotations

from contextlib import ExitStack, suppress
from pathlib import Path

from gantool.files import atomic

__all__ = ["NewFile"]


class NewFile:
    """A temporary file beside its place; `gantool.files.atomic` for what is no block of code.

    Attributes:
        temporary: where to write.

    Raises:
        OutputError: the folder cannot be written to.
    """

    def __init__(self, path: Path) -> None:
        self._open = ExitStack()
        self.temporary = self._open.enter_context(atomic(path))

    def keep(self) -> None:
        """Give it its name.

        Raises:
            OutputError: the disk is full.
        """
        self._open.close()

    def drop(self) -> None:
        """Remove it; nothing once it is kept."""
        with suppress(_Dropped):
            self._open.__exit__(_Dropped, _Dropped(), None)


class _Dropped(BaseException):
    """Why a file is not kept; nobody sees it."""
