"""Distillation of a generator: the teacher's pictures are the truth that a smaller one learns from.

A teacher T and a student S translate the same picture a, so unpaired data becomes pairs (a, T(a)), and S is trained
as pix2pix is, with

    L = L_cGAN(S, D) + lambda |S(a) - T(a)| + mu sum_i |D_i(a, S(a)) - D_i(a, T(a))|

where D_i are the layers of the discriminator. Li et al., "GAN Compression", 2020 (https://arxiv.org/abs/2003.08936),
section 3.1, on pairs made by the teacher; feature matching is Wang et al. 2018 (https://arxiv.org/abs/1711.11585),
equation 4. The discriminator moves first, as in pix2pix.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gantool.cards import Card
from gantool.engine.loss_terms import ADVERSARIAL, DISCRIMINATOR, LossTerm
from gantool.engine.task import Batch, Player, Update
from gantool.errors import ModelError
from gantool.losses.adversarial import undecided
from gantool.methods.gan.game import Game
from gantool.nets.features import critic_layers

__all__ = ["Distill", "DistillWeights"]


@dataclass(frozen=True)
class DistillWeights:
    """Weights of the distances to the teacher (lambda, mu)."""

    reconstruction: float = 100.0
    features: float = 10.0


class Distill:
    """A student and a conditional discriminator on batches with ``"a": (N, C_a, H, W)`` in [-1, 1].

    Args:
        card: names source and target; its only direction is the student's.
        teacher: moves in no step.
        generator: player with the student as ``to_TARGET``.
        discriminator: player with the net ``pair``, on the channels of both domains.
        game: how they play.
        digest: of the teacher's file; a run goes on with the teacher that it began with.
    """

    def __init__(
        self,
        card: Card,
        teacher: nn.Module,
        generator: Player,
        discriminator: Player,
        weights: DistillWeights,
        game: Game,
        *,
        digest: str = "",
    ) -> None:
        self.players = (generator, discriminator)
        self.generator, self.discriminator, self.teacher = generator, discriminator, teacher
        self.weights, self.game, self._card, self._digest = weights, game, card, digest
        self._source, self._target = (domain.name for domain in card.domains)
        line = undecided(game.adversarial)
        self.losses = {
            "discriminator": LossTerm(DISCRIMINATOR, reference=line),
            "adversarial": LossTerm(ADVERSARIAL, reference=line),
            "reconstruction": LossTerm("reconstruction"),
            "features": LossTerm("features"),
        }

    def step(self, batch: Batch, update: Update) -> dict[str, Tensor]:
        a, w = batch["a"], self.weights
        student, d = self.generator.nets[f"to_{self._target}"], self.discriminator.nets["pair"]
        fake = student(a)
        with torch.no_grad():
            truth = self.teacher(a).float()

        real, made = torch.cat([a, truth], 1), torch.cat([a, fake.float()], 1)
        critic = self.game.discriminator(d, real, made.detach())
        update(self.discriminator, critic)

        self.discriminator.requires_grad_(False)
        losses = {
            "adversarial": self.game.generator(d, made, real),
            "reconstruction": w.reconstruction * F.l1_loss(fake.float(), truth),
        }
        if w.features:
            losses["features"] = w.features * self._feature_distance(d, made, real)
        update(self.generator, torch.stack(list(losses.values())).sum())
        self.discriminator.requires_grad_(True)
        return {name: loss.detach() for name, loss in {"discriminator": critic, **losses}.items()}

    @staticmethod
    def _feature_distance(d: nn.Module, made: Tensor, real: Tensor) -> Tensor:
        """The mean over layers of the mean absolute difference."""
        found = critic_layers(d, made)
        with torch.no_grad():  # second, so that autocast keeps weights that have gradients
            wanted = critic_layers(d, real)
        return torch.stack([F.l1_loss(a.float(), b.float()) for a, b in zip(found, wanted, strict=True)]).mean()

    def nets(self) -> dict[str, nn.Module]:
        return dict(self.generator.nets)

    def preview(self, batch: Batch, nets: Mapping[str, nn.Module]) -> dict[str, Tensor]:
        a, name = batch["a"], f"to_{self._target}"
        return {self._source: a, "teacher": self.teacher(a), f"to {self._target}": nets[name](a)}

    def card(self) -> Card:
        return self._card

    def state_dict(self) -> dict[str, Any]:
        return {"teacher": self._digest}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on.

        Raises:
            ModelError: the teacher is another one.
        """
        if state["teacher"] != self._digest:
            raise ModelError(
                "model.teacher: the file is not the one that the run began with.",
                "Put that one back, or start a new run with --init-from.",
            )
