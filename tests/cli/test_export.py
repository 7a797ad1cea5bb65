"""Exported files do what their models do, and are refused where they do not."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from support import TINY_PIX2PIX, Cli

import gantool
from gantool.cards import Card
from gantool.data.sample import draw_scene
from gantool.models.files import read_card
from gantool.nets.registry import build_generator
from gantool.workflows import export as work


def photo(name: str = "photo.png", size: tuple[int, int] = (75, 50)) -> np.ndarray:
    image = draw_scene(5, size=size).summer
    Image.fromarray(image).save(name)
    return image


def test_every_format_translates_like_the_model(cli: Cli, with_run: Path) -> None:
    image = photo()
    expected = gantool.translate(image, to="winter", model="cyclegan").astype(int)
    for form, suffix in (("onnx", "onnx"), ("torchscript", "pt"), ("pt2", "pt2")):
        result = cli("export", "cyclegan", "--format", form, "--to", "winter", "--json")
        assert result.code == 0, result.err
        (file,) = json.loads(result.out)["files"]
        assert file["path"] == f"cyclegan-1-to-winter.{suffix}"
        assert [(one["batch"], one["height"] != one["width"]) for one in file["checks"]][:1] == [(2, False)]
        assert len(file["checks"]) == 4
        assert all(one["relative_error"] <= 1e-4 for one in file["checks"])
        done = cli("translate", "photo.png", "--to", "winter", "--model", file["path"], "-o", f"{form}.png")
        assert done.code == 0, done.err
        made = np.asarray(Image.open(f"{form}.png")).astype(int)
        assert made.shape == image.shape
        assert np.abs(made - expected).max() <= 1
        again = gantool.translate(image, to="winter", model=file["path"])
        assert np.abs(again.astype(int) - expected).max() <= 1
        wrong = cli("translate", "photo.png", "--to", "summer", "--model", file["path"])
        assert (wrong.code, 'cannot translate to "summer"' in wrong.err) == (2, True)
    assert "exists already" in cli("export", "cyclegan").err + cli("export", "cyclegan").err
    assert "is an exported file already" in cli("export", "cyclegan-1-to-winter.onnx").err
    card = read_card(Path("cyclegan-1-to-winter.onnx"))
    assert card.exported is not None
    assert (card.exported.format, card.exported.static_size) == ("onnx", None)
    assert cli("info", "cyclegan-1-to-winter.onnx").code == 0


@pytest.mark.slow
def test_large_pictures_run_in_tiles(cli: Cli, with_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cli("export", "cyclegan", "--to", "winter", "-q").code == 0
    image = photo(size=(300, 200))
    whole = gantool.translate(image, to="winter", model="cyclegan-1-to-winter.onnx")
    tiled = gantool.translate(image, to="winter", model="cyclegan-1-to-winter.onnx", tile=128)
    assert tiled.shape == whole.shape
    assert 0 < np.abs(tiled.astype(int) - whole.astype(int)).mean() < 40
    fixed = cli("export", "cyclegan", "--to", "winter", "--static-size", "64x64", "-o", "fixed.onnx", "--json")
    (file,) = json.loads(fixed.out)["files"]
    assert file["static_size"] == [64, 64]
    assert len(file["checks"]) == 1
    assert gantool.translate(image, to="winter", model="fixed.onnx").shape == image.shape
    assert gantool.translate(image[:30, :40], to="winter", model="fixed.onnx").shape == (30, 40, 3)
    assert "takes 64x64 pixels only" in cli("translate", "photo.png", "--to", "winter", "--model", "fixed.onnx",
                                            "--tile", "128").err  # fmt: skip


@pytest.mark.slow
def test_segmenters(cli: Cli, with_segmenter: Path) -> None:
    image = photo()
    expected = gantool.segment(image, model="unet", probabilities=True)
    Path("real").mkdir()
    for n in range(4):
        Image.fromarray(draw_scene(n, size=64).summer).save(f"real/{n}.png")
    for options, least in (
        (["--format", "onnx"], 0.999), (["--format", "torchscript"], 0.999), (["--precision", "fp16"], 0.98),
        (["--precision", "int8", "--calibrate", "real"], 0.7),
    ):  # fmt: skip
        result = cli("export", "unet", *options, "--json", "--overwrite")
        assert result.code == 0, result.err
        (file,) = json.loads(result.out)["files"]
        assert all(one["agreement"] >= least for one in file["checks"])
        if "int8" in options:
            evaluated = gantool.evaluate(["unet", file["path"]], split="val")
            assert file["mean_iou"] == pytest.approx([one.scores.mean_iou for one in evaluated.models])
        else:
            assert file["mean_iou"] is None
        made = gantool.segment(image, model=file["path"], probabilities=True)
        assert (made.mask == expected.mask).mean() >= least
        assert made.classes == expected.classes
        assert made.probabilities is not None
        assert expected.probabilities is not None
        assert made.probabilities.shape == expected.probabilities.shape
        tiled = gantool.segment(image, model=file["path"], tile=64)
        assert tiled.mask.shape == image.shape[:2]
    views, live_views = (gantool.segment(image, model=model, tta=True).mask for model in ("unet-1.onnx", "unet"))
    assert (views == live_views).mean() >= 0.7
    table = cli("evaluate", "unet", file["path"], "--json", "-q")
    assert table.code == 0, table.err


@pytest.mark.slow
def test_pixels_in_and_out(cli: Cli, with_run: Path) -> None:
    import onnxruntime

    image = photo(size=(76, 52))
    result = cli("export", "cyclegan", "--to", "winter", "--pixels", "-o", "pixels.onnx")
    assert result.code == 0, result.err
    session = onnxruntime.InferenceSession("pixels.onnx")
    (made,) = session.run(None, {"image": image[None]})
    expected = gantool.translate(image, to="winter", model="cyclegan")
    assert made.dtype == np.uint8
    assert np.abs(made[0].astype(int) - expected).max() <= 1
    refused = cli("translate", "photo.png", "--to", "winter", "--model", "pixels.onnx")
    assert (refused.code, "without --pixels" in refused.err) == (2, True)


def test_onnx_runs_without_torch(cli: Cli, with_run: Path) -> None:
    image = photo()
    assert cli("export", "cyclegan", "--to", "winter", "-q").code == 0
    expected = gantool.translate(image, to="winter", model="cyclegan").astype(int)
    script = """
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("torch", "torchvision", "lightning_fabric", "torchmetrics"):
            raise ImportError(f"{name} is blocked")
sys.meta_path.insert(0, Blocked())
from gantool.cli.app import run
sys.exit(run(sys.argv[1:]))
"""
    arguments = ["translate", "photo.png", "--to", "winter", "--model", "cyclegan-1-to-winter.onnx", "-q"]
    done = subprocess.run([sys.executable, "-c", script, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert np.abs(np.asarray(Image.open("photo.winter.png")).astype(int) - expected).max() <= 1


@pytest.mark.slow
def test_segmenting_with_onnx_needs_no_torch_either(cli: Cli, with_segmenter: Path) -> None:
    image = photo()
    assert cli("export", "unet", "-o", "unet.onnx", "-q").code == 0
    script = "import sys; sys.modules['torch'] = None; from gantool.cli.app import run; sys.exit(run(sys.argv[1:]))"
    arguments = ["segment", "photo.png", "--model", "unet.onnx", "-q"]
    done = subprocess.run([sys.executable, "-c", script, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    mask = np.asarray(Image.open("photo.mask.png"))
    assert (mask == gantool.segment(image, model="unet").mask).mean() > 0.999


@pytest.mark.slow
def test_reference_weights_and_back(cli: Cli, workplace: Path) -> None:
    tiny = [
        "model.generator=resnet_6blocks" if option == "model.generator=unet_32" else option for option in TINY_PIX2PIX
    ]
    assert cli("train", "cyclegan", *tiny, "--name", "both").code == 0
    result = cli("export", "both", "--format", "reference")
    assert result.code == 0, result.err
    assert result.out.split() == ["latest_net_G_A.pth", "latest_net_G_B.pth"]
    image = photo()
    for file, target in (("latest_net_G_A.pth", "winter"), ("latest_net_G_B.pth", "summer")):
        state = torch.load(file, weights_only=True)
        assert "model.10.conv_block.5.weight" in state
        done = cli("translate", "photo.png", "--to", target, "--model", file)
        assert done.code == 0, done.err
        expected = gantool.translate(image, to=target, model="both").astype(int)
        assert np.abs(np.asarray(Image.open(f"photo.{target}.png")).astype(int) - expected).max() <= 1
    again = cli("train", "cyclegan", *tiny, "--name", "again", "--init-from", "latest_net_G_B.pth", "--lr", "1e-12")
    assert again.code == 0, again.err
    near = gantool.translate(image, to="summer", model="again").astype(int)
    assert np.abs(near - gantool.translate(image, to="summer", model="both").astype(int)).max() <= 1
    far = gantool.translate(image, to="winter", model="again").astype(int)
    assert np.abs(far - gantool.translate(image, to="winter", model="both").astype(int)).max() > 1, "began anew"
    assert cli("export", "latest_net_G_A.pth", "--to", "snow", "-o", "snow.onnx").code == 0
    assert cli("translate", "photo.png", "--to", "snow", "--model", "snow.onnx").code == 0


@pytest.mark.slow
def test_running_statistics_of_a_checkpoint(cli: Cli, workplace: Path) -> None:
    torch.manual_seed(0)
    net = build_generator("unet_32", width=4, norm="batch")
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
    torch.save(net.state_dict(), "latest_net_G.pth")
    assert cli("export", "latest_net_G.pth", "-o", "own.onnx").code == 0
    result = cli("export", "latest_net_G.pth", "--running-statistics", "-o", "averages.onnx")
    assert result.code == 0, result.err
    image = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    with torch.no_grad():
        values = net.eval()(torch.from_numpy(image).permute(2, 0, 1)[None].float() / 127.5 - 1)[0]
    expected = ((values + 1) * 127.5).round().permute(1, 2, 0).numpy()
    averages, own = (gantool.translate(image, to="output", model=file) for file in ("averages.onnx", "own.onnx"))
    assert np.abs(averages - expected).max() <= 1
    assert np.abs(own - expected).max() > 10
    torch.save(build_generator("resnet_6blocks", width=4).state_dict(), "other.pth")
    exported = cli("train", "cyclegan", "--init-from", "own.onnx", "--epochs", "1")
    assert (exported.code, "is an exported file" in exported.err) == (2, True), exported.err
    refused = cli("export", "other.pth", "--running-statistics")
    assert (refused.code, "no checkpoint with the averages" in refused.err) == (2, True)


def test_a_file_that_differs_is_not_kept(cli: Cli, with_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def off(file: Path, card: Card) -> object:
        run = original(file, card)
        return lambda batch: run(batch) + 0.01

    original = work.file_runner
    monkeypatch.setattr(work, "file_runner", off)
    result = cli("export", "cyclegan", "--to", "winter")
    assert result.code == 1
    assert "differs from the model at 64x64" in result.err
    assert [path.name for path in Path().iterdir()] == ["runs"]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="a limit for the size of files stands for a full disk")
@pytest.mark.parametrize("form", ["onnx", "torchscript", "pt2"])
def test_a_full_disk_leaves_nothing(form: str, cli: Cli, with_run: Path) -> None:
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, before[1]))
    try:
        result = cli("export", "cyclegan", "--to", "winter", "-o", "out/", "--format", form)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert (result.code, "cannot be written (File too large)" in result.err) == (2, True), result.err
    assert not Path("out").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--format", "onyx"], 'Did you mean "onnx"?'),
        (["--precision", "int4"], "expected fp32, fp16 or int8"),
        (["--precision", "int8"], "--calibrate DIR"),
        (["--precision", "int8", "--format", "pt2"], "for ONNX only"),
        (["--precision", "int8", "--calibrate", "nothing"], "there is no such folder"),
        (["--opset", "18", "--format", "pt2"], "for ONNX only"),
        (["--format", "reference"], "the reference implementation has no such network"),
        (["--format", "reference", "--pixels"], "writes weights alone"),
        (["--to", "wintr"], 'Did you mean "winter"?'),
        (["-o", "one.onnx"], "the model has 2 directions"),
        (["-o", "one.pt", "--to", "winter"], "ends in .onnx"),
        (["--static-size", "big"], "--static-size big: expected WIDTHxHEIGHT"),
        (["--static-size", "50x51", "--to", "winter"], "must be multiples of 4"),
    ],
)
def test_mistakes_cost_one_sentence(options: list[str], words: str, cli: Cli, with_run: Path) -> None:
    result = cli("export", "cyclegan", *options)
    assert (result.code, words in result.err) == (2, True), result.err
    assert [path.name for path in Path().iterdir()] == ["runs"]


@pytest.mark.slow
def test_the_example_in_the_docs(cli: Cli, with_run: Path) -> None:
    page = (Path(__file__).parents[2] / "docs/export.md").read_text("utf-8")
    example = page.split("```python\n")[1].split("```")[0]
    assert len([line for line in example.splitlines() if line.strip()]) == 5
    assert cli("export", "cyclegan", "--to", "winter", "--pixels", "-o", "winter.onnx").code == 0
    photo(size=(300, 200))
    done = subprocess.run([sys.executable, "-c", example], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    with Image.open("photo.winter.png") as made:
        assert made.size == (256, 256)
