"""The list of a user's own exports."""

from __future__ import annotations

import hashlib
import logging
import multiprocessing
from pathlib import Path

import pytest

from gantool.errors import ModelError
from gantool.models import trust
from gantool.models.trust import remember_export, require_own_export, state_folder


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GANTOOL_STATE", str(tmp_path / "state"))
    return tmp_path / "state"


def made(folder: Path, name: str) -> Path:
    path = folder / name
    path.write_bytes(f"what is in {name}".encode())
    return path


def known(path: Path) -> bool:
    try:
        require_own_export(path, path.read_bytes())
    except ModelError:
        return False
    return True


def test_what_was_exported_is_known_until_it_changes(tmp_path: Path, state: Path) -> None:
    path, other = made(tmp_path, "one.pt"), made(tmp_path, "two.pt")
    assert not known(path)
    remember_export(path)
    assert known(path)
    assert not known(other)
    remember_export(other)
    moved = path.rename(tmp_path / "é.pt")
    assert known(moved)
    remember_export(moved)
    assert known(other)
    moved.write_bytes(moved.read_bytes()[:-1] + b"x")
    assert not known(moved)
    with pytest.raises(ModelError, match=r"é\.pt: .* Export it here again, use its ONNX form, or add --trust"):
        require_own_export(moved, moved.read_bytes())
    assert [one.name for one in state.iterdir()] == ["exports.txt"]


def test_a_damaged_list(tmp_path: Path, state: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = made(tmp_path, "one.pt")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    state.mkdir()
    for damage in (
        b"\xff\x00\xfe" * 100,
        digest[:40].encode(),
        b"{}\n\n" + b"x" * 5_000_000,
        f" {digest} a".encode(),
    ):
        (state / "exports.txt").write_bytes(damage)
        assert not known(path), "half a digest is none"
        remember_export(path)
        assert known(path)
    (state / "exports.txt").unlink()
    (state / "exports.txt").mkdir()
    assert not known(path)
    with caplog.at_level(logging.WARNING, "gantool"):
        remember_export(path)
    assert "--trust" in caplog.text


def test_the_list_is_bounded(tmp_path: Path, state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trust, "_MOST", 8)
    paths = [made(tmp_path, f"{n}.pt") for n in range(30)]
    for path in paths:
        remember_export(path)
        assert known(path)
    assert len((state / "exports.txt").read_text().split("\n")) < 30
    assert known(paths[-4])
    assert not known(paths[0])


def test_processes_do_not_lose_each_others_exports(tmp_path: Path) -> None:
    paths = [made(tmp_path, f"{n}.pt") for n in range(12)]
    workers = [multiprocessing.get_context("spawn").Process(target=_remember, args=(paths[n::2],)) for n in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert all(known(path) for path in paths)


def _remember(paths: list[Path]) -> None:
    for path in paths:
        remember_export(path)


def test_the_folder(monkeypatch: pytest.MonkeyPatch, state: Path) -> None:
    assert state_folder() == state
    monkeypatch.delenv("GANTOOL_STATE")
    monkeypatch.setenv("XDG_STATE_HOME", str(state / "own"))
    assert "gantool" in str(state_folder())
    assert not state_folder().exists()
