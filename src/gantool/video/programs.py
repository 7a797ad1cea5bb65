"""ffmpeg and ffprobe as processes of their own: found, started, listened to and ended.

They are programs of the system, not libraries: gantool is MIT licensed, and most builds of ffmpeg are GPL.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import IO, Any

from gantool.errors import DataError, UsageError

__all__ = ["Program", "ask", "file_url", "keep_times", "program"]

_PIPE = 1 << 20  # bytes that a pipe holds where that can be chosen; with the usual 64 K a frame takes many turns
_LONGEST_LINE = 2000
_PATIENCE = 120.0  # seconds for what takes no time on a sound file
_REMEMBERED = 30
_UNWRITTEN = ("No space left", "Error writing trailer", "Error closing file", "Error muxing")

_INSTALL = {
    "linux": "Install it with your package manager: apt install ffmpeg, dnf install ffmpeg, or pacman -S ffmpeg.",
    "darwin": "Install it: brew install ffmpeg.",
    "win32": "Install it: winget install ffmpeg.",
}


def program(name: str = "ffmpeg") -> str:
    """The path of ``ffmpeg`` or ``ffprobe``.

    Raises:
        UsageError: it is not installed; says how to get it.
    """
    found = shutil.which(name)
    if found is None:
        remedy = _INSTALL.get(sys.platform, "Install it from https://ffmpeg.org.")
        raise UsageError(f"Clips need the program {name}, which is not on this machine (or not on its PATH).", remedy)
    return found


def file_url(path: Path | str) -> str:
    """A file for ffmpeg, whatever characters its name has."""
    return f"file:{path}"


def ask(words: Sequence[str]) -> tuple[int, str, str]:
    """Run a program to its end: exit code, stdout and stderr.

    Raises:
        DataError: it does not end.
    """
    try:
        done = subprocess.run(
            words, stdin=subprocess.DEVNULL, capture_output=True, timeout=_PATIENCE, check=False, **_apart()
        )
    except subprocess.TimeoutExpired:
        raise DataError(
            f"{words[-1].removeprefix('file:')}: {Path(words[0]).name} does not come to an end."
        ) from None
    return done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")


@lru_cache(maxsize=1)
def keep_times(ffmpeg: str) -> tuple[str, str]:
    """The option that neither drops nor repeats frames, which has another name since ffmpeg 5.1."""
    found = re.match(r"ffmpeg version n?(\d+)\.(\d+)", ask([ffmpeg, "-version"])[1])
    old = found is not None and (int(found[1]), int(found[2])) < (5, 1)
    return ("-vsync" if old else "-fps_mode", "passthrough")


class Program:
    """A running ffmpeg.

    Ctrl-C in a terminal does not reach it: it ends when its pipes do, or by `stop`.

    Args:
        hear: gets every line that it says, in a thread of its own.
    """

    def __init__(
        self,
        words: Sequence[str],
        *,
        feed: bool = False,
        read: bool = False,
        hear: Callable[[str], None] | None = None,
    ) -> None:
        self._process = subprocess.Popen(
            words,
            stdin=subprocess.PIPE if feed else subprocess.DEVNULL,
            stdout=subprocess.PIPE if read else subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            bufsize=0,
            **_apart(),
        )
        for pipe in (self._process.stdin, self._process.stdout):
            _widen(pipe)
        self._hear = hear
        self._said: deque[str] = deque(maxlen=_REMEMBERED)
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    @property
    def stdin(self) -> IO[bytes]:
        assert self._process.stdin is not None
        return self._process.stdin

    @property
    def stdout(self) -> IO[bytes]:
        assert self._process.stdout is not None
        return self._process.stdout

    def _listen(self) -> None:
        assert self._process.stderr is not None
        with open(self._process.stderr.fileno(), "rb", closefd=False) as lines:
            while line := lines.readline(_LONGEST_LINE):
                text = line.decode(errors="replace").rstrip()
                if "[error]" in text or "[fatal]" in text or "[panic]" in text:
                    self._said.append(text)
                if self._hear is not None:
                    self._hear(text)

    def wait(self) -> int:
        """Wait for its end and return its exit code; all that it said has been heard then."""
        code = self._process.wait()
        self._listener.join()
        return code

    def stop(self) -> None:
        """End it, if it has not ended by itself."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        self._listener.join()
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()

    @property
    def wrote_all(self) -> bool:
        """Whether it complains of no file that it could not write: on a full disk it may end with 0 all the same."""
        return not any(words in line for line in self._said for words in _UNWRITTEN)

    def complaint(self) -> str:
        """What it says is wrong, in a few words; empty where it says nothing."""
        if not self._said:
            return ""
        full = [line for line in self._said if "No space left" in line]
        return bare(full[-1] if full else self._said[-1])


def bare(line: str) -> str:
    """A message without what ffmpeg puts before it: where it comes from, and how bad it is.

    >>> bare("[h264 @ 0x5575c9f6a780] [error] file:a b.mp4: Invalid data found when processing input")
    'Invalid data found when processing input'
    """
    text = re.sub(r"^(\[[^\]]*\] )+", "", line)
    text = text.rpartition(": ")[2] if text.startswith(("file:", "av_interleaved", "Error ")) else text
    return text.strip().rstrip(".")[:200]


def _apart() -> dict[str, Any]:
    """Keep the process out of the terminal's group, whose Ctrl-C is for us."""
    if os.name == "nt":
        return {"creationflags": getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)}
    return {"start_new_session": True}


def _widen(pipe: IO[bytes] | None) -> None:
    if pipe is None or not sys.platform.startswith("linux"):
        return
    import fcntl

    with suppress(OSError):
        fcntl.fcntl(pipe.fileno(), 1031, _PIPE)  # F_SETPIPE_SZ
