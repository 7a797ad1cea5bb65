"""Both forms of the built-in models are the same, and none is of other weights."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

import gantool
from gantool.cards import Exported
from gantool.data.sample import draw_scene
from gantool.errors import SettingsError
from gantool.hardware import usable_cores
from gantool.models.files import load_net, load_segmenter, read_card
from gantool.models.find import FoundModel, bundled_models
from gantool.models.formats.onnx_file import forget_sessions, open_onnx
from gantool.predict.live import LiveRunner
from gantool.predict.load import open_segmenter, open_translator
from gantool.predict.runner import FileRunner
from gantool.workflows.segment import SegmentOptions, load_segmentation

FORMS = [(name, target) for name, path in bundled_models().items() for target in (read_card(path).targets or [None])]


def found(name: str) -> FoundModel:
    path = bundled_models()[name]
    return FoundModel(path, read_card(path), name)


@pytest.mark.parametrize(("name", "target"), FORMS)
def test_every_direction_has_one_of_the_same_weights(name: str, target: str | None) -> None:
    model = found(name)
    form = model.onnx_form(target)
    assert form is not None, "make them again: python tools/onnx_forms.py"
    session, card = open_onnx(form)
    told = session.get_modelmeta().custom_metadata_map["gantool-weights"]
    digest = hashlib.sha256(model.path.read_bytes()).hexdigest()
    assert told == digest, (
        f"{form.name} is of other weights than {model.path.name}: python tools/onnx_forms.py {name}"
    )
    own = {} if target is None else {"directions": (model.card.direction(target),)}
    assert card == model.card.model_copy(update={**own, "exported": Exported(format="onnx")})
    if target is None:
        net: torch.nn.Module = load_segmenter(model.path, model.card)
    else:
        net = load_net(model.path, model.card, target)
    rng = np.random.default_rng(0)
    multiple = model.card.multiple_of
    for count, height, width in ((1, 4, 7), (2, 9, 4)):
        image = rng.uniform(-1, 1, (count, 3, height * multiple, width * multiple)).astype(np.float32)
        (made,) = session.run(None, {"image": image})
        with torch.no_grad():
            expected = net(torch.from_numpy(image)).numpy()
        assert np.abs(made - expected).max() <= 1e-5 * np.abs(expected).max()


def test_there_are_no_others_and_all_are_small() -> None:
    folder = next(iter(bundled_models().values())).parent
    forms = {found(name).onnx_form(target) for name, target in FORMS}
    assert set(folder.glob("*.onnx")) == forms
    assert sum(path.stat().st_size for path in folder.iterdir()) < 8 * 2**20
    for name, path in bundled_models().items():
        form = found(name).onnx_form(None)
        assert form is None or form.stat().st_size < 1.1 * path.stat().st_size
    assert FoundModel(Path("seasons.safetensors"), found("seasons").card, "mine").onnx_form("winter") is None


@pytest.mark.parametrize("size", [(320, 240), (203, 77), (16, 300), (5, 3)])
def test_pictures_are_the_same_but_for_rounding(size: tuple[int, int]) -> None:
    image = draw_scene(4, size=(320, 300)).summer[: size[1], : size[0]]
    for target in ("winter", "summer"):
        quick = gantool.translate(image, to=target, model="seasons").astype(int)
        live = gantool.translate(image, to=target, model="seasons", precision="fp32")
        assert np.abs(quick - live).max() <= 1 and (quick != live).mean() < 1e-3
    mask = gantool.segment(image, model="landscape").mask
    assert (mask == gantool.segment(image, model="landscape", precision="fp32").mask).mean() >= 0.999


def test_a_network_is_used_where_more_is_asked_for() -> None:
    seasons, landscape = found("seasons"), found("landscape")
    for device in ("auto", "cpu"):
        predictor = open_translator(seasons, "winter", device=device, live=False).predictor
        assert isinstance(predictor.runner, FileRunner)
    assert isinstance(open_translator(seasons, "winter").predictor.runner, LiveRunner)
    assert isinstance(open_translator(seasons, "winter", precision="bf16", live=False).predictor.runner, LiveRunner)
    for size, tta, kind in (
        (None, False, FileRunner), ("512", False, FileRunner), ("513", False, LiveRunner),
        ("native", False, LiveRunner), (None, True, LiveRunner),
    ):  # fmt: skip
        runner = open_segmenter(landscape, size=size, tta=tta, live=False).predictor.runner
        assert isinstance(runner, kind)
    with pytest.raises(SettingsError, match="no cuda:77|no CUDA device"):
        open_translator(seasons, "winter", device="cuda:77", live=False)
    evaluated = load_segmentation(SegmentOptions("landscape"), live=True)
    assert isinstance(evaluated.predictor.runner, LiveRunner) and evaluated.parameters > 10**6


@pytest.mark.parametrize(
    ("wanted", "threads"),
    [("3", 3), ("2,1", 2), ("", usable_cores()), ("all", usable_cores()), ("0", usable_cores())],
)
def test_files_run_on_the_cores_that_they_may_use(wanted: str, threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    form = found("seasons").onnx_form("winter")
    assert form is not None
    monkeypatch.setenv("OMP_NUM_THREADS", wanted)
    forget_sessions()
    options = open_onnx(form)[0].get_session_options()
    assert options.intra_op_num_threads == threads
    assert options.get_session_config_entry("session.intra_op.allow_spinning") == "0"
    assert open_onnx(form, "cpu")[0] is open_onnx(form)[0]
    forget_sessions()


def test_weights_are_stored_in_as_few_bits_as_hold_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "tools"))
    import onnx_forms  # type: ignore[import-not-found]

    rng = np.random.default_rng(0)
    scale = rng.uniform(0.5, 2, (32, 1, 1, 1)).astype(np.float32) / 127
    whole = rng.integers(-127, 128, (32, 16, 3, 3)).astype(np.float32)
    whole[:, 0, 0, 0] = 127
    whole[3] = 0  # a channel that is switched off
    tensors = {
        "steps": whole * scale,
        "halves": rng.normal(size=(16, 32, 1, 1)).astype(np.float16).astype(np.float32),
        "other": rng.normal(size=(32, 16, 3, 3)).astype(np.float32),
        "short": rng.normal(size=16).astype(np.float32),
    }
    edges = [("image", "steps", ""), ("a", "halves", "short"), ("b", "other", "")]
    nodes = [
        helper.make_node("Conv", [source, weight, *([bias] if bias else [])], [made])
        for (source, weight, bias), made in zip(edges, "abc", strict=True)
    ]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in ("image", "c")]
    stored = [numpy_helper.from_array(value, name) for name, value in tensors.items()]
    graph = helper.make_graph(nodes, "net", ends[:1], ends[1:], stored)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    before = model.SerializeToString()
    small = onnx_forms.stored_small(model)
    kinds = {tensor.name: tensor.data_type for tensor in small.graph.initializer}
    assert kinds == {
        "steps/8-bit": TensorProto.INT8, "steps/scale": TensorProto.FLOAT, "halves/half": TensorProto.FLOAT16,
        "other": TensorProto.FLOAT, "short": TensorProto.FLOAT,
    }  # fmt: skip
    assert len(before) - len(small.SerializeToString()) > 3 * whole.size + 2 * 16 * 32 - 1000
    image = rng.normal(size=(1, 16, 12, 12)).astype(np.float32)
    first, second = (
        onnxruntime.InferenceSession(content).run(None, {"image": image})[0]
        for content in (before, small.SerializeToString())
    )
    assert np.abs(first - second).max() <= 1e-5 * np.abs(first).max()
