"""Commands that are killed or stopped at any moment: nothing half-written has a final name, and what a rerun makes is
what an undisturbed one makes. ``GANTOOL_KILLS=50 pytest -m slow tests/cli/test_kills.py`` tries more moments.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from safetensors.torch import load_file
from support import TINY
from test_processes import finish, start

from gantool.engine.checkpoints import load_checkpoint
from gantool.methods.registry import read_settings
from gantool.models.runs import Run

COUNT = int(os.environ.get("GANTOOL_KILLS", "2"))
"""Moments per command; every other one has SIGTERM instead of SIGKILL."""
TIMES = ("time", "seconds", "images_per_second", "wait_share")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="processes cannot be killed like that here"),
]


@dataclass(frozen=True)
class Command:
    """What is run and killed in a folder of its own.

    Attributes:
        first, again: the arguments, and those of the rerun.
        begun: what is there once it has begun to write.
        whole: checks that what has a final name is whole; gets the folder and the undisturbed one.
        same: checks the result of the rerun likewise.
    """

    first: list[str]
    again: Callable[[Path], list[str] | None]
    begun: str
    whole: Callable[[Path, Path], None]
    same: Callable[[Path, Path], None]


def tree(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# -- train --


def whole_run(place: Path, reference: Path) -> None:
    run = Run(place / "runs/it")
    run.facts()
    run.read_metrics()
    if run.settings.exists():
        read_settings(run.settings)
    if run.checkpoint.exists():
        load_checkpoint(run.checkpoint)
    for path in run.path.rglob("[!.]*"):
        if path.suffix == ".safetensors":
            load_file(path)
        elif path.suffix == ".png":
            with Image.open(path) as image:
                image.load()
        elif path.suffix == ".html":
            assert path.read_text("utf-8").rstrip().endswith("</html>")


def go_on(place: Path) -> list[str]:
    """Before the first checkpoint there is nothing to go on from."""
    if Run(place / "runs/it").checkpoint.exists():
        return ["train", "--resume", "it"]
    shutil.rmtree(place / "runs")
    return TRAIN


def same_run(place: Path, reference: Path) -> None:
    made, expected = place / "runs/it", reference / "runs/it"
    assert sorted(tree(made)) == sorted(tree(expected))
    for name in ("model.safetensors", "last.safetensors"):
        left, right = load_file(made / name), load_file(expected / name)
        assert {key: value.numpy().tobytes() for key, value in left.items()} == {
            key: value.numpy().tobytes() for key, value in right.items()
        }
    assert records(made) == records(expected)
    assert Run(made).facts()["metrics"] == Run(expected).facts()["metrics"]


def records(run: Path) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [{key: value for key, value in line.items() if key not in TIMES} for line in lines]


# -- prepare, export, translate --


def whole_set(place: Path, reference: Path) -> None:
    if (place / "out").exists():
        same_files(place, reference)


def prepare_again(place: Path) -> list[str] | None:
    return None if (place / "out").exists() else PREPARE


def whole_files(place: Path, reference: Path) -> None:
    expected = tree(reference / "out")
    for name, content in tree(place / "out").items():
        assert Path(name).name.startswith(".") or content == expected[name], name


def export_again(place: Path) -> list[str] | None:
    return None if (place / "out/model.pt").exists() else EXPORT


def same_files(place: Path, reference: Path) -> None:
    assert tree(place / "out") == tree(reference / "out")


TRAIN = [
    "train", "cyclegan", *TINY, "--epochs", "8", "--name", "it", "--set", "train.save_steps=3",
    "--set", "train.pool_size=5",
]  # fmt: skip
PREPARE = ["prepare", "set", "-o", "out", "--tile", "48"]
EXPORT = ["export", "runs/cyclegan-1", "--to", "winter", "--format", "torchscript", "-o", "out/model.pt"]
TRANSLATE = ["translate", "photos", "--to", "winter", "-o", "out/", "--skip-existing"]
COMMANDS = {
    "train": Command(TRAIN, go_on, "runs/it/settings.yaml", whole_run, same_run),
    "prepare": Command(PREPARE, prepare_again, "out.partial", whole_set, same_files),
    "export": Command(EXPORT, export_again, "out", whole_files, same_files),
    "translate": Command(TRANSLATE, lambda place: TRANSLATE, "out", whole_files, same_files),
}


@dataclass(frozen=True)
class Undisturbed:
    """What a command makes in a folder, and how many seconds after it has begun to write."""

    place: Path
    seconds: float


@pytest.fixture(scope="module")
def materials(trained: Path) -> Path:
    """A folder with all that the commands take."""
    rng = np.random.default_rng(0)
    for n in range(10):
        for name, shape, levels in (("images", (144, 144, 3), 256), ("masks", (144, 144), 2)):
            path = trained / f"set/train/{name}/{n}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(rng.integers(0, levels, shape, np.uint8)).save(path)
        (trained / "photos").mkdir(exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (300, 200, 3), np.uint8)).save(trained / f"photos/{n}.png")
    return trained


def place_for(name: str, folder: Path, materials: Path) -> Path:
    needed = {"train": [], "prepare": ["set"], "export": ["runs"], "translate": ["runs", "photos"]}[name]
    for one in needed:
        shutil.copytree(materials / one, folder / one)
    return folder


@pytest.fixture(scope="module")
def undisturbed(materials: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Undisturbed]:
    known: dict[str, Undisturbed] = {}

    def make(name: str) -> Undisturbed:
        if name not in known:
            place = place_for(name, tmp_path_factory.mktemp(name), materials)
            process = start(place, *COMMANDS[name].first, "-q")
            begun = wait(process, place / COMMANDS[name].begun)
            finish(process)
            known[name] = Undisturbed(place, time.monotonic() - begun)
            COMMANDS[name].whole(place, place)
        return known[name]

    return make


def wait(process: Any, path: Path) -> float:
    while not path.exists() and process.poll() is None:
        time.sleep(0.001)
    return time.monotonic()


@pytest.mark.parametrize("seed", range(COUNT))
@pytest.mark.parametrize("name", COMMANDS)
def test_at_any_moment(
    name: str, seed: int, tmp_path: Path, materials: Path, undisturbed: Callable[[str], Undisturbed]
) -> None:
    command, reference = COMMANDS[name], undisturbed(name)
    place = place_for(name, tmp_path, materials)
    process = start(place, *command.first, "-q")
    wait(process, place / command.begun)
    time.sleep(random.Random(f"{name} {seed}").uniform(0, reference.seconds))
    process.send_signal(signal.SIGTERM if seed % 2 else signal.SIGKILL)
    _, err = process.communicate(timeout=240)
    assert process.returncode in ((143, 0, -signal.SIGTERM) if seed % 2 else (-signal.SIGKILL, 0)), err
    assert "Traceback" not in err
    command.whole(place, reference.place)
    again = command.again(place)
    if again is not None:
        finish(start(place, *again, "-q"))
    command.same(place, reference.place)
    left = [path for path in place.rglob("*") if path.name.startswith(".") or path.suffix in (".partial", ".lock")]
    assert left == []
