"""Counted work against numbers worked out by hand."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from gantool.engine.step_work import StepWork, count_work


def test_a_convolution_and_an_activation() -> None:
    """Two calls; 5 * 8 * 8 numbers of four bytes from the activation, and none from the convolution."""
    image, weight = torch.zeros(1, 3, 8, 8), torch.zeros(5, 3, 1, 1)
    assert count_work(lambda: F.conv2d(image, weight).relu()) == StepWork(moved=1280, calls=2)


def test_views_are_free_and_backward_counts() -> None:
    numbers = torch.zeros(4, 8, requires_grad=True)
    assert count_work(lambda: numbers.detach().view(32)) == StepWork(0, 0)
    forward = count_work(lambda: numbers.tanh())
    assert forward == StepWork(moved=128, calls=1)
    assert count_work(lambda: numbers.tanh().sum().backward()).calls > 3
