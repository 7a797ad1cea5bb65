"""What every kind of model file promises, and that finding a model costs no torch."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import onnx
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import nn

from gantool.cards import Architecture, Card, Direction, Domain, Exported
from gantool.errors import ModelError
from gantool.models.files import FORMATS, format_of, is_model_folder, load_net, read_card
from gantool.models.find import bundled_models
from gantool.models.formats.native import save_model
from gantool.models.formats.torch_archive import torch_runner
from gantool.nets.registry import build_generator

OPTIONS = {"width": 2}
CARD = Card(
    task="cyclegan",
    domains=(Domain(name="a"), Domain(name="b")),
    directions=(
        Direction(
            source="a", target="b", net="to_b", architecture=Architecture(name="resnet_6blocks", options=OPTIONS)
        ),
    ),
)


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> dict[Path, str]:
    """Files and folders, and the kind that they are of."""
    import segmentation_models_pytorch as smp

    folder = tmp_path_factory.mktemp("kinds")
    net, segmenter = build_generator("resnet_6blocks", **OPTIONS), smp.Linknet("resnet18", encoder_weights=None)
    found = {folder / "own.safetensors": "gantool", folder / "smp": "smp", folder / "smp.pth": "smp"}
    save_model(folder / "own.safetensors", {"to_b": net}, CARD)
    segmenter.save_pretrained(str(folder / "smp"))
    torch.save(segmenter.state_dict(), folder / "smp.pth")
    save_file(net.state_dict(), folder / "plain.safetensors")
    found[folder / "plain.safetensors"] = "reference"
    for row in FORMATS:
        if row.write is not None:
            exported = Exported(format=row.name, static_size=(16, 16)) if row.is_exported else None
            written: nn.Module = nn.Conv2d(3, 3, 1).eval() if row.is_exported else net
            path = folder / f"written-{row.name}{row.suffix}"
            card = CARD.model_copy(update={"exported": exported})
            row.write(path, written, card, torch.zeros(1, 3, 16, 16), None)
            found[path] = row.name
    return found


@pytest.mark.parametrize("row", FORMATS, ids=lambda row: row.name)
def test_every_kind_tells_its_own_files_and_no_others(row: object, examples: dict[Path, str]) -> None:
    assert row.name in examples.values()
    for path, kind in examples.items():
        assert (format_of(path) is row) == (kind == row.name), path.name
        if row is not FORMATS[-1]:  # the last takes whatever weights are left
            assert row.matches(path) == (kind == row.name), path.name


def test_cards_and_weights(examples: dict[Path, str]) -> None:
    x = torch.rand(1, 3, 32, 32)
    expected = load_net(next(iter(examples)), CARD, "b")(x)
    for path, kind in examples.items():
        card, row = read_card(path), format_of(path)
        assert (card.exported is not None) == row.is_exported
        assert card.is_segmenter == (kind == "smp")
        if row.is_exported:
            assert card.model_copy(update={"exported": None}) == CARD
            with pytest.raises(ModelError, match="is an exported file"):
                load_net(path, card, "b")
        elif kind != "smp":
            assert torch.equal(load_net(path, card, card.targets[0])(x), expected)
    assert [path.name for path in examples if is_model_folder(path)] == ["smp"]


def test_what_is_no_model_file_says_so(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("a model?")
    (tmp_path / "folder.onnx").mkdir()
    for name, words in (("notes.txt", "no safetensors file"), ("folder.onnx", "damaged or"), ("none.pt", "no such")):
        with pytest.raises(ModelError, match=words):
            read_card(tmp_path / name)


WITHOUT_TORCH = """
import sys
import zipfile
from pathlib import Path
sys.modules["torch"] = None
from gantool.models.find import find_model, find_model_for, find_segmenter
from gantool.models.runs import list_runs
from gantool.workflows.info import describe
assert find_model("seasons", Path("runs")).card.targets
assert find_model("cyclegan-1", Path("runs")).card == find_model("cyclegan", Path("runs")).card
assert find_model_for("winter", Path("runs")).label == "seasons"
assert find_model_for("b", Path("runs")).label == list_runs(Path("runs"))[0].name == "cyclegan-1"
assert find_model("file.onnx", Path("runs")).card.exported.format == "onnx"
for subject in ("seasons", "cyclegan-1", "file.onnx", "file.pt2", "data"):
    assert describe(subject, Path("runs"))
"""


def test_finding_and_describing_need_no_torch(
    examples: dict[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run = tmp_path / "runs/cyclegan-1"
    for folder in ("trainA", "trainB"):
        (tmp_path / "data" / folder).mkdir(parents=True)
    run.mkdir(parents=True)
    (run / "run.json").write_text('{"kind": "cyclegan", "created": "2026"}')
    for path, kind in examples.items():
        if kind in ("onnx", "pt2"):
            Path(f"file.{kind}").write_bytes(path.read_bytes())
        elif path.name == "own.safetensors":
            (run / "model.safetensors").write_bytes(path.read_bytes())

    for folder in ("trainA", "trainB"):
        Image.new("RGB", (32, 32)).save(tmp_path / "data" / folder / "0.png")
    assert list(bundled_models()) == ["landscape", "seasons"]
    done = subprocess.run([sys.executable, "-c", WITHOUT_TORCH], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


EXPORTED = Path(__file__).parent.parent / "compat/v1/exported"


def test_a_damaged_pt2_is_told_in_a_sentence(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """What torch itself says is to look at its warnings above, a traceback."""
    with zipfile.ZipFile(EXPORTED / "unet.pt2") as before, zipfile.ZipFile(tmp_path / "a.pt2", "w") as after:
        for info in before.infolist():
            if not info.filename.endswith("weight_0"):
                after.writestr(info.filename, before.read(info))
    # The oldest torch that is promised says no more than that it went wrong.
    with pytest.raises(ModelError, match=r"a\.pt2.*(weight_0: file not found|cannot be loaded)"):
        torch_runner(tmp_path / "a.pt2", "pt2", torch.device("cpu"), trust=True)
    assert capfd.readouterr().err == ""


def test_a_damaged_onnx_graph_is_told_in_a_sentence(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    model = onnx.load(EXPORTED / "unet.onnx")
    model.graph.initializer[0].dims[:] = [-1]
    onnx.save(model, tmp_path / "a.onnx")
    with pytest.raises(ModelError, match="cannot be opened as ONNX"):
        read_card(tmp_path / "a.onnx")
    assert capfd.readouterr().err == ""


def test_complex_weights_are_not_cut_to_real_ones(tmp_path: Path) -> None:
    net = build_generator("resnet_6blocks", **OPTIONS)
    state = {f"to_b/{key}": value for key, value in net.state_dict().items()}
    first = next(iter(state))
    state[first] = state[first].to(torch.complex64)
    try:
        save_file(state, tmp_path / "a.safetensors", {"gantool": CARD.to_json()})
    except KeyError:
        pytest.skip("this safetensors knows no complex numbers")
    with pytest.raises(ModelError, match="some are complex numbers"):
        load_net(tmp_path / "a.safetensors", CARD, "b")


@pytest.mark.parametrize("place", [b"extra/gantool", b"/data.pkl"])
def test_a_damaged_archive_is_told_short(place: bytes, tmp_path: Path) -> None:
    """Where a name is not the one in the list, Python's reader shows all that it finds in its place."""
    data = (EXPORTED / "cyclegan-to-winter.pt").read_bytes()
    start = data.rindex(b"PK\x03\x04", 0, data.index(place))
    longer = data[: start + 26] + (20_000).to_bytes(2, "little") + data[start + 28 :]
    (tmp_path / "a.pt").write_bytes(longer)
    with pytest.raises(ModelError) as caught:
        read_card(tmp_path / "a.pt")
        torch_runner(tmp_path / "a.pt", "torchscript", torch.device("cpu"), trust=True)
    assert len(str(caught.value)) < 400 + len(str(tmp_path))


def test_a_damaged_safetensors_header_is_told_short(tmp_path: Path) -> None:
    header = b'{"a": "' + b"x" * 5000 + b'"}'
    (tmp_path / "a.safetensors").write_bytes(len(header).to_bytes(8, "little") + header)
    with pytest.raises(ModelError, match="no safetensors file") as caught:
        read_card(tmp_path / "a.safetensors")
    assert len(str(caught.value)) < 300 + len(str(tmp_path))
