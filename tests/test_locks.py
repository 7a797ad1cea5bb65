"""Locks between processes: held by one, gone with it, and no hindrance where there are none."""

from __future__ import annotations

import errno
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gantool import locks
from gantool.errors import OutputError, RunError
from gantool.locks import locked

HOLD = """
import sys
from pathlib import Path
from gantool.locks import locked
with locked(Path(sys.argv[1]), Path(), RuntimeError):
    print("held", flush=True)
    sys.stdin.read()
"""
FORK = """
import fcntl, os, sys, time
from pathlib import Path
from gantool import locks
file = open(sys.argv[1], "w")
fcntl.flock(file, fcntl.LOCK_EX)
Path(sys.argv[1] + ".holder").write_text(locks.json.dumps(locks._me()))
if os.fork() == 0:
    time.sleep(1)
    os._exit(0)
print("held", flush=True)
sys.stdin.read()
"""
"""One whose child (a reader of images, of older filelocks) has the open file too and outlives it by a moment."""


@contextmanager
def held_elsewhere(path: Path, code: str = HOLD) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def test_another_process_is_named_and_then_it_is_free(tmp_path: Path) -> None:
    path = tmp_path / "run" / ".lock"
    with held_elsewhere(path) as process:
        with (
            pytest.raises(RunError, match="busy") as caught,
            locked(path, path, lambda who: RunError(f"busy: {who}")),
        ):
            pass
        said = str(caught.value)
        assert f"process {process.pid} on {socket.gethostname()} since {time.strftime('%Y-')}" in said
        with pytest.raises(RunError), locked(path, path, RunError):  # asking has not set it free
            pass
        process.communicate("")
    assert not list(tmp_path.iterdir()), "nothing is left, nor the folder that was made for it"
    with locked(path, path, RunError) as real:
        assert real
        with pytest.raises(RunError, match=f"process {os.getpid()} "), locked(path, path, RunError):
            pass
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="processes cannot be killed like that here")
@pytest.mark.parametrize("code", [HOLD, FORK], ids=["alone", "with a child"])
def test_it_ends_with_a_killed_process(code: str, tmp_path: Path) -> None:
    path = tmp_path / ".lock"
    with held_elsewhere(path, code) as process:
        process.kill()
        process.wait()
        assert len(list(tmp_path.iterdir())) == 2
        with locked(path, path, RunError) as real:
            assert real
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": "x", "host": 3, "since": "now"}', '{"pid": 1e400}'])
def test_whoever_holds_it_may_be_unknown(text: str, tmp_path: Path) -> None:
    path = tmp_path / ".lock"
    with held_elsewhere(path):
        (tmp_path / ".lock.holder").write_text(text)
        with pytest.raises(RunError, match="^another process$"), locked(path, path, RunError):
            pass


@pytest.mark.skipif(os.name == "nt", reason="locks of another kind")
@pytest.mark.parametrize("number", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_file_system_without_locks(number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import fcntl

    def flock(file: object, operation: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", flock)
    with locked(tmp_path / ".lock", tmp_path, RunError) as real:
        assert not real
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(os.name == "nt", reason="locks of another kind")
def test_no_locks_are_not_one_that_is_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import fcntl

    def acquire(self: object, timeout: float) -> None:
        raise locks.Timeout(str(tmp_path))

    def flock(file: object, operation: int) -> None:
        raise OSError(errno.ENOLCK, "no locks available")

    monkeypatch.setattr(locks.FileLock, "acquire", acquire)
    (tmp_path / ".lock").touch()
    with pytest.raises(RunError), locked(tmp_path / ".lock", tmp_path, RunError):
        pass
    monkeypatch.setattr(fcntl, "flock", flock)
    with locked(tmp_path / ".lock", tmp_path, RunError) as real:
        assert not real


def test_a_folder_that_cannot_be_written_to(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(OutputError, match="^it: cannot be written"),
        locked(tmp_path / "file" / ".lock", Path("it"), RunError),
    ):
        pass
