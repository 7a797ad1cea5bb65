"""What the two players of a GAN minimize.

========  =====================================================  ==============================
mode      discriminator                                          generator
========  =====================================================  ==============================
lsgan     mean (D(x) - 1)^2  and  mean D(G(z))^2                 mean (D(G(z)) - 1)^2
vanilla   -mean log s(D(x))  and  -mean log(1 - s(D(G(z))))      -mean log s(D(G(z)))
wgan-gp   -mean D(x)  and  mean D(G(z)), plus the penalty        -mean D(G(z))
========  =====================================================  ==============================

with s the sigmoid. Mao et al. 2017 (https://arxiv.org/abs/1611.04076), Goodfellow et al. 2014
(https://arxiv.org/abs/1406.2661, the non-saturating form), Gulrajani et al. 2017
(https://arxiv.org/abs/1704.00028). All are computed in float32 whatever the precision of the logits.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Adversarial = Literal["lsgan", "vanilla", "wgan-gp"]

__all__ = [
    "Adversarial",
    "adversarial_loss",
    "discriminator_loss",
    "generator_loss",
    "gradient_penalty",
    "undecided",
]


def adversarial_loss(logits: Tensor, *, real: bool, mode: Adversarial) -> Tensor:
    """How far ``logits`` (any shape) are from saying "real" (or "fake"): a scalar in float32."""
    logits = logits.float()
    if mode == "wgan-gp":
        return -logits.mean() if real else logits.mean()
    target = torch.ones_like(logits) if real else torch.zeros_like(logits)
    if mode == "lsgan":
        return F.mse_loss(logits, target)
    return F.binary_cross_entropy_with_logits(logits, target)


def generator_loss(fake_logits: Tensor, mode: Adversarial) -> Tensor:
    """What the generator minimizes: its fakes are to be taken for real."""
    return adversarial_loss(fake_logits, real=True, mode=mode)


def discriminator_loss(real_logits: Tensor, fake_logits: Tensor, mode: Adversarial) -> Tensor:
    """The mean of the two terms, as the reference halves them; ln 2 for a discriminator that knows nothing."""
    real = adversarial_loss(real_logits, real=True, mode=mode)
    fake = adversarial_loss(fake_logits, real=False, mode=mode)
    return (real + fake) * 0.5


def undecided(mode: Adversarial) -> tuple[str, float] | None:
    """Name and value of what a discriminator that knows nothing loses; also a generator that deceives it half of the
    time. None where curves are not read against it.
    """
    return ("ln 2", math.log(2)) if mode == "vanilla" else None


def gradient_penalty(discriminator: nn.Module, real: Tensor, fake: Tensor, mix: Tensor) -> Tensor:
    """Mean (|grad D| - 1)^2 between real and fake images (Gulrajani et al. 2017, equation 3).

    Args:
        real, fake: ``(N, C, H, W)`` in [-1, 1].
        mix: ``(N, 1, 1, 1)`` in [0, 1], the share of ``real`` in each point.
    """
    points = (mix * real + (1 - mix) * fake).detach().requires_grad_(True)
    logits = discriminator(points)
    (gradient,) = torch.autograd.grad(logits.float().sum(), points, create_graph=True)
    lengths = gradient.flatten(1).float().norm(dim=1)
    penalty: Tensor = (lengths - 1).square().mean()
    return penalty
