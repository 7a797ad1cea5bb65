"""CycleGAN: translation between two domains without pairs.

Zhu et al., "Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks", 2017
(https://arxiv.org/abs/1703.10593). With generators G: A -> B and F: B -> A and discriminators for both domains,

    L = L_GAN(G, D_B) + L_GAN(F, D_A)                                    equation 1
      + lambda (|F(G(a)) - a| + |G(F(b)) - b|)                           equations 2 and 3
      + lambda_identity (|G(b) - b| + |F(a) - a|)                        section 5.2, "photo generation"

The order within a step is the reference's: both generators move first, then both discriminators, on fakes that
went through the image pool.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from gantool.cards import Card
from gantool.engine.loss_terms import ADVERSARIAL, DISCRIMINATOR, LossTerm
from gantool.engine.task import Batch, Parts, Player, Update
from gantool.losses.adversarial import undecided
from gantool.losses.reconstruction import Distance, reconstruction_loss
from gantool.methods.cyclegan.image_pool import ImagePool
from gantool.methods.gan.game import Game

__all__ = ["CycleGan", "CycleGanWeights"]


@dataclass(frozen=True)
class CycleGanWeights:
    """The objective's modes and weights; ``identity`` is a share of the cycle weights, 0 leaves it out."""

    cycle_a: float = 10.0
    cycle_b: float = 10.0
    cycle_distance: Distance = "l1"
    identity: float = 0.5


class CycleGan:
    """Two generators and two discriminators on batches ``{"a": (N, C_a, H, W), "b": (N, C_b, H, W)}`` in [-1, 1].

    Args:
        card: names the domains and describes both generators.
        generators: player with nets ``to_b`` (G) and ``to_a`` (F).
        discriminators: player with nets ``b`` and ``a``.
        game: how generators and discriminators play. Its ``batch_calls`` also runs translated and identity image
            through a generator together.
        pool_size: images kept per domain, 0 for none.
        split_backward: differentiate one cycle at a time, which needs half of the memory.
        at_once: differentiate both cycles at the same time; see `Parts`.
        seed: of the image pools.
    """

    def __init__(
        self,
        card: Card,
        generators: Player,
        discriminators: Player,
        weights: CycleGanWeights,
        game: Game,
        *,
        pool_size: int = 50,
        split_backward: bool = False,
        at_once: bool = False,
        seed: int = 0,
    ) -> None:
        self.players = (generators, discriminators)
        self.generators, self.discriminators = generators, discriminators
        self.weights, self.game = weights, game
        self.split_backward, self.at_once = split_backward, at_once
        self._card = card
        self._a, self._b = (domain.name for domain in card.domains)
        lines = {group: undecided(game.adversarial) for group in (ADVERSARIAL, DISCRIMINATOR)}
        self.losses = {
            f"{group}_{domain}": LossTerm(group, reference=lines.get(group))
            for group in (ADVERSARIAL, "cycle", "identity", DISCRIMINATOR)
            for domain in (self._a, self._b)
        }
        self._pool_a, self._pool_b = ImagePool(pool_size, seed), ImagePool(pool_size, seed + 1)

    def step(self, batch: Batch, update: Update) -> dict[str, Tensor]:
        real_a, real_b = batch["a"], batch["b"]
        g, f = self.generators.nets["to_b"], self.generators.nets["to_a"]
        d_a, d_b = self.discriminators.nets["a"], self.discriminators.nets["b"]
        w = self.weights

        self.discriminators.requires_grad_(False)
        if self.split_backward or self.at_once:
            fake_b, fake_a, losses = self._move_in_parts(batch, update)
        else:
            fake_b, same_b = self._translate(g, real_a, real_b)
            fake_a, same_a = self._translate(f, real_b, real_a)
            losses = {
                f"adversarial_{self._b}": self.game.generator(d_b, fake_b, real_b),
                f"adversarial_{self._a}": self.game.generator(d_a, fake_a, real_a),
                f"cycle_{self._a}": w.cycle_a * reconstruction_loss(f(fake_b), real_a, w.cycle_distance),
                f"cycle_{self._b}": w.cycle_b * reconstruction_loss(g(fake_a), real_b, w.cycle_distance),
            }
            if same_a is not None and same_b is not None:
                losses[f"identity_{self._b}"] = w.cycle_b * w.identity * reconstruction_loss(same_b, real_b)
                losses[f"identity_{self._a}"] = w.cycle_a * w.identity * reconstruction_loss(same_a, real_a)
            update(self.generators, torch.stack(list(losses.values())).sum())
        self.discriminators.requires_grad_(True)

        critics: dict[str, Tensor] = {}

        def judge(domain: str, d: nn.Module, real: Tensor, fake: Tensor) -> Tensor:
            critics[domain] = self.game.discriminator(d, real, fake)
            return critics[domain]

        judges = (
            partial(judge, self._b, d_b, real_b, self._pool_b.exchange(fake_b)),
            partial(judge, self._a, d_a, real_a, self._pool_a.exchange(fake_a)),
        )
        if self.at_once:
            update(self.discriminators, Parts(judges, at_once=True))
        else:
            update(self.discriminators, torch.stack([judge() for judge in judges]).sum())
        losses |= {f"{DISCRIMINATOR}_{domain}": critics[domain] for domain in (self._b, self._a)}
        return {name: loss.detach() for name, loss in losses.items()}

    def _move_in_parts(self, batch: Batch, update: Update) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        """Move the generators by the same objective, a cycle in each part; return fakes and losses, detached."""
        g, f, w = self.generators.nets["to_b"], self.generators.nets["to_a"], self.weights
        fakes: dict[str, Tensor] = {}
        losses: dict[str, dict[str, Tensor]] = {}

        def cycle(there: nn.Module, back: nn.Module, source: str, target: str, names: tuple[str, str]) -> Tensor:
            a, b = names
            weight_a, weight_b = (w.cycle_a, w.cycle_b) if source == "a" else (w.cycle_b, w.cycle_a)
            fake, same = self._translate(there, batch[source], batch[target])
            critic = self.discriminators.nets[target]
            found = {
                f"adversarial_{b}": self.game.generator(critic, fake, batch[target]),
                f"cycle_{a}": weight_a * reconstruction_loss(back(fake), batch[source], w.cycle_distance),
            }
            if same is not None:
                found[f"identity_{b}"] = weight_b * w.identity * reconstruction_loss(same, batch[target])
            fakes[target] = fake.detach()
            losses[target] = {name: loss.detach() for name, loss in found.items()}
            return torch.stack(list(found.values())).sum()

        first = partial(cycle, g, f, "a", "b", (self._a, self._b))
        second = partial(cycle, f, g, "b", "a", (self._b, self._a))
        update(self.generators, Parts((first, second), self.at_once))
        return fakes["b"], fakes["a"], losses["b"] | losses["a"]

    def _translate(self, generator: nn.Module, source: Tensor, target: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return the translated ``source`` and, where the objective asks for it, what becomes of ``target``."""
        if self.weights.identity == 0:
            return generator(source), None
        if self.game.batch_calls and source.shape == target.shape:
            translated, same = generator(torch.cat([source, target])).chunk(2)
            return translated, same
        return generator(source), generator(target)

    def nets(self) -> dict[str, nn.Module]:
        g, f = self.generators.nets["to_b"], self.generators.nets["to_a"]
        return {f"to_{self._b}": g, f"to_{self._a}": f}

    def preview(self, batch: Batch, nets: Mapping[str, nn.Module]) -> dict[str, Tensor]:
        a, b = self._a, self._b
        g, f = nets[f"to_{b}"], nets[f"to_{a}"]
        real_a, real_b = batch["a"], batch["b"]
        fake_b, fake_a = g(real_a), f(real_b)
        pictures = {a: real_a, f"{a} to {b}": fake_b, f"{a} cycled": f(fake_b)}
        if real_a.shape[1] == real_b.shape[1]:
            pictures[f"{a} identity"] = f(real_a)
        pictures |= {b: real_b, f"{b} to {a}": fake_a, f"{b} cycled": g(fake_a)}
        if real_a.shape[1] == real_b.shape[1]:
            pictures[f"{b} identity"] = g(real_b)
        return pictures

    def card(self) -> Card:
        return self._card

    def state_dict(self) -> dict[str, Any]:
        return {"pool_a": self._pool_a.state_dict(), "pool_b": self._pool_b.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        device = next(self.generators.parameters()).device
        self._pool_a.load_state_dict(state["pool_a"], device)
        self._pool_b.load_state_dict(state["pool_b"], device)
