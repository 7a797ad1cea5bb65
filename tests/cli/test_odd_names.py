"""Options, names and sizes that make no sense, or hardly any, cost one sentence."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support import TINY, Cli

LONG = "a" * 300


def picture(name: str = "a.png") -> None:
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8)).save(name)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--precision", "fp8"], "must be auto, fp32, bf16 or fp16, got 'fp8'"),
        (["--overwrite", "--skip-existing"], "do not go together"),
        (["--size", "100000x100000"], "more than 178 million pixels"),
        (["--size", "²x²"], "expected WIDTHxHEIGHT"),
        (["--tile", "²"], "expected auto, off"),
        (["-o", f"{LONG}.png"], "too long"),
        (["-o", f"{LONG}/"], "too long"),
        (["--model", LONG], "too long"),
    ],
)
def test_translate_refuses(options: list[str], words: str, cli: Cli, with_run: Path) -> None:
    picture()
    result = cli("translate", "a.png", "--to", "winter", *options)
    assert (result.code, words in result.err) == (2, True), result.err
    assert sorted(path.name for path in Path().iterdir()) == ["a.png", "runs"]


@pytest.mark.slow
def test_exported_files_refuse_precisions_too(cli: Cli, with_run: Path) -> None:
    picture()
    assert cli("export", "cyclegan", "--to", "winter", "-o", "winter.onnx", "-q").code == 0
    for word, reason in (("fp8", "must be auto, fp32"), ("bf16", "was exported in fp32")):
        result = cli("translate", "a.png", "--to", "winter", "--model", "winter.onnx", "--precision", word)
        assert (result.code, reason in result.err) == (2, True), result.err
    huge = cli("export", "cyclegan", "--to", "winter", "--static-size", "100000x100000", "-o", "huge.onnx")
    assert (huge.code, "at most 8192" in huge.err) == (2, True), huge.err


def test_segment_refuses_absurd_sizes(cli: Cli, with_segmenter: Path) -> None:
    picture()
    for size, words in (("100000", "more than 178 million pixels"), ("²", "expected a number of pixels")):
        result = cli("segment", "a.png", "--size", size)
        assert (result.code, words in result.err) == (2, True), result.err


def test_standard_input(cli: Cli, with_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for stream, words in (
        (None, "-: standard input is closed"),
        (io.StringIO("a.png\0b.png"), "For paths that end in zero bytes"),
    ):
        monkeypatch.setattr(sys, "stdin", stream)
        result = cli("translate", "-", "--to", "winter")
        assert (result.code, words in result.err) == (2, True), result.err


def test_a_name_that_is_too_long_to_be_there(cli: Cli, with_run: Path) -> None:
    result = cli("translate", f"{LONG}.png", "--to", "winter")
    assert (result.code, "is too long for the name of a file" in result.err) == (2, True), result.err


@pytest.mark.skipif(os.name == "nt", reason="such names cannot be there")
def test_new_names_are_told(cli: Cli, with_run: Path) -> None:
    for name in ("12:23:20.png", "12:23:21.png", "plain.png"):
        picture(name)
    result = cli("translate", "12:23:20.png", "12:23:21.png", "plain.png", "--to", "winter")
    assert result.out.split() == ["12_23_20.winter.png", "12_23_21.winter.png", "plain.winter.png"]
    assert "2 results named differently from the image" in result.err
    assert "allows its name: 12_23_20.winter.png, ..." in result.err
    for options in (["plain.png", "--overwrite"], ["12:23:20.png", "-o", "out.png"]):
        assert "named differently" not in cli("translate", *options, "--to", "winter").err
    sent = cli("translate", "12:23:20.png", "--to", "winter", "-o", "memory://odd-names")
    assert "allows its name: memory://odd-names/12_23_20.winter.png\n" in sent.err
    for part in ("trainA", "trainB"):
        Path("set", part).mkdir(parents=True)
        picture(f"set/{part}/12:23:20.png")
        picture(f"set/{part}/2.png")
    result = cli("prepare", "set")
    assert "2 images got other names, which every system accepts, such as '12_23_20' for '12:23:20'" in result.err
    assert "other names" not in cli("prepare", "data/set", "-o", "again").err


@pytest.mark.skipif(sys.platform != "linux", reason="names of files are bytes on Linux only")
def test_names_that_are_no_text(with_run: Path) -> None:
    picture()
    Path("a.png").rename(os.fsdecode(b"caf\xe9.png"))
    command = [sys.executable, "-m", "gantool", "translate", "-", "--to", "winter", "-o", b"out\xe9"]
    environment = {**os.environ, "PYTHONIOENCODING": "utf-8"}
    done = subprocess.run(command, input=b"caf\xe9.png\n", capture_output=True, env=environment)
    assert (done.returncode, done.stdout) == (0, b"out\xe9/caf_.winter.png\n"), done.stderr
    assert os.listdir(b"out\xe9") == [b"caf_.winter.png"]  # noqa: PTH208 -- as bytes


@pytest.mark.skipif(sys.platform != "linux", reason="names of files are bytes on Linux only")
def test_names_that_are_no_text_in_data_sets(cli: Cli, workplace: Path) -> None:
    """Pages show them with escapes, lists and tables hold their bytes."""
    summer = os.fsdecode(b"\xe9t\xe9")
    for folder in (summer, "winter"):
        Path(folder).mkdir()
        for n in range(12):
            pixels = np.random.default_rng(n + 20 * len(folder)).integers(0, 256, (40, 40, 3), np.uint8)
            Image.fromarray(pixels).save(f"{folder}/{os.fsdecode(b'caf' + bytes([0xE9]))}-{n}.png")
    named = ("--domain", f"a={summer}", "--domain", "b=winter")
    done = cli("prepare", *named, "--as", "unpaired", "-o", "set")
    assert done.code == 0, done.err
    assert "caf\\udce9-" in Path("set/report.html").read_text("utf-8")
    done = cli("train", "cyclegan", *named, "--epochs", "1", *TINY)
    assert done.code == 0, done.err
    assert b"winter/caf\xe9-" in Path("runs/cyclegan-1/held_out.txt").read_bytes()
    assert cli("train", "--resume", "latest", "--epochs", "2").code == 0
    done = cli("evaluate", "--generated", "winter", "--real", summer, "--paired", "-q")
    assert done.code == 0, done.err
    (images,) = (path for path in Path("evaluation").glob("evaluation*.csv") if path.name != "evaluation.csv")
    assert b"caf\xe9-" in images.read_bytes()


def test_results_of_long_names_are_marked_and_kept_apart(cli: Cli, workplace: Path) -> None:
    long = "\u00e9" * 97  # 194 bytes
    for end in "ab":
        Image.new("RGB", (16, 16)).save(f"{long}{end}.png")
    result = cli("translate", f"{long}a.png", f"{long}b.png", "--to", "winter", "--model", "seasons", "-o", "out/")
    names = sorted(path.name for path in Path("out").iterdir())
    assert (result.code, len(names)) == (0, 2), result.err
    for name in names:
        assert name.startswith("\u00e9" * 70 + "-") and name.endswith(".winter.png")
    assert "2 results" in result.err
