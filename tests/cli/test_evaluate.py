from __future__ import annotations

import csv
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support import Cli

import gantool
from gantool.data.sample import CLASSES, draw_scene
from gantool.metrics.segmentation import Confusion


def labelled(root: str, count: int, values: tuple[int, ...] = tuple(range(9))) -> None:
    for kind in ("images", "masks"):
        Path(root, kind).mkdir(parents=True)
    for n in range(count):
        scene = draw_scene(500 + n, size=(48, 32))
        Image.fromarray(scene.summer).save(f"{root}/images/{n}.png")
        Image.fromarray(np.array(values, np.uint8)[scene.mask]).save(f"{root}/masks/{n}.png")


def test_the_numbers_are_those_of_the_label_maps(cli: Cli, with_segmenter: Path) -> None:
    labelled("set", 6)
    Path("names.txt").write_text("\n".join(CLASSES))
    assert cli("prepare", "set", "--classes", "names.txt", "--split", "0.5,0,0.5", "-o", "data/set").code == 0
    result = cli("evaluate", "unet", "--data", "data/set", "--json", "-o", "out")
    assert result.code == 0, result.err
    answer = json.loads(result.out)
    assert answer["images"] == 3
    confusion = Confusion(CLASSES)
    for path in sorted(Path("data/set/test/images").iterdir()):
        mask = np.asarray(Image.open(f"data/set/test/masks/{path.name}"))
        confusion.add(mask, gantool.segment(path, model="unet").mask)
    (model,) = answer["models"]
    scores = confusion.scores()
    assert model["mean_iou"] == pytest.approx(scores.mean_iou)
    assert model["accuracy"] == pytest.approx(scores.accuracy)
    assert model["per_class"]["sky"]["iou"] == pytest.approx(scores.iou[0])
    assert answer["confusion"] == [confusion.counts.tolist()]
    assert [entry["accuracy"] for entry in model["worst"]] == sorted(entry["accuracy"] for entry in model["worst"])
    page = Path("out/evaluation.html").read_text("utf-8")
    assert page.count("data:image/jpeg") == 3 * 3, "image, label map and truth of each"
    cells = re.findall(r'<td data-n="(\d+)"', page)
    assert [int(cell) for cell in cells] == confusion.counts.ravel().tolist(), (
        "all counts, in the order of the classes"
    )
    assert page.count('type="range"') == 3
    assert model["model"] == "unet-1", "which run it was"
    assert json.loads(Path("out/evaluation.json").read_text()) == answer
    assert "exists already" in cli("evaluate", "unet", "--data", "data/set", "-o", "out").err


def test_tiles_of_one_photograph_are_resampled_together(cli: Cli, with_segmenter: Path) -> None:
    labelled("set", 8)
    Path("names.txt").write_text("\n".join(CLASSES))
    tiled = cli("prepare", "set", "--classes", "names.txt", "--split", "0.5,0,0.5", "--tile", "16", "-o", "data/set")
    assert tiled.code == 0, tiled.err
    result = cli("evaluate", "unet", "--data", "data/set", "--json", "-q", "-o", "out")
    assert result.code == 0, result.err
    (model,) = json.loads(result.out)["models"]
    alone, together = Confusion(CLASSES), Confusion(CLASSES)
    for path in sorted(Path("data/set/test/images").iterdir()):
        mask = np.asarray(Image.open(f"data/set/test/masks/{path.name}"))
        found = gantool.segment(path, model="unet").mask
        alone.add(mask, found)
        together.add(mask, found, path.name[: -len("_00000_00000.png")])
    expected, other = together.estimates()["accuracy"], alone.estimates()["accuracy"]
    assert model["intervals"]["accuracy"] == pytest.approx([expected.low, expected.high])
    assert model["intervals"]["accuracy"] != pytest.approx([other.low, other.high], rel=0.01)


def test_several_kinds_side_by_side_and_a_gate(cli: Cli, with_segmenter: Path) -> None:
    small = ["--set", "model.generator=unet_32", "--set", "model.width=4",
             "--set", "model.discriminator_width=4",
             "--set", "model.discriminator=n_layers", "--set", "model.discriminator_layers=1", "--size", "32",
             "--set", "data.scenes=8", "--set", "data.test_scenes=3", "--epochs", "1",
             "--precision", "fp32"]  # fmt: skip
    assert cli("train", "pix2pix", "--to", "labels", *small).code == 0
    result = cli("evaluate", "unet", "pix2pix", "--fail-under", "mean_iou=0", "--overwrite")
    assert result.code == 0, result.err
    assert "built-in sample" in result.err
    assert all(word in result.err for word in ("unet", "pix2pix", "parameters"))
    assert result.out.split() == [
        "evaluation/evaluation.json",
        "evaluation/evaluation.csv",
        "evaluation/evaluation.html",
    ]
    assert "minus unet-1" in result.err
    unet, pix2pix = json.loads(Path("evaluation/evaluation.json").read_text())["models"]
    assert unet["differences"] == {}
    low, high = unet["intervals"]["mean_iou"]
    assert low < unet["mean_iou"] < high
    difference, low, high = pix2pix["differences"]["unet-1"]["mean_iou"]
    assert difference == pytest.approx(pix2pix["mean_iou"] - unet["mean_iou"])
    assert low < difference < high
    with Path("evaluation/evaluation.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["model", "from", "to", "class", "metric", "value", "low", "high"]
    (row,) = [row for row in rows if list(row.values())[:5] == ["unet-1", "", "", "", "boundary_iou"]]
    assert float(row["low"]) < float(row["value"]) < float(row["high"])
    assert "Minus unet-1" in Path("evaluation/evaluation.html").read_text("utf-8")
    gated = cli("evaluate", "unet", "--fail-under", "accuracy=0.999", "--overwrite", "-q")
    assert gated.code == 1
    assert cli("evaluate", "unet", "--fail-under", "accuracy=0.001", "--overwrite", "-q").code == 0


def test_folders_of_masks(cli: Cli, workplace: Path) -> None:
    for folder, value in (("truth", 0), ("guess", 1)):
        Path(folder).mkdir()
        mask = np.zeros((4, 4), np.uint8)
        mask[:2] = 1
        mask[0, 0] = value
        Image.fromarray(mask).save(f"{folder}/a.png")
    answer = json.loads(cli("evaluate", "--predicted", "guess", "--truth", "truth", "--json").out)
    (model,) = answer["models"]
    assert model["accuracy"] == pytest.approx(15 / 16)
    assert model["per_class"]["class_1"]["iou"] == pytest.approx(7 / 8)
    assert answer["confusion"] == [[[8, 1], [0, 7]]]
    Image.fromarray(np.full((4, 4), 300, np.uint16)).save("guess/a.png")
    refused = cli("evaluate", "--predicted", "guess", "--truth", "truth", "--overwrite")
    assert (refused.code, "an index of 300" in refused.err) == (2, True), refused.err


def test_mistakes_cost_one_sentence(cli: Cli, with_segmenter: Path, trained: Path) -> None:
    labelled("set", 4)
    shutil.copytree(trained / "runs/cyclegan-1", "runs/cyclegan-1")
    Path("empty").mkdir()
    for arguments, words in (
        ([], "Name models, or two folders"),
        (["unet", "--truth", "set"], "Name models, or two folders"),
        (["--truth", "set"], "go together"),
        (["unet", "--split", "testing"], "expected train, val or test"),
        (["unet", "--fail-under", "iou=0.5"], "every class has its own iou"),
        (["unet", "--fail-under", "mean_iou"], "expected NAME=VALUE"),
        (["unet", "--data", "set"], "has no test split"),
        (["unet", "--data", "set", "--split", "train"], "was trained on other classes"),
        (["unet", "--data", "empty"], "no images with labels found"),
        (["unet", "cyclegan-1"], "without label maps"),
        (["unet", "--segmenter", "unet"], "is for translations to pictures"),
        (["cyclegan-1", "--split", "val", "--data", "set"], "the data has"),
        (["cyclegan-1", "--to", "wintr"], 'Did you mean "winter"?'),
        (["cyclegan-1", "--fid-mode", "old"], "expected clean or legacy"),
        (["cyclegan-1", "--inception-weights", "none.pth"], "there is no such file"),
        (["--generated", "set/images", "--real", "empty"], "has no images"),
        (["--generated", "set/images"], "go together"),
        (["nothing"], "There is no model"),
        (["--predicted", "set/images", "--truth", "empty"], "no mask has the name"),
    ):
        result = cli("evaluate", *arguments)
        assert (result.code, words in result.err) == (2, True), (arguments, result.err)
    assert not Path("evaluation/evaluation.json").exists()


def test_a_missed_gate_is_an_error_also_when_quiet(cli: Cli, workplace: Path) -> None:
    for folder, value in (("truth", 0), ("guess", 1)):
        Path(folder).mkdir()
        mask = np.zeros((4, 4), np.uint8)
        mask[:2] = 1
        mask[0, 0] = value
        Image.fromarray(mask).save(f"{folder}/a.png")
    folders = ("evaluate", "--predicted", "guess", "--truth", "truth", "-q", "--overwrite")
    passed = cli(*folders, "--fail-under", "iou/class_1=0.8")
    assert (passed.code, passed.err) == (0, "")
    missed = cli(*folders, "--fail-under", "iou/class_1=0.9", "--fail-over", "accuracy=0.5")
    assert missed.code == 1
    assert missed.err.splitlines() == [
        "error: guess: iou/class_1 is 0.875, below 0.9.",
        "error: guess: accuracy is 0.938, above 0.5.",
    ]
    assert Path("evaluation/evaluation.json").exists(), "it is written all the same"
    Path("evaluation/evaluation.json").unlink()
    unknown = cli(*folders, "--fail-under", "iou/sky=0.9")
    assert (unknown.code, 'There is no class "sky"; the data has class_0, class_1.' in unknown.err) == (2, True)
    assert not Path("evaluation/evaluation.json").exists(), "known before anything is measured"
    Path("a").mkdir()
    Image.new("RGB", (64, 64)).save("a/x.png")
    pictures = cli("evaluate", "--generated", "a", "--real", "a", "--fail-under", "iou/sky=0.9", "--overwrite")
    assert (pictures.code, "pictures are measured, not label maps" in pictures.err) == (2, True)
