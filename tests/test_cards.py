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


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("size", -1), ("multiple_of", 0), ("smallest", 10**9), ("value_range", [0, float("inf")]), ("task", 3),
        ("domains", [{"name": "a", "channels": 10**6}]), ("exported", {"format": "onnx", "static_size": [0, 0]}),
        *(("architecture", {"name": "unet", "options": {"width": width}}) for width in (-3, 0, 10**6, [1], {"a": 1})),
        ("architecture", {"name": "unet", "options": {"width": float("nan")}}),
        ("classes", [{"name": "a", "color": [0, 0, 256]}]),
    ],
)  # fmt: skip
def test_absurd_cards_are_named(key: str, value: object) -> None:
    fields = json.loads(card().to_json())
    with pytest.raises(ModelError, match=rf"m: its gantool card is damaged \(at {key}"):
        Card.from_json(json.dumps({**fields, key: value}), "m")


@pytest.mark.parametrize("text", ["[" * 100_000, "[]", "3", '{"format": []}', '{"format": {"a": 1}}'])
def test_foreign_cards_are_one_sentence(text: str) -> None:
    with pytest.raises(ModelError, match=r"m: (its gantool card is damaged|the model has format)"):
        Card.from_json(text, "m")


@pytest.mark.parametrize("options", [{"width": "wide"}, {"wide": 3}, {"width": 4, "norm": "odd"}])
def test_a_card_of_no_network_is_named(options: dict[str, object], tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    odd = card().directions[0].model_copy(update={"architecture": Architecture(name="resnet_light", options=options)})
    save_model(
        path,
        {"to_winter": build_generator("resnet_light", width=4)},
        card().model_copy(update={"directions": (odd,)}),
    )
    with pytest.raises(ModelError, match="resnet_light"):
        load_net(path, read_card(path), "winter")
