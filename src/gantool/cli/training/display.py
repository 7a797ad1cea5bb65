"""Shows the events of a training, as a table in a terminal and as plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from gantool.cli.console import Screen
from gantool.cli.training.course import Course, Score
from gantool.cli.training.lines import PlainLines
from gantool.cli.training.table import number
from gantool.report.words import title_of

if TYPE_CHECKING:
    from gantool.engine.events import EpochDone
    from gantool.workflows.train import Event, Started

__all__ = ["TrainingDisplay"]

_MUCH_WAITING = 0.2


class _View(Protocol):
    """A way to show a training."""

    def note(self, show: Callable[[], None]) -> None: ...

    def phase(self, text: str) -> None: ...

    def step(self) -> None: ...

    def epoch(self, event: EpochDone, score: Score | None) -> None: ...

    def close(self) -> None: ...


class TrainingDisplay:
    """Shows the events of a training; use as a context manager so that the terminal is left in order.

    Args:
        clock: seconds from any moment on.
    """

    def __init__(self, screen: Screen, clock: Callable[[], float] = time.monotonic) -> None:
        self._screen, self._clock = screen, clock
        self._silent = False
        self._told_of_waiting = False
        self._view: _View | None = None

    def __enter__(self) -> TrainingDisplay:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def silence(self) -> None:
        """Show nothing: another process does."""
        self._silent = True

    def start(self, event: Started) -> None:
        if self._silent:
            return
        self._course = Course(event, _records(event), self._clock)
        if self._screen.interactive:
            from gantool.cli.training.live import LiveTable

            self._view = LiveTable(self._screen, self._course, event.stopping)
        else:
            self._view = PlainLines(self._screen, self._course, self._clock)

    def note(self, text: str) -> None:
        """Tell something that comes up."""
        self._tell(lambda: self._screen.note(text))

    def show(self, event: Event) -> None:
        """Show one event of the training loop."""
        from gantool.engine.events import Decided, EndedEarly, EpochDone, Saved, StepDone

        if self._view is None:
            return
        if isinstance(event, StepDone):
            self._course.take_step(event)
            self._view.step()
        elif isinstance(event, EpochDone):
            self._view.epoch(event, self._course.end_epoch(event))
            self._remark(event)
        elif isinstance(event, Decided):
            text = f"networks are {'' if event.compiled else 'not '}compiled: {event.reason}"
            self._tell(lambda: (self._screen.note if event.notable else self._screen.detail)(text))
            self._view.phase("compiling" if event.compiled else "first step")
        elif isinstance(event, Saved):
            self._tell(lambda: self._screen.detail(f"saved {event.path}"))
        elif isinstance(event, EndedEarly):
            self.note(f"Ended after epoch {event.epoch}: none was better than epoch {event.best_epoch}.")
            self._view.phase("final measurement")

    def finish(self, *, stopped: bool) -> None:
        """Leave the terminal in order and name the best epoch, which is the one that is delivered."""
        if self._view is None:
            return
        self.close()
        if self._screen.interactive:
            self._screen.note("")
        if not stopped and (best := self._course.best) is not None:
            told = f"{title_of(best.name)} {number(best.value)}"
            self._screen.note(f"Best epoch: {best.epoch} of {self._course.epochs} ({told})")

    def close(self) -> None:
        """Leave the terminal in order, whatever happened."""
        if self._view is not None:
            self._view.close()
            self._view = None

    def _tell(self, show: Callable[[], None]) -> None:
        if self._view is not None:
            self._view.note(show)
        elif not self._silent:
            show()

    def _remark(self, event: EpochDone) -> None:
        """What else there is to say of an epoch."""
        classes = [(key[4:], value) for key, value in event.metrics.items() if key.startswith("iou/")]
        if classes:
            text = "IoU " + "  ".join(f"{name} {value:.2f}" for name, value in classes)
            self._tell(lambda: self._screen.detail(text))
        if event.wait_share > _MUCH_WAITING and not self._told_of_waiting:
            self._told_of_waiting = True
            share = f"{event.wait_share:.0%} of the time went into waiting for data"
            self._tell(lambda: self._screen.warn(f"{share}; more --workers may help."))


def _records(event: Started) -> list[Mapping[str, Any]]:
    """What a run that goes on has measured before."""
    from gantool.models.runs import Run

    return list(Run(event.run).read_metrics()) if event.first_epoch else []
