"""What goes where when stderr is a terminal: results stay on stdout, bars on the terminal."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from fake_terminal import FakeTerminal
from PIL import Image
from rich.console import Console
from support import TINY

from gantool.cli.console import Screen

pty = pytest.importorskip("pty", reason="needs a pseudo-terminal")


def with_terminal(folder: Path, *arguments: str) -> tuple[bytes, str, int]:
    """Run gantool with stdout in a pipe and stderr on a terminal; what came out of both, and the exit code."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "gantool", *arguments], cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=theirs, env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "100"},
    )  # fmt: skip
    os.close(theirs)
    shown = b""
    try:
        while block := os.read(ours, 65536):
            shown += block
    except OSError:  # how Linux says that the other end is closed
        pass
    finally:
        os.close(ours)
    out, _ = process.communicate(timeout=120)
    return out, shown.decode(), process.returncode


def test_results_of_several_images_reach_stdout(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        Image.new("RGB", (40, 32), "green").save(tmp_path / f"{name}.png")
    out, shown, code = with_terminal(tmp_path, "translate", "a.png", "b.png", "c.png", "--to", "winter")
    assert code == 0, shown
    assert out.decode().splitlines() == ["a.winter.png", "b.winter.png", "c.winter.png"]
    assert "\x1b[" in shown, "the bar is on the terminal"
    assert "a.winter.png" not in shown


@pytest.mark.slow
@pytest.mark.parametrize("columns", [60, 100])
def test_ctrl_c_leaves_no_dead_bar(columns: int, tmp_path: Path) -> None:
    """The first one saves; what stays is a table and the command that resumes, below it a cursor."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "gantool", "train", "cyclegan", "--epochs", "500", *TINY], cwd=tmp_path,
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=theirs,
        env={**os.environ, "TERM": "xterm-256color", "COLUMNS": str(columns)},
    )  # fmt: skip
    os.close(theirs)
    shown, stopped = b"", False
    try:
        while block := os.read(ours, 65536):
            shown += block
            if not stopped and b" 2/500" in shown:
                process.send_signal(signal.SIGINT)
                stopped = True
    except OSError:  # how Linux says that the other end is closed
        pass
    finally:
        os.close(ours)
    assert process.wait(timeout=120) == 130
    terminal = FakeTerminal(columns)
    terminal.write(shown.decode().replace("\r\n", "\n"))
    lines = terminal.lines()
    assert terminal.cursor_shown
    assert [line for line in lines if line.startswith("  1/500  ")]
    assert not [line for line in lines if "━" in line or "stopping" in line]
    assert lines[-4:] == [
        "Stopped and saved.", "Report: runs/cyclegan-1/report.html", "Resume: gantool train --resume cyclegan-1", "",
    ]  # fmt: skip


def test_bars_leave_words_whole() -> None:
    """A long path is named by its end, a long text by its first words."""
    terminal = FakeTerminal(60)
    screen = Screen()
    screen.err = Console(file=terminal, width=60, force_terminal=True, legacy_windows=False, _environ={})
    screen.interactive, screen.shares_terminal = True, False
    with screen.stages() as show:
        show("checking", 8, 8)
        show("/a/very/long/way/to/a/folder/named/real photographs", 120, 2000)
        show("reading labels of everything that there is to read", 1, 10)
        screen.note("noted")
        shown = terminal.lines()
        screen.note(f"Get it from https://example.org/{'long/' * 12}file.pth or leave it out.")
        assert f"https://example.org/{'long/' * 12}file.pth\n" in terminal.getvalue(), "in one piece, to be copied"
    assert [re.split(" +[╸╺━]", line)[0] for line in shown] == [
        "noted", "checking", "named/real photographs", "reading labels of",
    ]  # fmt: skip
    assert max(map(len, shown)) <= 60
    assert all(line.endswith(" left") for line in shown[1:])
    assert terminal.lines()[-1] == ""
    assert terminal.cursor_shown


def gantool(folder: Path, *arguments: str, **streams: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "gantool", *arguments], cwd=folder, text=True,
        **{"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **streams},
    )  # fmt: skip


@pytest.mark.parametrize("arguments", [["train", "--list-models"], ["--help"]])
def test_a_reader_that_leaves_is_no_error(arguments: list[str], tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    process = gantool(tmp_path, *arguments, stdout=writing)
    os.close(writing)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("arguments", [["train", "--list-models"], ["train", "--list-models", "--json"], ["--help"]])
def test_a_full_disk_behind_stdout_is_told_in_one_sentence(arguments: list[str], tmp_path: Path) -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    process = gantool(tmp_path, *arguments, stdout=full)
    os.close(full)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 2
    assert err == "error: standard output: cannot be written (No space left on device).\n"


@pytest.mark.skipif(os.name == "nt", reason="needs a shell of Unix")
@pytest.mark.parametrize(
    ("arguments", "closed", "code", "said"),
    [
        ("--version", ">&-", 2, "error: standard output: cannot be written (Bad file descriptor).\n"),
        ("train --list-models", "<&- 2>&-", 0, ""),
        ("train --list-mdels", "2>/dev/full", 2, ""),
    ],
)  # fmt: skip
def test_closed_streams_change_no_exit_code(
    arguments: str, closed: str, code: int, said: str, tmp_path: Path
) -> None:
    command = f"{sys.executable} -m gantool {arguments} {closed}"
    done = subprocess.run(["sh", "-c", command], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (code, said)
    assert bool(done.stdout) == (code == 0)


def test_no_arguments_show_the_help_without_an_error(tmp_path: Path) -> None:
    process = gantool(tmp_path)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "Usage: gantool" in out
    assert err == ""
