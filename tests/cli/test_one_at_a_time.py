"""A run is trained and a data set is written by one process at a time; reading is hindered by nobody."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support import TINY, Cli

import gantool
from gantool.errors import RunError
from gantool.models.runs import Run
from gantool.workflows.prepare.target import lock_target


@pytest.fixture
def photos(workplace: Path) -> str:
    """Two domains."""
    for seed, name in enumerate(("summer", "winter")):
        rng = np.random.default_rng(seed)
        (workplace / "photos" / name).mkdir(parents=True)
        for n in range(3):
            pixels = rng.integers(0, 256, (40, 40, 3), np.uint8)
            Image.fromarray(pixels).save(workplace / "photos" / name / f"{name}{n}.png")
    return "photos"


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_run_that_is_being_trained_is_not_resumed(cli: Cli, with_run: Path) -> None:
    run = Run(Path("runs/cyclegan-1"))
    with run.locked():
        before = contents(Path("runs"))
        result = cli("train", "--resume", "latest", "--epochs", "2")
        assert (result.code, result.out) == (2, "")
        assert f"runs/cyclegan-1: is being trained by process {os.getpid()} on " in result.err
        assert result.err.count("\n") == 1
        assert contents(Path("runs")) == before
        assert cli("info", "cyclegan-1").code == 0
        Image.new("RGB", (32, 32)).save("photo.png")
        assert cli("translate", "photo.png", "--to", "winter").code == 0
    assert cli("train", "--resume", "latest", "--epochs", "2").code == 0
    assert not list(run.path.glob(".lock*"))


@pytest.mark.parametrize("dry", [False, True])
def test_a_new_run_is_held_while_it_is_trained(dry: bool, workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from gantool.workflows.plan_training import TrainOptions, plan_training
    from gantool.workflows.train import Started, training_events

    settings = [part for part in TINY if "=" in part]
    options = TrainOptions("cyclegan", size=32, epochs=1, device="cpu", assignments=settings, dry_run=dry)
    runs = set()
    for event in training_events(plan_training(options)):
        if isinstance(event, Started):
            runs.add(event.run)
        for run in runs:
            with pytest.raises(RunError, match="is being trained"), Run(run).locked():
                pass
    assert len(runs) == 1
    assert not list(workplace.rglob(".lock*"))


def test_only_the_first_process_of_a_run_locks_it(with_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from gantool.workflows import train

    for environment, first in [
        ({}, True),
        ({"RANK": "0", "LOCAL_RANK": "0"}, True),
        ({"RANK": "2", "LOCAL_RANK": "0"}, False),
        ({"LOCAL_RANK": "1"}, False),
        ({"SLURM_NTASKS": "2", "SLURM_PROCID": "1"}, False),
        ({"SLURM_NTASKS": "2", "SLURM_PROCID": "0"}, True),
    ]:
        for name in ("RANK", "LOCAL_RANK", "SLURM_NTASKS", "SLURM_PROCID", "NODE_RANK"):
            monkeypatch.delenv(name, raising=False)
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        assert train._is_first() == first, environment


def test_a_data_set_that_is_being_written_is_left_alone(cli: Cli, photos: str) -> None:
    with lock_target(Path("data/photos")):
        result = cli("prepare", photos)
        assert (result.code, result.out) == (2, "")
        assert f"data/photos: is being written by process {os.getpid()} on " in result.err
        assert cli("prepare", photos, "--check").code == 0
        assert cli("prepare", photos, "-o", "other").code == 0
    seen = []

    def look(what: str, done: int, total: int) -> None:
        with pytest.raises(gantool.errors.OutputError, match="is being written"), lock_target(Path("data/photos")):
            pass
        seen.append(what)

    gantool.prepare(photos, on_progress=look)
    assert {"checking", "writing"} <= set(seen)
    assert [path.name for path in Path("data").iterdir()] == ["photos"]


def test_a_data_set_that_another_one_finished_meanwhile(
    cli: Cli, workplace: Path, photos: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gantool.workflows import prepare

    choose = prepare.choose_target

    def finish_first(*arguments: object) -> Path:
        target = choose(*arguments)  # type: ignore[arg-type]
        monkeypatch.undo()
        monkeypatch.chdir(workplace)
        gantool.prepare(photos)
        return target

    monkeypatch.setattr(prepare, "choose_target", finish_first)
    result = cli("prepare", photos)
    assert (result.code, "data/photos: exists already" in result.err) == (2, True)


def test_without_locks_work_goes_on_and_says_so(cli: Cli, photos: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import contextlib

    for module in ("locks", "workflows.prepare.target"):
        monkeypatch.setattr(f"gantool.{module}.locked", lambda path, what, busy: contextlib.nullcontext(False))
    result = cli("train", "cyclegan", "--epochs", "1", *TINY)
    assert (result.code, "The file system has no locks" in result.err) == (0, True)
    result = cli("prepare", photos)
    assert (result.code, "has no locks; make sure that nothing else writes to data/photos" in result.err) == (0, True)


def test_an_old_data_set_is_never_half_there(cli: Cli, photos: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It goes only once the new one has its name; what a killed process left of it goes with the next call."""
    import shutil

    assert cli("prepare", photos).code == 0
    target, removed = Path("data/photos"), []
    remove = shutil.rmtree

    def look(path: Path, **options: bool) -> None:
        assert path != target
        removed.append((path.name, (target / "dataset.yaml").is_file()))
        remove(path, **options)  # type: ignore[arg-type]

    Path("data/.photos.old").mkdir()
    monkeypatch.setattr("gantool.workflows.prepare.target.shutil.rmtree", look)
    assert cli("prepare", photos, "--overwrite").code == 0
    assert removed == [(".photos.old", True)] * 2
    assert [path.name for path in Path("data").iterdir()] == ["photos"]
