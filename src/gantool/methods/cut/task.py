"""CUT and FastCUT: translation into one domain without pairs and without a way back.

Park et al., "Contrastive Learning for Unpaired Image-to-Image Translation", 2020 (https://arxiv.org/abs/2007.15651).
With a generator G: A -> B, whose first half is an encoder, a discriminator for B and small networks H that make
vectors of features,

    L = L_GAN(G, D)
      + lambda_X L_PatchNCE(G, H, A) + lambda_Y L_PatchNCE(G, H, B)      equation 5

where the second PatchNCE is of pictures of B, which are to stay as they are. CUT has lambda_X = lambda_Y = 1, here
``contrast`` and halved as in the paper's own code; FastCUT has lambda_X = 10, lambda_Y = 0 and mirrors pictures at
random. The order within a step is that of the paper's code: the discriminator moves first, on the fake that the
generator's loss then judges with the moved discriminator.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from gantool.cards import Card
from gantool.engine.loss_terms import ADVERSARIAL, DISCRIMINATOR, LossTerm
from gantool.engine.task import Batch, Player, Update
from gantool.losses.adversarial import undecided
from gantool.losses.contrastive import patch_nce, unit
from gantool.methods.cut.patch_places import PatchPlaces
from gantool.methods.gan.game import Game
from gantool.nets.features import LayeredGenerator

__all__ = ["Cut", "CutWeights"]


@dataclass(frozen=True)
class CutWeights:
    """The objective's modes and weights."""

    contrast: float = 1.0
    identity: bool = True
    flip: bool = False
    temperature: float = 0.07


class Cut:
    """A generator and a discriminator on batches ``{"a": (N, C, H, W), "b": (N, C, H, W)}`` in [-1, 1].

    Args:
        card: names source and target; its only direction is the generator's.
        generator: player with the generator as ``layered``, a `LayeredGenerator` with the layers whose features are
            compared, and the networks H as ``projection``.
        discriminator: player with the net ``target``.
        game: how generator and discriminator play.
        places: where patches are compared.
    """

    def __init__(
        self,
        card: Card,
        generator: Player,
        discriminator: Player,
        weights: CutWeights,
        game: Game,
        places: PatchPlaces,
    ) -> None:
        self.players = (generator, discriminator)
        self.generator, self.discriminator = generator, discriminator
        self.weights, self.game = weights, game
        self._card, self._places = card, places
        self._source, self._target = (domain.name for domain in card.domains)
        line = undecided(game.adversarial)
        # Where there are two contrasts, their mean counts.
        names = (self._source, self._target) if weights.identity else (self._source,)
        self.losses = {
            "discriminator": LossTerm(DISCRIMINATOR, reference=line),
            "adversarial": LossTerm(ADVERSARIAL, reference=line),
            **{f"contrast_{name}": LossTerm("contrast", 1 / len(names)) for name in names},
        }

    @property
    def layered(self) -> nn.Module:
        return self.generator.nets["layered"]

    def step(self, batch: Batch, update: Update) -> dict[str, Tensor]:
        real_a, real_b = batch["a"], batch["b"]
        w, d = self.weights, self.discriminator.nets["target"]
        sources = torch.cat([real_a, real_b]) if w.identity else real_a
        mirrored = w.flip and self._places.mirrored()

        made, features = self.layered(sources.flip(3) if mirrored else sources)
        keys = self._keys(sources, features, mirrored)
        fake = made[: len(real_a)]
        critic = self.game.discriminator(d, real_b, fake.detach())
        update(self.discriminator, critic)

        self.discriminator.requires_grad_(False)
        losses = {"adversarial": self.game.generator(d, fake, real_b)}
        losses |= self._contrasts(made, keys, mirrored, len(real_a))
        update(self.generator, torch.stack([loss * self.losses[name].weight for name, loss in losses.items()]).sum())
        self.discriminator.requires_grad_(True)
        return {name: loss.detach() for name, loss in {"discriminator": critic, **losses}.items()}

    def _keys(self, sources: Tensor, features: Sequence[Tensor], mirrored: bool) -> list[Tensor]:
        """Features of the sources as they are: those of their translation, unless that was of mirrored ones."""
        if not mirrored:
            return [layer.detach() for layer in features]
        with torch.no_grad():  # after a pass with gradients: autocast keeps the weights as the first pass cast them
            return list(self.layered(sources, whole=False)[1])

    def _contrasts(self, made: Tensor, keys: Sequence[Tensor], mirrored: bool, count: int) -> dict[str, Tensor]:
        """PatchNCE of translated pictures and, where the objective asks for it, of those that are to stay."""
        found = self.layered(made, whole=False)[1]
        queries = [layer.flip(3) for layer in found] if mirrored else found
        names = [name for name in self.losses if name.startswith("contrast_")]
        parts = (slice(count), slice(count, None))
        return {
            name: self.weights.contrast * self._patch_nce([q[part] for q in queries], [k[part] for k in keys])
            for name, part in zip(names, parts, strict=False)
        }

    def _patch_nce(self, queries: Sequence[Tensor], keys: Sequence[Tensor]) -> Tensor:
        """The mean over layers, at places that both share."""
        projection, places = self.generator.nets["projection"], self._places.draw(keys)
        found = [unit(vectors) for vectors in projection(queries, places)]
        with torch.no_grad():  # second, as in `_keys`
            wanted = [unit(vectors) for vectors in projection(keys, places)]
        losses = [patch_nce(q, k, self.weights.temperature) for q, k in zip(found, wanted, strict=True)]
        return torch.stack(losses).mean()

    def nets(self) -> dict[str, nn.Module]:
        layered = self.layered
        assert isinstance(layered, LayeredGenerator)
        return {f"to_{self._target}": layered.net}

    def preview(self, batch: Batch, nets: Mapping[str, nn.Module]) -> dict[str, Tensor]:
        a, b, g = self._source, self._target, nets[f"to_{self._target}"]
        return {a: batch["a"], f"{a} to {b}": g(batch["a"]), b: batch["b"], f"{b} identity": g(batch["b"])}

    def card(self) -> Card:
        return self._card

    def state_dict(self) -> dict[str, Any]:
        return {"places": self._places.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._places.load_state_dict(state["places"])
