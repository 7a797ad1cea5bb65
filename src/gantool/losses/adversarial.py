"""Adversarial losses: what the discriminator and the generator of a GAN minimize.

============  =====================================================  ==============================
mode          discriminator                                          generator
============  =====================================================  ==============================
lsgan         mean (D(x) - 1)^2  and  mean D(G(z))^2                 mean (D(G(z)) - 1)^2
vanilla       -mean log s(D(x))  and  -mean log(1 - s(D(G(z))))      -mean log s(D(G(z)))
wgan-gp       -mean D(x)  and  mean D(G(z)), plus the penalty        -mean D(G(z))
relativistic  -mean log s(D(x) - D(G(z)))                            -mean log s(D(G(z)) - D(x))
============  =====================================================  ==============================

with s the sigmoid; relativistic pairs each real picture with a translated one, as in R3GAN (Huang et al. 2024,
https://arxiv.org/abs/2501.05441, equation 2, after Jolicoeur-Martineau 2018). Mao et al. 2017
(https://arxiv.org/abs/1611.04076), Goodfellow et al. 2014 (https://arxiv.org/abs/1406.2661, the non-saturating form),
Gulrajani et al. 2017 (https://arxiv.org/abs/1704.00028). All are computed in float32 whatever the precision of the
logits; the discriminator's two terms count half each, and `gantool.methods.gan.game` combines them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

Adversarial = Literal["lsgan", "vanilla", "wgan-gp", "relativistic"]

__all__ = [
    "Adversarial",
    "adversarial_loss",
    "gradient_penalty",
    "relativistic",
    "undecided",
    "zero_centered",
]


def adversarial_loss(logits: Tensor, *, real: bool, mode: Adversarial) -> Tensor:
    """The loss of ``logits`` (any shape) that should say "real" (or "fake"): a scalar in float32."""
    assert mode != "relativistic", "which judges pairs"
    logits = logits.float()
    if mode == "wgan-gp":
        return -logits.mean() if real else logits.mean()
    target = torch.ones_like(logits) if real else torch.zeros_like(logits)
    if mode == "lsgan":
        return F.mse_loss(logits, target)
    return F.binary_cross_entropy_with_logits(logits, target)


def undecided(mode: Adversarial) -> tuple[str, float] | None:
    """Name and value of the loss of a discriminator that only guesses, and of a generator that fools it half of the
    time; the reference line for the curves. None where there is none.
    """
    return ("ln 2", math.log(2)) if mode in ("vanilla", "relativistic") else None


def relativistic(more: Tensor, less: Tensor) -> Tensor:
    """The loss of logits ``more`` that should be above ``less``, element by element: a scalar in float32."""
    return F.softplus(less.float() - more.float()).mean()


def zero_centered(logits: Sequence[Tensor], images: Tensor) -> Tensor:
    """Mean squared norm of the gradient of the logits with respect to the images: R1 on real ones, R2 on fake ones.

    Mescheder et al., "Which Training Methods for GANs do actually Converge?", 2018 (https://arxiv.org/abs/1801.04406),
    equations 9 and 10, without gamma / 2. A patch discriminator has many logits per image: the squared norm is
    divided by their number, so that it does not grow with the size of the image.

    Args:
        logits: of one discriminator or of several, which are averaged.
        images: the images that the logits were computed from, perhaps among others; must require a gradient.
    """
    squares = []
    for one in logits:
        (gradient,) = torch.autograd.grad(one.float().sum(), images, create_graph=True)
        squares.append(gradient.float().square().sum() / one.numel())
    return torch.stack(squares).mean()


def gradient_penalty(discriminator: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor, mix: Tensor) -> Tensor:
    """Mean (|grad D| - 1)^2 between real and fake images (Gulrajani et al. 2017, equation 3).

    Args:
        real: ``(N, C, H, W)`` in [-1, 1].
        fake: the same number, of the same size.
        mix: ``(N, 1, 1, 1)`` in [0, 1], the fraction of ``real`` in each interpolated image.
    """
    points = (mix * real + (1 - mix) * fake).detach().requires_grad_(True)
    logits = discriminator(points)
    (gradient,) = torch.autograd.grad(logits.float().sum(), points, create_graph=True)
    lengths = gradient.flatten(1).float().norm(dim=1)
    penalty: Tensor = (lengths - 1).square().mean()
    return penalty
