"""Nothing that an exported file holds is run, but its network."""

from __future__ import annotations

import io
import json
import pathlib
import zipfile
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import torch
from exported_files import FORMS, export_small, pickled, tampered

from gantool.errors import ModelError
from gantool.models.checks.archive import checked_archive
from gantool.models.checks.operators import is_allowed
from gantool.models.checks.torchscript import check_sources
from gantool.models.files import read_card
from gantool.models.formats.onnx_file import open_onnx
from gantool.models.formats.torch_archive import torch_runner
from gantool.nets.registry import build_generator

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("exports")
    return {form: export_small(folder / f"good{suffix}", form) for form, suffix in FORMS.items()}


def refusal(path: Path, form: str) -> str:
    """The message with which the file is refused although it is trusted."""
    with pytest.raises(ModelError) as caught:
        torch_runner(path, form, CPU, trust=True)
    assert str(path) in str(caught.value)
    return str(caught.value)


def run_unchecked(path: Path, form: str) -> None:
    """What torch does with a file by itself; it may fail after the harm is done."""
    with suppress(Exception):
        if form == "pt2":
            torch.export.load(path).module()
        else:
            torch.jit.load(str(path))(torch.rand(1, 3, 32, 32))


@pytest.mark.parametrize(
    ("form", "name"),
    [*((form, "resnet_light") for form in FORMS), ("torchscript", "resnet_light_skip")],  # the latter holds a scalar
)
def test_good_files_do_what_the_network_does(form: str, name: str, tmp_path: Path) -> None:
    net = build_generator(name, width=4).eval()
    path = export_small(tmp_path / f"good{FORMS[form]}", form, net)
    batch = torch.rand(1, 3, 40, 36) * 2 - 1
    with torch.no_grad():
        expected = net(batch).numpy()
    made = torch_runner(path, form, CPU, trust=True)(batch.numpy())
    assert np.abs(made - expected).max() <= 1e-4 * np.abs(expected).max()
    with zipfile.ZipFile(checked_archive(path, path.read_bytes(), form)) as archive:
        names = archive.namelist()
        assert not [name for name in names if "debug" in name or "traced_inputs" in name or "extra" in name]
        if form == "pt2":
            assert archive.read("archive/data/sample_inputs/model.pt") == b""


@pytest.mark.parametrize("record", ["data/sample_inputs/model.pt", "data/weights/model.pt"])
def test_pickles_in_pt2(files: dict[str, Path], record: str, tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    path = tampered(files["pt2"], tmp_path / "evil.pt2", {record: pickled(marker)})
    run_unchecked(path, "pt2")
    assert marker.exists(), "the attack works where nothing is checked"
    marker.unlink()
    assert "no exported network" in refusal(path, "pt2")
    plain = tampered(files["pt2"], tmp_path / "plain.pt2", {record: pickled(marker, plain=True)})
    assert "no exported network" in refusal(plain, "pt2")
    read_card(path)
    assert not marker.exists()


def test_pickles_in_the_list_of_weights(files: dict[str, Path], tmp_path: Path) -> None:
    def pickle_first(content: bytes) -> bytes:
        config = json.loads(content)
        next(iter(config["config"].values()))["use_pickle"] = True
        return json.dumps(config).encode()

    marker = tmp_path / "marker"
    changes = {"data/weights/model_weights_config.json": pickle_first, "data/weights/weight_0": pickled(marker)}
    path = tampered(files["pt2"], tmp_path / "evil.pt2", changes)
    run_unchecked(path, "pt2")
    assert marker.exists(), "the attack works where nothing is checked"
    marker.unlink()
    assert "pickled weights" in refusal(path, "pt2")
    assert not marker.exists()


def test_guards_are_not_run(files: dict[str, Path], tmp_path: Path) -> None:
    marker = tmp_path / "marker"

    def with_guard(content: bytes) -> bytes:
        program = json.loads(content)
        program["guards_code"] = [f"__import__('pathlib').Path({str(marker)!r}).touch() is None"]
        return json.dumps(program).encode()

    path = tampered(files["pt2"], tmp_path / "evil.pt2", {"models/model.json": with_guard})
    torch_runner(path, "pt2", CPU, trust=True)(np.zeros((1, 3, 32, 32), np.float32))
    assert not marker.exists()


def _in_program(path: tuple[str | int, ...], value: object) -> object:
    def change(content: bytes) -> bytes:
        program = json.loads(content)
        place = program
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = value
        return json.dumps(program).encode()

    return change


GRAPH = ("graph_module", "graph")
SPEC = ("graph_module", "module_call_graph", 0, "signature", "in_spec")
TREE = '[1, {"type": "builtins.tuple", "context": "%s", "children_spec": []}]'


@pytest.mark.parametrize(
    ("place", "value", "words"),
    [
        ((*GRAPH, "nodes", 0, "target"), "torch.ops.aten.from_file.default", "the operator torch.ops.aten.from_file"),
        ((*GRAPH, "nodes", 0, "target"), "torch.load", "the operator torch.load"),
        ((*GRAPH, "nodes", 0, "target"), "torch.ops.higher_order.cond", "the operator"),
        ((*GRAPH, "nodes", 0, "target"), "_operator.attrgetter", "the operator _operator.attrgetter"),
        ((*GRAPH, "nodes", 0, "name"), "x'); print('x", "the text"),
        ((*GRAPH, "sym_int_values", "s"), {"as_expr": {"expr_str": "__import__('os').getpid()"}}, "the size"),
        ((*GRAPH, "sym_int_values", "s"), {"as_expr": {"expr_str": "s1.func.__globals__"}}, "the size"),
        ((*GRAPH, "sym_int_values", "s"), {"as_expr": {"expr_str": "exec('1')"}}, "the size"),
        ((*GRAPH, "sym_int_values", "s"), {"as_expr": {"expr_str": "Symbol('exit()')"}}, "the size"),
        ((*GRAPH, "custom_obj_values", "s"), {"class_fqn": "a"}, "custom_obj_values"),
        (
            ("graph_module", "module_call_graph", 0, "signature", "in_spec"),
            TREE % '{\\"__enum__\\": true}',
            "context",
        ),
        (SPEC, '[2, "x"]', "the spec"),
    ],
)
def test_programs_beyond_networks(
    files: dict[str, Path], place: tuple[str | int, ...], value: object, words: str, tmp_path: Path
) -> None:
    path = tampered(files["pt2"], tmp_path / "evil.pt2", {"models/model.json": _in_program(place, value)})  # type: ignore[dict-item]
    assert words in refusal(path, "pt2")


class Writes(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        torch.ops.aten.save(x, "marker")
        return x


class Reads(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + torch.ops.aten.from_file("secret", False, 1)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
@pytest.mark.parametrize(("net", "operator"), [(Writes, "save"), (Reads, "from_file")])
def test_torchscript_that_knows_files(net: type[torch.nn.Module], operator: str, workplace: Path) -> None:
    Path("secret").write_bytes(np.float32(7).tobytes())
    path = Path("evil.pt").absolute()
    torch.jit.script(net()).save(str(path))
    made = torch.jit.load(str(path))(torch.zeros(1))
    assert Path("marker").exists() if net is Writes else made.item() == 7, "the attack works where nothing is checked"
    assert f"torch.{operator}" in refusal(path, "torchscript")


def _without_end(content: bytes) -> bytes:
    return content[:-1]


def _in_pickle(before: bytes, after: bytes) -> object:
    def change(content: bytes) -> bytes:
        assert before in content
        return content.replace(before, after, 1)

    return change


@pytest.mark.parametrize(
    ("record", "change", "words"),
    [
        ("data/1", b"", "a tensor larger than its record 1"),
        ("data/1", _without_end, "a tensor larger than its record 1"),
        # Elements of the first weight (4, 3, 7, 7), its last stride, and its place in the record.
        ("data.pkl", _in_pickle(b"M\x4c\x02", b"M\xff\xff"), "a tensor larger than its record 0"),
        ("data.pkl", _in_pickle(b"K\x93K1K\x07K\x01t", b"K\x93K1K\x07K\xfft"), "ends behind its record"),
        ("data.pkl", _in_pickle(b"K\x00(K\x04K\x03", b"K\x01(K\x04K\x03"), "ends behind its record"),
        ("data.pkl", _in_pickle(b"K\x00(K\x04K\x03", b"J\xff\xff\xff\xff(K\x04K\x03"), "in front of its record"),
        ("data.pkl", _in_pickle(b"FloatStorage", b"XloatStorage"), "a tensor larger than its record 0"),
        ("data.pkl", _without_end, "pickle exhausted before seeing STOP"),
    ],
)
def test_tensors_lie_in_their_records(
    files: dict[str, Path], record: str, change: object, words: str, tmp_path: Path
) -> None:
    """torch takes the pickle's word for it, and ends the process or shows what lies behind the record in memory."""
    path = tampered(files["torchscript"], tmp_path / "evil.pt", {record: change})  # type: ignore[dict-item]
    assert words in refusal(path, "torchscript")


CLASS = """
class Net(Module):
  __parameters__ = []
  weight : Tensor
  __annotations__["0"] = __torch__.Net
  def forward(self: __torch__.Net, x: Tensor) -> Tensor:
    {body}
    return x
"""


def test_what_a_trace_may_say() -> None:
    lines = (
        'inner = getattr(self, "0")',
        "weight = inner.weight",
        "x = torch.add(x, (inner).forward(weight, ), alpha=1)",
    )
    body = "\n    ".join(lines)
    check_sources({"__torch__": CLASS.format(body=body)})


@pytest.mark.parametrize(
    "body",
    [
        'torch.save(x, "marker")',
        "f = torch.save",
        'x.save("marker")',
        "f = x.save",
        'self.weight.save("marker")',
        'f = getattr(x, "save")',
        'getattr(self.weight, "save")("marker")',
        'ops.aten.save(x, "marker")',
        'ops.prim.load("marker")',
        't = torch\n    t.save(x, "marker")',
        '"secret".from_file()',
        "a = __torch__.torch.classes.quantized.Conv2dPackedParamsBase()",
        "a : __torch__.torch.classes.x.Y = x",
        "a = self\n    a = x",
        "a = self.save",
        "print(x)",
        "for i in range(3):\n      pass",
        "x = x  # comment",
        'x = torch.add(x, "\\n")',
        "x = torch.add(x, '''a''')",
        "import os",
        "f = lambda: x",
        "x = [y for y in x]",
        "with x:\n      pass",
    ],
)
def test_what_a_trace_may_not_say(body: str) -> None:
    with pytest.raises(ValueError, match="."):
        check_sources({"__torch__": CLASS.format(body=body)})


@pytest.mark.parametrize(
    "text",
    [
        CLASS.format(body="pass") * 2,
        CLASS.format(body="pass").replace("(Module)", "(NamedTuple)"),
        CLASS.format(body="pass").replace("weight : Tensor", "weight : __torch__.torch.classes.a.B"),
        CLASS.format(body="pass").replace("weight : Tensor", "weight : Tensor = torch.save"),
        CLASS.format(body="pass").replace("  def", "  @torch.save\n  def"),
        CLASS.format(body="pass").replace("x: Tensor)", "x: Tensor = torch.save)"),
        "x = 1",
        "class (",
        "\x0cx",
        "é",
    ],
)
def test_modules_that_are_no_trace(text: str) -> None:
    with pytest.raises(ValueError, match="."):
        check_sources({"__torch__": text})


@pytest.mark.parametrize(
    ("form", "changes"),
    [
        ("pt2", {"data/aotinductor/model/wrapper.so": b""}),
        ("pt2", {"data/constants/opaque_obj_0": b""}),
        ("pt2", {"data/constants/custom_obj_0": b""}),
        ("pt2", {"../../escaped": b""}),
        ("pt2", {"models/other.json": b"{}"}),
        ("torchscript", {"bytecode.pkl": b""}),
        ("torchscript", {"code/../../escaped.py": b""}),
        ("torchscript", {"data.pkl": b"cos\nsystem\n(S'true'\ntR."}),
        ("torchscript", {"data.pkl": b"c__torch__.torch.classes.x\nY\n."}),
        ("torchscript", {"constants.pkl": b"\x80\x04\x8c\x02os\x8c\x06system\x93."}),
    ],
)
def test_records_that_no_export_has(
    files: dict[str, Path], form: str, changes: dict[str, bytes], tmp_path: Path
) -> None:
    path = tampered(files[form], tmp_path / f"evil{FORMS[form]}", changes)
    assert "no exported network" in refusal(path, form)


@pytest.mark.parametrize("form", FORMS)
def test_damaged_and_absurd_archives(files: dict[str, Path], form: str, tmp_path: Path) -> None:
    path = tmp_path / f"bad{FORMS[form]}"
    content = files[form].read_bytes()
    path.write_bytes(content[: len(content) // 2])
    assert "is damaged" in refusal(path, form)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb/version", b"0" * (2**28 + 1))
    assert path.stat().st_size < 2**20
    assert "more or larger records" in refusal(path, form)
    spoiled = bytearray(content)
    record = content.rindex(b"PK\x01\x02")
    spoiled[record + 9] |= 8  # its name is UTF-8,
    spoiled[record + 46] = 0xFF  # and yet is none
    path.write_bytes(spoiled)
    assert "no exported network" in refusal(path, form) or "is damaged" in refusal(path, form)
    if form == "torchscript":
        with pytest.raises(ModelError, match="cannot be opened"):
            read_card(path)
    buffer = io.BytesIO(content)
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.writestr("elsewhere/version", b"0")
    path.write_bytes(buffer.getvalue())
    assert "outside its folder" in refusal(path, form)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb/code/__torch__.py", b"")
        archive.writestr("bomb/extra/gantool", b" " * 2**23)
    with pytest.raises(ModelError, match="larger than any card"):
        read_card(path)


def test_reading_a_card_loads_nothing(
    files: dict[str, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def never(*arguments: object, **options: object) -> None:
        raise AssertionError("loaded")

    for module, name in ((torch, "load"), (torch.jit, "load"), (torch.export, "load"), (pathlib.Path, "touch")):
        monkeypatch.setattr(module, name, never)
    for form, path in files.items():
        card = read_card(path)
        assert card.exported is not None
        assert card.exported.format == form


def test_operators_of_files_are_not_allowed() -> None:
    assert not [name for name in ("save", "from_file", "load", "set_", "resize_", "_save") if is_allowed(name)]
    spoken = {
        schema.name.removeprefix("aten::")
        for schema in torch._C._jit_get_all_schemas()
        if schema.name.startswith("aten::")
        and any("str" in str(one.type).lower() for one in schema.arguments)
        # Torch 2.9 still has named tensors, whose overloads take names of dimensions.
        and not any(word in schema.overload_name.lower() for word in ("dimname", "named", "names"))
    }
    assert {"save", "from_file"} <= spoken
    # Modes, norms, equations, texts for messages, and words in lists; none of them names a file.
    known = """
        Float Int __contains__ __getitem__ _assert_async _assert_scalar add any conv1d conv2d conv3d copy device div
        div_ divide divide_ einsum eq fft_fft2 fft_ifft2 fft_irfft2 fft_rfft2 ge gelu gelu_ gt index le len
        linalg_norm list lt meshgrid ne pad quantile scatter scatter_ slice sort split
    """
    assert {name for name in spoken if is_allowed(name)} <= set(known.split())


@pytest.mark.parametrize("location", ["../secret.bin", "{folder}/secret.bin", "link.bin"])
def test_onnx_reads_nothing_outside_its_folder(location: str, tmp_path: Path) -> None:
    import onnx
    from onnx import TensorProto, helper

    (tmp_path / "secret.bin").write_bytes(np.zeros(4, np.float32).tobytes())
    (tmp_path / "model").mkdir()
    (tmp_path / "model/link.bin").symlink_to(tmp_path / "secret.bin")
    weight = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[4], data_location=TensorProto.EXTERNAL)
    entry = weight.external_data.add()
    entry.key, entry.value = "location", location.format(folder=tmp_path)
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [4]) for name in ("image", "result")]
    node = helper.make_node("Add", ["image", "w"], ["result"])
    graph = helper.make_graph([node], "g", [values[0]], [values[1]], [weight])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    onnx.helper.set_model_props(model, {"gantool": "{}"})
    path = tmp_path / "model/m.onnx"
    path.write_bytes(model.SerializeToString())
    for read in (read_card, open_onnx):
        with pytest.raises(ModelError, match=r"m\.onnx: cannot be opened as ONNX .*[Ee]xternal data"):
            read(path)
