from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from gantool.cards import Card, Domain
from gantool.engine.loss_terms import LossTerm
from gantool.engine.task import Player
from gantool.losses.adversarial import Adversarial
from gantool.methods.gan.game import Game
from gantool.methods.pix2pix.task import Pix2Pix, Pix2PixWeights
from gantool.report.plots import draw_panels, write_panels
from gantool.workflows.train.curves import loss_panels

BLUE = (0x2A, 0x7A, 0xB0)


def rows_of(picture: Image.Image, color: tuple[int, int, int], left: int, right: int) -> np.ndarray:
    pixels = np.asarray(picture)[:, left:right]
    return np.flatnonzero((pixels == color).all(-1).any(1))


def test_a_rising_curve_rises_and_a_gap_is_no_zero() -> None:
    picture = draw_panels([("x", {"curve": [0.0, 5.0, 10.0]}, {})])
    first, last = rows_of(picture, BLUE, 62, 80), rows_of(picture, BLUE, 650, 668)
    assert first.min() > 200
    assert last.max() < 60
    middle = rows_of(draw_panels([("x", {"curve": [10.0, math.nan, 10.0]}, {})]), BLUE, 300, 400)
    assert middle.max() < 60
    draw_panels([("one", {"curve": [3.0]}, {}), ("none", {}, {}), ("below", {"a": [-1.0, -2.0]}, {})])


def test_curves_of_pix2pix_are_read_against_ln_2(tmp_path: Path) -> None:
    def terms(mode: Adversarial) -> Mapping[str, LossTerm]:
        nets = {"to_b": torch.nn.Conv2d(3, 3, 1)}
        player = Player("either", nets, torch.optim.SGD(nets["to_b"].parameters(), lr=0.1))
        card = Card(task="pix2pix", domains=(Domain(name="a"), Domain(name="b")))
        return Pix2Pix(card, player, player, Pix2PixWeights(), Game(mode)).losses

    records = [
        {"losses": {"discriminator_real": 0.9, "discriminator_fake": 0.5, "adversarial": 1.0, "reconstruction": 50.0},
         "metrics": {"mean_iou": 0.5, "iou/sky": 0.7}},
        {"losses": {"discriminator_real": 0.7, "discriminator_fake": 0.7, "adversarial": 0.8, "reconstruction": 40.0},
         "metrics": {}},
    ]  # fmt: skip
    panels = loss_panels(records, terms("vanilla"))
    assert [title for title, _, _ in panels] == ["adversarial losses", "other losses", "metrics"]
    _, curves, marks = panels[0]
    assert list(curves) == ["adversarial", "discriminator"]
    assert list(curves["discriminator"]) == pytest.approx([0.7, 0.7])
    assert marks == {"ln 2": pytest.approx(0.6931472)}
    assert list(panels[1][1]) == ["reconstruction"]
    assert list(panels[2][1]) == ["mean_iou"]
    assert math.isnan(panels[2][1]["mean_iou"][1])
    assert loss_panels(records, terms("lsgan"))[0][2] == {}
    write_panels(tmp_path / "losses.png", panels)
    with Image.open(tmp_path / "losses.png") as picture:
        assert picture.size == (876, 750)
