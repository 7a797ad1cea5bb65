"""A model that gives no numbers is told, instead of being shown as black pictures or as the first class."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from gantool.errors import ModelError
from gantool.nets.registry import build_generator
from gantool.predict.labels import LabelPredictor
from gantool.predict.live import LiveRunner
from gantool.predict.pictures import PicturePredictor
from gantool.predict.runner import FileRunner
from gantool.predict.tiling import Tiling

PIXELS = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("kind", [PicturePredictor, LabelPredictor])
@pytest.mark.parametrize("tiling", [Tiling("off"), Tiling("size", 32), Tiling()])
def test_what_is_no_number_is_refused(
    kind: type[PicturePredictor] | type[LabelPredictor], value: float, tiling: Tiling
) -> None:
    """In one piece, in tiles, and in strips."""
    net = build_generator("resnet_light", width=4, norm="none")
    runner = LiveRunner(net, memory=1 if tiling.mode == "auto" else None)
    kind(runner, tiling=tiling)(PIXELS)
    with torch.no_grad():
        next(net.parameters())[0, 0, 0, 0] = value
    with pytest.raises(ModelError, match="no numbers"):
        kind(runner, tiling=tiling)(PIXELS)


def test_a_single_such_value_is_enough() -> None:
    def made(batch: np.ndarray) -> np.ndarray:
        out = np.zeros_like(batch)
        out[0, 0, 3, 3] = -np.inf
        return out

    with pytest.raises(ModelError, match="no numbers"):
        PicturePredictor(FileRunner(made))(PIXELS)
