from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support import TINY, Cli

from gantool.methods.registry import read_settings


def fill(folder: Path, count: int = 3, size: int = 40) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    for n in range(count):
        Image.fromarray(rng.integers(0, 256, (size, size, 3)).astype(np.uint8)).save(folder / f"{n}.png")
    return folder


def test_training_the_sample(cli: Cli, workplace: Path) -> None:
    result = cli("train", "cyclegan", "--epochs", "2", *TINY)
    assert result.code == 0
    assert result.out == "runs/cyclegan-1/model.safetensors\n"
    assert "epoch 2/2" in result.err
    assert "this model" in result.err and "median training image" in result.err and "histogram matching" in result.err
    assert "gantool translate photo.jpg --to winter" in result.err
    again = cli("train", "--resume", "latest", "--epochs", "3", "--json", "-q")
    assert again.code == 0
    answer = json.loads(again.out)
    assert (answer["epochs"], answer["kind"], answer["stopped"]) == (3, "cyclegan", False)
    assert set(answer["metrics"]) == {"l1_ratio_to_winter", "l1_ratio_to_summer"}
    assert answer["unseen"] is True
    assert again.err == ""


def test_training_the_halves_of_pairs(cli: Cli, workplace: Path) -> None:
    """Side-by-side pairs need no preparing: their halves are two domains."""
    rng = np.random.default_rng(0)
    Path("set/train").mkdir(parents=True)
    for n in range(12):
        halves = np.zeros((40, 80, 3), np.uint8)
        halves[:, 40:] = rng.integers(200, 256, (40, 40, 3))
        Image.fromarray(halves).save(f"set/train/{n}.png")
    result = cli("train", "cyclegan", "--data", "set", "--epochs", "1", *TINY)
    assert result.code == 0, result.err
    assert "11 left and 11 right, 1 and 1 held out" in result.err
    (shown,) = Path("runs/cyclegan-1/samples").glob("epoch-*.png")
    with Image.open(shown) as image:
        sample = np.asarray(image.convert("L"))
    assert sample[:40, :40].mean() < 30


def test_without_pairs_the_delivered_epoch_is_what_was_measured(cli: Cli, workplace: Path) -> None:
    """By SWD, on images that chose it: told as such in every JSON, and not as of unseen images."""
    fill(workplace / "x", 12)
    fill(workplace / "y", 12)
    result = cli("train", "cyclegan", "--domain", "day=x", "--domain", "night=y", "--epochs", "2", *TINY, "--json")
    assert result.code == 0, result.err
    assert "The delivered epoch, on the test images that chose it\n" in result.err
    assert [line.split("↓")[0] for line in result.err.splitlines() if "↓" in line] == [
        "SWD ", "SWD to night ", "SWD to day ",
    ]  # fmt: skip
    answer = json.loads(result.out)
    epochs = [json.loads(line) for line in Path("runs/cyclegan-1/metrics.jsonl").read_text().splitlines()]
    best = min(epochs, key=lambda epoch: epoch["metrics"]["swd"])
    assert set(best["metrics"]) == {"swd", "swd_to_day", "swd_to_night"}
    assert (answer["metrics"], answer["unseen"], answer["baselines"]) == (best["metrics"], False, {})
    told = json.loads(cli("info", "cyclegan-1", "--json").out)
    assert (told["metrics"], told["unseen"]) == (best["metrics"], False)
    assert "On images that the run has not seen" not in Path("runs/cyclegan-1/report.html").read_text("utf-8")


def test_training_two_folders(cli: Cli, workplace: Path) -> None:
    fill(workplace / "x", 12)
    fill(workplace / "y", 12)
    result = cli("train", "cyclegan-light", "--domain", "day=x", "--domain", "night=y", "--epochs", "1", *TINY, "-v")
    assert result.code == 0, result.err
    assert "11 day and 11 night, 1 and 1 held out" in result.err
    assert "M parameters" in result.err
    assert "1 epoch of 11 steps" in result.err
    assert "Less than a minute left on this CPU" in result.err
    assert len((workplace / "runs/cyclegan-light-1/held_out.txt").read_text().splitlines()) == 2
    assert cli("translate", "x/0.png", "--to", "night").code == 0
    assert (workplace / "0.night.png").is_file()


def test_write_settings(cli: Cli, workplace: Path) -> None:
    result = cli("train", "cyclegan", "--epochs", "7", "--write-settings", "my.yaml")
    assert (result.code, result.out) == (0, "my.yaml\n")
    assert read_settings(Path("my.yaml")).train.epochs == 7
    assert cli("train", "cyclegan", "--write-settings", "my.yaml").code == 2
    assert cli("train", "cyclegan", "--write-settings", "my.yaml", "--overwrite").code == 0
    assert not Path("runs").exists()


def test_list_models_and_dry_run(cli: Cli, workplace: Path) -> None:
    assert "cyclegan-light" in cli("train", "--list-models").out
    assert "cyclegan" in json.loads(cli("train", "--list-models", "--json").out)["models"]
    result = cli("train", "cyclegan", "--dry-run", *TINY)
    assert result.code == 0
    assert "nothing was kept" in result.err
    assert "GiB on cpu" in result.err
    assert result.err.startswith("Dry run: built-in sample, 4 drawn scenes"), "no folder that is gone afterwards"
    assert "The whole training has 80 steps. Judged by this first one" in result.err
    assert list(workplace.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["cyclgan"], ['Did you mean "cyclegan"']),
        ([], ["No model named"]),
        (["cyclegan", "--set", "optimizer.lrr=1"], ["optimizer.lrr", 'Did you mean "lr"']),
        (["cyclegan", "--size", "250"], ["data.size", "multiple of 4", "248 or 252"]),
        (["cyclegan", "--set", "model.generator=unet_256", "--size", "128"], ["multiple of 256", "Use 256"]),
        (["cyclegan", "--size", "16"], ["at least 32", "discriminator"]),
        (["cyclegan", "--set", "model.generator=resnet_7blocks"], ["model.generator", "resnet_9blocks"]),
        (["cyclegan", "--set", "model.generator=unet_128", "--set", "model.padding=zeros"], ["no such option"]),
        (["cyclegan", "--set", "data.load_size=64"], ["data.load_size", "at least"]),
        (["cyclegan", "--batch-size", "3", "--devices", "2"], ["train.batch_size", "multiple of"]),
        (["cyclegan", "--device", "cuda:9"], ["--device cpu"]),
        (["cyclegan", "--precision", "fp16", "--device", "cpu"], ["fp16 needs a CUDA device"]),
        (["cyclegan", "--data", "nowhere"], ["nowhere", "no such folder"]),
        (["cyclegan", "--domain", "a=x", "--domain", "b=y"], ["x: there is no such folder"]),
        (["cyclegan", "--domain", "a=x"], ["--domain: names one folder, two are expected."]),
        (["cyclegan", "--domain", "ax"], ["expected NAME=DIR"]),
        (["cyclegan", "--domain", "a=x", "--domain", "a=y"], ["named twice"]),
        (["cyclegan", "--data", "x", "--domain", "a=x"], ["give one of them"]),
        (["--resume", "latest"], ["no runs yet"]),
        (["--resume", "latest", "--name", "x"], ["neither --init-from nor --name"]),
        (["cyclegan", "--name", "a/b"], ["no file name on every system"]),
        (["cyclegan", "--init-from", "nothing"], ["--init-from nothing", 'no model "nothing"']),
        (["cyclegan", "--epochs", "many"], ["--epochs many: expected a whole number."]),
        (["cyclegan", "--epochs", "0"], ["train.epochs", "must be at least 1, got 0"]),
        (["cyclegan", "--config", "none.yaml"], ["none.yaml: there is no such settings file"]),
        (["cyclegan", "--epcohs", "3"], ["--epochs"]),
        (["cyclegan", "--set", "augment.preprocess=none", "--batch-size", "2"], ["needs train.batch_size 1"]),
    ],
)
def test_mistakes_cost_one_sentence(arguments: list[str], words: list[str], cli: Cli, workplace: Path) -> None:
    result = cli("train", *arguments)
    assert result.code == 2
    assert result.out == ""
    for word in words:
        assert word in result.err
    assert not list(workplace.glob("runs/*/model.safetensors"))


def test_unusable_images_are_all_named_before_training(cli: Cli, workplace: Path) -> None:
    fill(workplace / "d/trainA")
    fill(workplace / "d/trainB")
    (workplace / "d/trainA/text.jpg").write_text("no")
    cut = (workplace / "d/trainB/0.png").read_bytes()
    (workplace / "d/trainB/cut.png").write_bytes(cut[: len(cut) // 2])
    Image.new("RGB", (1, 1)).save(workplace / "d/trainB/tiny.png")
    result = cli("train", "cyclegan", "--data", "d", *TINY)
    assert result.code == 2
    assert "3 images cannot be used" in result.err
    for name in ("text.jpg", "cut.png", ["tiny.png", "has", "1x1", "pixels"][0]):
        assert name in result.err
    assert not Path("runs").exists()


def test_empty_and_missing_domains(cli: Cli, workplace: Path) -> None:
    (workplace / "empty").mkdir()
    assert "no images found" in cli("train", "cyclegan", "--data", "empty").err
    fill(workplace / "half/trainA")
    assert 'the domain "B" is missing' in cli("train", "cyclegan", "--data", "half").err
    (workplace / "file").touch()
    assert "is a file, expected a folder" in cli("train", "cyclegan", "--data", "file").err


def test_compile_without_a_compiler(cli: Cli, workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    result = cli("train", "cyclegan", "--compile")
    assert (result.code, "needs a C++ compiler" in result.err) == (2, True)


@pytest.mark.parametrize(
    ("option", "written"), [((), "auto"), (("--compile",), "true"), (("--no-compile",), "false")]
)
def test_compiling_can_be_left_to_gantool(cli: Cli, workplace: Path, option: tuple[str, ...], written: str) -> None:
    assert cli("train", "cyclegan", *option, "--write-settings", "s.yaml").code == 0
    assert f"  compile: {written}\n" in Path("s.yaml").read_text()
    wrong = cli("train", "cyclegan", "--set", "runtime.compile=maybe")
    assert (wrong.code, "runtime.compile: must be auto, true or false, got" in wrong.err) == (2, True), wrong.err


def test_a_dry_run_does_not_resume(cli: Cli, with_run: Path) -> None:
    before = {path: path.read_bytes() for path in Path("runs").rglob("*") if path.is_file()}
    result = cli("train", "--resume", "latest", "--dry-run")
    assert (result.code, "--dry-run checks a new run" in result.err) == (2, True)
    assert before == {path: path.read_bytes() for path in Path("runs").rglob("*") if path.is_file()}


def test_resuming_with_other_settings(cli: Cli, with_run: Path) -> None:
    result = cli("train", "--resume", "cyclegan-1", "--size", "64")
    assert result.code == 2
    assert "data.size = 32, it cannot be resumed with 64" in result.err
    assert cli("train", "cyclegan-light", "--resume", "cyclegan-1").code == 2


def test_a_run_without_a_checkpoint_has_one_way_on(cli: Cli, workplace: Path) -> None:
    assert cli("train", "cyclegan", "--epochs", "1", "--name", "mine", *TINY).code == 0
    Path("runs/mine/checkpoints/last.pt").unlink()
    for name in ("mine", "latest"):
        refused = cli("train", "--resume", name)
        assert refused.code == 2
        assert "Start another run: gantool train cyclegan --config runs/mine/settings.yaml." in refused.err
    Path("runs/mine/settings.yaml").unlink()
    assert "Start another run: gantool train cyclegan." in cli("train", "--resume", "mine").err


def test_aligned_pairs_must_fit(cli: Cli, workplace: Path) -> None:
    fill(workplace / "d/trainA", 3)
    fill(workplace / "d/trainB", 4)
    result = cli("train", "cyclegan", "--data", "d", "--set", "data.align=true", *TINY)
    assert "got 3 and 4" in result.err
    fill(workplace / "e/trainA", 2, 40)
    fill(workplace / "e/trainB", 2, 44)
    assert "its partner" in cli("train", "cyclegan", "--data", "e", "--set", "data.align=true", *TINY).err
    fill(workplace / "f/trainA", 2)
    fill(workplace / "f/trainB", 2)
    assert cli("train", "cyclegan", "--data", "f", "--set", "data.align=true", "--epochs", "1", *TINY).code == 0


@pytest.mark.parametrize(
    "settings",
    [
        ["data.channels=[1,3]", "loss.identity=0"],
        ["augment.preprocess=crop"],
        ["augment.preprocess=scale_width_and_crop"],
        ["augment.preprocess=scale_width"],
        ["augment.preprocess=none"],
        ["loss.adversarial=wgan-gp"],
        ["loss.adversarial=vanilla", "loss.cycle_distance=mse", "optimizer.name=sgd", "optimizer.clip_norm=1"],
        ["model.generator=unet_32", "model.norm=batch", "model.discriminator=pixel"],
        ["model.padding=zeros", "model.activation=leaky_relu"],
        ["schedule.name=plateau"],
        ["runtime.channels_last=true"],
    ],
)
def test_every_variant_trains_and_translates(settings: list[str], cli: Cli, workplace: Path) -> None:
    fill(workplace / "d/day")
    fill(workplace / "d/night")
    options = [part for assignment in settings for part in ("--set", assignment)]
    result = cli("train", "cyclegan", "--data", "d", "--epochs", "2", *TINY, *options)
    assert result.code == 0, result.err
    done = cli("translate", "d/day/0.png", "--to", "night")
    assert done.code == 0, done.err
    with Image.open("0.night.png") as image:
        assert image.size == (40, 40)
        assert image.mode == "RGB"


def test_real_photos(cli: Cli, workplace: Path, real_data: Path) -> None:
    result = cli(
        "train", "cyclegan-light", "--data", real_data / "summer2winter_yosemite", "--epochs", "1", *TINY,
        "--set", "data.max_images=3",
    )  # fmt: skip
    assert result.code == 0, result.err
    photo = min((real_data / "summer2winter_yosemite/testA").iterdir())
    assert cli("translate", photo, "--to", "winter", "-o", "out.jpg").code == 0
    with Image.open("out.jpg") as image:
        assert image.size == (256, 256)


def test_an_error_of_ours_says_where_the_traceback_is(
    cli: Cli, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gantool.workflows.plan_training.plan_training", lambda *_, **__: 1 / 0)
    monkeypatch.setattr("tempfile.tempdir", str(workplace))
    result = cli("train", "cyclegan")
    assert result.code == 70
    (log,) = workplace.glob("gantool-*.log")
    assert str(log) in result.err
    assert "ZeroDivisionError" in log.read_text()


def test_tensorboard_must_be_installed_first(cli: Cli, workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gantool.workflows.train.find_spec", lambda name: None)
    result = cli("train", "cyclegan", "--set", "runtime.tensorboard=true")
    assert result.code == 2
    assert "gantool[tensorboard]" in result.err


def test_a_finished_run_says_so_and_how_to_train_longer(cli: Cli, with_run: Path) -> None:
    done = cli("train", "--resume", "latest")
    assert done.code == 0
    assert done.out == f"{Path('runs/cyclegan-1/model.safetensors')}\n"
    assert done.err.splitlines() == [
        "cyclegan-1 is finished: 1 of 1 epoch done.",
        "To train longer: gantool train --resume cyclegan-1 --epochs 2",
    ]
    answer = json.loads(cli("train", "--resume", "latest", "--json", "-q").out)
    assert (answer["epochs"], answer["stopped"]) == (1, False)
    assert answer["metrics"] and answer["baselines"], "all the same"
    longer = cli("train", "--resume", "latest", "--epochs", "2")
    assert "resumed after epoch 1" in longer.err
    assert "Best epoch" in longer.err, "at its end all is told"


def test_a_run_that_ended_early_is_finished(cli: Cli, workplace: Path) -> None:
    begun = cli("train", "cyclegan", "--epochs", "9", "--lr", "1e-9", "--set", "train.patience=1", *TINY)
    (early,) = [line for line in begun.err.splitlines() if line.startswith("Ended after epoch")]
    epochs = early.split()[3].rstrip(":")
    assert cli("train", "--resume", "latest").err.splitlines() == [
        f"cyclegan-1 is finished: it ended early, after epoch {epochs} of 9.",
        "To train on from its weights: gantool train cyclegan --init-from cyclegan-1",
    ]
