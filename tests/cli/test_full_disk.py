"""A disk that is full: one sentence, nothing half-written, and all goes on once there is room again."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support import TINY, Cli, draw_clip, needs_ffmpeg

from gantool.engine.checkpoints import load_checkpoint

pytestmark = pytest.mark.slow

SIZE = 4 * 2**20
ROOM = 200 * 2**10
"""Bytes that are left on the disk; each command writes more."""


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, a few megabytes in memory; only the system's administrator may mount one."""
    place = tmp_path / "disk"
    place.mkdir()
    if sys.platform != "linux" or shutil.which("mount") is None:
        pytest.skip("a small file system in memory can only be mounted on Linux")
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(place)], capture_output=True, text=True
    )
    if mounted.returncode:
        pytest.skip(f"a small file system cannot be mounted here: {mounted.stderr.strip()}")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def fill(disk: Path) -> Path:
    path = disk / "filler"
    path.write_bytes(bytes(shutil.disk_usage(disk).free - ROOM))
    return path


def is_full(result: object) -> bool:
    return "cannot be written (no space left on " in result.err.lower()  # type: ignore[attr-defined]


def test_training(cli: Cli, disk: Path) -> None:
    options = ["--runs", disk / "runs", *TINY, "--set", "metrics.every=0", "--set", "train.samples_every=0"]
    filler = fill(disk)
    result = cli("train", "cyclegan", "--epochs", "1", *options, "--name", "a")
    assert (result.code, is_full(result)) == (2, True), result.err
    assert not (disk / "runs/a/checkpoints/last.pt").exists()
    filler.unlink()
    assert cli("train", "cyclegan", "--epochs", "1", *options, "--name", "b").code == 0
    fill(disk)
    result = cli("train", "--resume", "b", "--runs", disk / "runs", "--epochs", "3")
    assert (result.code, is_full(result)) == (2, True), result.err
    assert load_checkpoint(disk / "runs/b/checkpoints/last.pt")["progress"]["epoch"] >= 1
    filler.unlink()
    assert cli("train", "--resume", "b", "--runs", disk / "runs", "--epochs", "3").code == 0
    assert not list(disk.rglob(".*"))


def test_preparing(cli: Cli, disk: Path, workplace: Path) -> None:
    for seed, name in enumerate(("summer", "winter")):
        (workplace / "set" / name).mkdir(parents=True)
        for n in range(4):
            pixels = np.random.default_rng([seed, n]).integers(0, 256, (150, 150, 3), np.uint8)
            Image.fromarray(pixels).save(f"set/{name}/{name}{n}.png")
    assert cli("prepare", "set", "-o", "reference").code == 0
    filler = fill(disk)
    result = cli("prepare", "set", "-o", disk / "out")
    assert (result.code, is_full(result)) == (2, True), result.err
    assert not (disk / "out").exists()
    filler.unlink()
    assert cli("prepare", "set", "-o", disk / "out").code == 0
    pictures = {path.relative_to(disk / "out"): path.read_bytes() for path in (disk / "out").rglob("*.png")}
    assert pictures == {path.relative_to("reference"): path.read_bytes() for path in Path("reference").rglob("*.png")}
    assert [path.name for path in disk.iterdir()] == ["out"]


@pytest.mark.parametrize("form", ["onnx", "torchscript", "pt2"])
def test_exporting(form: str, cli: Cli, disk: Path, with_run: Path) -> None:
    filler = fill(disk)
    (disk / "more").write_bytes(bytes(ROOM - 2**14))
    result = cli("export", "cyclegan", "--to", "winter", "-o", f"{disk}/out/", "--format", form)
    assert (result.code, is_full(result)) == (2, True), result.err
    assert not (disk / "out").exists()
    filler.unlink()
    assert cli("export", "cyclegan", "--to", "winter", "-o", f"{disk}/out/", "--format", form).code == 0
    assert len(list((disk / "out").iterdir())) == 1


def test_translating(cli: Cli, disk: Path, with_run: Path) -> None:
    Path("photos").mkdir()
    for n in range(4):
        pixels = np.random.default_rng(n).integers(0, 256, (200, 200, 3), np.uint8)
        Image.fromarray(pixels).save(f"photos/{n}.png")
    call = ("translate", "photos", "--to", "winter", "--skip-existing", "-o")
    assert cli(*call, "reference/").code == 0
    filler = fill(disk)
    result = cli(*call, f"{disk}/out/")
    assert (result.code in (1, 2), is_full(result)) == (True, True), result.err
    filler.unlink()
    assert cli(*call, f"{disk}/out/").code == 0
    made = {path.name: path.read_bytes() for path in (disk / "out").iterdir()}
    assert made == {path.name: path.read_bytes() for path in Path("reference").iterdir()}


@needs_ffmpeg
def test_clips(cli: Cli, disk: Path, workplace: Path) -> None:
    draw_clip(workplace / "a.mp4", source="testsrc2=s=320x240:r=25:d=1,noise=alls=40:allf=t")
    before = sorted(disk.iterdir())
    filler = fill(disk)
    for name in ("a.mp4", "a.mkv", "a.gif", "a.webp", "frames/%03d.png"):
        result = cli(
            "translate", "a.mp4", "--to", "winter", "--model", "seasons", "--quality", "1", "-o", disk / name
        )
        assert (result.code, is_full(result)) == (2, True), (name, result.err)
        assert sorted(disk.iterdir()) == [*before, filler], name
    filler.unlink()
    assert cli("translate", "a.mp4", "--to", "winter", "--model", "seasons", "-o", disk / "a.mp4").code == 0
