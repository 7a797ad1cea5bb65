from __future__ import annotations

import pytest

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
