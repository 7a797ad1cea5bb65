from __future__ import annotations

import os
import pickle
import random
from pathlib import Path

import numpy as np
import pytest
import torch

from gantool.engine import checkpoints
from gantool.engine.checkpoints import load_checkpoint, random_state, restore_random_state, save_checkpoint
from gantool.errors import OutputError, RunError

CPU, GPU = torch.device("cpu"), torch.device("cuda", 1)


def test_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "c" / "last.pt"
    save_checkpoint(path, {"a": torch.arange(3), "b": {"c": [1, 2.5, "x", None]}, "random": random_state(CPU)})
    state = load_checkpoint(path)
    assert torch.equal(state["a"], torch.arange(3))
    assert state["b"] == {"c": [1, 2.5, "x", None]}
    assert [entry.name for entry in path.parent.iterdir()] == ["last.pt"]


def test_random_state_comes_back(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "r.pt", {"random": random_state(CPU)})
    first = (torch.rand(3).tolist(), random.random(), np.random.rand(), random.gauss(0, 1), np.random.randn())
    restore_random_state(load_checkpoint(tmp_path / "r.pt")["random"], CPU)
    assert first == (torch.rand(3).tolist(), random.random(), np.random.rand(), random.gauss(0, 1), np.random.randn())


def test_that_of_the_gpu_trained_on_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """And none other is asked: the question alone would start it."""
    given: list[object] = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_rng_state", lambda device: f"state of {device}")
    monkeypatch.setattr(torch.cuda, "set_rng_state", lambda state, device: given.append((state, str(device))))
    without = random_state(CPU)
    assert "cuda" not in without
    restore_random_state(without, GPU)
    restore_random_state({**without, "cuda": "state"}, CPU)
    assert given == []
    restore_random_state(random_state(GPU), GPU)
    assert given == [("state of cuda:1", "cuda:1")]


def test_what_was_saved_on_a_gpu_is_read_without_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.serialization, "location_tag", lambda storage: "cuda:0")
    save_checkpoint(tmp_path / "g.pt", {"weights": torch.arange(3.0)})
    monkeypatch.undo()
    assert b"cuda:0" in (tmp_path / "g.pt").read_bytes()
    assert load_checkpoint(tmp_path / "g.pt")["weights"].tolist() == [0, 1, 2]


class Bomb:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> object:
        return os.mkdir, (str(self.target),)


def test_code_in_a_pickle_does_not_run(tmp_path: Path) -> None:
    trace = tmp_path / "it-ran"
    path = tmp_path / "evil.pt"
    torch.save({"format": 1, "x": Bomb(trace)}, path)
    with pytest.raises(RunError, match="more than data"):
        load_checkpoint(path)
    path.write_bytes(pickle.dumps(Bomb(trace)))
    with pytest.raises(RunError):
        load_checkpoint(path)
    assert not trace.exists()


def test_unusable_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="there is no checkpoint"):
        load_checkpoint(tmp_path / "none.pt")
    save_checkpoint(tmp_path / "a.pt", {"x": torch.zeros(1000)})
    whole = (tmp_path / "a.pt").read_bytes()
    (tmp_path / "cut.pt").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(RunError, match=r"cut\.pt: the checkpoint is damaged"):
        load_checkpoint(tmp_path / "cut.pt")
    torch.save([1], tmp_path / "list.pt")
    with pytest.raises(RunError, match="not a checkpoint of gantool"):
        load_checkpoint(tmp_path / "list.pt")
    torch.save({"format": 99}, tmp_path / "new.pt")
    with pytest.raises(RunError, match="newer gantool"):
        load_checkpoint(tmp_path / "new.pt")


def test_a_full_disk_leaves_the_old_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "last.pt"
    save_checkpoint(path, {"step": 1})

    def fail(state: object, where: Path) -> None:
        Path(where).write_bytes(b"half")
        raise RuntimeError("PytorchStreamWriter failed writing file: file write failed")

    monkeypatch.setattr(checkpoints.torch, "save", fail)
    with pytest.raises(OutputError, match=r"last\.pt: cannot be written") as caught:
        save_checkpoint(path, {"step": 2})
    assert "The previous last.pt is still there." in str(caught.value)
    monkeypatch.undo()
    assert load_checkpoint(path)["step"] == 1
    assert [entry.name for entry in tmp_path.iterdir()] == ["last.pt"]
