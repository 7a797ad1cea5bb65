"""Three training steps lose what the reference implementation loses."""

from __future__ import annotations

import json

import pytest
import torch
from support import golden
from torch import Tensor

from gantool.cards import Card, Domain
from gantool.engine.task import Player
from gantool.methods.gan.game import Game
from gantool.methods.pix2pix.task import Pix2Pix, Pix2PixWeights
from gantool.nets.registry import build_discriminator, build_generator

GAME = Game("vanilla", batch_calls=False)
CARD = Card(task="pix2pix", domains=(Domain(name="A"), Domain(name="B")))
NAMES = {
    "G_GAN": "adversarial", "G_L1": "reconstruction", "D_real": "discriminator_real", "D_fake": "discriminator_fake"
}  # fmt: skip


def plain_update(player: Player, loss: Tensor) -> None:
    player.optimizer.zero_grad()
    loss.backward()
    player.optimizer.step()


def test_losses_equal_the_reference() -> None:
    record = json.loads(golden("train_pix2pix_vanilla.json").read_text())
    data = torch.load(golden("train_pix2pix_vanilla.pth"), weights_only=True)
    settings = record["settings"]
    generator = build_generator("unet_128", width=4, norm="batch")
    discriminator = build_discriminator("basic", in_channels=6, width=4, norm="batch")
    generator.load_state_dict(data["start"]["G"])
    discriminator.load_state_dict(data["start"]["D"])
    players = [
        Player(
            name,
            nets,
            torch.optim.Adam(next(iter(nets.values())).parameters(), lr=settings["lr"], betas=(0.5, 0.999)),
        )
        for name, nets in (("generator", {"to_B": generator}), ("discriminator", {"pair": discriminator}))
    ]
    task = Pix2Pix(CARD, players[0], players[1], Pix2PixWeights(settings["lambda_L1"]), GAME)
    for (a, b), expected in zip(data["batches"], record["losses"], strict=True):
        losses = task.step({"a": a, "b": b}, plain_update)
        assert {NAMES[theirs] for theirs in expected} == set(losses)
        for theirs, value in expected.items():
            assert losses[NAMES[theirs]].item() == pytest.approx(value, rel=1e-3), theirs


def test_the_discriminator_may_move_less_often() -> None:
    generator, discriminator = torch.nn.Conv2d(3, 3, 1), torch.nn.Conv2d(6, 1, 1)
    players = [
        Player(name, nets, torch.optim.SGD(next(iter(nets.values())).parameters(), lr=0.1))
        for name, nets in (("generator", {"to_B": generator}), ("discriminator", {"pair": discriminator}))
    ]
    task = Pix2Pix(CARD, players[0], players[1], Pix2PixWeights(1.0), Game(batch_calls=False), every=4)
    moved = []

    def update(player: Player, loss: Tensor) -> None:
        moved.append(player.name)
        plain_update(player, loss)

    batch = {"a": torch.randn(1, 3, 8, 8), "b": torch.randn(1, 3, 8, 8)}
    for _ in range(5):
        task.step(batch, update)
    assert moved.count("generator") == 5
    assert moved.count("discriminator") == 2
    state = task.state_dict()
    task.load_state_dict(state)
    assert state == {"steps": 5}
    with torch.no_grad():
        assert list(task.preview(batch, task.nets())) == ["A", "to B", "B"]
