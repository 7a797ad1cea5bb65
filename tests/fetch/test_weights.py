"""Files of weights are read as data, whoever wrote them."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from gantool.errors import ModelError
from gantool.fetch.weights import read_data, read_weights

STATE = {"a.weight": torch.arange(3.0), "b": torch.zeros(2, 2)}


@pytest.mark.parametrize(
    "content",
    [
        STATE,
        {"state_dict": STATE, "epoch": 3},
        {"generator": STATE},
        {"model_state_dict": {f"module.{key}": value for key, value in STATE.items()}},
        {f"_orig_mod.net.{key}": value for key, value in STATE.items()},
    ],
)
def test_wrappers_and_prefixes_do_not_count(content: object, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "weights.pth")
    found = read_weights(tmp_path / "weights.pth")
    assert list(found) == list(STATE)
    assert all(torch.equal(found[key], value) for key, value in STATE.items())


def test_safetensors_and_old_files(tmp_path: Path) -> None:
    save_file(STATE, tmp_path / "w.safetensors")
    torch.save(STATE, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    for name in ("w.safetensors", "old.pth"):
        assert read_weights(tmp_path / name).keys() == STATE.keys()


@pytest.mark.parametrize("content", [[1], {}, torch.zeros(2), {"a": 1.0}, {1: torch.zeros(2)}, {"state_dict": {}}])
def test_other_types_are_no_weights(content: object, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "w.pth")
    with pytest.raises(ModelError, match=r"^--option FILE: is not a set of weights\.$"):
        read_weights(tmp_path / "w.pth", where="--option FILE")


class Trap:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> object:
        return os.mkdir, (str(self.target),)


def test_code_does_not_run_and_damage_is_one_sentence(tmp_path: Path) -> None:
    torch.save({"a": Trap(tmp_path / "ran")}, tmp_path / "trap.pth")
    torch.save({"a": Trap(tmp_path / "ran")}, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    for name in ("trap.pth", "old.pth"):
        with pytest.raises(ModelError, match="holds more than data") as caught:
            read_weights(tmp_path / name)
        assert "state_dict()" in caught.value.remedy
    assert not (tmp_path / "ran").exists()

    torch.save(STATE, tmp_path / "whole.pth")
    whole = (tmp_path / "whole.pth").read_bytes()
    (tmp_path / "cut.pth").write_bytes(whole[:-100])
    (tmp_path / "empty.pth").touch()
    (tmp_path / "folder.pth").mkdir()
    (tmp_path / "cut.safetensors").write_bytes(b"\x08\0\0\0\0\0\0\0{")
    with zipfile.ZipFile(tmp_path / "other.pth", "w") as archive:
        archive.writestr("readme.txt", "hello")
    for name in ("cut.pth", "empty.pth", "folder.pth", "cut.safetensors", "other.pth"):
        with pytest.raises(ModelError, match=f"{name}: is damaged ") as caught:
            read_data(tmp_path / name, damaged="is damaged")
        assert "\n" not in str(caught.value)
    with pytest.raises(ModelError, match="there is no such file"):
        read_data(tmp_path / "none.pth")
