"""What the segmentation page promises: with fewer epochs in the continuous integration, whole before a release."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image

from gantool.data.masks import read_index_mask
from gantool.data.sample import CLASSES, draw_scene

SIZES = [pytest.param(6, 0.80, marks=pytest.mark.slow), pytest.param(20, 0.90, marks=pytest.mark.release)]
BOB_ROSS = (3, 5, 10, 14, 17, 18, 22, 27, 61)  # the values that the paintings' masks really have


def gantool(folder: Path, *arguments: str, code: int = 0, **environment: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "gantool", *arguments],
        cwd=folder, env={**os.environ, **environment}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == code, done.stderr
    return done


@pytest.mark.parametrize(("epochs", "least"), SIZES)
def test_the_sample_is_learned_and_large_pictures_stay_small(epochs: int, least: float, tmp_path: Path) -> None:
    command = ["train", "unet-resnet18", "--encoder-weights", "none", "--epochs", str(epochs), "--json"]
    answer = json.loads(gantool(tmp_path, *command).stdout)
    assert answer["metrics"]["mean_iou"] >= least
    scene = draw_scene(5, size=(6000, 4000))
    Image.fromarray(scene.summer).save(tmp_path / "large.png")
    small = Image.fromarray(scene.summer).resize((600, 400), Image.Resampling.BOX)
    small.save(tmp_path / "small.png")
    whole = [sys.executable, "-m", "gantool", "segment", "large.png", "--size", "1024", "-q"]
    with psutil.Popen(whole, cwd=tmp_path, stdout=subprocess.DEVNULL) as process:
        peak = 0
        while process.poll() is None:
            try:
                peak = max(peak, process.memory_info().rss)
                process.wait(0.5)
            except (psutil.TimeoutExpired, psutil.NoSuchProcess):
                continue
    assert process.returncode == 0
    assert peak < 3e9
    gantool(tmp_path, "segment", "large.png", "-o", "as-trained", "--outputs", "mask")
    mask = read_index_mask(tmp_path / "as-trained/large.mask.png")
    assert mask.shape == (4000, 6000)
    assert (mask == scene.mask).mean() > least


@pytest.mark.slow
def test_the_bob_ross_layout_from_archive_to_mask(tmp_path: Path) -> None:
    """Sparse values, labels.csv without a header, no validation split; then the user's own command."""
    for kind in ("images", "labels"):
        (tmp_path / "bob/train" / kind).mkdir(parents=True)
    for n in range(60):
        drawn = draw_scene(n, size=(96, 72))
        Image.fromarray(drawn.summer).save(tmp_path / f"bob/train/images/painting{n}.png")
        values = np.array(BOB_ROSS, np.uint8)[drawn.mask]
        Image.fromarray(values).save(tmp_path / f"bob/train/labels/painting{n}.png")
    rows = "".join(f"{value},{name}\n" for value, name in zip(BOB_ROSS, CLASSES, strict=True))
    (tmp_path / "bob/labels.csv").write_text(rows)
    Image.fromarray(draw_scene(200, size=(200, 150)).summer).save(tmp_path / "painting.png")
    offline = {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "hub")}
    before = gantool(tmp_path, "segment", "painting.png", "--model", "unet-resnet50", code=2, **offline)
    assert "gantool train unet-resnet50 --encoder-weights none" in before.stderr
    gantool(tmp_path, "prepare", "bob", "-o", "data/bob-ross", "--seed", "1")
    trained = gantool(
        tmp_path, "train", "unet-resnet50", "--encoder-weights", "none", "--data", "bob-ross", "--size", "64",
        "--epochs", "6", "--json",
    )  # fmt: skip
    metrics = json.loads(trained.stdout)["metrics"]
    assert {f"iou/{name}" for name in ("sky", "ground")} <= set(metrics)
    assert metrics["accuracy"] > 0.5
    answer = json.loads(gantool(tmp_path, "segment", "painting.png", "--model", "unet-resnet50", "--json").stdout)
    assert answer["classes"] == list(CLASSES)
    assert read_index_mask(tmp_path / "painting.mask.png").shape == (150, 200)


@pytest.mark.slow
def test_two_ranks_measure_what_one_would(tmp_path: Path) -> None:
    """The numbers of a run on two processes are those of its model, measured by one."""
    options = [
        "train", "unet", "--epochs", "2", "--set", "model.width=4", "--set", "model.depth=2", "--size", "32",
        "--batch-size", "4", "--set", "data.scenes=16", "--set", "data.test_scenes=6", "--precision", "fp32",
        "--device", "cpu", "--json",
    ]  # fmt: skip
    two = json.loads(gantool(tmp_path, *options, "--devices", "2", OMP_NUM_THREADS="1").stdout)
    from gantool.metrics.segmentation import Confusion
    from gantool.models.files import load_segmenter, read_card
    from gantool.predict.labels import LabelPredictor
    from gantool.predict.live import LiveRunner

    path = tmp_path / "runs/unet-1/model.safetensors"
    card = read_card(path)
    scenes = [draw_scene(2_000_000 + n, size=32) for n in range(6)]
    runner = LiveRunner(load_segmenter(path, card), multiple_of=4, smallest=4)
    predictor = LabelPredictor(runner, load_size=32)
    confusion = Confusion(CLASSES)
    for n, one in enumerate(scenes):
        confusion.add(one.mask, predictor(one.winter if n % 2 else one.summer).mask)
    scores = confusion.scores()
    assert two["metrics"]["mean_iou"] == pytest.approx(scores.mean_iou, abs=1e-12)
    assert two["metrics"]["accuracy"] == pytest.approx(scores.accuracy, abs=1e-12)
