"""What goes where when stderr is a terminal: results stay on stdout, bars on the terminal."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

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
