"""A small trained model, made once, and the command line run in this process."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from support import SEGMENTER_TINY, TINY, Cli, Outcome

from gantool.cli.app import run


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Cli:
    def call(*arguments: str | Path) -> Outcome:
        capsys.readouterr()
        code = run([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        assert "Traceback" not in captured.err
        return Outcome(code, captured.out, captured.err)

    return call


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``runs/cyclegan-1``."""
    folder = tmp_path_factory.mktemp("trained")
    assert run(["train", "cyclegan", "--epochs", "1", "-q", "--runs", str(folder / "runs"), *TINY]) == 0
    return folder


@pytest.fixture
def with_run(workplace: Path, trained: Path) -> Path:
    """The current folder, with that run in it."""
    shutil.copytree(trained / "runs", workplace / "runs")
    return workplace


@pytest.fixture(scope="session")
def segmenter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("segmenter")
    assert run(["train", "unet", "--epochs", "30", "-q", "--runs", str(folder / "runs"), *SEGMENTER_TINY]) == 0
    return folder


@pytest.fixture
def with_segmenter(workplace: Path, segmenter: Path) -> Path:
    shutil.copytree(segmenter / "runs", workplace / "runs")
    return workplace
