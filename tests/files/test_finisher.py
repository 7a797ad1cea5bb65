"""Threads that wait for the disk, for all that came meanwhile."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from gantool.errors import OutputError
from gantool.files import Finisher, Unfinished, atomic, finishing_later


def written(*paths: Path) -> list[Unfinished]:
    with finishing_later() as files:
        for path in paths:
            with atomic(path) as temporary:
                temporary.write_text(path.name)
    return files


def test_each_is_told_of_its_own_files(tmp_path: Path) -> None:
    (tmp_path / "2").mkdir()  # which no file can replace
    finisher = Finisher[str](2)
    futures = [
        finisher.finish(written(tmp_path / f"{n}", tmp_path / f"{n} too"), lambda problem, n=n: f"{n} {problem}")
        for n in range(5)
    ]
    finisher.close()
    said = [future.result() for future in futures]
    assert [text for n, text in enumerate(said) if n != 2] == ["0 None", "1 None", "3 None", "4 None"]
    assert "2: cannot be written" in said[2]
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {f"{n}{more}" for n in range(5) for more in ("", " too")} - {"2 too"}


def test_what_comes_while_the_disk_is_waited_for_is_flushed_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits, go_on, seen = threading.Event(), threading.Event(), list[int]()

    def flush(files: list[Unfinished]) -> bool:
        seen.append(len(files))
        waits.set()
        return go_on.wait(60)

    monkeypatch.setattr("gantool.files.finisher.flush_for", flush)
    finisher = Finisher[OutputError | None](1)
    first = finisher.finish(written(tmp_path / "first"), lambda problem: problem)
    assert waits.wait(60)
    others = [finisher.finish(written(tmp_path / f"{n}"), lambda problem: problem) for n in range(9)]
    assert not first.done()
    assert not (tmp_path / "first").exists()
    go_on.set()
    assert [future.result(60) for future in (first, *others)] == [None] * 10
    finisher.close()
    assert seen == [1, 9, *[0] * 8]
    assert finisher.finish(written(tmp_path / "late"), lambda problem: problem).result(0) is None


def test_whatever_goes_wrong_is_raised_where_it_is_asked_for(tmp_path: Path) -> None:
    def conclude(problem: OutputError | None) -> int:
        raise KeyError("odd")

    finisher = Finisher[int](1)
    future = finisher.finish(written(tmp_path / "a"), conclude)
    with pytest.raises(KeyError, match="odd"):
        future.result(60)
    finisher.close()
