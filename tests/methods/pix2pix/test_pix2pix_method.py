"""What becomes of the settings of pix2pix, and of its results."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from gantool.cards import Card, Domain
from gantool.data.augment import Preparation
from gantool.data.datasets import ArrayImages
from gantool.engine.runtime import Runtime
from gantool.engine.task import Player
from gantool.losses.adversarial import gradient_penalty
from gantool.methods.gan.game import Game
from gantool.methods.pairs import build_paired_data, preview_pairs
from gantool.methods.pix2pix.method import Pix2PixMethod
from gantool.methods.pix2pix.settings import Pix2PixSettings
from gantool.methods.pix2pix.task import Pix2Pix, Pix2PixWeights
from gantool.methods.registry import load_settings, make_method

TINY: dict[str, Any] = {
    "model.generator": "unet_32", "model.width": 2, "data.size": 32, "data.load_size": 32, "data.scenes": 2,
    "data.test_scenes": 3, "model.discriminator": "pixel", "model.discriminator_width": 2,
    "runtime.device": "cpu", "runtime.precision": "fp32", "runtime.workers": 0,
}  # fmt: skip


def settings(**changes: Any) -> Pix2PixSettings:
    found = load_settings("pix2pix-sample", base=TINY | changes)
    assert isinstance(found, Pix2PixSettings)
    return found


def method(**changes: Any) -> Pix2PixMethod:
    made = make_method(settings(**changes))
    assert isinstance(made, Pix2PixMethod)
    return made


class Painted(nn.Module):
    """Gives every image in one color."""

    def __init__(self, color: tuple[int, int, int]) -> None:
        super().__init__()
        self.color = nn.Parameter(torch.tensor(color).view(1, 3, 1, 1) / 127.5 - 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.color.expand(len(x), 3, *x.shape[2:])


def test_every_weight_reaches_the_objective() -> None:
    task = method(**{
        "loss.adversarial": "wgan-gp", "loss.reconstruction": 7.0, "loss.distance": "mse",
        "loss.gradient_penalty": 3.0, "train.discriminator_every": 4, "optimizer.lr": 1e-3,
        "optimizer.discriminator_lr": 4e-3,
    }).task(Runtime("cpu", 1, "fp32"), fresh=True)  # fmt: skip
    assert task.weights == Pix2PixWeights(7.0, "mse")
    assert task.game == Game("wgan-gp", 3.0, batch_calls=False)
    assert task.every == 4
    assert [player.optimizer.param_groups[0]["lr"] for player in task.players] == [1e-3, 4e-3]


def test_the_penalty_is_taken_between_true_and_made_pairs() -> None:
    nets = {
        "generator": {"to_b": nn.Conv2d(3, 3, 1)},
        "discriminator": {"pair": nn.Sequential(nn.Conv2d(6, 2, 1), nn.Tanh())},
    }
    players = [
        Player(name, some, torch.optim.SGD(next(iter(some.values())).parameters(), lr=1.0))
        for name, some in nets.items()
    ]
    card = Card(task="pix2pix", domains=(Domain(name="a"), Domain(name="b")))
    task = Pix2Pix(card, players[0], players[1], Pix2PixWeights(1.0, "l1"), Game("wgan-gp", 10.0, batch_calls=False))
    a, b = torch.rand(2, 3, 8, 8), torch.rand(2, 3, 8, 8) * 2 - 1
    losses: dict[str, float] = {}
    torch.manual_seed(5)
    task.step({"a": a, "b": b}, lambda player, loss: losses.update({player.name: float(loss.detach())}))
    torch.manual_seed(5)
    mix = torch.rand(2, 1, 1, 1)
    g, d = nets["generator"]["to_b"], nets["discriminator"]["pair"]
    true, made = torch.cat([a, b], 1), torch.cat([a, g(a).detach()], 1)
    expected = (d(made).mean() - d(true).mean()) / 2 + 10 * gradient_penalty(d, true, made, mix)
    assert losses["discriminator"] == pytest.approx(float(expected.detach()), rel=1e-5)


def test_label_maps_are_measured_by_their_classes() -> None:
    """All pixels in the color of one class: its IoU is its share, that of the others 0."""
    made = method(**{"data.to": "labels", "metrics.images": 2})
    sky = made.data.classes[1][0]
    nets = {"to_labels": Painted(sky.color)}
    with torch.no_grad():
        found = made.measure(nets, "val", Runtime("cpu", 1, "fp32"))
        final = made.measure(nets, "test", Runtime("cpu", 1, "fp32"))
    truths = [np.asarray(made.data.validation[1][n]) for n in range(2)]
    there = {tuple(color) for truth in truths for color in truth.reshape(-1, 3).tolist()}
    shares = [float((truth == sky.color).all(-1).mean()) for truth in truths]
    assert found.values["accuracy"] == pytest.approx(np.mean(shares))
    assert found.values["mean_iou"] == pytest.approx(np.mean(shares) / len(there))
    assert found.values["l1"] == pytest.approx(
        np.mean([np.abs(truth - np.array(sky.color)).mean() for truth in truths])
    )
    assert found.best == 1 - found.values["mean_iou"]
    assert found.baselines == {}
    assert found.gallery is not None
    assert sorted(image.value for image in found.gallery.images()) == pytest.approx(sorted(shares))
    assert final.gallery is not None
    assert len(final.gallery.images()) == 3


def test_pictures_are_measured_by_their_distance_beside_that_of_the_mean() -> None:
    made = method()
    with torch.no_grad():
        found = made.measure({"to_summer": Painted((100, 110, 120))}, "test", Runtime("cpu", 1, "fp32"))
    truths = [np.asarray(made.data.test[1][n]).astype(float) for n in range(3)]
    by_hand = np.mean([np.abs(truth - np.array([100, 110, 120])).mean() for truth in truths])
    assert found.values == pytest.approx({"l1": by_hand}, rel=1e-3)
    assert found.best == found.values["l1"]
    mean = np.mean([made.data.train[1][n] for n in range(2)], axis=0)
    guess = np.mean([np.abs(truth - mean).mean() for truth in truths])
    assert found.baselines["mean training image"]["l1"] == pytest.approx(guess, rel=0.01)


@pytest.mark.parametrize(
    ("preprocess", "load_size", "expected"),
    [("resize_and_crop", None, 72), ("scale_width", None, 72), ("scale_width_and_crop", None, 72),
     ("crop", None, 64), ("none", None, 64), ("resize_and_crop", 90, 90)],
)  # fmt: skip
def test_images_are_loaded_a_little_larger_where_they_are_scaled(
    preprocess: str, load_size: int | None, expected: int
) -> None:
    changes = {"data.size": 64, "data.load_size": load_size, "augment.preprocess": preprocess, "train.batch_size": 1}
    data = build_paired_data(settings(**changes))
    assert {one.load_size for one in data.preparations} == {expected}, "64 * 286 / 256 is 71.5"


def test_images_of_other_sizes_stay_out_of_previews_and_means() -> None:
    made = method()
    sizes = (32, 40, 32, 32)
    images = ArrayImages([np.full((size, size, 3), n, np.uint8) for n, size in enumerate(sizes)])
    whole = (Preparation("none", 32, 32, False),) * 2
    made.data = replace(made.data, train=(images, images), validation=(images, images), test=(images, images),
                        preparations=whole)  # fmt: skip
    batch = preview_pairs(made.settings, made.data)
    assert [round((float(one.mean()) + 1) * 127.5) for one in batch["b"]] == [0, 2, 3]
    assert made._distance_of_the_mean() == pytest.approx(np.mean([abs(round(5 / 3) - n) for n in (0, 2, 3)]))
