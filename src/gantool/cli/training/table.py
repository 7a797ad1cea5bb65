"""The table of a training: which columns fit, and how numbers stand in them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.text import Text

from gantool.metrics.table import better_is
from gantool.report.words import title_of

__all__ = ["Column", "Layout", "Signs", "bar", "number", "score_text", "speed"]

_GAP = 2
_SHORTEST_BAR = 4


@dataclass(frozen=True)
class Signs:
    """The characters that are drawn with; a terminal without Unicode has poorer ones."""

    done: str = "━"
    ahead: str = "─"
    best: str = "★"
    higher: str = " ↑"
    lower: str = " ↓"

    @classmethod
    def of(cls, encoding: str) -> Signs:
        return cls() if encoding.lower().startswith("utf") else cls("#", "-", "*", " (max)", " (min)")

    @property
    def legend(self) -> str:
        """What the arrows mean."""
        return f"{self.higher.strip()} higher is better, {self.lower.strip()} lower is better"

    def arrow(self, metric: str) -> str:
        """What is better of this metric, with a space before it; empty where that is not known."""
        return self.direction(better_is(metric))

    def direction(self, better: str) -> str:
        """The arrow for ``higher`` or ``lower``."""
        return {"higher": self.higher, "lower": self.lower, "": ""}[better]

    def titled(self, metric: str) -> str:
        """A metric's name in words, with its arrow."""
        return title_of(metric) + self.arrow(metric)


@dataclass(frozen=True)
class Column:
    """A column by the name of its cells; ``left`` is True where they start at its left edge."""

    name: str
    title: str
    width: int
    left: bool = False

    @classmethod
    def fitting(cls, name: str, title: str, least: int = 5, *, left: bool = False) -> Column:
        """As wide as its title and its cells of up to ``least`` characters need."""
        return cls(name, title, max(len(title), least), left)


@dataclass(frozen=True)
class Layout:
    """The columns that a terminal has room for. Two layouts that are equal give rows that stand below each other."""

    columns: tuple[Column, ...]
    width: int

    @classmethod
    def of(cls, width: int, columns: Sequence[Column]) -> Layout:
        """The first of these columns; those that do not fit are dropped from the last one on."""
        taken, used = [], -_GAP
        for column in columns:
            used += _GAP + column.width
            if used > width:
                break
            taken.append(column)
        return cls(tuple(taken or columns[:1]), width)

    def header(self) -> Text:
        return self._line({column.name: Text(column.title) for column in self.columns}, "bold")

    def row(self, cells: Mapping[str, Text]) -> Text:
        """A line; cells of columns that are not there are left out."""
        return self._line(cells, "")

    def cell_width(self, name: str) -> int:
        return next((column.width for column in self.columns if column.name == name), 0)

    def _line(self, cells: Mapping[str, Text], style: str) -> Text:
        line = Text(style=style, no_wrap=True, overflow="crop")
        for place, column in enumerate(self.columns):
            cell = cells.get(column.name, Text())
            pad = " " * max(column.width - cell.cell_len, 0)
            line.append(" " * _GAP if place else "")
            line.append(cell if column.left else pad).append(pad if column.left else cell)
        line.rstrip()
        line.truncate(self.width)
        return line


def bar(done: int, total: int, width: int, signs: Signs) -> Text:
    """``━━━━──── 50/100``, or only the count where there is no room for a bar."""
    count = f"{done}/{total}".rjust(2 * len(str(total)) + 1)
    room = width - len(count) - 1
    if room < _SHORTEST_BAR:
        return Text(count)
    filled = room * done // max(total, 1)
    return Text.assemble((signs.done * filled, "cyan"), (signs.ahead * (room - filled), "dim"), " ", count)


def score_text(value: float, before: float | None, *, best: bool, signs: Signs) -> Text:
    """A metric, whether it is the best so far, and its difference to the best one before."""
    text = Text(number(value), style="")
    if best:
        text.stylize("bold green")
    text.append(f" {signs.best if best else ' '} ", "bold green")
    if before is not None and math.isfinite(value) and math.isfinite(before):
        text.append(f"{value - before:+.{_decimals(value)}f}", "green" if best else "dim")
    return text


def number(value: float) -> str:
    """A number in five characters, up to 99999.

    >>> number(0.38580), number(12.345), number(123.45), number(0.00042)
    ('0.386', '12.35', '123.5', '4e-04')
    """
    if value and abs(value) < 0.001:
        return f"{value:.0e}"
    return f"{value:.{_decimals(value)}f}" if abs(value) < 1e5 else f"{value:.0e}"


def speed(images_per_second: float) -> str:
    """Images per second, in five characters up to 99999.

    >>> speed(0.0312), speed(5.044), speed(123.45), speed(2048.3)
    ('0.03', '5.0', '123.5', '2048')
    """
    value = images_per_second
    return f"{value:.{2 if value < 1 else 1 if value < 999.95 else 0}f}"


def _decimals(value: float) -> int:
    size = abs(value)
    return 3 if size < 9.9995 else 2 if size < 99.995 else 1 if size < 999.95 else 0
