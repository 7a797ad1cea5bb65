"""What a person sees while a model trains: a bar and a line per epoch, or only the lines without a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from rich.progress import BarColumn, Progress, TextColumn

from gantool.cli.console import Screen

if TYPE_CHECKING:
    from gantool.engine.events import EpochDone, StepDone
    from gantool.engine.loss_terms import LossTerm
    from gantool.workflows.train import Event, Started

__all__ = ["TrainingDisplay"]


class TrainingDisplay:
    """Shows the events of a training; use as a context manager so that the terminal is left in order."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._progress: Progress | None = None
        self._silent = False
        self._epochs = 0
        self._terms: Mapping[str, LossTerm] = {}
        self._batch_size = 1
        self._average: dict[str, float] = {}
        self._seconds = 0.0
        self._waited = 0.0
        self._steps_left = 0

    def __enter__(self) -> TrainingDisplay:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def silence(self) -> None:
        """Show nothing: another process does."""
        self._silent = True

    def start(self, event: Started) -> None:
        self._epochs, self._batch_size, self._terms = event.epochs, event.batch_size, event.losses
        if self._screen.interactive and not self._silent:
            self._progress = Progress(
                TextColumn("{task.description}"),
                BarColumn(bar_width=24),
                TextColumn("{task.completed:.0f}/{task.total:.0f}"),
                TextColumn("{task.fields[losses]}"),
                TextColumn("{task.fields[speed]}"),
                TextColumn("{task.fields[left]}"),
                console=self._screen.err,
                transient=True,
                redirect_stdout=self._screen.shares_terminal,
            )
            self._progress.add_task("", total=event.steps_per_epoch, losses="", speed="", left="")
            self._progress.start()

    def show(self, event: Event) -> None:
        """Show one event of the training loop."""
        from gantool.engine.events import Decided, EndedEarly, EpochDone, Saved, StepDone

        if self._silent:
            return
        if isinstance(event, StepDone):
            self._step(event)
        elif isinstance(event, EpochDone):
            self._screen.note(_epoch_line(event, self._epochs, self._terms))
            classes = [(key[4:], value) for key, value in event.metrics.items() if key.startswith("iou/")]
            if classes:
                self._screen.note("  IoU " + "  ".join(f"{name} {value:.2f}" for name, value in classes))
            if event.wait_share > 0.2:
                self._screen.warn(
                    f"{event.wait_share:.0%} of the time went into waiting for data; more --workers may help."
                )
        elif isinstance(event, Decided):
            text = f"networks are {'' if event.compiled else 'not '}compiled: {event.reason}"
            (self._screen.note if event.notable else self._screen.detail)(text)
        elif isinstance(event, Saved):
            self._screen.detail(f"saved {event.path}")
        elif isinstance(event, EndedEarly):
            self._screen.note(f"Ended after epoch {event.epoch}: none was better than epoch {event.best_epoch}.")

    def close(self) -> None:
        if self._progress is not None:
            self._progress.stop()
            self._progress = None

    def _step(self, event: StepDone) -> None:
        if self._progress is None:
            return
        from gantool.engine.loss_terms import by_group

        # A running mean over about twenty steps keeps the numbers readable.
        self._seconds = event.seconds if self._seconds == 0 else 0.95 * self._seconds + 0.05 * event.seconds
        self._waited = 0.95 * self._waited + 0.05 * event.waited
        for name, value in by_group(event.losses or {}, self._terms).items():
            self._average[name] = 0.95 * self._average.get(name, value) + 0.05 * value
        left = (self._epochs - event.epoch + 1) * event.steps_per_epoch - event.step_in_epoch
        self._progress.update(
            self._progress.task_ids[0],
            description=f"epoch {event.epoch}/{self._epochs}",
            completed=event.step_in_epoch,
            losses="  ".join(f"{name} {value:.2f}" for name, value in self._average.items()),
            speed=f"{self._batch_size / self._seconds:.1f} img/s, {self._waited / self._seconds:.0%} wait",
            left=f"{_clock(left * self._seconds)} left",
        )


def _epoch_line(event: EpochDone, epochs: int, terms: Mapping[str, LossTerm]) -> str:
    from gantool.engine.loss_terms import by_group

    parts = [f"epoch {event.epoch}/{epochs}"]
    parts += [f"{name} {value:.3f}" for name, value in by_group(event.losses, terms).items()]
    if event.metrics:
        name, value = next(iter(event.metrics.items()))
        parts.append(f"{name} {value:.3f}{' (best)' if event.best else ''}")
    parts += [f"lr {event.lr:.2e}", f"{event.images_per_second:.1f} img/s", f"{event.seconds:.0f} s"]
    return "  ".join(parts)


def _clock(seconds: float) -> str:
    """Minutes and seconds, after hours that do not end at a day.

    >>> _clock(65), _clock(3600), _clock(90_061)
    ('01:05', '1:00:00', '25:01:01')
    """
    hours, rest = divmod(int(seconds), 3600)
    clock = f"{rest // 60:02d}:{rest % 60:02d}"
    return f"{hours}:{clock}" if hours else clock
