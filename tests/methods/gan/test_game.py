"""How a generator and a discriminator play, by hand."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gantool.errors import SettingsError
from gantool.methods.gan.game import Game, make_game
from gantool.methods.gan.networks import check_settings, make_discriminator
from gantool.methods.registry import load_settings
from gantool.nets.patchgan import MultiScaleDiscriminator
from gantool.nets.registry import build_discriminator

REAL, FAKE = torch.full((2, 1, 4, 4), 2.0), torch.full((2, 1, 4, 4), -1.0)


class Scaled(nn.Module):
    """Logits are pixels times a weight."""

    def __init__(self, weight: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(weight))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.weight


def softplus(x: float) -> float:
    return math.log(1 + math.exp(x))


@pytest.mark.parametrize("batch_calls", [True, False])
@pytest.mark.parametrize(
    ("mode", "critic", "generator"),
    [
        ("lsgan", ((1 - 1) ** 2 + 0.5**2) / 2, (-0.5 - 1) ** 2),
        ("vanilla", (softplus(-1) + softplus(-0.5)) / 2, softplus(0.5)),
        ("relativistic", softplus(-1.5), softplus(1.5)),
    ],
)
def test_objectives(mode: Any, critic: float, generator: float, batch_calls: bool) -> None:
    """The discriminator halves pixels: 1 for real ones and -0.5 for fakes."""
    game, d = Game(mode, batch_calls=batch_calls), Scaled(0.5)
    assert game.discriminator(d, REAL, FAKE).item() == pytest.approx(critic)
    assert game.generator(d, FAKE, REAL).item() == pytest.approx(generator)


@pytest.mark.parametrize("batch_calls", [True, False])
def test_penalties_are_added_for_real_and_for_fake(batch_calls: bool) -> None:
    d = Scaled(0.5)
    plain = Game("lsgan", batch_calls=batch_calls).discriminator(d, REAL, FAKE).item()
    for r1, r2 in ((8.0, 0.0), (0.0, 4.0), (8.0, 4.0)):
        game = Game("lsgan", r1=r1, r2=r2, batch_calls=batch_calls)
        assert game.discriminator(d, REAL, FAKE).item() == pytest.approx(plain + (r1 + r2) / 2 * 0.25)


def test_each_penalty_looks_at_its_own_pictures() -> None:
    """The gradient of a square is larger where pixels are."""

    class Squares(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.square()

    def penalty(**weights: float) -> float:
        return Game("wgan-gp", 0.0, **weights).terms(Squares(), REAL, FAKE)[2].item()

    assert penalty(r1=2.0) == pytest.approx((2 * 2.0) ** 2)
    assert penalty(r2=2.0) == pytest.approx((2 * -1.0) ** 2)


def test_the_mean_of_several_scales_counts() -> None:
    class Two(nn.Module):
        def forward(self, x: Tensor) -> list[Tensor]:
            return [x, x[..., :2, :2] * 2]

    game = Game("lsgan")
    assert game.discriminator(Two(), REAL, FAKE).item() == pytest.approx((((1 + 1) / 2) + ((9 + 4) / 2)) / 2)
    assert game.generator(Two(), FAKE, REAL).item() == pytest.approx((4 + 9) / 2)


def test_scales_see_pictures_of_half_the_size() -> None:
    torch.manual_seed(0)
    nets = [build_discriminator("n_layers", width=2, layers=1) for _ in range(2)]
    x = torch.randn(1, 3, 32, 32)
    full, half = MultiScaleDiscriminator(nets)(x)
    assert torch.equal(full, nets[0](x))
    assert half.shape[2] == 6
    flat = MultiScaleDiscriminator(nets)(torch.ones(1, 3, 32, 32))[1]
    assert torch.allclose(flat, nets[1](torch.ones(1, 3, 16, 16))), "the border is no darker"


def test_recomputing_is_refused_where_it_cannot_be_had() -> None:
    again = {"runtime.checkpointing": True}
    with pytest.raises(SettingsError, match=r"runtime\.checkpointing: unet_64 has no residual blocks"):
        check_settings(load_settings("pix2pix-sample", base={**again, "model.norm": "instance"}))
    with pytest.raises(SettingsError, match=r"runtime\.checkpointing: batch norm would count every batch twice"):
        load_settings("cyclegan", base={**again, "model.norm": "batch"})


def test_settings_reach_the_game_and_the_networks() -> None:
    settings = load_settings(
        "cyclegan-sample",
        base={"loss.adversarial": "relativistic", "loss.r1": 1.0, "loss.r2": 2.0, "model.discriminator_scales": 2,
              "model.discriminator_norm": "batch"},
    )  # fmt: skip
    assert make_game(settings, ("color",)) == Game("relativistic", 10.0, 1.0, 2.0, ("color",), False)
    assert len(make_discriminator(settings, 3)(torch.zeros(1, 3, 64, 64))) == 2
    check_settings(settings)
    small = load_settings("cyclegan-sample", base={"model.discriminator_scales": 3, "data.size": 64})
    with pytest.raises(SettingsError, match="at least 128 for a discriminator of 3 layers at 3 scales, got 64"):
        check_settings(small)
