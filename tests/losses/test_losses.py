"""Losses against numbers worked out by hand."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from gantool.losses.adversarial import (
    adversarial_loss,
    gradient_penalty,
    relativistic,
    undecided,
    zero_centered,
)
from gantool.losses.reconstruction import reconstruction_loss


def test_lsgan() -> None:
    logits = torch.tensor([[0.0, 2.0]])
    assert adversarial_loss(logits, real=True, mode="lsgan").item() == pytest.approx(1.0)  # (1 + 1) / 2
    assert adversarial_loss(logits, real=False, mode="lsgan").item() == pytest.approx(2.0)  # (0 + 4) / 2


def test_vanilla() -> None:
    one = torch.tensor([1.0])
    assert adversarial_loss(torch.zeros(4), real=True, mode="vanilla").item() == pytest.approx(math.log(2))
    assert adversarial_loss(one, real=True, mode="vanilla").item() == pytest.approx(math.log(1 + math.exp(-1)))
    assert adversarial_loss(torch.tensor([1.0]), real=False, mode="vanilla").item() == pytest.approx(
        math.log(1 + math.e)
    )


def test_wasserstein() -> None:
    assert adversarial_loss(torch.tensor([3.0]), real=True, mode="wgan-gp").item() == -3
    assert adversarial_loss(torch.tensor([1.0]), real=False, mode="wgan-gp").item() == 1


def test_relativistic_pairs() -> None:
    real, fake = torch.tensor([2.0, 0.0]), torch.tensor([1.0, 0.5])
    by_hand = (math.log(1 + math.exp(1 - 2)) + math.log(1 + math.exp(0.5 - 0))) / 2
    assert relativistic(real, fake).item() == pytest.approx(by_hand)
    assert undecided("relativistic") == ("ln 2", pytest.approx(relativistic(real, real).item()))


def test_zero_centered_penalty_of_a_linear_critic() -> None:
    """Of every pixel by itself: each logit has a gradient of length 3, however large the picture is."""
    critic = nn.Conv2d(1, 1, 1)
    critic.weight.data.fill_(3.0)
    for side in (2, 5):
        images = torch.randn(2, 1, side, side, requires_grad=True)
        assert zero_centered([critic(images)], images).item() == pytest.approx(9)
    both = [critic(images), 2 * critic(images)]
    assert zero_centered(both, images).item() == pytest.approx((9 + 36) / 2), "the mean over scales"
    zero_centered([critic(images)], images).backward()
    assert critic.weight.grad is not None
    assert critic.weight.grad.item() == pytest.approx(6), "the derivative of the square of the weight"


def test_gradient_penalty_of_a_linear_critic() -> None:
    critic = nn.Linear(2, 1, bias=False)
    critic.weight.data = torch.tensor([[3.0, 4.0]])  # gradient of length 5 everywhere

    class Flat(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return critic(x.flatten(1))

    points = torch.rand(3, 2, 1, 1)
    penalty = gradient_penalty(Flat(), points, points + 1, torch.rand(3, 1, 1, 1))
    assert penalty.item() == pytest.approx(16)  # (5 - 1)^2
    penalty.backward()
    assert critic.weight.grad is not None and critic.weight.grad.abs().sum() > 0


class Squares(nn.Module):
    """x^2, with the slope 2x."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.square().sum((1, 2, 3))


def test_gradient_penalty_is_taken_between_real_and_fake() -> None:
    real, fake, mix = torch.tensor([1.0, 2.0, 3.0, 0.25]).view(4, 1, 1, 1), torch.full((4, 1, 1, 1), 3.0), 0.25
    points = [0.25 * x + 0.75 * 3 for x in (1.0, 2.0, 3.0, 0.25)]
    expected = sum((2 * x - 1) ** 2 for x in points) / 4
    penalty = gradient_penalty(Squares(), real, fake, torch.full((4, 1, 1, 1), mix))
    assert penalty.item() == pytest.approx(expected)


def test_only_the_loss_with_logarithms_has_a_line_to_read_it_against() -> None:
    assert undecided("vanilla") == ("ln 2", pytest.approx(math.log(2)))
    assert undecided("lsgan") is None
    assert undecided("wgan-gp") is None


def test_reconstruction() -> None:
    a, b = torch.tensor([0.0, 1.0]), torch.tensor([1.0, 3.0])
    assert reconstruction_loss(a, b).item() == 1.5
    assert reconstruction_loss(a, b, "mse").item() == 2.5


def test_losses_are_computed_in_float32() -> None:
    logits = torch.full((8,), 300.0, dtype=torch.float16)
    assert torch.isfinite(adversarial_loss(logits, real=False, mode="lsgan"))  # 90000 is beyond float16
