"""Several pictures at once, each on one core: as many as memory suffices for, and with the results of one by one."""

from __future__ import annotations

import copy
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from gantool.arrays import Pixels
from gantool.cores import is_on_one_core, on_one_core
from gantool.data.sample import draw_scene
from gantool.models.find import find_model
from gantool.models.formats.onnx_file import open_onnx
from gantool.nets.layers import initialize
from gantool.nets.registry import build_generator
from gantool.predict.labels import LabelPredictor
from gantool.predict.live import LiveRunner, stored_as_cast
from gantool.predict.load import open_segmenter, open_translator
from gantool.predict.pictures import PicturePredictor
from gantool.predict.pieces import Pieces
from gantool.predict.tiling import Tiling

PICTURES = [draw_scene(n, size=(64, 48)).summer for n in range(4)]


def runner(**options: Any) -> Any:
    usual = {
        "multiple_of": 8,
        "smallest": 16,
        "fixed": None,
        "batches": True,
        "most_pixels": 10_000.0,
        "device": "cpu",
    }
    return SimpleNamespace(**{**usual, **options})


def together(run: Callable[[Pixels], Any]) -> list[Any]:
    def one(pixels: Pixels) -> Any:
        with on_one_core():
            return run(pixels)

    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(one, PICTURES))


def test_how_many_run_at_the_same_time() -> None:
    pieces = Pieces(runner(), Tiling())
    assert pieces.at_once(48, 48) == 4
    assert pieces.at_once(41, 48) == 4, "48 rows are run"
    assert pieces.at_once(96, 96) == 1
    assert pieces.at_once(200, 200) == 1, "which is run in pieces"
    assert Pieces(runner(device="cuda:0"), Tiling()).at_once(16, 16) == 1
    assert Pieces(runner(fixed=(64, 64)), Tiling()).at_once(16, 16) == 2
    assert Pieces(runner(), Tiling("off")).at_once(200, 200) == 1, "memory counts even where nobody asks for it"


def test_it_is_the_size_that_a_network_sees_that_counts() -> None:
    seasons = open_translator(find_model("seasons", Path("runs")), "winter", live=False).predictor
    assert seasons.at_once(4000, 6000) == seasons.at_once(85, 128) > 200
    whole = open_translator(find_model("seasons", Path("runs")), "winter", live=False, tiling=Tiling("off")).predictor
    assert whole.at_once(4000, 6000) == 1
    assert LabelPredictor(runner(), load_size=32).at_once(3000, 3000) == 9
    assert LabelPredictor(runner(), load_size=32, tta=True).at_once(3000, 3000) == 6, "views of 40 px"
    assert LabelPredictor(runner()).at_once(32, 64) == 4


def test_files_give_the_same_on_one_core(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    seasons = find_model("seasons", Path("runs"))
    translator = open_translator(seasons, "winter", live=False)
    segmenter = open_segmenter(find_model("landscape", Path("runs")), live=False)
    for run in (translator, lambda pixels: segmenter(pixels).mask):
        assert all(np.array_equal(one, run(pixels)) for one, pixels in zip(together(run), PICTURES, strict=True))
    form = seasons.onnx_form("winter")
    assert form is not None
    assert [open_onnx(form, threads=n)[0].get_session_options().intra_op_num_threads for n in (0, 1)] == [2, 1]


def test_networks_give_the_same_on_one_core_and_leave_other_threads_theirs() -> None:
    torch.manual_seed(0)
    predictor = PicturePredictor(LiveRunner(build_generator("resnet_light", width=4)))
    wanted = [predictor(pixels) for pixels in PICTURES]
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        counts = together(lambda pixels: (predictor(pixels), torch.get_num_threads(), is_on_one_core()))
        assert [count[1:] for count in counts] == [(1, True)] * len(PICTURES)
        assert torch.get_num_threads() == 2 and not is_on_one_core()
        assert all(np.array_equal(one[0], made) for one, made in zip(counts, wanted, strict=True))
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("memory", [None, 10_000])
@pytest.mark.parametrize("name", ["resnet_light_skip", "resnet_6blocks", "unet_32"])
def test_weights_stored_in_bf16_give_what_casting_gives(name: str, memory: int | None) -> None:
    torch.manual_seed(0)
    net = build_generator(name, width=4, norm="instance")
    initialize(net)
    stored = stored_as_cast(copy.deepcopy(net), "bf16")
    assert torch.bfloat16 in {weights.dtype for weights in stored.parameters()}
    cast, kept = (
        PicturePredictor(LiveRunner(one, precision="bf16", multiple_of=32, memory=memory)) for one in (net, stored)
    )
    assert kept.way(48, 64) == cast.way(48, 64) == ("one piece" if memory is None else "strips")
    assert np.array_equal(cast(PICTURES[0]), kept(PICTURES[0]))
    assert {weights.dtype for weights in stored_as_cast(net, "fp32").parameters()} == {torch.float32}
