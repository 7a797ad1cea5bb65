"""Resuming on data that is no longer what the run began with."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support import SEGMENTER_TINY, Cli

from gantool.methods.registry import make_method
from gantool.workflows.plan_training import TrainOptions, plan_training

QUICK = ["--set", "metrics.every=0", "--set", "train.samples_every=0"]
HOURS = 3600 * 10**9


def picture(path: Path, seed: int, *, levels: int = 256, shape: tuple[int, ...] = (40, 40, 3)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, levels, shape, np.uint8)).save(path)


def make_older(folder: Path) -> None:
    """As if all had been written some hours ago, one after the other."""
    for n, path in enumerate(sorted(folder.rglob("*.*"))):
        os.utime(path, ns=(0, (400_000 + n) * HOURS // 1000))


@pytest.fixture
def labelled(workplace: Path) -> Path:
    for split, count in (("train", 4), ("val", 1), ("test", 1)):
        for n in range(count):
            picture(workplace / f"set/{split}/images/{n}.png", n)
            picture(workplace / f"set/{split}/masks/{n}.png", n, levels=2, shape=(40, 40))
    make_older(workplace / "set")
    return workplace / "set"


def add(folder: Path) -> None:
    picture(folder / "train/images/new.png", 30)
    picture(folder / "train/masks/new.png", 30, levels=2, shape=(40, 40))


def facts(run: str = "unet-1") -> Any:
    return json.loads(Path("runs", run, "run.json").read_text())


def test_added_images_are_named_and_accepted_only_on_request(cli: Cli, labelled: Path) -> None:
    assert cli("train", "unet", "--data", "set", "--epochs", "1", *SEGMENTER_TINY, *QUICK).code == 0
    assert facts()["data_files"]["count"] == 12
    before = {path: path.read_bytes() for path in Path("runs").rglob("*") if path.is_file()}
    add(labelled)
    (labelled / "train/images/1.png").unlink()
    (labelled / "train/masks/1.png").unlink()
    (labelled / "notes.txt").write_text("of no matter")
    result = cli("train", "--resume", "latest", "--epochs", "2")
    assert (result.code, result.out) == (2, "")
    assert (
        "its data has changed since, 2 added (train/images/new.png, train/masks/new.png), 2 removed (" in result.err
    )
    assert "--accept-changed-data" in result.err
    assert before == {path: path.read_bytes() for path in Path("runs").rglob("*") if path.is_file()}
    result = cli("train", "--resume", "latest", "--epochs", "2", "--accept-changed-data")
    assert result.code == 0, result.err
    assert "it is resumed, but not exactly" in result.err
    (change,) = facts()["changed_data"]
    assert {key: change[key] for key in change if key != "when"} == {
        "epoch": 1, "added": 2, "removed": 2, "changed": 0,
    }  # fmt: skip
    result = cli("train", "--resume", "latest", "--epochs", "3")
    assert (result.code, "changed" in result.err) == (0, False), "that is the run's data now"
    assert len(facts()["changed_data"]) == 1
    assert "after epoch 1: files 2 added, 2 removed, 0 changed" in cli("info", "unet-1").out


def test_a_copy_is_told_once_and_goes_on(cli: Cli, labelled: Path) -> None:
    assert cli("train", "unet", "--data", "set", "--epochs", "1", *SEGMENTER_TINY, *QUICK).code == 0
    for path in labelled.rglob("*.png"):
        os.utime(path)
    result = cli("train", "--resume", "latest", "--epochs", "2")
    assert (result.code, "it is taken for a copy" in result.err) == (0, True)
    result = cli("train", "--resume", "latest", "--epochs", "3")
    assert (result.code, "copy" in result.err) == (0, False)
    assert "changed_data" not in facts()


@pytest.mark.parametrize("hashes", ["false", "true"])
def test_a_mask_that_was_changed(hashes: str, cli: Cli, labelled: Path) -> None:
    options = ["--set", f"data.hashes={hashes}", *SEGMENTER_TINY, *QUICK]
    assert cli("train", "unet", "--data", "set", "--epochs", "1", *options).code == 0
    mask = labelled / "train/masks/2.png"
    os.utime(mask)
    result = cli("train", "--resume", "latest", "--epochs", "2")
    assert result.code == (0 if hashes == "true" else 2), result.err
    picture(mask, 50, levels=2, shape=(40, 40))
    result = cli("train", "--resume", "latest", "--epochs", "3")
    assert (result.code, "1 changed (train/masks/2.png)" in result.err) == (2, True)


def test_runs_without_a_list_go_on_as_before(cli: Cli, labelled: Path) -> None:
    assert cli("train", "unet", "--data", "set", "--epochs", "1", *SEGMENTER_TINY, *QUICK).code == 0
    listing, about = Path("runs/unet-1/data_files.jsonl"), Path("runs/unet-1/run.json")
    listing.unlink()
    assert cli("train", "--resume", "latest").code == 0, "the digest alone tells that nothing has changed"
    listing.write_text("{")
    add(labelled)
    result = cli("train", "--resume", "latest", "--epochs", "2")
    assert (result.code, "data_files.jsonl: is missing or damaged" in result.err) == (2, True)
    old = {key: value for key, value in facts().items() if key != "data_files"}
    about.write_text(json.dumps(old))
    result = cli("train", "--resume", "latest", "--epochs", "2")
    assert (result.code, "changed" in result.err) == (0, False)
    assert facts()["data_files"]["count"] == 14


def test_an_option_for_runs_that_go_on(cli: Cli, workplace: Path) -> None:
    result = cli("train", "cyclegan", "--accept-changed-data")
    assert (result.code, "--resume RUN" in result.err) == (2, True)


def test_drawn_scenes_have_no_files(with_run: Path) -> None:
    assert "data_files" not in facts("cyclegan-1")
    assert not Path("runs/cyclegan-1/data_files.jsonl").exists()


def files(model: str, **options: Any) -> set[str]:
    plan = plan_training(TrainOptions(model, size=32, assignments=["data.load_size=32"], **options))
    return {Path(path).as_posix() for path in make_method(plan.settings, plan.kind, fresh=False).files}


@pytest.mark.parametrize("model", ["cyclegan", "pix2pix", "unet"])
def test_images_and_masks_are_the_files_of_a_run(model: str, labelled: Path) -> None:
    options = {"cyclegan": {}, "pix2pix": {"settings": {"model.generator": "unet_32"}}, "unet": {}}[model]
    assert files(model, data="set", **options) == {
        path.relative_to(labelled.parent).as_posix() for path in labelled.rglob("*.png")
    }


@pytest.mark.parametrize("model", ["cyclegan", "pix2pix"])
def test_pairs_are_the_files_of_a_run(model: str, workplace: Path) -> None:
    for n in range(4):
        picture(workplace / f"halves/{n}.png", n, shape=(40, 80, 3))
        picture(workplace / f"left/{n}.png", n)
        picture(workplace / f"right/{n}.png", 10 + n)
    options: dict[str, Any] = {"settings": {"model.generator": "unet_32", "data.max_images": 2}}
    found = files(model, data="halves", **options)
    assert found < {f"halves/{n}.png" for n in range(4)}, "two or three: some to train on and one held out"
    found = files(model, domains={"x": "left", "y": "right"}, **options)
    assert {Path(name).parent.name for name in found} == {"left", "right"}
    assert len(found) < 8


def test_annotations_are_the_files_of_a_run(workplace: Path) -> None:
    for n in range(3):
        picture(workplace / f"set/{n}.png", n)
        shape = {"label": "tree", "points": [[0, 0], [20, 0], [20, 20]], "shape_type": "polygon"}
        tree = {"version": "5.0", "imagePath": f"{n}.png", "imageHeight": 40, "imageWidth": 40, "shapes": [shape]}
        (workplace / f"set/{n}.json").write_text(json.dumps(tree))
    assert files("unet", data="set") == {f"set/{n}.{kind}" for n in range(3) for kind in ("png", "json")}
