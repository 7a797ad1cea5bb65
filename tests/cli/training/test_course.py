from __future__ import annotations

import pytest
from scripts import Clock

from gantool.cli.training.course import Course
from gantool.cli.training.pace import Pace
from gantool.engine.events import EpochDone, StepDone
from gantool.engine.loss_terms import LossTerm
from gantool.workflows.train import Started


def started(first_epoch: int = 0, path: object = None) -> Started:
    terms = {name: LossTerm(name.partition("_")[0]) for name in ("adversarial_a", "cycle_a", "cycle_b", "identity_a")}
    return Started(path, "", "cpu", "fp32", 1, 4, first_epoch, 10, 2, {}, terms, True)  # type: ignore[arg-type]


def step(number: int, seconds: float, losses: dict[str, float] | None = None, epoch: int = 1) -> StepDone:
    return StepDone(epoch, (epoch - 1) * 10 + number, number, 10, losses, seconds, seconds / 4)


def done(epoch: int, metrics: dict[str, float], *, best: bool) -> EpochDone:
    return EpochDone(epoch, epoch * 10, {}, metrics, 1e-3, 10.0, 2.0, 0.0, best)


def test_the_first_step_does_not_count_once_there_are_others() -> None:
    clock = Clock()
    pace = Pace(started(), clock)
    assert pace.left is None and pace.images_per_second is None
    for number, seconds in ((1, 60.0), (2, 1.0), (3, 1.0)):
        clock.now += seconds
        pace.step(step(number, seconds))
    assert pace.images_per_second == 2.0  # batches of 2
    assert pace.wait_share == pytest.approx(0.25)
    assert (pace.elapsed, pace.left) == (62.0, 37.0)  # of four epochs of 10 steps
    clock.now += 5
    assert (pace.elapsed, pace.left) == (67.0, 32.0), "goes on within a step"
    clock.now += 500
    assert pace.left == 0.0


def test_what_is_left_has_the_time_between_epochs() -> None:
    clock = Clock()
    pace = Pace(started(), clock)
    for number in range(1, 11):
        clock.now += 1
        pace.step(step(number, 1.0))
    assert pace.left == 30.0
    clock.now += 7  # measured
    pace.epoch(done(1, {}, best=False), 10)
    assert pace.left == 3 * (10 + 7)
    clock.now += 3  # saved
    pace.step(step(1, 1.0, epoch=2))
    assert pace.left == pytest.approx(29 + 3 * 9)


def test_losses_are_added_by_group_in_the_order_of_the_method() -> None:
    course = Course(started(), [], Clock())
    assert course.groups == ("adversarial", "cycle", "identity")
    course.take_step(step(1, 1.0, {"cycle_b": 1.0, "cycle_a": 2.0, "adversarial_a": 4.0}))
    assert course.groups == ("adversarial", "cycle"), "one whose weight is 0 has no column"
    assert dict(course.losses) == {"adversarial": 4.0, "cycle": 3.0}
    course.take_step(step(2, 1.0))
    assert dict(course.losses) == {"adversarial": 4.0, "cycle": 3.0}, "steps on a GPU are not all read"
    course.take_step(step(3, 1.0, {"cycle_b": 3.0, "cycle_a": 2.0, "adversarial_a": 0.0}))
    assert dict(course.losses) == pytest.approx({"adversarial": 3.8, "cycle": 3.1})


def test_scores_know_the_best_before_them() -> None:
    course = Course(started(), [], Clock())
    first = course.end_epoch(done(1, {"mean_iou": 0.5, "accuracy": 0.9, "iou/sky": 0.4}, best=True))
    assert first is not None and (first.value, first.best, first.before) == (0.5, True, None)
    assert course.end_epoch(done(2, {}, best=False)) is None
    third = course.end_epoch(done(3, {"mean_iou": 0.4}, best=False))
    assert third is not None and third.before == 0.5
    assert not course.all_done
    course.end_epoch(done(4, {"mean_iou": 0.6}, best=True))
    assert course.all_done
    assert course.best is not None and (course.best.epoch, course.best.value) == (4, 0.6)


def test_a_resumed_run_is_compared_with_what_it_had() -> None:
    records = [
        {"epoch": 1, "metrics": {"mean_iou": 0.5, "iou/sky": 0.1}, "best": True},
        {"epoch": 2, "metrics": {"mean_iou": 0.45, "iou/sky": 0.1}, "best": False},
    ]
    course = Course(started(2), records, Clock())
    assert (course.epoch, course.metrics, course.classes) == (3, ("mean_iou",), ("sky",))
    score = course.end_epoch(done(3, {"mean_iou": 0.47}, best=False))
    assert score is not None and score.before == 0.5
    assert course.best is not None and course.best.epoch == 1
