"""The model in the box: found after runs, without a network, in an empty directory."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support import Cli

import gantool
from gantool.data.sample import draw_scene
from gantool.models.files import read_card
from gantool.models.find import bundled_models, find_model


def test_they_are_small_and_say_where_they_come_from() -> None:
    models = bundled_models()
    assert list(models) == ["landscape", "seasons"]
    assert sum(path.stat().st_size for path in models.values()) < 8 * 2**20
    assert models["landscape"].stat().st_size < 6 * 2**20
    card = read_card(models["landscape"])
    assert [one.name for one in card.classes] == ["sky", "mountain", "tree", "ground", "water"]
    assert "bob-ross" in card.origin.data
    page = (Path(__file__).parents[2] / "docs/landscape.md").read_text("utf-8")
    assert "Apache-2.0" in page and "EfficientNet-Lite2" in page
    card = read_card(models["seasons"])
    assert {direction.target for direction in card.directions} == {"winter", "summer"}
    assert card.origin.data == "summer2winter_yosemite"
    page = (Path(__file__).parents[2] / "docs/seasons.md").read_text("utf-8")
    assert "without a stated license" in page


def test_a_photo_in_an_empty_directory(workplace: Path) -> None:
    image = draw_scene(4, size=(320, 240)).summer
    Image.fromarray(image).save("photo.jpg", quality=95)
    done = subprocess.run(
        [sys.executable, "-m", "gantool", "translate", "photo.jpg", "--to", "winter"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["photo.winter.jpg"]
    assert "seasons is the built-in model" in done.stderr
    made = np.asarray(Image.open("photo.winter.jpg")).astype(float)
    assert made.shape == image.shape
    grass = image[..., 1] > image[..., 0] + 20
    green = [(x[..., 1] - x[..., 0])[grass].mean() for x in (image.astype(float), made)]
    assert green[1] < 0.8 * green[0], "winter is less green"
    # Detail is the photo's own.
    edges = [np.abs(np.diff(x.mean(2), axis=1)).ravel() for x in (image.astype(float), made)]
    assert np.corrcoef(*edges)[0, 1] > 0.8


def test_a_painting_in_an_empty_directory(workplace: Path) -> None:
    scene = draw_scene(4, size=(320, 240))
    Image.fromarray(scene.summer).save("painting.png")
    command = [sys.executable, "-m", "gantool", "segment", "painting.png"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["painting.mask.png", "painting.overlay.png"]
    assert "landscape: 5 classes" in done.stderr and "For classes of your own: gantool train" in done.stderr
    # The nine drawn classes as the five: cloud and sun are sky, a house is none of them.
    truth = np.array([0, 0, 0, 1, 3, 4, 2, 2, 255])[scene.mask]
    found = np.asarray(Image.open("painting.mask.png"))
    assert (found == truth)[truth != 255].mean() > 0.85


def test_a_run_that_segments_comes_first(cli: Cli, workplace: Path) -> None:
    sets = ("data.scenes=4", "data.test_scenes=2", "data.size=32", "model.width=4", "model.depth=2")
    flags = [part for one in sets for part in ("--set", one)]
    assert cli("train", "unet", "--epochs", "1", *flags).code == 0
    Image.fromarray(draw_scene(4, size=64).summer).save("photo.png")
    result = cli("segment", "photo.png")
    assert "unet-1: 9 classes" in result.err
    assert "--model landscape" in result.err, "the run was trained on drawn scenes"
    assert "landscape: 5 classes" in cli("segment", "photo.png", "--model", "landscape", "--overwrite").err
    assert cli("info", "landscape").code == 0
    assert find_model("landscape", Path("runs")).is_bundled
    Path("runs/unet-1").rename("runs/landscape")
    assert not find_model("landscape", Path("runs")).is_bundled, "a run of that name goes before it"
    refused = cli("translate", "photo.png", "--to", "winter", "--model", "landscape", "--overwrite")
    assert refused.code == 2 and "gantool segment" in refused.err


def test_runs_come_first_and_the_sample_says_what_else_there_is(cli: Cli, with_run: Path) -> None:
    Image.fromarray(draw_scene(4, size=64).summer).save("photo.png")
    result = cli("translate", "photo.png", "--to", "winter")
    assert "cyclegan-1: summer to winter" in result.err
    assert "--to winter --model seasons" in result.err
    result = cli("translate", "photo.png", "--to", "winter", "--model", "seasons", "--overwrite")
    assert "seasons: summer to winter" in result.err
    assert "built-in drawn landscapes" not in result.err
    assert "seasons" in cli("info").out + cli("info").err
    assert cli("info", "seasons").code == 0
    large = gantool.translate(draw_scene(4, size=(900, 700)).summer, to="summer", model="seasons")
    assert large.shape == (700, 900, 3)


def test_a_run_named_like_it_wins(cli: Cli, with_run: Path) -> None:
    Path("runs/cyclegan-1").rename("runs/seasons")
    Image.fromarray(draw_scene(4, size=64).summer).save("photo.png")
    assert "drawn landscapes" in cli("translate", "photo.png", "--to", "winter").err


def test_a_folder_of_pictures_does_not_hide_it(cli: Cli, workplace: Path) -> None:
    Path("seasons").mkdir()
    Image.fromarray(draw_scene(4, size=64).summer).save("seasons/photo.png")
    result = cli("translate", "seasons", "--to", "winter", "--model", "seasons")
    assert result.code == 0, result.err
    Path("pictures").mkdir()
    result = cli("translate", "seasons", "--to", "winter", "--model", "pictures", "--overwrite")
    assert result.code == 2
    assert "pictures: is a folder, but no run and no model." in result.err


@pytest.mark.slow
def test_exported_it_does_the_same(cli: Cli, workplace: Path) -> None:
    image = draw_scene(4, size=(320, 200)).summer
    Image.fromarray(image).save("photo.png")
    live = gantool.translate(image, to="winter", model="seasons").astype(int)
    for options, name in (
        ([], "seasons-winter.onnx"),
        (["--format", "pt2"], "seasons-winter.pt2"),
        (["--static-size", "64x64"], "fixed.onnx"),
    ):
        result = cli("export", "seasons", "--to", "winter", "-o", name, *options)
        assert result.code == 0, result.err
        made = gantool.translate(image, to="winter", model=name).astype(int)
        difference = np.abs(made - live)
        if name == "fixed.onnx":
            changed = np.abs(live - image.astype(int)).mean()
            assert 0 < difference.mean() < 0.75 * changed, "the picture is scaled to 64x64 first"
        else:
            assert difference.max() <= 1
    alone = """
import sys
class NoTorch:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "torch":
            raise ImportError("torch is not to be imported")
sys.meta_path.insert(0, NoTorch())
from gantool.cli.app import main
sys.argv = ["gantool", "translate", "photo.png", "--to", "winter", "--model", "seasons-winter.onnx"]
main()
"""
    done = subprocess.run([sys.executable, "-c", alone], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert np.abs(np.asarray(Image.open("photo.winter.png")).astype(int) - live).max() <= 1
