"""Kinds of damaged models: model files, exports, weights of other programs, settings, and the files of a run."""

from __future__ import annotations

import io
import json
import random
import zipfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from fuzz import corpus
from fuzz.actions import Action, command, function
from fuzz.mutation import bend, damage
from ruamel.yaml import YAML

from gantool.engine.events import StepDone
from gantool.methods import registry
from gantool.models.runs import Run
from gantool.workflows.plan_training import TrainOptions, plan_training
from gantool.workflows.train import training_events

__all__ = ["exports", "models", "runs", "settings", "sound_exports", "sound_weights", "weights"]

_GOLDEN = corpus.FIXTURE.parent.parent / "golden"
_DTYPES = (torch.float16, torch.bfloat16, torch.float64, torch.int64, torch.bool, torch.complex64, torch.uint8)


def models(rng: random.Random, work: Path) -> Action:
    name = rng.choice(sorted(corpus.models()))
    data = corpus.models()[name]
    bent = _bend_onnx if name.endswith(".onnx") else _bend_safetensors
    data = bent(rng, data) if rng.random() < 0.6 else damage(rng, data, list(corpus.models().values()))
    (work / name).write_bytes(data)
    if rng.random() < 0.6:
        return command("info", name, *rng.choice(([], ["--json"])))
    if rng.random() < 0.1:
        return command("export", name, "--format", rng.choice(("onnx", "reference", "torchscript")), "-o", "made/")
    return _used(work, name, "unet" in name or "handmade" in name)


def _used(work: Path, name: str, segments: bool, *options: str) -> Action:
    (work / "scene.png").write_bytes(corpus.scene())
    verb = ["segment"] if segments else ["translate", "--to", "winter"]
    return command(*verb, "scene.png", "--model", name, "-o", "out.png", "--device", "cpu", *options)


def _bend_safetensors(rng: random.Random, data: bytes) -> bytes:
    """Change the header: places and types of tensors, or the card in it."""
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + size])
    if rng.random() < 0.7:
        card = json.dumps(bend(rng, json.loads(header["__metadata__"]["gantool"])))
        header["__metadata__"]["gantool"] = card
    else:
        header = bend(rng, header)
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data[8 + size :]


def _bend_onnx(rng: random.Random, data: bytes) -> bytes:
    """Change the card, or the graph: operators, inputs, attributes, shapes."""
    import onnx

    model = onnx.load_from_string(data)
    if rng.random() < 0.6:
        for entry in model.metadata_props:
            if entry.key == "gantool":
                entry.value = json.dumps(bend(rng, json.loads(entry.value)))
    else:
        _bend_graph(rng, model.graph)
    written: bytes = model.SerializeToString()
    return written


def _bend_graph(rng: random.Random, graph: Any) -> None:
    node = rng.choice(graph.node)
    kind = rng.randrange(6)
    if kind == 0:
        node.op_type = rng.choice(("Relu", "Loop", "If", "Resize", "NonZero", "StringNormalizer", "Nonsense", ""))
    elif kind == 1 and node.input:
        node.input[rng.randrange(len(node.input))] = rng.choice(("", "x", node.output[0], "nowhere"))
    elif kind == 2:
        graph.node.remove(node)
    elif kind == 3 and graph.initializer:
        tensor = rng.choice(graph.initializer)
        tensor.data_type = rng.choice((0, 1, 6, 7, 8, 10, 16, 99))
    elif kind == 4 and graph.initializer:
        tensor = rng.choice(graph.initializer)
        tensor.dims[:] = rng.choice(([], [0], [2**31], [-1], [2**40, 2**40]))
    else:
        value = rng.choice([*graph.input, *graph.output])
        dimension = rng.choice(value.type.tensor_type.shape.dim)
        dimension.dim_value = rng.choice((0, 1, 7, 2**31, -5))


# -- TorchScript and .pt2 --


@cache
def sound_exports() -> dict[str, bytes]:
    """Files that gantool wrote."""
    names = ("cyclegan-to-winter.pt", "unet.pt2")
    return {name: (corpus.FIXTURE / "exported" / name).read_bytes() for name in names}


def exports(rng: random.Random, work: Path) -> Action:
    """What is no export of this user's is run only where ``--trust`` says so."""
    name = rng.choice(sorted(sound_exports()))
    data = sound_exports()[name]
    others = list(sound_exports().values())
    data = _bend_records(rng, data) if rng.random() < 0.6 else damage(rng, data, others)
    (work / name).write_bytes(data)
    if rng.random() < 0.4:
        return command("info", name, *rng.choice(([], ["--json"])))
    return _used(work, name, "unet" in name, *rng.choice(((), ("--trust",), ("--trust",))))


def _bend_records(rng: random.Random, data: bytes) -> bytes:
    """Damage records of the archive, whose checksums fit."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        records = {info.filename: archive.read(info) for info in archive.infolist()}
    name = rng.choice(sorted(records))
    kind = rng.randrange(5)
    if kind == 0:
        del records[name]
    elif kind == 1:
        records[rng.choice((f"{name}x", "../outside", "code/x.py", f"{name}/x", "x"))] = records.pop(name)
    elif kind < 4 and name.endswith((".json", "extra/gantool")):
        records[name] = json.dumps(bend(rng, json.loads(records[name]))).encode()
    else:
        records[name] = damage(rng, records[name], list(records.values()))
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))) as archive:
        for place, content in records.items():
            archive.writestr(place, content)
    return made.getvalue()


# -- weights of other programs --


@cache
def sound_weights() -> dict[str, bytes]:
    """Generators of the reference, one of them with shapes that are not its own, and something else altogether."""
    names = ("resnet_6blocks_batch_ngf4", "resnet_9blocks_instance_ngf4", "pixel_discriminator_batch_ndf4")
    found = {f"{name}.pth": (_GOLDEN / f"{name}.weights.pth").read_bytes() for name in names}
    unet = io.BytesIO()
    torch.save(_unet_state(), unet)
    return {**found, "unet.pth": unet.getvalue()}


def _unet_state() -> dict[str, torch.Tensor]:
    """Of a small U-Net of the reference's."""
    from gantool.nets.registry import build_generator

    return dict(build_generator("unet_32", width=4).state_dict())


def weights(rng: random.Random, work: Path) -> Action:
    if rng.random() < 0.1:
        return _pretrained_folder(rng, work)
    name = rng.choice(sorted(sound_weights()))
    data = sound_weights()[name]
    if rng.random() < 0.7:
        state = torch.load(io.BytesIO(data), weights_only=True)
        name, data = _saved(rng, name, _bend_state(rng, state))
    else:
        data = damage(rng, data, list(sound_weights().values()))
    (work / name).write_bytes(data)
    if rng.random() < 0.5:
        return command("info", name, *rng.choice(([], ["--json"])))
    if rng.random() < 0.2:
        small = (
            "--size",
            "32",
            "--set",
            "data.load_size=32",
            "--set",
            "data.scenes=2",
            "--set",
            "data.test_scenes=1",
        )
        return command("train", "cyclegan", "--init-from", name, "--dry-run", "--device", "cpu", *small)
    (work / "scene.png").write_bytes(corpus.scene())
    return command("translate", "scene.png", "--to", "output", "--model", name, "-o", "out.png", "--device", "cpu")


def _pretrained_folder(rng: random.Random, work: Path) -> Action:
    """What ``save_pretrained`` of segmentation-models-pytorch writes."""
    config = {"_model_class": "Unet", "encoder_name": "resnet18", "classes": 3, "in_channels": 3, "activation": None}
    (work / "net").mkdir()
    text = json.dumps(bend(rng, config)).encode()
    (work / "net/config.json").write_bytes(text if rng.random() < 0.8 else damage(rng, text, [text]))
    (work / "net/model.safetensors").write_bytes(corpus.models()["runs-unet-model.safetensors"])
    return command("info", "net", "--json") if rng.random() < 0.6 else _used(work, "net", True)


def _bend_state(rng: random.Random, state: dict[str, Any]) -> Any:
    """Change tensors of a state dict, their names, or what they stand in."""
    bent: dict[Any, Any] = dict(state)
    for _ in range(rng.randint(1, 3)):
        if not bent:
            break
        key = rng.choice(list(bent))
        kind = rng.randrange(8)
        if kind == 0:
            del bent[key]
        elif kind == 1:
            bent[rng.choice((f"module.{key}", 3, "", "é", f"{key}.weight", "encoder.x"))] = bent.pop(key)
        elif kind == 2:
            bent[key] = rng.choice((None, 1, "x", [], {}, float("nan"), [torch.zeros(1)]))
        elif kind == 3:
            shape = rng.choice(((), (0,), (1,), (3, 3), (4, 4, 4, 4), (1, 0, 7, 7), (64, 3, 7, 7)))
            bent[key] = torch.zeros(shape)
        elif kind == 4 and isinstance(bent[key], torch.Tensor):
            bent[key] = bent[key].real.to(rng.choice(_DTYPES))
        elif kind == 5 and isinstance(bent[key], torch.Tensor):
            bent[key] = torch.full_like(
                bent[key], rng.choice((0, float("inf"), float("nan"), 1e30)), dtype=torch.float
            )
        elif kind == 6:
            # A view of one number that claims to be large.
            bent[key] = torch.zeros(1).expand(rng.choice((10**6, 10**10)))
        else:
            bent = {rng.choice(("state_dict", "model", "generator", "net", "x")): bent}
    return rng.choice((bent, bent, bent, bent, list(bent.items()), [bent]))


def _saved(rng: random.Random, name: str, state: Any) -> tuple[str, bytes]:
    tensors = isinstance(state, dict) and all(
        isinstance(key, str) and isinstance(value, torch.Tensor) and value.numel() < 10**6
        for key, value in state.items()
    )
    if tensors and rng.random() < 0.3:
        from safetensors.torch import save

        content = {key: value.clone().contiguous() for key, value in state.items()}
        return Path(name).with_suffix(".safetensors").name, save(content)
    buffer = io.BytesIO()
    torch.save(state, buffer, _use_new_zipfile_serialization=rng.random() < 0.8)
    return Path(name).with_suffix(rng.choice((".pth", ".pth", ".pt", ".bin", ".ckpt"))).name, buffer.getvalue()


# -- settings and runs --


def _bend_settings(rng: random.Random, name: str) -> bytes:
    data = corpus.settings()[name]
    if rng.random() < 0.4:
        return damage(rng, data, list(corpus.settings().values()))
    buffer, yaml = io.StringIO(), YAML(typ="safe", pure=True)
    yaml.dump(bend(rng, yaml.load(data.decode())), buffer)
    return buffer.getvalue().encode()


def settings(rng: random.Random, work: Path) -> Action:
    name = rng.choice(sorted(corpus.settings()))
    path = work / "settings.yaml"
    path.write_bytes(_bend_settings(rng, name))
    preset = {"unet": "segmentation"}.get(name, name)
    return rng.choice(
        (
            function(lambda: registry.read_settings(path)),
            function(lambda: registry.load_settings(preset, config=path)),
            function(
                lambda: registry.overlay_settings(path, config=None, assignments=("train.seed=1",), overrides={})
            ),
            function(lambda: plan_training(TrainOptions(name, config=path))),
            command("train", name, "--config", "settings.yaml", "--write-settings", "made.yaml"),
        )
    )


_CHANGED = ("run.json", "metrics.jsonl", "settings.yaml", "checkpoints/last.pt", "model.safetensors")


def runs(rng: random.Random, work: Path) -> Action:
    """A run with one or two damaged files, which is described, measured, used and gone on with."""
    name = rng.choice(sorted(corpus.settings()))
    source, folder = corpus.FIXTURE / "runs" / name, work / "runs" / name
    for path in source.rglob("*"):
        if path.is_file():
            target = folder / path.relative_to(source)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
    (folder / "samples").mkdir()
    changed = rng.sample(_CHANGED, rng.choice((1, 1, 2)))
    for place in changed:
        (folder / place).write_bytes(_bend_run_file(rng, name, place, (folder / place).read_bytes()))
    if "settings.yaml" not in changed and rng.random() < (0.7 if "checkpoints/last.pt" in changed else 0.15):
        return function(lambda: _first_steps(name))  # other settings may well train for years
    run = Run(folder)
    quick = [
        command("info", f"runs/{name}", "--json"),
        command("info", name),
        command("info", "--json"),
        function(lambda: [run.facts(), run.read_metrics()]),
        function(lambda: plan_training(TrainOptions(resume="latest"))),
        _used(work, name, name == "unet"),
    ]
    if "settings.yaml" not in changed:
        quick += [
            command("evaluate", name, "-o", "made", "--json"),
            command("export", name, "--format", "onnx", "-o", "made/"),
        ]
    return rng.choice(quick)


def _first_steps(name: str) -> None:
    """Go on with a run for an epoch, or as much of it as three steps are."""
    steps = 0
    for event in training_events(plan_training(TrainOptions(resume=name, epochs=20))):
        steps += isinstance(event, StepDone)
        if steps == 3:
            return


def _bend_run_file(rng: random.Random, name: str, place: str, data: bytes) -> bytes:
    if rng.random() < 0.3:
        return damage(rng, data, [data])
    if place == "run.json":
        return json.dumps(bend(rng, json.loads(data))).encode()
    if place == "metrics.jsonl":
        lines = data.decode().splitlines()
        for number in rng.sample(range(len(lines)), min(2, len(lines))):
            lines[number] = json.dumps(bend(rng, json.loads(lines[number])))
        return rng.choice(("\n", "\n", "\n\n", "\r")).join(lines).encode()
    if place == "settings.yaml":
        return _bend_settings(rng, name)
    if place == "model.safetensors":
        return _bend_safetensors(rng, data)
    return _bend_checkpoint(rng, data)


def _bend_checkpoint(rng: random.Random, data: bytes) -> bytes:
    """Change a few values in the tree of a checkpoint, tensors among them."""
    holder: list[Any] = [torch.load(io.BytesIO(data), weights_only=True)]
    odd = (None, -1, 10**12, 0.5, float("nan"), "", "x", [], {}, torch.zeros(()), torch.zeros(2, 0), torch.ones(3, 3))
    for _ in range(rng.randint(1, 3)):
        inside, key = _some_place(rng, holder)
        value = inside[key]
        kind = rng.randrange(4)
        if isinstance(value, torch.Tensor) and kind < 2:
            inside[key] = rng.choice((value.double(), value[None], value.flatten()[:1], value * np.nan, value.long()))
        elif kind == 2 and isinstance(inside, dict):
            del inside[key]
        else:
            inside[key] = rng.choice(odd)
    made = io.BytesIO()
    torch.save(holder[0], made)
    return made.getvalue()


def _some_place(rng: random.Random, node: Any) -> tuple[Any, Any]:
    """A ``(container, key)``, as likely near the root as among the many tensors."""
    while True:
        key = rng.choice(list(node)) if isinstance(node, dict) else rng.randrange(len(node))
        below = node[key]
        if not isinstance(below, dict | list) or not below or rng.random() < 0.25:
            return node, key
        node = below
