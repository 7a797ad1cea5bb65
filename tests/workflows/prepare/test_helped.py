"""Sets with label maps that helper processes look at and write: the same bytes as by this process alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gantool.cli.app import run
from gantool.data.parallel import helpers
from gantool.workflows.prepare import writing
from gantool.workflows.prepare.rendering import write_image

COLORS = ((0, 0, 0), (200, 30, 30), (30, 200, 30))


def labelled_set(root: Path, kind: str, count: int = 14) -> None:
    """Images of noise, and label maps of three classes: stored values, colors, or blurred colors."""
    for folder in ("images", "masks"):
        (root / folder).mkdir(parents=True)
    for n in range(count):
        rng = np.random.default_rng(n)
        Image.fromarray(rng.integers(0, 256, (24, 32, 3)).astype(np.uint8)).save(root / "images" / f"{n:02d}.png")
        indices = np.repeat(np.repeat(rng.integers(0, 3, (3, 4)), 8, 0), 8, 1).astype(np.uint8)
        if kind == "values":
            mask = Image.fromarray(indices * 7)
        else:
            mask = Image.fromarray(np.array(COLORS, dtype=np.uint8)[indices])
        if n == 3:
            mask = mask.crop((0, 0, 32, 16))  # not of its image's size
        mask.save(root / "masks" / (f"{n:02d}.jpg" if kind == "blurred" else f"{n:02d}.png"))


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != "report.html"
    }


def test_nothing_is_left_of_processes_that_were_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def writes_and_is_killed(options: Any, domains: Any, image: Any, name: str, place: Any) -> None:
        write_image(options, domains, image, name, place)
        (place.root / image.split / image.domain / f".abc123-77-0123abcd.{name}").touch()

    monkeypatch.setattr(writing, "write_image", writes_and_is_killed)
    for domain in "ab":
        (tmp_path / "set" / domain).mkdir(parents=True)
        for n in range(3):
            pixels = np.random.default_rng(n + ord(domain)).integers(0, 256, (24, 24, 3)).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / "set" / domain / f"{n}.png")
    monkeypatch.chdir(tmp_path)
    assert run(["prepare", "set", "--as", "unpaired", "-o", "new"]) == 0, capsys.readouterr().err
    assert len([*Path("new").rglob("*.png")]) == 6
    assert not [*Path("new").rglob(".*")]


@pytest.mark.parametrize("tiled", [False, True])
@pytest.mark.parametrize("kind", ["values", "colors", "blurred"])
def test_the_same_as_without_helpers(
    kind: str, tiled: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    labelled_set(tmp_path / "set", kind)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    told = []
    started: list[int] = []
    original = helpers._Helper.__init__

    def noted(self: helpers._Helper[object, object], work: object) -> None:
        started.append(1)
        original(self, work)  # type: ignore[arg-type]

    monkeypatch.setattr(helpers._Helper, "__init__", noted)
    for least, target in ((10, "helped"), (10**9, "alone")):
        monkeypatch.setattr(helpers, "LEAST", least)
        code = run(["prepare", "set", "-o", target, "--json", *(["--tile", "16"] if tiled else [])])
        out = capsys.readouterr().out
        assert code == 1, out
        assert "its mask 32x16" in out
        told.append({**json.loads(out), "path": "", "page": "", "seconds": 0})
        if target == "helped":
            assert len(started) >= 4
            started.clear()
    assert not started
    assert told[0] == json.loads(json.dumps(told[1]).replace("alone", "helped"))
    assert files(Path("helped")) == files(Path("alone"))
    assert len(files(Path("helped"))) > 20
