"""Files that are there at once or not at all, and nothing that is left of a process that was killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from gantool.errors import OutputError
from gantool.files import atomic

KILLED = """
import os, signal, sys
from pathlib import Path
from gantool.files import atomic
with atomic(Path(sys.argv[1])) as temporary:
    temporary.write_bytes(b"half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_there_at_once_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file.txt"
    with atomic(path) as temporary:
        temporary.write_text("old")
        assert not path.exists()
    with pytest.raises(KeyError), atomic(path) as temporary:
        temporary.write_text("half")
        raise KeyError
    assert path.read_text() == "old"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="processes cannot be killed like that here")
def test_what_a_killed_process_left_goes_with_the_next_write(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    done = subprocess.run([sys.executable, "-c", KILLED, str(path)], check=False)
    assert done.returncode == -signal.SIGKILL
    (left,) = tmp_path.iterdir()
    own = tmp_path / left.name.replace(left.name.split("-")[1], str(os.getpid()))
    other = tmp_path / f".abcdef-{left.name.split('-', 1)[1]}"  # of another machine, on a shared disk
    for path_of_others in (own, other):
        path_of_others.write_bytes(b"in use")
    with atomic(path) as temporary:
        temporary.write_bytes(b"whole")
    assert set(tmp_path.iterdir()) == {own, other, path}


def test_a_folder_that_cannot_be_written_to(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot be written"), atomic(tmp_path / "file" / "x"):
        pass


def test_folders_that_were_made_for_nothing_go_again(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    for place in ("old/new/deep/x", "other/x"):
        with pytest.raises(ValueError, match="no"), atomic(tmp_path / place):
            raise ValueError("no")
    assert [*tmp_path.rglob("*")] == [tmp_path / "old"]
    with pytest.raises(ValueError, match="no"), atomic(tmp_path / "kept/x"):
        (tmp_path / "kept/y").touch()
        raise ValueError("no")
    assert (tmp_path / "kept/y").exists()
