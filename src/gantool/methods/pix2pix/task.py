"""pix2pix: translation learned from pairs.

Isola et al., "Image-to-Image Translation with Conditional Adversarial Networks", 2017
(https://arxiv.org/abs/1611.07004). With a generator G: A -> B and a discriminator D that sees input and output
together,

    G* = arg min max L_cGAN(G, D) + lambda L1(G)                         equation 4

where D learns to tell ``(a, b)`` from ``(a, G(a))`` and its objective is halved (section 3.3). The order within a
step is the reference's: first the discriminator moves, then the generator.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from gantool.cards import Card
from gantool.engine.loss_terms import ADVERSARIAL, DISCRIMINATOR, LossTerm
from gantool.engine.task import Batch, Player, Update
from gantool.losses.adversarial import undecided
from gantool.losses.reconstruction import Distance, reconstruction_loss
from gantool.methods.gan.game import Game

__all__ = ["Pix2Pix", "Pix2PixWeights"]


@dataclass(frozen=True)
class Pix2PixWeights:
    """The objective's modes and weights; ``reconstruction`` is lambda."""

    reconstruction: float = 100.0
    distance: Distance = "l1"


class Pix2Pix:
    """A generator and a conditional discriminator on pairs ``{"a": (N, C_a, H, W), "b": (N, C_b, H, W)}`` in [-1, 1].

    Args:
        card: names source and target; its only direction is the generator's.
        generator: player with the net ``to_TARGET``.
        discriminator: player with the net ``pair``, on ``C_a + C_b`` channels.
        game: how they play; the discriminator judges true and made pairs one after the other (batch norm).
        every: the discriminator moves in every so manieth step only.
        for_use: turns the generator into what is delivered, for the pictures.
    """

    def __init__(
        self,
        card: Card,
        generator: Player,
        discriminator: Player,
        weights: Pix2PixWeights,
        game: Game,
        *,
        every: int = 1,
        for_use: Callable[[nn.Module], nn.Module] = lambda net: net,
    ) -> None:
        self.players = (generator, discriminator)
        self.generator, self.discriminator = generator, discriminator
        self.weights, self.game, self.every = weights, game, every
        self._card, self._for_use = card, for_use
        self._source, self._target = (domain.name for domain in card.domains)
        line = undecided(game.adversarial)
        # The discriminator's objective is the mean of its two losses.
        self.losses = {
            "discriminator_real": LossTerm(DISCRIMINATOR, 0.5, line),
            "discriminator_fake": LossTerm(DISCRIMINATOR, 0.5, line),
            "adversarial": LossTerm(ADVERSARIAL, reference=line),
            "reconstruction": LossTerm("reconstruction"),
        }
        self._steps = 0

    def step(self, batch: Batch, update: Update) -> dict[str, Tensor]:
        a, b = batch["a"], batch["b"]
        g, d, w = self.generator.nets[f"to_{self._target}"], self.discriminator.nets["pair"], self.weights
        fake, true = g(a), torch.cat([a, b], 1)
        losses: dict[str, Tensor] = {}

        made = torch.cat([a, fake.detach().to(b.dtype)], 1)
        losses["discriminator_real"], losses["discriminator_fake"], penalty = self.game.terms(d, true, made)
        if self._steps % self.every == 0:
            objective = (losses["discriminator_real"] + losses["discriminator_fake"]) * 0.5
            update(self.discriminator, objective + penalty)
        self._steps += 1

        self.discriminator.requires_grad_(False)
        losses["adversarial"] = self.game.generator(d, torch.cat([a, fake], 1), true)
        losses["reconstruction"] = w.reconstruction * reconstruction_loss(fake, b, w.distance)
        update(self.generator, losses["adversarial"] + losses["reconstruction"])
        self.discriminator.requires_grad_(True)
        return {name: loss.detach() for name, loss in losses.items()}

    def nets(self) -> dict[str, nn.Module]:
        return dict(self.generator.nets)

    def preview(self, batch: Batch, nets: Mapping[str, nn.Module]) -> dict[str, Tensor]:
        made = self._for_use(nets[f"to_{self._target}"])(batch["a"])
        return {self._source: batch["a"], f"to {self._target}": made, self._target: batch["b"]}

    def card(self) -> Card:
        return self._card

    def state_dict(self) -> dict[str, Any]:
        return {"steps": self._steps}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._steps = int(state["steps"])
