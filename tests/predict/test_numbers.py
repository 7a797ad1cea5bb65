"""What a model gives is looked at: no numbers are not shown as black pictures or as the first class."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper

from gantool.cards import Card, Exported, LabelClass
from gantool.errors import ModelError
from gantool.nets.registry import build_generator
from gantool.predict.labels import LabelPredictor
from gantool.predict.live import LiveRunner
from gantool.predict.pictures import PicturePredictor
from gantool.predict.runner import FileRunner, onnx_runner
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


@pytest.mark.parametrize("shape", [(1, 3, 64), (1, 3, 32, 32), (2, 3, 64, 64), ()])
def test_a_file_gives_values_for_each_pixel(shape: tuple[int, ...]) -> None:
    with pytest.raises(ModelError, match="expected values for each pixel"):
        FileRunner(lambda batch: np.zeros(shape, np.float32))(PIXELS[None])


def test_whatever_a_file_raises_is_told_in_a_line() -> None:
    def fail(batch: np.ndarray) -> np.ndarray:
        raise OSError("INVALID_ARGUMENT: index: 0 Got: 1 Expected: 0\n" + "x" * 5000)

    with pytest.raises(ModelError, match="cannot be run .INVALID_ARGUMENT: index: 0 Got: 1") as caught:
        FileRunner(fail)(PIXELS[None])
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("names", [[], ["x", "y"]])
def test_an_onnx_file_takes_one_picture(names: list[str], tmp_path: Path) -> None:
    card = Card(
        task="segmentation", exported=Exported(format="onnx"),
        classes=(LabelClass(name="a", color=(0, 0, 0)), LabelClass(name="b", color=(1, 1, 1))),
    )  # fmt: skip
    shape = [1, 3, 16, 16]
    inputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in names]
    tensor = helper.make_tensor("value", TensorProto.FLOAT, [1], [0.0])
    nodes = [helper.make_node("Constant", [], ["out"], value=tensor)]
    graph = helper.make_graph(nodes, "g", inputs, [helper.make_tensor_value_info("out", TensorProto.FLOAT, [1])])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    helper.set_model_props(model, {"gantool": card.to_json()})
    onnx.save(model, tmp_path / "a.onnx")
    with pytest.raises(ModelError, match=f"takes {len(names)} inputs"):
        onnx_runner(tmp_path / "a.onnx", card)
