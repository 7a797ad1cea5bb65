"""One contract for every kind of runner: a network, and its ONNX, TorchScript and .pt2 files."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from gantool.cards import Architecture, Card, Direction, Domain, Exported
from gantool.data.sample import draw_scene
from gantool.errors import ModelError, SettingsError, UsageError
from gantool.models.files import FORMATS
from gantool.models.find import FoundModel
from gantool.models.formats.native import save_model
from gantool.nets.layers import initialize
from gantool.nets.registry import build_generator
from gantool.predict.labels import LabelPredictor
from gantool.predict.load import open_runner, open_translator
from gantool.predict.pictures import PicturePredictor
from gantool.predict.runner import Runner
from gantool.predict.tiling import Tiling

SUFFIX = {"onnx": ".onnx", "torchscript": ".pt", "pt2": ".pt2"}
KINDS = ["live", *SUFFIX, "fixed torchscript"]
FIXED = 32


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, FoundModel]:
    """The same network in every kind of file; without norms, so that tiles of it are exact but for their borders."""
    folder = tmp_path_factory.mktemp("models")
    torch.manual_seed(0)
    net = build_generator("resnet_light", width=4, norm="none")
    initialize(net, gain=0.08)
    options = {"width": 4, "norm": "none"}
    card = Card(
        task="cyclegan", domains=(Domain(name="summer"), Domain(name="winter")), norm="none",
        directions=(Direction(source="summer", target="winter", net="g",
                              architecture=Architecture(name="resnet_light", options=options)),),
    )  # fmt: skip
    live = folder / "model.safetensors"
    save_model(live, {"g": net}, card)
    found = {"live": FoundModel(live, card, "tiny")}
    for kind in KINDS[1:]:
        form, fixed = kind.split()[-1], kind.startswith("fixed")
        path = folder / f"{kind.replace(' ', '-')}{SUFFIX[form]}"
        exported = Exported(format=form, static_size=(FIXED, FIXED) if fixed else None)  # type: ignore[arg-type]
        told = card.model_copy(update={"exported": exported})
        example = torch.rand(1, 3, FIXED, FIXED) if fixed else torch.rand(2, 3, 64, 64)
        write = next(one.write for one in FORMATS if one.name == form)
        assert write is not None
        write(path, net.eval(), told, example * 2 - 1, None)
        found[kind] = FoundModel(path, told, "tiny")
    return found


@pytest.fixture(scope="module")
def runners(models: dict[str, FoundModel]) -> dict[str, Runner]:
    return {kind: open_runner(found, "winter", device="cpu", trust=True) for kind, found in models.items()}


@pytest.fixture(params=KINDS)
def runner(request: pytest.FixtureRequest, runners: dict[str, Runner]) -> Runner:
    return runners[request.param]


@pytest.fixture
def live(runners: dict[str, Runner]) -> Runner:
    return runners["live"]


def near(one: np.ndarray, two: np.ndarray) -> bool:
    return one.shape == two.shape and int(np.abs(one.astype(int) - two).max()) <= 1


def test_pixels_in_and_values_out(runner: Runner, live: Runner) -> None:
    side = FIXED if runner.fixed else 64
    count = 2 if runner.batches else 1
    images = np.stack([draw_scene(n, size=side).summer for n in range(count)])
    images.flags.writeable = False
    made = runner(images)
    assert (made.shape, made.dtype) == ((count, 3, side, side), np.float32)
    assert np.abs(made - live(images)).max() < 1e-4
    assert made.std() > 0.01, "an example that is flat proves nothing"
    assert np.abs(made).mean() < 0.9, "nor does one that is black and white"
    assert (runner.device, runner.precision, runner.multiple_of, runner.smallest) == ("cpu", "fp32", 4, 16)
    assert (runner.batches, runner.most_pixels > 64 * 64) == (runner.fixed is None, True)
    assert runner.parameters in (0, live.parameters)


@pytest.mark.parametrize("size", [(1, 1), (5, 3), (17, 30), (32, 32), (31, 29)])
def test_odd_sizes(runner: Runner, live: Runner, size: tuple[int, int]) -> None:
    pixels = draw_scene(3, size=64).summer[: size[0], : size[1]]
    made = PicturePredictor(runner)(pixels)
    assert made.shape == (*size, 3)
    if runner.fixed is not None:  # padded further than a network that takes any size
        pixels = np.pad(pixels, ((0, FIXED - size[0]), (0, FIXED - size[1]), (0, 0)), mode="symmetric")
    assert near(made, PicturePredictor(live)(pixels)[: size[0], : size[1]])


def test_batches(runner: Runner) -> None:
    predictor = PicturePredictor(runner)
    images = [draw_scene(n, size=30).winter for n in range(3)]
    for together, image in zip(predictor.batch(images), images, strict=True):
        assert near(together, predictor(image))


def test_tiles(runner: Runner, live: Runner) -> None:
    pixels = draw_scene(3, size=(150, 90)).summer
    side = FIXED if runner.fixed else 64
    tiled = PicturePredictor(runner, tiling=Tiling("size", side))
    assert tiled.way(90, 150) == "tiles"
    if runner.fixed is None:
        assert near(tiled(pixels), PicturePredictor(live, tiling=Tiling("size", side))(pixels))
    else:
        assert PicturePredictor(runner).way(90, 150) == "tiles"
        assert near(PicturePredictor(runner)(pixels), tiled(pixels))
        with pytest.raises(UsageError, match="takes 32x32 pixels only"):
            PicturePredictor(runner, tiling=Tiling("size", 64))


@pytest.mark.parametrize("tta", [False, True])
@pytest.mark.parametrize("mode", ["multiclass", "binary", "multilabel"])
def test_labels(runner: Runner, live: Runner, mode: str, tta: bool) -> None:
    if runner.fixed is not None and tta:
        return  # sees fewer views; see test_labels
    pixels = draw_scene(3, size=FIXED).summer
    one, two = (
        LabelPredictor(each, mode, tta=tta)(pixels, probabilities=True).probabilities  # type: ignore[arg-type]
        for each in (runner, live)
    )
    assert one is not None
    assert two is not None
    assert np.abs(one.astype(float) - two).max() < 2e-3


def test_only_networks_walk(runners: dict[str, Runner]) -> None:
    assert {kind for kind, runner in runners.items() if runner.strips is not None} == {"live"}


def test_refusals(models: dict[str, FoundModel]) -> None:
    onnx = models["onnx"]
    with pytest.raises(SettingsError, match="was exported in fp32"):
        open_runner(onnx, "winter", precision="bf16")
    with pytest.raises(SettingsError, match="an ONNX file runs on cpu or cuda"):
        open_runner(onnx, "winter", device="mps")
    with pytest.raises(ModelError, match='cannot translate to "wintr"'):
        open_translator(onnx, "wintr")
    assert onnx.card.exported is not None
    pixels = onnx.card.exported.model_copy(update={"pixels": True})
    with pytest.raises(ModelError, match="without --pixels"):
        open_runner(FoundModel(onnx.path, onnx.card.model_copy(update={"exported": pixels}), "tiny"), "winter")
