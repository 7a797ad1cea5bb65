"""Files that others made are run with ``--trust`` only, and not even then if they hold more than a network."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from exported_files import FORMS, Payload, card_for, export_small, pickled, tampered
from PIL import Image
from support import Cli

import gantool
from gantool.data.sample import draw_scene
from gantool.errors import ModelError
from gantool.models.formats.native import save_model
from gantool.nets.registry import build_generator

REMEDY = "Export it here again, use its ONNX form, or add --trust if you trust who made it."


@pytest.fixture
def photo(workplace: Path) -> np.ndarray:
    pixels = draw_scene(5, size=32).summer
    Image.fromarray(pixels).save("photo.png")
    return pixels


@pytest.mark.parametrize("form", FORMS)
def test_own_exports_run_until_a_byte_changes(cli: Cli, photo: np.ndarray, form: str) -> None:
    save_model(Path("model.safetensors"), {"to_winter": build_generator("resnet_light", width=4)}, card_for(None))
    path = Path(f"own{FORMS[form]}")
    done = cli("export", "model.safetensors", "--format", form, "-o", path)
    assert done.code == 0, done.err
    assert cli("translate", "photo.png", "--to", "winter", "--model", path).code == 0
    expected = gantool.translate(photo, to="winter", model="model.safetensors").astype(int)
    assert np.abs(gantool.translate(photo, to="winter", model=str(path)).astype(int) - expected).max() <= 1
    content = bytearray(path.read_bytes())
    content[content.rindex(b"PK\x01\x02") + 12] ^= 1  # the time of a record; torch does not mind
    path.write_bytes(content)
    refused = cli("translate", "photo.png", "--to", "winter", "--model", path, "--overwrite")
    assert (refused.code, refused.err.count(REMEDY), "own" in refused.err) == (2, 1, True), refused.err
    trusted = cli("translate", "photo.png", "--to", "winter", "--model", path, "--overwrite", "--trust")
    assert trusted.code == 0, trusted.err


@pytest.mark.slow
def test_files_of_strangers(cli: Cli, photo: np.ndarray, workplace: Path) -> None:
    for form, suffix in FORMS.items():
        export_small(Path(f"strange{suffix}"), form)
    export_small(Path("segmenter.pt"), "torchscript", segmenter=True)
    for command in (
        ["translate", "photo.png", "--to", "winter", "--model", "strange.pt"],
        ["translate", "photo.png", "--to", "winter", "--model", "strange.pt2"],
        ["segment", "photo.png", "--model", "segmenter.pt"],
        ["evaluate", "strange.pt", "--to", "winter", "-q"],
        ["evaluate", "segmenter.pt", "-q"],
    ):
        refused = cli(*command)
        assert (refused.code, refused.err.count(REMEDY)) == (2, 1), refused.err
        if command[0] != "evaluate":
            trusted = cli(*command, "--trust", "--overwrite")
            assert trusted.code == 0, trusted.err
        assert cli("info", command[command.index("--model") + 1 if "--model" in command else 1]).code == 0
    trusted = cli("evaluate", "strange.pt", "--to", "winter", "--trust", "-q")
    assert trusted.code == 0, trusted.err
    with pytest.raises(ModelError, match="--trust"):
        gantool.translate(photo, to="winter", model="strange.pt")
    assert gantool.translate(photo, to="winter", model="strange.pt", trust=True).shape == photo.shape
    with pytest.raises(ModelError, match="--trust"):
        gantool.translate(photo, to="winter", model="strange.pt")
    assert gantool.segment(photo, model="segmenter.pt", trust=True).mask.shape == (32, 32)
    with pytest.raises(ModelError, match="--trust"):
        gantool.segment(photo, model="segmenter.pt")


class Saves(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        torch.ops.aten.save(x, "marker")
        return x


class Reads(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + torch.ops.aten.from_file("secret", False, 1)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_forged_cards(cli: Cli, photo: np.ndarray) -> None:
    Path("secret").write_bytes(np.float32(7).tobytes())
    for name, net in (("saves.pt", Saves()), ("reads.pt", Reads())):
        card = card_for("torchscript").to_json()
        torch.jit.save(torch.jit.script(net), name, _extra_files={"gantool": card})
    export_small(Path("good.pt2"), "pt2")
    tampered(Path("good.pt2"), Path("evil.pt2"), {"data/sample_inputs/model.pt": pickled(Path("marker").absolute())})
    for name, words in (("saves.pt", "torch.save"), ("reads.pt", "torch.from_file"), ("evil.pt2", "Path.touch")):
        command = ["translate", "photo.png", "--to", "winter", "--model", name]
        assert json.loads(cli("info", name, "--json").out)
        refused = cli(*command)
        assert (refused.code, REMEDY in refused.err) == (2, True), refused.err
        still = cli(*command, "--trust")
        assert (still.code, "no exported network" in still.err) == (2, True), still.err
        assert words in still.err or "getattr" in still.err, still.err
        assert not Path("marker").exists()
    Payload(Path("marker")).__reduce__()[0](Path("marker"))  # type: ignore[operator]
    assert Path("marker").exists(), "the payload would have made it"
