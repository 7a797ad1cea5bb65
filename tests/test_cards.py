from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from gantool.cards import Architecture, Card, Direction, Domain
from gantool.errors import ModelError
from gantool.models.files import load_net, read_card
from gantool.models.formats.native import save_model
from gantool.nets.registry import build_generator


def card(width: int = 4) -> Card:
    architecture = Architecture(name="resnet_light", options={"width": width})
    return Card(
        task="cyclegan",
        domains=(Domain(name="summer"), Domain(name="winter")),
        directions=(Direction(source="summer", target="winter", net="to_winter", architecture=architecture),),
    )


def test_model_file_round_trip(tmp_path: Path) -> None:
    net = build_generator("resnet_light", width=4)
    path = tmp_path / "model.safetensors"
    save_model(path, {"to_winter": net}, card())
    assert read_card(path) == card()
    loaded = load_net(path, read_card(path), "winter")
    x = torch.rand(1, 3, 32, 32)
    assert torch.equal(loaded(x), net(x))
    assert not loaded.training


def test_names_are_helped(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match='cannot translate to "wintr". Did you mean "winter"'):
        card().direction("wintr")
    with pytest.raises(ModelError, match='no domain "sumer". Did you mean "summer"'):
        card().domain("sumer")


def test_a_newer_format_is_refused_and_a_newer_field_ignored() -> None:
    fields = json.loads(card().to_json())
    assert Card.from_json(json.dumps({**fields, "mood": "cheerful"}), "m") == card()
    with pytest.raises(ModelError, match=r"m: the model has format 2, .* pip install --upgrade"):
        Card.from_json(json.dumps({**fields, "format": 2}), "m")
    with pytest.raises(ModelError, match="damaged"):
        Card.from_json("{", "m")
    del fields["domains"]
    with pytest.raises(ModelError, match=r"damaged \(at domains\)"):
        Card.from_json(json.dumps(fields), "m")


def test_unusable_model_files_are_named(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    with pytest.raises(ModelError, match="no such model file"):
        read_card(path)
    path.write_bytes(b"x" * 100)
    with pytest.raises(ModelError, match="damaged or no safetensors"):
        read_card(path)
    save_file({"a": np.zeros(1)}, path)
    with pytest.raises(ModelError, match="an unknown network"):
        read_card(path)
    save_model(path, {"to_winter": build_generator("resnet_light", width=4)}, card(width=8))
    with pytest.raises(ModelError, match="do not fit resnet_light"):
        load_net(path, read_card(path), "winter")
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ModelError, match="damaged"):
        read_card(path)
