"""Files that are noted and compared: what was added, removed or changed, and what is only a copy."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from gantool.data.fingerprint import (
    Changes,
    FileFacts,
    compare_files,
    digest_of,
    note_files,
    read_files,
    write_files,
)
from gantool.errors import DataError

SECOND = 10**9


def fill(folder: Path, **contents: str) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{name}.png" for name in contents]
    for n, (path, content) in enumerate(zip(paths, contents.values(), strict=True)):
        path.write_text(content)
        os.utime(path, ns=(0, (1000 + n) * SECOND))
    return paths


def note(folder: Path, *, contents: bool = False) -> dict[str, FileFacts]:
    return note_files({"": folder}, sorted(folder.glob("*.png")), contents=contents)


def test_what_was_added_removed_and_changed(tmp_path: Path) -> None:
    a, b, c, d = fill(tmp_path, a="1", b="2", c="3", d="4")
    before = note(tmp_path)
    assert not compare_files(before, note(tmp_path))
    a.unlink()
    b.write_text("22")
    c.write_text("4")  # of the same size
    (tmp_path / "e.png").touch()
    found = compare_files(before, note(tmp_path))
    assert found == Changes(("e.png",), ("a.png",), ("b.png", "c.png"))
    assert found
    assert d.name in before


def test_a_copy_is_the_same(tmp_path: Path) -> None:
    fill(tmp_path / "one", a="1", b="2", c="3")
    before = note(tmp_path / "one")
    shutil.copytree(tmp_path / "one", tmp_path / "two", copy_function=shutil.copy)
    found = compare_files(before, note(tmp_path / "two"))
    assert (bool(found), found.copied) == (False, True)
    shutil.copytree(tmp_path / "one", tmp_path / "three")
    assert compare_files(before, note(tmp_path / "three")) == Changes()
    (tmp_path / "two/b.png").write_text("22")
    assert compare_files(before, note(tmp_path / "two")).changed == ("b.png",)


@pytest.mark.parametrize("ticks", [1, 999_999_999, -2 * SECOND])
def test_coarse_clocks_change_nothing(ticks: int) -> None:
    before = {name: FileFacts(1, 1000 * SECOND + n) for n, name in enumerate("abc")}
    now = {**before, "b": FileFacts(1, before["b"].time + ticks)}
    assert compare_files(before, now) == Changes()


def test_contents_decide_where_they_are_known(tmp_path: Path) -> None:
    a, b, _ = fill(tmp_path, a="1", b="2", c="3")
    before = note(tmp_path, contents=True)
    os.utime(a)
    b.write_text("4")
    found = compare_files(before, note(tmp_path, contents=True))
    assert found == Changes(changed=("b.png",))
    for path in tmp_path.glob("*.png"):
        os.utime(path)
    assert not compare_files(before, note(tmp_path, contents=True)).copied


def test_known_files_are_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    a, _ = fill(tmp_path, a="1", b="2")
    before = note(tmp_path, contents=True)
    a.write_text("1")
    read = []
    monkeypatch.setattr("gantool.data.fingerprint._hash", lambda path: read.append(path.name) or "new")
    again = note_files({"": tmp_path}, tmp_path.glob("*.png"), contents=True, known=before)
    assert read == ["a.png"]
    assert (again["a.png"].sha256, again["b.png"]) == ("new", before["b.png"])


def test_names_are_relative_to_their_folders(tmp_path: Path) -> None:
    fill(tmp_path / "x", a="1")
    fill(tmp_path / "y/deep", a="2")
    fill(tmp_path / "z", b="3")
    folders = {"summer": tmp_path / "x", "winter": tmp_path / "y"}
    found = note_files(folders, tmp_path.rglob("*.png"), contents=False)
    assert list(found) == ["../z/b.png", "summer/a.png", "winter/deep/a.png"]
    with pytest.raises(DataError, match=r"gone\.png: cannot be read"):
        note_files(folders, [tmp_path / "gone.png"], contents=False)


def test_lists_are_read_as_written(tmp_path: Path) -> None:
    files = {"a b\n.png": FileFacts(3, 2**62), "\udcff\u00e4.png": FileFacts(0, -5, "ab")}
    write_files(tmp_path / "list.jsonl", files)
    assert read_files(tmp_path / "list.jsonl") == files
    assert digest_of(files) != digest_of({**files, "c": FileFacts(0, 0)})
    assert read_files(tmp_path / "none.jsonl") is None
    for text in ("[1]\n", "{\n", "3\n", '["a", "b", "c"]\n', '["a", 1e400, 3]\n', "\u00e4\n", '["a", [], 3]\n'):
        (tmp_path / "list.jsonl").write_text(text, "utf-8")
        assert read_files(tmp_path / "list.jsonl") is None, text


def test_a_list_takes_a_hundred_bytes_a_file(tmp_path: Path) -> None:
    paths = [tmp_path / f"train/images/{n // 100}/photo_{n:06d}.png" for n in range(1_000)]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    files = note_files({"": tmp_path}, paths, contents=False)
    write_files(tmp_path / "list.jsonl", files)
    assert not compare_files(read_files(tmp_path / "list.jsonl") or {}, files)
    assert (tmp_path / "list.jsonl").stat().st_size / len(files) < 100
