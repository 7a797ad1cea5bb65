from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from gantool.engine.schedules import Plateau, lr_factor
from gantool.settings.schema import Schedule


def factors(epochs: int, **options: object) -> list[float]:
    schedule = Schedule(**options)  # type: ignore[arg-type]
    return [lr_factor(schedule, epoch, epochs) for epoch in range(epochs)]


def test_constant_then_linear() -> None:
    assert factors(4, name="constant_linear") == pytest.approx([1, 1, 2 / 3, 1 / 3])
    # The reference's lambda rule for 100 + 100 epochs, at some epochs.
    reference = factors(200, name="constant_linear")
    assert reference[99] == 1
    assert reference[100] == pytest.approx(1 - 1 / 101)
    assert reference[199] == pytest.approx(1 - 100 / 101)


def test_constant_epochs_can_be_set() -> None:
    assert factors(4, name="constant_linear", constant_epochs=3) == pytest.approx([1, 1, 1, 0.5])
    assert factors(3, name="constant_linear", constant_epochs=9) == [1, 1, 1]


def test_other_schedules() -> None:
    assert factors(3, name="constant") == [1, 1, 1]
    assert factors(4, name="cosine") == pytest.approx([1, 0.8535534, 0.5, 0.1464466])
    assert factors(4, name="step", step_epochs=2, factor=0.1) == pytest.approx([1, 1, 0.1, 0.1])


def test_extending_recomputes() -> None:
    assert factors(8, name="constant_linear")[3] == 1 > factors(4, name="constant_linear")[3]


def test_plateau() -> None:
    plateau = Plateau(Schedule(name="plateau", patience=2, factor=0.5))
    for value in (1.0, 0.9, 0.95, 0.92):
        plateau.observe(value)
    assert plateau.factor == 1
    plateau.observe(0.91)  # the third without improvement
    assert plateau.factor == 0.5
    twin = Plateau(Schedule(name="plateau", patience=2, factor=0.5))
    twin.load_state_dict(plateau.state_dict())
    for p in (plateau, twin):
        for _ in range(3):
            p.observe(1.0)
    assert twin.factor == plateau.factor == 0.25


def test_smooth_schedules_follow_every_step() -> None:
    def at(done: float, **options: object) -> float:
        return lr_factor(Schedule(**options), done, 10)  # type: ignore[arg-type]

    assert [at(n, name="linear") for n in (0, 2.5, 10)] == [1, 0.75, 0]
    assert at(5, name="poly", power=0.9) == pytest.approx(0.5**0.9)
    assert at(2.5, name="cosine") == pytest.approx(0.5 * (1 + math.cos(math.pi / 4)))
    assert at(0, name="one_cycle") == pytest.approx(1 / 25)
    assert at(3, name="one_cycle") == pytest.approx(1)
    assert at(1.5, name="one_cycle") == pytest.approx((1 + 1 / 25) / 2)
    assert at(6.5, name="one_cycle") == pytest.approx(0.5, abs=1e-4)
    assert at(10, name="one_cycle") == pytest.approx(1e-4)
    # Two epochs of warm-up, then the schedule over the remaining eight.
    warm = {"name": "linear", "warmup_epochs": 2}
    assert [at(n, **warm) for n in (0, 1, 2, 6, 10)] == pytest.approx([0, 0.5, 1, 0.5, 0])
    assert at(1, name="constant_linear", warmup_epochs=2) == 0.5


def test_the_schedules_of_the_reference_are_what_the_documentation_says() -> None:
    """torch's schedulers as the reference sets them up, for 10 constant and 10 other epochs."""
    text = " ".join((Path(__file__).parents[2] / "docs" / "translation.md").read_text("utf-8").split())
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    cosine = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=10)
    theirs = []
    for _ in range(20):
        optimizer.step()
        theirs.append(optimizer.param_groups[0]["lr"])
        cosine.step()
    ours = [lr_factor(Schedule(name="cosine"), epoch, 20) for epoch in range(20)]
    assert theirs[10] < theirs[15] < theirs[19]
    assert ours == sorted(ours, reverse=True)
    assert "rises again in the rest" in text
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.2, threshold=0.01, patience=5)
    rates = []
    for _ in range(13):
        plateau.step(0)  # the reference's metric, which nothing sets
        rates.append(optimizer.param_groups[0]["lr"])
    assert rates == pytest.approx([1.0] * 6 + [0.2] * 6 + [0.04])
    assert "multiplies by 0.2 every six epochs" in text
    assert f"multiplies by `schedule.factor`, {Schedule(name='plateau').factor}" in text


def test_beyond_the_end_a_schedule_stays_where_it_is() -> None:
    for name in ("linear", "poly", "cosine"):
        assert lr_factor(Schedule(name=name), 12, 10) == lr_factor(Schedule(name=name), 10, 10) == 0  # type: ignore[arg-type]


def test_a_plateau_begins_where_the_value_is_less_than_a_thousandth_better() -> None:
    plateau = Plateau(Schedule(name="plateau", patience=1, factor=0.5))
    for value in (1000.0, 999.0):
        plateau.observe(value)
    assert plateau.state_dict() == {"factor": 1.0, "best": 1000.0, "waited": 1}
    plateau.observe(998.9)
    assert plateau.state_dict() == {"factor": 1.0, "best": 998.9, "waited": 0}
