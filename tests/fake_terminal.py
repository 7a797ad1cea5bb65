"""What a terminal shows of what was written to it: enough of one for progress bars and tables."""

from __future__ import annotations

import io
import re

__all__ = ["FakeTerminal"]

_TOKENS = re.compile(r"\x1b\]8;[^\x1b\x07]*(?:\x1b\\|\x07)|\x1b\[([0-9;?]*)([A-Za-z])|[\s\S]")


class FakeTerminal(io.StringIO):
    """A stream that says it is a terminal; lines longer than its width are wrapped, as a real one does.

    Args:
        columns: its width.
    """

    encoding = "utf-8"

    def __init__(self, columns: int) -> None:
        super().__init__()
        self.columns = columns

    def isatty(self) -> bool:
        return True

    @property
    def cursor_shown(self) -> bool:
        return self.getvalue().rfind("\x1b[?25h") >= self.getvalue().rfind("\x1b[?25l")

    def resize(self, columns: int) -> None:
        """Wrap what is longer than the new width, and keep the cursor at the end of it, as most terminals do."""
        shown = self.lines()
        self.seek(0)
        self.truncate()
        self.columns = columns
        self.write("\n".join(shown))

    def lines(self) -> list[str]:
        """The rows from the first to the one of the cursor, without spaces at their ends.

        Raises:
            AssertionError: something was written that this terminal does not know.
        """
        rows: list[dict[int, str]] = [{}]
        row = column = 0
        for token in _TOKENS.finditer(self.getvalue()):
            text, argument, command = token[0], token[1], token[2]
            if command == "A":
                row = max(row - int(argument or 1), 0)
            elif command == "K":
                assert argument == "2"
                rows[row] = {}
            elif command is not None:
                assert command in "mhl", f"unknown: {text!r}"
            elif text == "\r":
                column = 0
            elif text == "\n":
                row, column = row + 1, 0
            elif not text.startswith("\x1b"):
                if column == self.columns:
                    row, column = row + 1, 0
                while len(rows) <= row:
                    rows.append({})
                rows[row][column] = text
                column += 1
            while len(rows) <= row:
                rows.append({})
        shown = ["".join(cells.get(n, " ") for n in range(max(cells, default=-1) + 1)).rstrip() for cells in rows]
        return shown[: row + 1]
