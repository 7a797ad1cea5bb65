"""``gantool evaluate`` for pictures: models, folders, gates, and the page in a browser."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support import SEGMENTER_TINY, TINY_PIX2PIX, Cli

import gantool
from gantool.data.sample import draw_scene
from gantool.metrics import sets
from gantool.metrics.paired import l1
from gantool.metrics.perceptual import psnr, ssim
from gantool.metrics.table import METRICS


def pictures(folder: str, count: int, *, first: int = 0, winter: bool = False, size: int = 48) -> list[np.ndarray]:
    Path(folder).mkdir(parents=True, exist_ok=True)
    drawn = [draw_scene(first + n, size=size) for n in range(count)]
    images = [scene.winter if winter else scene.summer for scene in drawn]
    for n, image in enumerate(images):
        Image.fromarray(image).save(f"{folder}/{n}.png")
    return images


def test_a_run_on_its_own_sample(cli: Cli, with_run: Path) -> None:
    result = cli("evaluate", "cyclegan", "--json", "-o", "out")
    assert result.code == 0, result.err
    answer = json.loads(result.out)
    to_winter, to_summer = answer["results"]
    assert (to_winter["from"], to_winter["to"], to_summer["to"]) == ("summer", "winter", "summer")
    assert to_winter["model"] == "cyclegan-1", "the run, not the kind that was typed"
    # The numbers are those of the pictures that translate makes.
    scenes = [draw_scene(2_000_000 + n, size=32, seed=0) for n in range(2)]
    made = [gantool.translate(scene.summer, to="winter", model="cyclegan-1") for scene in scenes]
    truths = [scene.winter for scene in scenes]
    assert to_winter["images"] == 2
    assert to_winter["l1"] == pytest.approx(l1(made, truths), rel=1e-4)
    assert to_winter["psnr"] == pytest.approx(
        np.mean([psnr(*pair) for pair in zip(made, truths, strict=True)]), rel=1e-4
    )
    assert to_winter["ssim"] == pytest.approx(
        np.mean([ssim(*pair) for pair in zip(made, truths, strict=True)]), rel=1e-3
    )
    assert to_winter["untranslated"]["l1"] == pytest.approx(l1([scene.summer for scene in scenes], truths))
    back = [gantool.translate(image, to="summer", model="cyclegan-1") for image in made]
    assert to_winter["cycle_l1"] == pytest.approx(l1(back, [scene.summer for scene in scenes]), rel=1e-4)
    assert set(to_winter["left_out"]) == {"fid, kid", "lpips", "ms_ssim"}
    assert "--inception-weights FILE" in to_winter["left_out"]["fid, kid"]
    assert to_winter["swd"] > 0
    assert json.loads(Path("out/evaluation.json").read_text()) == answer
    with Path("out/evaluation.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {row["metric"] for row in rows} >= {"swd", "l1", "psnr", "ssim", "cycle_l1"}
    with Path("out/evaluation-images.csv").open() as file:
        assert len([row for row in csv.DictReader(file) if row["metric"] == "l1"]) == 4
    one = cli(
        "evaluate", "cyclegan", "--to", "winter", "-o", "one", "--fail-over", "l1=0.1", "--fail-under", "ssim=-1"
    )
    assert one.code == 1
    assert "above 0.1" in one.err
    assert "to summer" not in one.err
    labels = [line.split("  ")[0] for line in one.err.splitlines()]
    assert {"SWD ↓", "L1 ↓ (0 to 255)", "PSNR ↑ (dB)", "SSIM ↑", "cycle L1 ↓ (0 to 255)"} <= set(labels)
    assert "↑ higher is better, ↓ lower is better; in brackets: 95 % intervals" in one.err
    lines = one.err.splitlines()
    (fid,) = [n for n, line in enumerate(lines) if line.startswith("Left out: FID, KID")]
    assert len(lines[fid]) < 120 and "http" not in lines[fid], "the reason in a line"
    assert lines[fid + 1].startswith("  Get https://"), "and what to do about it in the next"


def test_several_models_on_a_folder(cli: Cli, with_run: Path) -> None:
    shutil.copytree("runs/cyclegan-1", "runs/copy")
    pictures("set/testA", 4)
    pictures("set/testB", 3, winter=True)
    pictures("set/trainA", 2)
    pictures("set/trainB", 2, winter=True)
    result = cli("evaluate", "cyclegan-1", "copy", "--data", "set", "--json", "-o", "out", "-q")
    assert result.code == 0, result.err
    results = json.loads(result.out)["results"]
    assert [(one["model"], one["to"]) for one in results] == [
        ("cyclegan-1", "winter"), ("copy", "winter"), ("cyclegan-1", "summer"), ("copy", "summer")
    ]  # fmt: skip
    assert results[0]["swd"] == results[1]["swd"], "the same weights"
    assert results[1]["differences"]["cyclegan-1"]["swd"] == [0, 0, 0], "also after resampling"
    for one in results:
        difference, low, high = one["differences"]["untranslated"]["swd"]
        assert difference == pytest.approx(one["swd"] - one["untranslated"]["swd"])
        assert low < difference < high
    assert (results[0]["images"], results[0]["real_images"]) == (4, 3)
    assert "l1" not in results[0], "nothing belongs together"
    page = Path("out/evaluation.html").read_text("utf-8")
    assert page.count('type="range"') == 7
    assert page.count("Minus untranslated") == page.count("Minus cyclegan-1") == 2
    Path("set/testA/broken.png").write_bytes(b"no image")
    result = cli("evaluate", "cyclegan-1", "--data", "set", "-o", "again")
    assert result.code == 1
    assert "broken.png" in result.err


class _Features:
    """Stands in for Inception, whose weights are not here: some pixels are the features."""

    resize = "clean"

    def __init__(self, *_: object) -> None:
        pass

    def __call__(self, images: Sequence[np.ndarray]) -> np.ndarray:
        return np.stack([image[:4, :4].ravel() / 255 for image in images])


def test_every_metric_has_a_row_and_every_row_is_measured(
    cli: Cli, with_segmenter: Path, trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sets, "InceptionFeatures", _Features)
    monkeypatch.setattr(sets, "find_inception_weights", lambda path: path)
    monkeypatch.setattr(sets, "load_inception", lambda path: path)
    monkeypatch.setattr(sets, "Lpips", lambda device: lambda image, truth: 0.5)
    assert cli("train", "pix2pix", *TINY_PIX2PIX, "--name", "painter").code == 0
    result = cli("evaluate", "painter", "--segmenter", "unet", "--json", "-q", "-o", "a", "--size", "192")
    assert result.code == 0, result.err
    (one,) = json.loads(result.out)["results"]
    assert 0 <= one["segmenter_mean_iou"] <= one["segmenter_accuracy"] <= 1
    assert one["left_out"] == {}
    shutil.copytree(trained / "runs/cyclegan-1", "runs/cyclegan-1")
    result = cli("evaluate", "cyclegan-1", "--to", "winter", "--segmenter", "unet", "--json", "-q", "-o", "b")
    (one,) = json.loads(result.out)["results"]
    assert 0 <= one["consistency_accuracy"] <= 1
    assert set(one["left_out"]) == {"ms_ssim"}
    assert cli("evaluate", "unet", "-q", "-o", "c").code == 0
    measured = set()
    for folder in ("a", "b", "c"):
        with Path(folder, "evaluation.csv").open() as file:
            measured |= {row["metric"] for row in csv.DictReader(file)}
    assert measured == set(METRICS)
    page = Path("a/evaluation.html").read_text("utf-8")
    assert page.count("(higher is better)") + page.count("(lower is better)") == 10, "each number says what is better"

    other = cli("train", "unet", "--name", "other", *SEGMENTER_TINY, "--epochs", "1", "--data", _two_classes())
    assert other.code == 0, other.err
    refused = cli("evaluate", "painter", "--segmenter", "other", "--overwrite")
    assert (refused.code, "other classes" in refused.err) == (2, True)
    assert not list(Path().glob(".*evaluation*"))


def _two_classes() -> str:
    for kind in ("images", "masks"):
        Path("two", kind).mkdir(parents=True)
    for n in range(12):
        scene = draw_scene(n, size=32)
        Image.fromarray(scene.summer).save(f"two/images/{n}.png")
        Image.fromarray((scene.mask > 0).astype(np.uint8)).save(f"two/masks/{n}.png")
    return "two"


def test_two_folders(cli: Cli, workplace: Path) -> None:
    images = pictures("made", 5)
    pictures("real", 5, first=20)
    pictures("same", 5)
    same = json.loads(cli("evaluate", "--generated", "made", "--real", "same", "--paired", "--json", "-o", "a").out)
    (one,) = same["results"]
    assert (one["swd"], one["l1"], one["ssim"]) == (0, 0, pytest.approx(1))
    other = json.loads(cli("evaluate", "--generated", "made", "--real", "real", "--json", "-o", "b").out)
    assert other["results"][0]["swd"] > 0
    assert "l1" not in other["results"][0]
    assert any("too few" in text for text in other["results"][0]["warnings"])

    # Other names and another order are the same set.
    Path("renamed").mkdir()
    for n, image in enumerate(reversed(images)):
        Image.fromarray(image).save(f"renamed/x{n}.png")
    again = json.loads(cli("evaluate", "--generated", "renamed", "--real", "real", "--json", "-o", "c").out)
    assert again["results"][0]["swd"] == other["results"][0]["swd"]
    assert cli("evaluate", "--generated", "made", "--real", "same", "-o", "d", "--fail-over", "swd=0").code == 0
    gated = cli("evaluate", "--generated", "made", "--real", "real", "-o", "e", "--fail-over", "swd=0.0001")
    assert (gated.code, "swd is" in gated.err) == (1, True)
    missing = cli("evaluate", "--generated", "made", "--real", "real", "-o", "f", "--fail-over", "fid=10")
    assert (missing.code, "fid was not measured" in missing.err) == (1, True)


def test_folders_that_do_not_fit(cli: Cli, workplace: Path) -> None:
    pictures("made", 3)
    pictures("more", 4)
    pictures("larger", 3, size=64)
    pictures("single", 1)
    for real, words in (("more", "made has 3 images, more has 4"), ("larger", "48x48 pixels, its partner")):
        result = cli("evaluate", "--generated", "made", "--real", real, "--paired", "-o", "x")
        assert (result.code, words in result.err) == (2, True), result.err
    assert not Path("x").exists()
    assert cli("evaluate", "--generated", "made", "--real", "larger", "-o", "mixed").code == 0
    alone = cli("evaluate", "--generated", "single", "--real", "single", "-o", "alone", "--json")
    assert alone.code == 0, alone.err
    assert json.loads(alone.out)["results"][0]["swd"] == 0
    Path("made/0.png").write_bytes(b"no image")
    broken = cli("evaluate", "--generated", "made", "--real", "more", "-o", "broken")
    assert broken.code == 1
    assert "1 image could not be read" in broken.err
    assert "0.png" in broken.err
    for path in Path("made").iterdir():
        path.write_bytes(b"no image")
    assert cli("evaluate", "--generated", "made", "--real", "more", "-o", "none").code == 2
