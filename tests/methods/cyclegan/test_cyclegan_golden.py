"""Three training steps lose what the reference implementation loses."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch
from support import golden
from torch import Tensor

from gantool.cards import Card, Domain
from gantool.engine.task import Player
from gantool.methods.cyclegan.task import CycleGan, CycleGanWeights
from gantool.methods.gan.game import Game
from gantool.nets.registry import build_discriminator, build_generator

CARD = Card(task="cyclegan", domains=(Domain(name="A"), Domain(name="B")), directions=())
# Their names for our losses: their G_A translates A to B and is judged by D_A, their idt_A is G_A(B) against B.
NAMES = {
    "G_A": "adversarial_B",
    "G_B": "adversarial_A",
    "cycle_A": "cycle_A",
    "cycle_B": "cycle_B",
    "idt_A": "identity_B",
    "idt_B": "identity_A",
    "D_A": "discriminator_B",
    "D_B": "discriminator_A",
}


def plain_update(player: Player, loss: Tensor) -> None:
    player.optimizer.zero_grad()
    loss.backward()
    player.optimizer.step()


def make_task(start: dict[str, Any], settings: dict[str, Any], *, batch_calls: bool = True) -> CycleGan:
    generators = {"to_b": "G_A", "to_a": "G_B"}
    discriminators = {"b": "D_A", "a": "D_B"}
    players = []
    for name, nets in (("generators", generators), ("discriminators", discriminators)):
        built = {}
        for ours, theirs in nets.items():
            build = build_generator if name == "generators" else build_discriminator
            built[ours] = build("resnet_6blocks" if name == "generators" else "basic", width=4)
            built[ours].load_state_dict(start[theirs])
        parameters = [parameter for net in built.values() for parameter in net.parameters()]
        adam = torch.optim.Adam(parameters, lr=settings["lr"], betas=(settings["beta1"], 0.999))
        players.append(Player(name, built, adam))
    weights = CycleGanWeights(
        cycle_a=settings["lambda_A"],
        cycle_b=settings["lambda_B"],
        identity=settings["lambda_identity"],
    )
    game = Game(settings["gan_mode"], batch_calls=batch_calls)
    return CycleGan(CARD, players[0], players[1], weights, game, pool_size=0)


@pytest.mark.parametrize("name", ["train_cyclegan_lsgan", "train_cyclegan_vanilla_no_identity"])
@pytest.mark.parametrize("batch_calls", [True, False])
def test_losses_equal_the_reference(name: str, batch_calls: bool) -> None:
    record = json.loads(golden(f"{name}.json").read_text())
    data = torch.load(golden("train_cyclegan_lsgan.pth"), weights_only=True)
    task = make_task(data["start"], record["settings"], batch_calls=batch_calls)
    for (a, b), expected in zip(data["batches"], record["losses"], strict=True):
        losses = task.step({"a": a, "b": b}, plain_update)
        assert {NAMES[theirs] for theirs in expected} == set(losses)
        for theirs, value in expected.items():
            assert losses[NAMES[theirs]].item() == pytest.approx(value, rel=1e-3), theirs
