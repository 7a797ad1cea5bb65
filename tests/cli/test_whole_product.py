"""What the README promises: with a third of its epochs in the continuous integration, whole before a release."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image

from gantool.data.sample import draw_scene

LENGTHS = [pytest.param(6, marks=pytest.mark.slow), pytest.param(20, marks=pytest.mark.release)]


def proportional_memory(process: psutil.Popen) -> int:
    """Proportional set size of a process and its children, in bytes."""
    total = 0
    for one in [process, *process.children(recursive=True)]:
        try:
            total += one.memory_full_info().pss
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return total


def anonymous_memory(process: psutil.Popen) -> int:
    """Anonymous memory of a process, in bytes."""
    try:
        rollup = Path(f"/proc/{process.pid}/smaps_rollup").read_text()
    except OSError:
        return 0
    lines = (line.split() for line in rollup.splitlines() if line.startswith("Anonymous:"))
    return sum(int(line[1]) for line in lines) * 1024


@pytest.mark.parametrize("epochs", LENGTHS)
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_the_first_minutes_of_a_newcomer(epochs: int, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "gantool", "train", "cyclegan", "--epochs", str(epochs), "--json"]
    with psutil.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as process:
        peak = 0
        while process.poll() is None:
            peak = max(peak, proportional_memory(process))
            try:
                process.wait(5)
            except psutil.TimeoutExpired:
                continue
        answer = json.loads(process.stdout.read())
    assert process.returncode == 0
    assert peak < 2 * 2**30
    assert answer["metrics"]["l1_ratio_to_winter"] <= 0.36
    assert answer["metrics"]["l1_ratio_to_summer"] <= 0.36
    for guess in answer["baselines"].values():
        for key, value in guess.items():
            assert answer["metrics"][key] < value

    Image.fromarray(draw_scene(7, size=(301, 203)).summer).save(tmp_path / "photo.jpg")
    translate = [sys.executable, "-m", "gantool", "translate", "photo.jpg", "--to", "winter"]
    subprocess.run(translate, cwd=tmp_path, check=True)
    with Image.open(tmp_path / "photo.winter.jpg") as picture:
        assert picture.size == (301, 203)

    Image.fromarray(draw_scene(8, size=(6000, 4000)).summer).save(tmp_path / "large.png", compress_level=1)
    with psutil.Popen([*translate[:4], "large.png", "--to", "winter", "-o", "out.png"], cwd=tmp_path) as large:
        peak = 0
        while large.poll() is None:
            peak = max(peak, anonymous_memory(large))
            try:
                large.wait(0.2)
            except psutil.TimeoutExpired:
                continue
    assert large.returncode == 0
    assert peak < 3 * 2**30
    with Image.open(tmp_path / "out.png") as picture:
        assert picture.size == (6000, 4000)
        assert np.asarray(picture.reduce(50)).std() > 10
