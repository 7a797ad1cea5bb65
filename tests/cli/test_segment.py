"""Segmentation on the command line: from folders to label maps."""

from __future__ import annotations

import itertools
import json
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from support import SEGMENTER_TINY as TINY
from support import Cli

import gantool
from gantool.data.masks import read_index_mask
from gantool.data.sample import CLASSES, draw_scene


def labelled(root: str, first: int, count: int, size: tuple[int, int] = (48, 32)) -> None:
    for kind in ("images", "masks"):
        Path(root, kind).mkdir(parents=True, exist_ok=True)
    for n in range(first, first + count):
        scene = draw_scene(n, size=size)
        Image.fromarray(scene.summer).save(f"{root}/images/{n}.png")
        Image.fromarray(scene.mask).save(f"{root}/masks/{n}.png")


def test_training_the_sample_and_going_on(cli: Cli, workplace: Path) -> None:
    result = cli("train", "unet", "--epochs", "2", *TINY)
    assert result.code == 0, result.err
    assert "with 9 classes" in result.err
    assert "\nsky " in result.err
    assert "mean IoU" in result.err
    assert "gantool segment photo.jpg --model unet" in result.err
    assert (Path("runs/unet-1/samples/epoch-0002.png")).is_file()
    lines = [json.loads(line) for line in Path("runs/unet-1/metrics.jsonl").read_text().splitlines()]
    assert set(lines[0]["losses"]) == {"cross_entropy", "dice"}
    assert {"mean_iou", "accuracy", "iou/sky"} <= set(lines[0]["metrics"])
    more = cli("train", "--resume", "latest", "--epochs", "3", "--json", "-q")
    assert more.code == 0, more.err
    answer = json.loads(more.out)
    assert (answer["kind"], answer["epochs"]) == ("unet", 3)
    assert 0 < answer["metrics"]["mean_iou"] < 1


@pytest.mark.slow
def test_resumed_equals_uninterrupted(cli: Cli, workplace: Path) -> None:
    """One run of three epochs, and one that is stopped after a step and after an epoch in between."""
    options = [
        "unet-mobilenet_v2",
        "--encoder-weights",
        "none",
        *TINY,
        "--set",
        "train.ema=0.9",
        "--set",
        "schedule.name=poly",
    ]
    assert cli("train", *options, "--epochs", "3", "--name", "whole").code == 0
    from gantool.workflows.plan_training import TrainOptions, plan_training
    from gantool.workflows.train import StepDone, training_events

    def cut(last: int, resume: str | None) -> None:
        assignments = [after for flag, after in itertools.pairwise(options) if flag == "--set"]
        first = TrainOptions(
            options[0], assignments=assignments, epochs=3, size=32, batch_size=4, lr=0.02, precision="fp32",
            device="cpu", encoder_weights="none", name="cut",
        )  # fmt: skip
        for event in training_events(plan_training(TrainOptions(resume=resume) if resume else first)):
            if isinstance(event, StepDone) and event.step == last:
                signal.raise_signal(signal.SIGINT)

    cut(2, None)
    cut(6, "cut")
    assert cli("train", "--resume", "cut").code == 0
    one = torch.load("runs/whole/checkpoints/last.pt", weights_only=True)
    two = torch.load("runs/cut/checkpoints/last.pt", weights_only=True)
    first, second = (state["players"]["segmenter"]["nets"]["segment"] for state in (one, two))
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert Path("runs/whole/model.safetensors").stat().st_size == Path("runs/cut/model.safetensors").stat().st_size


def test_segment_writes_what_it_was_asked_for(cli: Cli, with_segmenter: Path) -> None:
    scene = draw_scene(5, size=(80, 60))
    Image.fromarray(scene.summer).save("painting.png")
    result = cli("segment", "painting.png", "--model", "unet")
    assert result.code == 0, result.err
    assert result.out.split() == ["painting.mask.png", "painting.overlay.png"]
    with Image.open("painting.mask.png") as image:
        assert (image.mode, image.size) == ("P", (80, 60))
        palette = image.getpalette()
    assert palette is not None
    assert palette[:3] == [112, 173, 224], "sky"
    mask = read_index_mask(Path("painting.mask.png"))
    assert (mask == scene.mask).mean() > 0.5
    every = cli(
        "segment",
        "painting.png",
        "--outputs",
        "mask,overlay,color,probabilities,classes",
        "-o",
        "out",
        "--json",
        "--tta",
    )
    assert every.code == 0, every.err
    answer = json.loads(every.out)
    assert answer["classes"] == list(CLASSES)
    (file,) = answer["files"]
    assert sum(file["shares"].values()) == pytest.approx(1)
    assert set(file["outputs"]) == {"mask", "overlay", "color", "probabilities", "classes"}
    content = np.load("out/painting.probabilities.npz")
    assert content["probabilities"].shape == (60, 80, 9)
    mask = read_index_mask(Path("out/painting.mask.png"))
    # The label map comes of single precision; in half precision two classes can be equally likely.
    likely = np.take_along_axis(content["probabilities"], mask[..., None], -1)[..., 0]
    assert np.array_equal(likely, content["probabilities"].max(-1))
    with Image.open("out/painting.color.png") as color:
        assert color.getpixel((40, 2)) == tuple(palette[3 * int(mask[2, 40]) :][:3])
    assert json.loads(Path("out/painting.classes.json").read_text())["shares"] == file["shares"]
    again = cli("segment", "painting.png")
    assert (again.code, "exists already" in again.err) == (2, True)
    assert cli("segment", "painting.png", "--skip-existing").code == 0
    assert cli("segment", "painting.png", "--overwrite", "--tile", "64", "--size", "native", "-q").err == ""


def test_folders_odd_images_and_failures(cli: Cli, with_segmenter: Path) -> None:
    Path("in/deep").mkdir(parents=True)
    Image.fromarray(draw_scene(1, size=(33, 20)).summer[:7]).save("in/a.jpg")
    Image.fromarray(draw_scene(1, size=(20, 20)).summer).convert("L").save("in/deep/gray.png")
    transparent = Image.fromarray(draw_scene(1, size=(20, 20)).summer)
    transparent.putalpha(128)
    transparent.save("in/alpha.png")
    Path("in/broken.png").write_bytes(b"no image")
    result = cli("segment", "in", "-r", "-o", "out")
    assert result.code == 1
    assert "in/broken.png: is not an image" in result.err.replace("\\", "/")
    assert Path("out/deep/gray.mask.png").is_file()
    with Image.open("out/alpha.overlay.png") as image:
        assert image.mode == "RGBA"
    assert read_index_mask(Path("out/a.mask.png")).shape == (7, 33)
    more = cli("segment", "out", "-r", "-o", "more")
    assert (more.code, "holds no images" in more.err) == (2, True), "its own results are left out"
    assert cli("segment", "in/a.jpg", "in/alpha.png", "-o", "one.png").code == 2
    assert cli("segment", "in/a.jpg", "-o", "one.png", "--outputs", "mask").code == 0
    assert read_index_mask(Path("one.png")).shape == (7, 33)


def test_from_python(with_segmenter: Path) -> None:
    scene = draw_scene(3, size=(64, 48))
    result = gantool.segment(scene.summer, model="unet", probabilities=True)
    assert result.mask.shape == (48, 64)
    assert result.classes == CLASSES
    assert result.color().shape == result.overlay(scene.summer).shape == (48, 64, 3)
    Image.fromarray(scene.summer).save("a.png")
    assert np.array_equal(gantool.segment("a.png").mask, result.mask)
    assert np.array_equal(gantool.segment(np.dstack([scene.summer, scene.mask])).mask, result.mask)
    assert np.array_equal(gantool.segment(Image.fromarray(scene.summer), size="native").mask.shape, (48, 64))


def test_without_a_model_the_command_to_type_is_printed(
    cli: Cli, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(workplace / "hub"))
    Image.fromarray(draw_scene(3, size=32).summer).save("painting.png")
    result = cli("segment", "painting.png", "--model", "unet-resnet50")
    assert result.code == 2
    assert "Train one first: gantool train unet-resnet50 --encoder-weights none (on the built-in sample" in result.err
    labelled("set", 0, 12)
    assert cli("prepare", "set", "-o", "data/paintings").code == 0
    result = cli("segment", "painting.png", "--model", "unet-resnet50")
    assert "gantool train unet-resnet50 --encoder-weights none --data paintings" in result.err
    assert 'Did you mean "resnet50"?' in cli("segment", "painting.png", "--model", "unet-resnet5").err
    assert "leave --model out: the built-in landscape" in result.err
    refused = cli("train", "unet-resnet50", "--epochs", "1")
    assert refused.code == 2
    assert "--encoder-weights none" in refused.err and "--encoder-weights FILE" in refused.err
    assert not Path("runs").exists()


def test_raw_and_prepared_folders_train_alike(cli: Cli, workplace: Path) -> None:
    labelled("raw", 0, 20)
    assert cli("prepare", "raw").code == 0
    sets = [flag for pair in zip(TINY[::2], TINY[1::2], strict=True) if "scenes" not in pair[1] for flag in pair]
    result = cli("train", "unet", "--data", "raw", "--epochs", "1", *sets)
    assert result.code == 0, result.err
    assert "16 for training, 2 for validation, 2 for testing (held out)" in result.err
    assert len(Path("runs/unet-1/held_out.txt").read_text().splitlines()) == 4
    result = cli("train", "unet", "--data", "data/raw", "--epochs", "2", *sets, "--set", "loss.class_weights=auto",
                 "--set", "augment.preset=strong", "--set", "loss.terms={focal_tversky: 1, lovasz: 0.5}",
                 "--set", "schedule.name=cosine", "--set", "schedule.warmup_epochs=0.5",
                 "--set", "optimizer.name=sgd",
                 "--set", "train.patience=1")  # fmt: skip
    assert result.code == 0, result.err
    assert "focal_tversky" in result.err and "lovasz" in result.err
    tuned = cli("train", "unet", "--data", "data/raw", "--epochs", "1", "--init-from", "unet-1", *sets)
    assert tuned.code == 0, tuned.err
    info = json.loads(cli("info", "unet-1", "--json").out)
    assert info["classes"][:2] == ["class_0", "class_1"]


def test_tiles_keep_their_scale(cli: Cli, workplace: Path) -> None:
    """A model of tiles sees pictures at their own size, one of whole images at the size of its crops."""
    labelled("raw", 0, 10, size=(128, 96))
    sets = [flag for pair in zip(TINY[::2], TINY[1::2], strict=True) if "scenes" not in pair[1] for flag in pair]
    for name, options in (("whole", []), ("tiles", ["--tile", "32"])):
        assert cli("prepare", "raw", "-o", f"data/{name}", *options).code == 0
        assert cli("train", "unet", "--data", f"data/{name}", "--epochs", "1", "--name", name, *sets).code == 0
    sizes = [
        json.loads(cli("info", f"runs/{n}/model.safetensors", "--json").out)["load_size"] for n in ("whole", "tiles")
    ]
    assert sizes == [32, 0]


def test_mistakes_in_the_data_cost_one_sentence(cli: Cli, workplace: Path) -> None:
    labelled("set", 0, 8)
    sets = [flag for pair in zip(TINY[::2], TINY[1::2], strict=True) if "scenes" not in pair[1] for flag in pair]

    def refusal(*options: str) -> str:
        result = cli("train", "unet", "--data", "set", "--epochs", "1", *sets, *options)
        assert result.code == 2, result.err
        assert not Path("runs").exists()
        return result.err

    assert 'there is no class "lake"' in refusal("--set", "loss.class_weights={lake: 2}")
    assert "binary needs two classes" in refusal("--set", "model.mode=binary")
    assert "must be a multiple of 4" in refusal("--size", "34")
    assert "there is no loss 'dise'" in refusal("--set", "loss.terms={dise: 1}")
    assert "a segmenter takes --data" in cli("train", "unet", "--domain", "a=set", "--domain", "b=set").err
    assert "has no encoder" in cli("train", "cyclegan", "--encoder-weights", "none").err
    refused = cli("train", "unet", "--encoder-weights", "nonsense")
    assert (refused.code, "--encoder-weights nonsense: the classic U-Net has no encoder" in refused.err) == (2, True)
    assert not Path("runs").exists()
    Image.fromarray(np.zeros((9, 9), np.uint8)).save("set/masks/1.png")
    assert "1.png: has 48x32 pixels, its mask 9x9" in refusal().replace("\\", "/")
    Path("set/masks/1.png").unlink()
    assert "1.png: has no mask of that name" in refusal()
    for path in Path("set/masks").iterdir():
        Image.fromarray(np.full((32, 48), 255, np.uint8)).save(path)
    Path("set/images/1.png").unlink()
    assert "every pixel of every mask is to be ignored" in refusal()
    Path("nothing").mkdir()
    assert "no images with labels found" in cli("train", "unet", "--data", "nothing").err


def test_models_are_not_mixed_up(cli: Cli, with_run: Path, segmenter: Path) -> None:
    """``runs`` has a CycleGAN; the segmenter is named by its path."""
    Image.fromarray(draw_scene(3, size=32).summer).save("a.png")
    wrong = cli("segment", "a.png", "--model", "cyclegan-1")
    assert (wrong.code, "is a translation model without label maps" in wrong.err) == (2, True)
    path = segmenter / "runs/unet-1/model.safetensors"
    wrong = cli("translate", "a.png", "--to", "winter", "--model", path)
    assert (wrong.code, "is a segmenter" in wrong.err) == (2, True)
    wrong = cli("train", "cyclegan", "--init-from", path, "--epochs", "1")
    assert (wrong.code, "is a segmenter" in wrong.err) == (2, True)
    wrong = cli("segment", "a.png", "--model", path, "--outputs", "mask,overlays")
    assert (wrong.code, 'Did you mean "overlay"?' in wrong.err) == (2, True)
    assert "expected a number of pixels" in cli("segment", "a.png", "--model", path, "--size", "big").err
    other = cli("train", "unet", "--init-from", path, "--epochs", "1", *TINY, "--set", "model.width=8")
    assert (other.code, "is another network" in other.err) == (2, True)
