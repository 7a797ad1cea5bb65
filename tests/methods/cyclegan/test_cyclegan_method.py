"""What becomes of the settings of a CycleGAN."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from gantool.engine.runtime import Runtime
from gantool.methods.cyclegan.method import CycleGanMethod
from gantool.methods.cyclegan.task import CycleGanWeights
from gantool.methods.gan.game import Game
from gantool.methods.registry import load_settings, make_method

TINY: dict[str, Any] = {
    "model.width": 2, "data.size": 32, "data.load_size": 32, "data.scenes": 2, "data.test_scenes": 3,
    "model.discriminator": "n_layers", "model.discriminator_layers": 1, "model.discriminator_width": 2,
    "runtime.device": "cpu", "runtime.precision": "fp32", "runtime.workers": 0,
}  # fmt: skip


def method(**settings: Any) -> CycleGanMethod:
    made = make_method(load_settings("cyclegan-sample", base=TINY | settings))
    assert isinstance(made, CycleGanMethod)
    return made


def test_every_weight_reaches_the_objective() -> None:
    task = method(**{
        "loss.adversarial": "wgan-gp", "loss.cycle_a": 2.0, "loss.cycle_b": 3.0, "loss.cycle_distance": "mse",
        "loss.identity": 0.25, "loss.gradient_penalty": 7.0, "loss.r1": 0.5, "loss.r2": 0.25,
        "train.pool_size": 5, "train.seed": 9,
        "augment.discriminator": ("color",), "optimizer.lr": 1e-3, "optimizer.discriminator_lr": 4e-3,
    }).task(Runtime("cpu", 1, "fp32"), fresh=True)  # fmt: skip
    assert task.weights == CycleGanWeights(2.0, 3.0, "mse", 0.25)
    assert task.game == Game("wgan-gp", 7.0, 0.5, 0.25, ("color",))
    assert [player.optimizer.param_groups[0]["lr"] for player in task.players] == [1e-3, 4e-3]
    pools = task._pool_a, task._pool_b
    assert [(pool.size, pool._random.initial_seed()) for pool in pools] == [(5, 9), (5, 10)]
    card = task.card()
    assert [(one.source, one.target, one.net) for one in card.directions] == [
        ("summer", "winter", "to_winter"), ("winter", "summer", "to_summer")
    ]  # fmt: skip


def test_discriminators_learn_as_fast_as_generators_unless_told() -> None:
    task = method(**{"optimizer.lr": 1e-3}).task(Runtime("cpu", 1, "fp32"), fresh=True)
    assert [player.optimizer.param_groups[0]["lr"] for player in task.players] == [1e-3, 1e-3]


def test_drawn_scenes_are_measured_by_their_truth() -> None:
    """A generator that does nothing is as far from the truth as what it was given: all ratios are 1."""
    made = method(**{"metrics.images": 2})
    nets: dict[str, nn.Module] = {"to_winter": nn.Identity(), "to_summer": nn.Identity()}
    runtime = Runtime("cpu", 1, "fp32")
    with torch.no_grad():
        found, final = made.measure(nets, "val", runtime), made.measure(nets, "test", runtime)
    assert found is not None
    assert final is not None
    assert found.values == pytest.approx({"l1_ratio": 1, "l1_ratio_to_winter": 1, "l1_ratio_to_summer": 1})
    assert found.best == pytest.approx(1)
    assert found.gallery is not None
    assert len(found.gallery.images()) == 2 * 2, "as many as metrics.images of each"
    assert final.values == pytest.approx({"l1_ratio_to_winter": 1, "l1_ratio_to_summer": 1})
    assert set(final.baselines) == {"median training image", "histogram matching"}
    assert final.gallery is not None
    assert len(final.gallery.images()) == 2 * 3, "all that there are"
    truth = made.data.truth
    assert truth is not None
    median = np.median([made.data.train[1][n] for n in range(2)], axis=0)
    guess = np.mean([np.abs(median - image).mean() for image in truth.b])
    start = np.mean([np.abs(a.astype(int) - b).mean() for a, b in zip(truth.a, truth.b, strict=True)])
    by_hand = pytest.approx(guess / start, rel=0.01)
    assert final.baselines["median training image"]["l1_ratio_to_winter"] == by_hand
