"""All of rich: what goes to the terminal, and how.

Results go to stdout, one per line; everything else goes to stderr. Without a terminal there are no bars and no
colors, only a line where something is done.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import sys
import textwrap
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.text import Text

from gantool.errors import GantoolError, OutputError

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID
    from rich.table import Table

__all__ = [
    "Interrupted",
    "Pulse",
    "ReaderGone",
    "Screen",
    "answer_in_json",
    "cannot_be_written",
    "error_in_json",
    "failure",
    "fatal",
    "one_call",
    "print_text",
    "write_bytes",
]


class Interrupted(Exception):  # noqa: N818 -- it is none
    """Ctrl-C; typer would make an exit code of it before anything could be told."""


_SILENCE = 60.0  # seconds without a line in a log, at most
_FILE_WIDTH = 240  # characters of a line of a table, where it goes to a file
_BAR = (12, 40)  # characters of a progress bar, at least and at most


class ReaderGone(Exception):  # noqa: N818 -- it is none
    """Whoever read our output has left (``gantool ... | head``): not an error of ours, but nothing more to do."""


def failure(text: str) -> None:
    """Print an error message."""
    _say(_stderr(), text, label="error: ", style="bold red")


def _stderr(*, quiet: bool = False) -> Console:
    """Where all but results go: wrapped between words on a terminal, in whole lines in a file."""
    console = Console(stderr=True, highlight=False, quiet=quiet)
    console.soft_wrap = not console.is_terminal
    return console


def _say(console: Console, text: str, *, label: str = "", style: str = "") -> None:
    """Print a text, wrapped between words on a terminal.

    A path or an address that is longer than a line stays in one piece, to be copied or clicked.

    Args:
        label: what the text begins with, in a style of its own.
    """
    lines = f"{label}{text}".split("\n")
    if console.is_terminal:
        lines = [piece for line in lines for piece in _wrapped(line, console.width)]
    shown = Text("\n".join(lines))
    shown.stylize(style, 0, len(label) or len(shown))
    console.print(shown, soft_wrap=True)


def _wrapped(line: str, width: int) -> list[str]:
    indent = " " * (len(line) - len(line.lstrip()))
    return textwrap.wrap(line, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False) or [
        ""
    ]


@dataclass
class _Answer:
    """Whether a call answers in JSON, and whether it has."""

    wanted: bool = False
    given: bool = False


_answer: ContextVar[_Answer] = ContextVar("answer")


@contextmanager
def one_call(*, json_output: bool) -> Iterator[None]:
    """Around a command: what ends it is told in JSON too, if that is wanted and nothing else was."""
    token = _answer.set(_Answer(json_output))
    try:
        yield
    finally:
        _answer.reset(token)


def answer_in_json(wanted: bool = True) -> None:
    """Note whether this call is to answer in JSON, where its arguments alone do not tell."""
    if answer := _answer.get(None):
        answer.wanted = wanted


def fatal(error: GantoolError | str, code: int, kind: str = "") -> None:
    """Tell what ends a command: a sentence on stderr, and with ``--json`` an object on stdout."""
    failure(str(error))
    error_in_json(error, code, kind)


def error_in_json(error: GantoolError | str, code: int, kind: str = "") -> None:
    """With ``--json``, tell what ends a command as an object on stdout, unless it has answered already."""
    answer = _answer.get(None)
    if answer is None or not answer.wanted or answer.given:
        return
    answer.given = True
    remedy = error.remedy if isinstance(error, GantoolError) else ""
    what = {"kind": kind or type(error).__name__, "message": str(error), "remedy": remedy, "exit_code": code}
    with suppress(OutputError, ReaderGone), _stdout():
        print(json.dumps({"schema": "gantool.error/1", "error": what}, indent=2), flush=True)


def print_text(text: str) -> None:
    """Text as a result, on stdout."""
    with _stdout():
        print(text, end="", flush=True)


class Screen:
    """What one command shows.

    Args:
        quiet: errors and results only.
        verbose: details too.
        json_output: one JSON object on stdout instead of a line per result.
    """

    def __init__(self, *, quiet: bool = False, verbose: bool = False, json_output: bool = False) -> None:
        self.quiet, self.verbose, self.json_output = quiet, verbose, json_output
        self.err = _stderr(quiet=quiet)
        # Not a file that is to have colors (FORCE_COLOR), and no terminal that cannot move its cursor (TERM=dumb).
        self.interactive = self.err.is_interactive and self.err.file.isatty() and not quiet
        # Rich moves what is printed below a bar to the bar's stream; results must stay where the shell sends them.
        self.shares_terminal = sys.stdout.isatty()
        self.speaks = True

    def hush(self) -> None:
        """Say only what concerns this process: another one ``speaks`` for all that do the same."""
        self.err.quiet, self.interactive, self.speaks = True, False, False

    def speak_up(self) -> None:
        """Speak for all, after all: this process turned out to be the one to tell the end."""
        self.err.quiet, self.speaks = self.quiet, True

    def note(self, text: str) -> None:
        _say(self.err, text)

    def note_command(self, what: str, command: str) -> None:
        """Name a command to copy, which stays in one piece."""
        self.err.print(f"{escape(what)}: {escape(command)}", soft_wrap=True)

    def note_file(self, what: str, path: Path) -> None:
        """Name a file, as a link where the terminal knows links."""
        where = path.resolve().as_uri()
        self.err.print(Text.assemble(f"{what}: ", (str(path), f"link {where}")), soft_wrap=True)

    def detail(self, text: str) -> None:
        if self.verbose:
            _say(self.err, text, style="dim")

    def warn(self, text: str) -> None:
        console = self.err if self.speaks else _stderr(quiet=self.quiet)
        _say(console, text, label="warning: ", style="yellow")

    def result(self, line: object) -> None:
        """One line on stdout; nothing when the results come as JSON."""
        if not self.json_output:
            with _stdout():
                print(line, flush=True)

    def json(self, schema: str, value: Mapping[str, Any]) -> None:
        """The answer as an object; ``schema`` is that of the documentation, see `contract.shapes`."""
        if self.json_output and self.speaks:
            if answer := _answer.get(None):
                answer.given = True
            with _stdout():
                print(json.dumps({"schema": f"gantool.{schema}/1", **value}, indent=2, default=str), flush=True)

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[object]], title: str | None = None) -> None:
        """A table on stderr; the first column is text, the others numbers."""
        _print_table(self.err, _table(columns, rows), title)

    @property
    def result_width(self) -> int:
        """Characters of a line on stdout."""
        return shutil.get_terminal_size().columns if sys.stdout.isatty() else _FILE_WIDTH

    def print_table(self, columns: Sequence[str], rows: Iterable[Sequence[object]], title: str | None = None) -> None:
        """A table as a result, on stdout."""
        if not self.json_output:
            shown = io.StringIO()  # rich itself would end the process where the reader has left
            console = Console(
                file=shown, highlight=False, width=self.result_width, force_terminal=sys.stdout.isatty()
            )
            _print_table(console, _table(columns, rows, numbers=False), title)
            with _stdout():
                print(shown.getvalue(), end="", flush=True)

    @contextmanager
    def counting(self, total: int, what: str) -> Iterator[Progress | None]:
        """A progress bar over images, only where there is a terminal and something to wait for."""
        if not self.interactive or total < 2:
            yield None
            return
        with self._progress() as progress:
            self._add(progress, what, total)
            yield progress

    def pulse(self, clock: Callable[[], float] = time.monotonic) -> Pulse:
        """For logs: what tells at least once a minute that work goes on."""
        return Pulse(self, clock)

    @contextmanager
    def stages(self) -> Iterator[Callable[[str, int, int], None]]:
        """Yield a function that shows how far each of several stages is: ``(what, done, total)``."""
        if not self.interactive:
            pulse = self.pulse()
            yield lambda what, done, total: pulse.maybe(lambda: f"{what}: {done} of {total}")
            return
        with self._progress() as progress:
            tasks: dict[str, TaskID] = {}

            def show(what: str, done: int, total: int) -> None:
                if what not in tasks:
                    tasks[what] = self._add(progress, what, total)
                progress.update(tasks[what], completed=done)

            yield show

    def _progress(self) -> Progress:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (
            TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(),
            TimeRemainingColumn(compact=True), TextColumn("left"),
        )  # fmt: skip
        return Progress(*columns, console=self.err, transient=True, redirect_stdout=self.shares_terminal)

    def _add(self, progress: Progress, what: str, total: int) -> TaskID:
        """A further bar; all get as long as what is said beside them leaves room for."""
        from rich.progress import BarColumn

        counts = 2 * max(len(f"{most:.0f}") for most in (total, *(task.total or 0 for task in progress.tasks))) + 1
        room = self.err.width - counts - len("    0:00:00 left")
        made = progress.add_task(_shortened(what, room - _BAR[0]), total=total)
        said = max(len(task.description) for task in progress.tasks)
        for column in progress.columns:
            if isinstance(column, BarColumn):
                column.bar_width = min(max(room - said, _BAR[0]), _BAR[1])
        return made


class Pulse:
    """Lines for where there is no terminal for a bar, of which there is one at least every minute.

    Args:
        clock: seconds from any moment on.
    """

    def __init__(self, screen: Screen, clock: Callable[[], float]) -> None:
        self._screen, self._clock = screen, clock
        self._told = clock()

    def tell(self, line: str) -> None:
        """Say something, from when on the next minute counts."""
        self._told = self._clock()
        self._screen.note(line)

    def maybe(self, line: Callable[[], str], *, until_next: float = 0.0) -> None:
        """Say something if it is time, or will be before the next chance in so many seconds."""
        if self._clock() + until_next >= self._told + _SILENCE:
            self.tell(line())


def _shortened(text: str, room: int) -> str:
    """The end of a path, or the first words of a text, that fit.

    >>> _shortened("a/long/way/to/photos", 12), _shortened("real photographs", 12)
    ('to/photos', 'real')
    """
    between = "/" if "/" in text else " "
    while len(text) > room and between in text:
        text = text.partition("/")[2] if between == "/" else text.rpartition(" ")[0]
    return text[: max(room, 1)]


def write_bytes(data: bytes) -> None:
    """A result that is no text, on stdout.

    Raises:
        ReaderGone: the pipe has no other end any more.
        OutputError: the disk is full, or the like.
    """
    with _stdout():
        sys.stdout.flush()
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()


@contextmanager
def _stdout() -> Iterator[None]:
    """Tell what became of results that cannot be written.

    Raises:
        ReaderGone: the pipe has no other end any more.
        OutputError: the disk is full, or the like.
    """
    try:
        yield
    except OSError as error:
        unwritable = cannot_be_written(error)
        if isinstance(error, BrokenPipeError):
            raise ReaderGone from None
        raise unwritable from None


def cannot_be_written(error: OSError) -> OutputError:
    """What to tell of a stdout that takes nothing more; what still waits for it would fail again at the exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return OutputError(f"standard output: cannot be written ({error.strerror or error}).")


def _print_table(console: Console, table: Table, title: str | None) -> None:
    if title:  # of its own, as rich would wrap it at the table's width
        console.print(Text(title, style="italic"))
    console.print(table)


def _table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, numbers: bool = True) -> Table:
    from rich.table import Table

    table = Table(header_style="bold", box=None, pad_edge=False)
    for place, column in enumerate(columns):
        table.add_column(column, justify="right" if numbers and place else "left", overflow="fold")
    for row in rows:
        table.add_row(*(escape(str(cell)) for cell in row))
    return table
