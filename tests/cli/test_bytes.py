"""Images as bytes: read from standard input, written to standard output, and lists of paths."""

from __future__ import annotations

import errno
import io
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support import Cli, Outcome

from gantool.cli.app import run
from gantool.data.images import is_image

Piped = Callable[..., tuple[int, bytes, str]]

SEASONS = ("--to", "winter", "--model", "seasons")


class Pipe(io.TextIOWrapper):
    """Standard input or output as a process has it: text over bytes."""

    def __init__(self, data: bytes = b"", *, terminal: bool = False) -> None:
        super().__init__(io.BytesIO(data), "utf-8", "surrogateescape")
        self.terminal = terminal

    def isatty(self) -> bool:
        return self.terminal


@pytest.fixture
def piped(monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]) -> Piped:
    """Run a command with bytes on standard input; gives its code, its bytes and what it told."""

    def call(data: bytes | None, *arguments: str) -> tuple[int, bytes, str]:
        capsysbinary.readouterr()
        monkeypatch.setattr(sys, "stdin", None if data is None else Pipe(data))
        code = run(list(arguments))
        captured = capsysbinary.readouterr()
        assert b"Traceback" not in captured.err
        return code, captured.out, captured.err.decode()

    return call


def drawn(width: int = 40, height: int = 24, mode: str = "RGB") -> Image.Image:
    rows = np.linspace(0, 255, width * height * 3).astype(np.uint8).reshape(height, width, 3)
    return Image.fromarray(rows).convert(mode)


def encoded(form: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    drawn().save(buffer, form, **options)  # type: ignore[arg-type]
    return buffer.getvalue()


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "PPM"])
def test_an_image_is_known_by_its_first_bytes(form: str) -> None:
    assert is_image(encoded(form)[:128])


@pytest.mark.parametrize(
    "beginning",
    [b"", b"photo.jpg\n", b"BMW.jpg\nother.png\n", b"GIF8.png\n", b"P6\nb.png\n", b"II*.tif\n", b"RIFF.wav"],
)
def test_a_list_of_paths_is_no_image(beginning: bytes) -> None:
    assert not is_image(beginning)


@pytest.mark.parametrize(("form", "gives"), [("JPEG", "JPEG"), ("PNG", "PNG"), ("WEBP", "WEBP"), ("GIF", "PNG")])
def test_bytes_in_bytes_out(form: str, gives: str, piped: Piped, workplace: Path) -> None:
    code, out, err = piped(encoded(form), "translate", "-", *SEASONS, "-o", "-")
    assert code == 0, err
    image = Image.open(io.BytesIO(out))
    assert (image.format, image.size) == (gives, (40, 24))
    assert list(workplace.iterdir()) == []


def test_the_bytes_are_those_of_the_file(piped: Piped, workplace: Path) -> None:
    data = encoded("JPEG", dpi=(300, 300), exif=_turned())
    Path("photo.jpg").write_bytes(data)
    assert piped(None, "translate", "photo.jpg", *SEASONS, "-q")[0] == 0
    by_file = Path("photo.winter.jpg").read_bytes()
    for source, stdin in (("-", data), ("photo.jpg", None)):
        code, out, err = piped(stdin, "translate", source, *SEASONS, "-o", "-", "-q")
        assert (code, err) == (0, "")
        assert out == by_file
    assert Image.open(io.BytesIO(by_file)).size == (24, 40)


def _turned() -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


def test_the_format_can_be_chosen(piped: Piped, workplace: Path) -> None:
    _, out, _ = piped(encoded("JPEG"), "translate", "-", *SEASONS, "-o", "-", "--format", "webp")
    assert Image.open(io.BytesIO(out)).format == "WEBP"
    drawn().save("a.jpeg")
    assert piped(None, "translate", "a.jpeg", *SEASONS, "--format", "png")[1] == b"a.winter.png\n"
    assert piped(None, "translate", "a.jpeg", *SEASONS, "--format", "jpg")[1] == b"a.winter.jpeg\n"


def test_bytes_into_a_named_file_or_the_current_folder(piped: Piped, workplace: Path) -> None:
    assert piped(encoded("PNG"), "translate", "-", *SEASONS, "-o", "out/y.jpg")[1] == b"out/y.jpg\n"
    assert piped(encoded("WEBP"), "translate", "-", *SEASONS)[1] == b"stdin.winter.webp\n"
    code, out, _ = piped(encoded("PNG"), "translate", "-", *SEASONS, "--json", "-o", "z.png")
    assert (code, b'"input": "-"' in out) == (0, True)


def test_a_mask_as_bytes(piped: Piped, workplace: Path) -> None:
    code, out, err = piped(encoded("JPEG"), "segment", "-", "--outputs", "mask", "-o", "-", "--model", "landscape")
    mask = Image.open(io.BytesIO(out))
    assert (code, mask.format, mask.mode, mask.size) == (0, "PNG", "P", (40, 24)), err
    for kind, first in (("overlay", b"\x89PNG"), ("probabilities", b"PK"), ("classes", b"{")):
        code, out, err = piped(encoded("JPEG"), "segment", "-", "--outputs", kind, "-o", "-", "--model", "landscape")
        assert (code, out[: len(first)]) == (0, first), err
    jpeg = piped(encoded("PNG"), "segment", "-", "--outputs", "color", "-o", "-", "--format", "jpg")[1]
    assert jpeg[:3] == b"\xff\xd8\xff"
    assert list(workplace.iterdir()) == []


def test_paths_on_standard_input_as_before(piped: Piped, workplace: Path) -> None:
    for name in ("a b.png", "c.png"):
        drawn().save(name)
    code, out, _ = piped(b"a b.png\r\n\nc.png", "translate", "-", *SEASONS)
    assert (code, out) == (0, b"a b.winter.png\nc.winter.png\n")


@pytest.mark.parametrize(("data", "options"), [(b"a b.png\nc.png\n", ()), (b"a b.png\0c.png\0", ("-0",))])
def test_lists_of_paths(data: bytes, options: tuple[str, ...], piped: Piped, workplace: Path) -> None:
    for name in ("a b.png", "c.png"):
        drawn().save(name)
    Path("list").write_bytes(b"\xef\xbb\xbf" * (not options) + data)
    expected = b"a b.winter.png\nc.winter.png\n"
    assert piped(None, "translate", "--files-from", "list", *options, *SEASONS)[:2] == (0, expected)
    again = piped(data, "translate", "--files-from", "-", *options, *SEASONS, "--overwrite")
    assert again[:2] == (0, expected)


MISTAKES = [
    (encoded("PNG"), ["-", "-o", "-", "--json"], "both write to standard output"),
    (None, ["a.png", "b.png", "-o", "-"], "takes one picture, but there are 2 inputs"),
    (encoded("PNG"), ["a.png", "-", "-o", "-"], "takes one picture, but there are 2 inputs"),
    (b"a.png\nb.png\n", ["-", "-o", "-"], "takes one picture, but there are 2 inputs"),
    (b"", ["-"], "standard input is empty"),
    (b"\n\n", ["-"], "standard input is empty"),
    (None, ["-"], "standard input is closed"),
    (b"a.png\0b.png\0", ["-"], "--files-from - -0"),
    (os.urandom(999).replace(b"\0", b"") + b"\0", ["-"], "expected an image or one path per line"),
    (encoded("PNG")[:90], ["-", "-o", "-"], "standard input: the image is damaged"),
    (encoded("PNG"), ["--files-from", "-"], "expected paths, found an image"),
    (None, ["--files-from", "a.png"], "expected paths, found an image"),
    (b"a.png\0", ["--files-from", "-"], "Add -0."),
    (b"", ["--files-from", "-"], "names no images"),
    (None, ["--files-from", "-"], "standard input is closed"),
    (None, ["--files-from", "none.txt"], "none.txt: there is no such file"),
    (None, ["--files-from", "."], "cannot be read"),
    (b"a.png", ["-", "--files-from", "-"], "both read standard input"),
    (None, ["a.png", "-0"], "there is no list of paths"),
    (None, ["a.png", "--format", "heic"], "--format heic: expected one of png, jpg"),
    (None, ["a.png", "--format", "jpg", "-o", "b.png"], "names another format"),
    (b"nothing.png\n", ["--files-from", "-"], "nothing.png: there is no such file"),
]


@pytest.mark.parametrize(("data", "arguments", "words"), MISTAKES, ids=[f"{n}" for n in range(len(MISTAKES))])
def test_mistakes_cost_one_sentence(
    data: bytes | None, arguments: list[str], words: str, piped: Piped, workplace: Path
) -> None:
    for name in ("a.png", "b.png"):
        drawn().save(name)
    code, out, err = piped(data, "translate", *arguments, *SEASONS, "-q")
    assert (code, out) == (2, b""), err
    assert words in err
    assert sorted(entry.name for entry in Path().iterdir()) == ["a.png", "b.png"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["-", "-o", "-"], "2 outputs (mask, overlay)"),
        (["-", "-o", "-", "--outputs", "coco"], "coco is a file beside its image"),
        (["-", "-o", "-", "--outputs", "polygons"], "polygons is a file beside its image"),
        (["-", "--outputs", "polygons"], "--outputs polygons names the image's file"),
        (["-", "--rank", "uncertainty"], "--rank names the image's file"),
        (["-", "--rank", "uncertainty", "-o", "-"], "takes a picture"),
        (["-", "-o", "-", "--outputs", "mask", "--format", "jpg"], "masks are PNG"),
    ],
)
def test_what_segment_cannot_give_as_bytes(arguments: list[str], words: str, piped: Piped, workplace: Path) -> None:
    code, out, err = piped(encoded("PNG"), "segment", *arguments, "--model", "landscape")
    assert (code, out, words in err) == (2, b"", True), err
    assert list(workplace.iterdir()) == []


def test_more_pixels_than_a_picture_has(piped: Piped, workplace: Path) -> None:
    bomb = encoded("BMP")[:18] + (40000).to_bytes(4, "little") * 2 + encoded("BMP")[26:]
    code, out, err = piped(bomb, "translate", "-", *SEASONS, "-o", "-")
    assert (code, out) == (2, b"")
    assert "standard input: claims more pixels than any picture has" in err


def test_more_bytes_than_an_image_has(piped: Piped, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gantool.workflows.lists._MOST_BYTES", 1000)
    assert "holds more than" in piped(encoded("BMP"), "translate", "-", *SEASONS, "-o", "-")[2]


def test_a_terminal_gets_no_bytes(cli: Cli, workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn().save("a.png")
    terminal = Pipe(terminal=True)
    monkeypatch.setattr(sys, "stdout", terminal)
    result: Outcome = cli("translate", "a.png", *SEASONS, "-o", "-")
    assert (result.code, "is a terminal" in result.err) == (2, True), result.err
    assert terminal.buffer.getvalue() == b""  # type: ignore[attr-defined]


def test_a_folder_of_that_name_is_asked_for_by_its_path(piped: Piped, workplace: Path) -> None:
    drawn().save("a.png")
    assert piped(None, "translate", "a.png", *SEASONS, "-o", "./-")[1] == b"-/a.winter.png\n"


@pytest.mark.skipif(os.name == "nt", reason="a POSIX shell")
def test_real_pipes(workplace: Path) -> None:
    Path("x.jpg").write_bytes(encoded("JPEG"))
    gantool = f"'{sys.executable}' -m gantool"
    line = f"cat x.jpg | {gantool} translate - --to winter --model seasons -o - -q > y.jpg"
    assert subprocess.run(["sh", "-c", line], capture_output=True, timeout=60).stderr == b""
    assert Image.open(io.BytesIO(Path("y.jpg").read_bytes())).size == (40, 24)
    reader, writer = os.pipe()
    os.close(reader)  # whoever should read has left
    with os.fdopen(writer, "wb") as gone:
        command = [sys.executable, "-m", "gantool", "translate", "x.jpg", *SEASONS, "-o", "-", "-q"]
        left = subprocess.run(command, stdout=gone, stderr=subprocess.PIPE, timeout=60)
    assert (left.returncode, left.stderr) == (0, b"")
    if Path("/dev/full").exists():
        with Path("/dev/full").open("wb") as full:
            stuck = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, timeout=60)
        assert (stuck.returncode, os.strerror(errno.ENOSPC).encode() in stuck.stderr) == (2, True)
    assert sorted(entry.name for entry in Path().iterdir()) == ["x.jpg", "y.jpg"]
