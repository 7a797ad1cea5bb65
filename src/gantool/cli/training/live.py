"""A training as a table in a terminal: a row for every epoch that is done, and one that moves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from rich.console import Group
from rich.control import Control
from rich.live import Live
from rich.segment import ControlType
from rich.text import Text

from gantool.cli.console import Screen
from gantool.cli.training.course import Course, Score
from gantool.cli.training.table import Column, Layout, Signs, bar, number, score_text, speed
from gantool.report.words import clock_time, title_of

if TYPE_CHECKING:
    from gantool.engine.events import EpochDone

__all__ = ["LiveTable"]

_NARROW, _MIDDLE, _WIDE = 18, 22, 30  # characters of the column that has the bar, and then the metric


class LiveTable:
    """Draws the table; `close` takes the moving row away and shows the cursor again.

    Args:
        stopping: whether the training was asked to stop.
    """

    def __init__(self, screen: Screen, course: Course, stopping: Callable[[], bool]) -> None:
        self._console, self._course, self._stopping = screen.err, course, stopping
        self._signs = Signs.of(screen.err.encoding)
        self._phase = "first step"
        self._printed: Layout | None = None  # of the last header that stays
        self._drawn: tuple[int, tuple[int, ...]] = (0, ())  # width of the terminal and of the lines that move
        self._live = Live(
            console=screen.err,
            transient=True,
            redirect_stdout=screen.shares_terminal,
            get_renderable=self._moving,
        )
        self._live.start(refresh=True)

    def note(self, show: Callable[[], None]) -> None:
        """Let something be printed above the moving row."""
        with self._console:  # which writes all of it at once
            self._live.refresh()  # for the width that the terminal has now
            show()
            self._live.refresh()

    def phase(self, text: str) -> None:
        """Say what is done where the bar is, until the next step."""
        self._phase = text

    def step(self) -> None:
        course = self._course
        self._phase = "" if course.step < course.steps_per_epoch else "measuring"

    def epoch(self, event: EpochDone, score: Score | None) -> None:
        self._phase = "final measurement" if self._course.all_done else ""
        layout = self._layout()
        row = layout.row(self._finished(event, score))
        lines = [row] if layout == self._printed else [*([Text()] if self._printed else []), layout.header(), row]
        self._printed = layout
        self.note(lambda: self._console.print(Group(*lines)))

    def close(self) -> None:
        self._live.stop()

    # -- what there is to see ------------------------------------------------------------------------------------

    def _layout(self) -> Layout:
        course, width = self._course, self._console.width
        count = len(str(course.epochs))
        measured = _NARROW if width < 100 else _MIDDLE if width < 120 else _WIDE
        columns = [
            Column.fitting("epoch", "epoch", 2 * count + 1),
            Column.fitting(
                "measured", self._signs.titled(course.metrics[0]) if course.metrics else "", measured, left=True
            ),
            Column.fitting("speed", "img/s"),
            Column.fitting("elapsed", "elapsed"),
            Column.fitting("left", "left", 6),
            Column.fitting("seconds", "seconds"),
            *(Column.fitting(f"loss {name}", title_of(name)) for name in course.groups),
            *(Column.fitting(name, self._signs.titled(name)) for name in course.metrics[1:]),
        ]
        if course.classes:
            widest = max(map(len, course.classes))
            columns.append(Column.fitting("worst", "worst class", widest + 6))
        columns += [Column.fitting("lr", "learning rate"), Column.fitting("wait", "waiting")]
        return Layout.of(width, columns)

    def _moving(self) -> Group:
        """The row of the epoch in work, below a header as long as none stays; called by another thread, too."""
        layout = self._layout()
        row = layout.row(self._current(layout))
        lines = [row] if layout == self._printed else [layout.header(), row]
        self._wipe_wrapped(layout.width)
        self._drawn = (layout.width, tuple(line.cell_len for line in lines))
        return Group(*lines)

    def _wipe_wrapped(self, width: int) -> None:
        """Clear what became of the moving lines where the terminal was made narrower and wrapped them."""
        before, lengths = self._drawn
        if width < before:
            for _ in range(sum(max(length - 1, 0) // width for length in lengths)):
                self._console.control(Control((ControlType.ERASE_IN_LINE, 2), (ControlType.CURSOR_UP, 1)))

    def _current(self, layout: Layout) -> Mapping[str, Text]:
        course, pace = self._course, self._course.pace
        phase = "stopping, saving" if self._stopping() else self._phase
        room = layout.cell_width("measured")
        cells = {
            "measured": Text(phase, "yellow")
            if phase
            else bar(course.step, course.steps_per_epoch, room, self._signs),
            "elapsed": Text(clock_time(pace.elapsed)),
        }
        if course.all_done:
            return cells
        cells["epoch"] = Text(f"{course.epoch}/{course.epochs}", "bold")
        if pace.images_per_second is not None and pace.left is not None:
            cells |= {"speed": Text(speed(pace.images_per_second)), "left": Text(clock_time(pace.left))}
        if pace.wait_share:
            cells["wait"] = Text(f"{pace.wait_share:.0%}")
        return cells | {f"loss {name}": Text(number(value)) for name, value in course.losses.items()}

    def _finished(self, event: EpochDone, score: Score | None) -> Mapping[str, Text]:
        course = self._course
        cells = {
            "epoch": Text(f"{event.epoch}/{course.epochs}"),
            "speed": Text(speed(event.images_per_second)),
            "elapsed": Text(clock_time(course.pace.elapsed)),
            "left": Text(clock_time(course.pace.left or 0)),
            "seconds": Text(f"{event.seconds:.0f}" if event.seconds >= 10 else f"{event.seconds:.1f}"),
            "lr": Text(f"{event.lr:.1e}"),
            "wait": Text(f"{event.wait_share:.0%}"),
            **{f"loss {name}": Text(number(value)) for name, value in course.by_group(event.losses).items()},
            **{name: Text(number(event.metrics[name])) for name in course.metrics[1:] if name in event.metrics},
        }
        if score is not None:
            cells["measured"] = score_text(score.value, score.before, best=score.best, signs=self._signs)
        classes = {name: value for name, value in event.metrics.items() if name.startswith("iou/")}
        if classes:
            worst = min(classes, key=lambda name: classes[name])
            cells["worst"] = Text(f"{worst.removeprefix('iou/')} {number(classes[worst])}")
        return cells
