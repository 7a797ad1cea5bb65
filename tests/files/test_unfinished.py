"""Files that are written and wait for the disk, alone or together."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

import pytest

from gantool.errors import OutputError
from gantool.files import FilesTogether, atomic, finish_together, finishing_later, flushing, unfinished


def test_the_end_of_a_write_can_be_left_to_others(tmp_path: Path) -> None:
    one, two, at_once = tmp_path / "made/one", tmp_path / "two", tmp_path / "three"

    def write(path: Path) -> None:
        with atomic(path) as temporary:
            temporary.write_text(path.name)

    with finishing_later() as steps:
        write(one)
        write(two)
        with pytest.raises(ValueError, match="no"), atomic(tmp_path / "four"):
            raise ValueError("no")
        other = threading.Thread(target=write, args=(at_once,))
        other.start()
        other.join()
        with finishing_later() as inner:
            write(tmp_path / "five")
    write(tmp_path / "six")
    with pytest.raises(ValueError, match="no"), finishing_later() as failing:
        write(tmp_path / "seven")
        raise ValueError("no")
    assert (len(steps), len(inner), failing) == (2, 1, [])
    assert [path.exists() for path in (one, two, at_once, tmp_path / "six")] == [False, False, True, True]
    thread = threading.Thread(target=steps[0].finish)
    thread.start()
    thread.join()
    assert one.read_text() == "one"
    two.mkdir()
    with pytest.raises(OutputError, match="two: cannot be written"):
        steps[1].finish()
    inner[0].discard()
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["made", "one", "seven", "six", "three", "two"]


def _write(path: Path) -> None:
    with atomic(path) as temporary:
        temporary.write_text(path.name)


@pytest.fixture
def flushed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is flushed: names of folders and of files, on a disk that is known."""
    seen: list[str] = []

    def whole(folder: int) -> int:
        seen.append(Path(f"/proc/self/fd/{folder}").readlink().name)
        return 0

    monkeypatch.setattr(flushing, "_system_call", lambda: whole)
    monkeypatch.setattr(flushing, "_is_known", lambda device: True)
    monkeypatch.setattr(unfinished, "flush_file", lambda path: seen.append(path.name.rpartition(".")[2]))
    return seen


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has a flush of one disk")
def test_many_files_wait_for_the_disk_together(tmp_path: Path, flushed: list[str]) -> None:
    with FilesTogether() as together:
        for n in range(70):
            with together.piece():
                _write(tmp_path / f"a/{n}")
        assert flushed == ["a"]
        assert len([path for path in tmp_path.rglob("*") if path.suffix == "" and path.is_file()]) == 64
    assert flushed == ["a", "a"]
    assert {path.name for path in (tmp_path / "a").iterdir()} == {str(n) for n in range(70)}
    with FilesTogether() as together:
        for name in ("b/1", "c/2"):
            with together.piece():
                _write(tmp_path / name)
    assert flushed[2:] in (["b"], ["c"]), "both are on one disk"
    with FilesTogether() as together, together.piece():
        _write(tmp_path / "alone")
    assert flushed[3:] == ["alone"]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has a flush of one disk")
@pytest.mark.parametrize("how", ["of an unknown kind", "that fails", "of a system without"])
def test_a_disk_that_cannot_be_flushed(
    how: str, tmp_path: Path, flushed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    if how == "of an unknown kind":
        monkeypatch.setattr(flushing, "_is_known", lambda device: False)
    else:
        call = (lambda folder: -1) if how == "that fails" else None
        monkeypatch.setattr(flushing, "_system_call", lambda: call)
    with FilesTogether() as together, together.piece():
        for n in range(5):
            _write(tmp_path / f"{n}")
    assert flushed == [*"01234"]
    assert sorted(path.name for path in tmp_path.iterdir()) == [*"01234"]


def test_a_file_is_written_before_what_says_so(tmp_path: Path) -> None:
    (tmp_path / "2").mkdir()  # which no file can replace
    with pytest.raises(OutputError, match="2: cannot be written"), FilesTogether() as together, together.piece():
        for name in ("1", "2", "done"):
            _write(tmp_path / name)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1", "2"]
    with pytest.raises(KeyError), FilesTogether() as together:
        with together.piece():
            _write(tmp_path / "whole")
        with together.piece():
            _write(tmp_path / "of a piece that fails")
            raise KeyError
    assert (tmp_path / "whole").read_text() == "whole"
    assert (tmp_path / "of a piece that fails").exists()
    with finishing_later() as written:
        _write(tmp_path / "one")
    (tmp_path / "one").mkdir()
    with pytest.raises(OutputError, match="one: cannot be written"):
        finish_together(written)
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_a_file_waits_a_second_at_most(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([10.0, 10.0, 10.9, 11.0, 11.5, 11.5])  # twice where the first of a group comes
    monkeypatch.setattr(unfinished.time, "monotonic", lambda: next(times))
    monkeypatch.setattr(unfinished, "can_flush_disk", lambda folder: True)
    there = []
    with FilesTogether() as together:
        for name in "1234":
            with together.piece():
                _write(tmp_path / name)
            there.append(len([*tmp_path.glob("[0-9]")]))
    assert there == [0, 0, 3, 3]
    assert len([*tmp_path.iterdir()]) == 4


@pytest.mark.skipif(not flushing.can_flush_disk(Path.cwd()), reason="an old Linux, or another kind of disk")
def test_this_disk_is_flushed_as_a_whole() -> None:
    assert flushing.flush_disks([Path.cwd(), Path.cwd()])


def test_what_is_no_disk_is_not_flushed(tmp_path: Path) -> None:
    for folder in (tmp_path / "missing", Path("/proc")):
        assert not flushing.can_flush_disk(folder)
        assert not flushing.flush_disks([folder])


def test_a_piece_that_cannot_be_finished_costs_none_of_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unfinished, "can_flush_disk", lambda folder: True)
    (tmp_path / "2").mkdir()  # which no file can replace
    with pytest.raises(OutputError, match="2: cannot be written"), FilesTogether() as together:
        for name in "1234":
            with together.piece():
                _write(tmp_path / name)
                _write(tmp_path / f"{name} too")
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"1", "1 too", "2", "3", "3 too", "4", "4 too"}


def test_folders_of_files_that_could_not_be_go_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(path: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(unfinished, "flush_file", fails)
    monkeypatch.setattr(unfinished, "flush_disks", lambda folders: False)
    with finishing_later() as written:
        for name in "12":
            _write(tmp_path / "new" / name)
    with pytest.raises(OutputError, match="Free some space|No space"):
        finish_together(written)
    assert not [*tmp_path.iterdir()]
