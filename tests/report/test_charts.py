from __future__ import annotations

import json
import math
from collections.abc import Mapping

import pytest
import torch

from gantool.cards import Card, Domain
from gantool.engine.loss_terms import LossTerm
from gantool.engine.task import Player
from gantool.losses.adversarial import Adversarial
from gantool.methods.gan.game import Game
from gantool.methods.pix2pix.task import Pix2Pix, Pix2PixWeights
from gantool.report.charts import Panel, chart
from gantool.workflows.train.curves import loss_panels


def test_a_gap_is_no_zero_and_long_numbers_are_short() -> None:
    panel = Panel("x", {"a": [1 / 3, math.nan, 10.0], "b": [math.inf, 2, 3]}, {"ln 2": math.log(2)}, "lower", [0, 4])
    found = chart(panel, [1, 2, 3], best=2)
    assert found["data"]["y"] == [[0.33333, None, 10.0], [None, 2.0, 3.0]]
    assert found["data"]["lines"] == [["ln 2", pytest.approx(0.6931472)]]
    assert (found["data"]["x"], found["data"]["best"], found["better"]) == ([1, 2, 3], 2, "lower")
    assert found["keys"] == [("a", 0), ("b", 4)]
    assert "NaN" not in json.dumps(found) and "Infinity" not in json.dumps(found)


def test_curves_of_pix2pix_are_read_against_ln_2() -> None:
    def terms(mode: Adversarial) -> Mapping[str, LossTerm]:
        nets = {"to_b": torch.nn.Conv2d(3, 3, 1)}
        player = Player("either", nets, torch.optim.SGD(nets["to_b"].parameters(), lr=0.1))
        card = Card(task="pix2pix", domains=(Domain(name="a"), Domain(name="b")))
        return Pix2Pix(card, player, player, Pix2PixWeights(), Game(mode)).losses

    records = [
        {"losses": {"discriminator_real": 0.9, "discriminator_fake": 0.5, "adversarial": 1.0, "reconstruction": 50.0},
         "metrics": {"mean_iou": 0.5, "iou/sky": 0.7, "iou/my_sea": 0.1, "l1": 30.0}},
        {"losses": {"discriminator_real": 0.7, "discriminator_fake": 0.7, "adversarial": 0.8, "reconstruction": 40.0},
         "metrics": {}},
    ]  # fmt: skip
    panels = loss_panels(records, terms("vanilla"))
    titles = ["Adversarial losses", "Other losses", "Metrics", "Distances", "IoU by class"]
    assert [panel.title for panel in panels] == titles
    assert [panel.better for panel in panels] == ["", "lower", "higher", "lower", "higher"]
    game, others, metrics, distances, classes = panels
    assert list(game.curves) == ["adversarial", "discriminator"]
    assert list(game.curves["discriminator"]) == pytest.approx([0.7, 0.7])
    assert game.lines == {"ln 2": pytest.approx(0.6931472)}
    assert list(others.curves) == ["reconstruction"]
    assert (list(metrics.curves), list(distances.curves)) == (["mean IoU"], ["L1"])
    assert math.isnan(metrics.curves["mean IoU"][1])
    assert list(classes.curves) == ["sky", "my_sea"], "under their own names"
    assert loss_panels(records, terms("lsgan"))[0].lines == {}
