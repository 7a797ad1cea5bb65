"""How a generator and a discriminator play: their objectives, penalties, and what the discriminator sees."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from gantool.losses.adversarial import Adversarial, adversarial_loss, gradient_penalty, relativistic, zero_centered
from gantool.losses.diff_augment import Policy, diff_augment
from gantool.methods.gan.settings import GanSettings

__all__ = ["Game", "make_game"]

Logits = Tensor | Sequence[Tensor]
"""Of a discriminator, or of several at different scales, whose mean counts."""


@dataclass(frozen=True)
class Game:
    """The adversarial part of an objective; pictures are ``(N, C, H, W)`` in [-1, 1].

    Attributes:
        adversarial: see `gantool.losses.adversarial`.
        gradient_penalty: weight of the penalty of wgan-gp.
        r1, r2: weights of the penalties on real and on translated pictures (gamma).
        policies: random changes of all that the discriminator sees; see `gantool.losses.diff_augment`.
        pictures: channels of the pictures that it sees on one another, where these are several.
        batch_calls: let the discriminator judge real and translated pictures together, which is the same mathematics
            unless it mixes the images of a batch (batch norm).
    """

    adversarial: Adversarial = "lsgan"
    gradient_penalty: float = 10.0
    r1: float = 0.0
    r2: float = 0.0
    policies: tuple[Policy, ...] = ()
    batch_calls: bool = True
    pictures: tuple[int, ...] = ()

    def discriminator(self, d: nn.Module, real: Tensor, fake: Tensor) -> Tensor:
        """What the discriminator minimizes; ``fake`` carries no gradient."""
        on_real, on_fake, penalty = self.terms(d, real, fake)
        return (on_real + on_fake) * 0.5 + penalty

    def terms(self, d: nn.Module, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Its losses on real and on translated pictures, whose mean counts, and its penalty.

        Where it compares them (relativistic) both are the same loss.
        """
        fake = fake.to(real.dtype)
        shown, judged = self._judged(d, real, fake)
        if self.adversarial == "relativistic":
            on_real = on_fake = _mean([relativistic(r, f) for r, f in judged])
        else:
            on_real = _mean([adversarial_loss(r, real=True, mode=self.adversarial) for r, _ in judged])
            on_fake = _mean([adversarial_loss(f, real=False, mode=self.adversarial) for _, f in judged])
        return on_real, on_fake, self._penalty(d, real, fake, shown, judged)

    def generator(self, d: nn.Module, fake: Tensor, real: Tensor) -> Tensor:
        """What the generator minimizes: its fakes are to be taken for real, or for more real than real ones."""
        made = _each(d(self._shown(fake)))
        if self.adversarial != "relativistic":
            return _mean([adversarial_loss(logits, real=True, mode=self.adversarial) for logits in made])
        true = _each(d(self._shown(real)))
        return _mean([relativistic(f, r) for f, r in zip(made, true, strict=True)])

    def _shown(self, images: Tensor) -> Tensor:
        return diff_augment(images, self.policies, self.pictures)

    def _judged(self, d: nn.Module, real: Tensor, fake: Tensor) -> tuple[list[Tensor], list[tuple[Tensor, Tensor]]]:
        """What the discriminator was shown, and its logits of real and fake at every scale."""
        groups = [torch.cat([real, fake])] if self.batch_calls else [real, fake]
        shown, logits = [], []
        for images in groups:
            changed = self._shown(images)
            if self.r1 or self.r2:
                changed = changed.detach().requires_grad_(True)
            shown.append(changed)
            logits.append(_each(d(changed)))
        if not self.batch_calls:
            return shown, list(zip(*logits, strict=True))
        halves = [one.chunk(2) for one in logits[0]]
        return shown, [(r, f) for r, f in halves]

    def _penalty(
        self, d: nn.Module, real: Tensor, fake: Tensor, shown: Sequence[Tensor], judged: list[tuple[Tensor, Tensor]]
    ) -> Tensor:
        penalty = real.new_zeros((), dtype=torch.float32)
        if self.adversarial == "wgan-gp":
            mix = torch.rand(len(real), 1, 1, 1, device=real.device)
            penalty = penalty + self.gradient_penalty * gradient_penalty(
                lambda images: torch.cat([one.flatten() for one in _each(d(images))]), real, fake.float(), mix
            )
        for weight, side, images in ((self.r1, 0, shown[0]), (self.r2, 1, shown[-1])):
            if weight:
                penalty = penalty + weight / 2 * zero_centered([pair[side] for pair in judged], images)
        return penalty


def make_game(settings: GanSettings, policies: Sequence[Policy] = (), pictures: Sequence[int] = ()) -> Game:
    """The game of these settings; norms that mix the images of a batch keep real and fake apart."""
    loss, model = settings.loss, settings.model
    mixes = "batch" in (model.norm, model.discriminator_norm)
    return Game(
        loss.adversarial, loss.gradient_penalty, loss.r1, loss.r2, tuple(policies),
        settings.runtime.batch_calls and not mixes, tuple(pictures),
    )  # fmt: skip


def _each(logits: Logits) -> list[Tensor]:
    return [logits] if isinstance(logits, Tensor) else list(logits)


def _mean(losses: Sequence[Tensor]) -> Tensor:
    return losses[0] if len(losses) == 1 else torch.stack(list(losses)).mean()
