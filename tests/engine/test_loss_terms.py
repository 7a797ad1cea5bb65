from __future__ import annotations

import pytest

from gantool.engine.loss_terms import LossTerm, by_curve, by_group, generator_objective

PAIR = {
    "discriminator_real": LossTerm("discriminator", 0.5),
    "discriminator_fake": LossTerm("discriminator", 0.5),
    "adversarial": LossTerm("adversarial"),
}
UNPAIRED = {
    f"{group}_{domain}": LossTerm(group) for group in ("cycle", "discriminator") for domain in ("day", "night")
}


def test_the_halves_of_a_discriminator_are_shown_as_their_mean() -> None:
    losses = {"discriminator_real": 0.9, "discriminator_fake": 0.5, "adversarial": 1.0}
    expected = {"discriminator": pytest.approx(0.7), "adversarial": 1.0}
    assert by_group(losses, PAIR) == expected
    assert by_curve(losses, PAIR) == expected
    assert generator_objective(losses, PAIR) == 1.0


def test_both_domains_make_one_number_and_two_curves() -> None:
    losses = {"cycle_day": 1.0, "cycle_night": 2.0, "discriminator_day": 0.25, "discriminator_night": 0.5}
    assert by_group(losses, UNPAIRED) == {"cycle": 3.0, "discriminator": 0.75}
    assert by_curve(losses, UNPAIRED) == losses
    assert generator_objective(losses, UNPAIRED) == 3.0
