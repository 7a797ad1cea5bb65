"""A training as plain lines, for files, pipes and terminals that cannot move the cursor: stable, and easy to grep.

A finished epoch is ``epoch 3/20  NAME VALUE  ...``; within a long one there is ``epoch 3/20  step 34/100  ...`` at
least once a minute.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from gantool.cli.console import Screen
from gantool.cli.training.course import Course, Score
from gantool.report.words import clock_time

if TYPE_CHECKING:
    from gantool.engine.events import EpochDone

__all__ = ["PlainLines"]


class PlainLines:
    """Tells of a training, line by line.

    Args:
        clock: seconds from any moment on.
    """

    def __init__(self, screen: Screen, course: Course, clock: Callable[[], float]) -> None:
        self._course, self._pulse = course, screen.pulse(clock)

    def note(self, show: Callable[[], None]) -> None:
        show()

    def phase(self, text: str) -> None:
        pass

    def step(self) -> None:
        # The line comes a step early rather than late.
        course = self._course
        if course.step < course.steps_per_epoch:
            self._pulse.maybe(lambda: _step_line(course), until_next=course.pace.step_seconds)

    def epoch(self, event: EpochDone, score: Score | None) -> None:
        self._pulse.tell(_epoch_line(event, score, self._course))

    def close(self) -> None:
        pass


def _step_line(course: Course) -> str:
    pace = course.pace
    parts = [f"epoch {course.epoch}/{course.epochs}", f"step {course.step}/{course.steps_per_epoch}"]
    parts += [f"{name} {value:.3f}" for name, value in course.losses.items()]
    parts += [f"{pace.images_per_second or 0:.1f} img/s", f"elapsed {clock_time(pace.elapsed)}"]
    return "  ".join([*parts, f"left {clock_time(pace.left or 0)}"])


def _epoch_line(event: EpochDone, score: Score | None, course: Course) -> str:
    parts = [f"epoch {event.epoch}/{course.epochs}"]
    parts += [f"{name} {value:.3f}" for name, value in course.by_group(event.losses).items()]
    if score is not None:
        parts.append(f"{score.name} {score.value:.3f}{_remark(score)}")
    parts += [f"lr {event.lr:.2e}", f"{event.images_per_second:.1f} img/s", f"{event.seconds:.0f} s"]
    return "  ".join([*parts, f"left {clock_time(course.pace.left or 0)}"])


def _remark(score: Score) -> str:
    """Whether a metric is the best so far, and its difference to the best before."""
    words = ["best"] if score.best else []
    if score.before is not None and math.isfinite(score.value - score.before):
        words.append(f"{score.value - score.before:+.3f}")
    return f" ({', '.join(words)})" if words else ""
