"""Kinds of damaged data: pictures, archives, annotations, masks, tables, prepared sets; and all kinds in a table."""

from __future__ import annotations

import io
import json
import random
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from fuzz import corpus, model_kinds, set_corpus
from fuzz.actions import Action, Kind, command, function
from fuzz.mutation import bend, damage
from PIL import Image
from ruamel.yaml import YAML

from gantool.data.images import read_picture, read_pixels, upright_size
from gantool.data.masks import read_index_mask

__all__ = ["KINDS"]


def images(rng: random.Random, work: Path) -> Action:
    name = rng.choice(sorted(corpus.images()))
    path = work / name
    path.write_bytes(damage(rng, corpus.images()[name], list(corpus.images().values())))
    if rng.random() < 0.15:
        (work / "set/summer").mkdir(parents=True)
        (work / "set/winter").mkdir()
        for place in (f"set/summer/{name}", f"set/winter/{name}"):
            shutil.copy(path, work / place)
        (work / "set/summer/sound.png").write_bytes(corpus.scene(1))
        (work / "set/winter/sound.png").write_bytes(corpus.scene(2))
        return command("prepare", "set", "--as", "unpaired", *rng.choice(([], ["--check"])), "-o", "out", "--json")
    return rng.choice(
        (
            command("info", name),
            command("info", name, "--json"),
            function(lambda: read_index_mask(path)),
            function(lambda: read_picture(path)),
            function(lambda: read_pixels(path, 1)),
            function(lambda: upright_size(path)),
        )
    )


def batches(rng: random.Random, work: Path) -> Action:
    """A folder of pictures, some of them damaged: the sound one has its result, whatever the others are."""
    (work / "in").mkdir()
    (work / "in/sound.png").write_bytes(corpus.scene(1))
    for number, name in enumerate(rng.sample(sorted(corpus.images()), rng.randint(1, 3))):
        data = damage(rng, corpus.images()[name], list(corpus.images().values()))
        (work / "in" / f"{number}-{name}").write_bytes(data)
    name, verb = rng.choice((("unet", ["segment"]), ("cyclegan-to-winter", ["translate", "--to", "winter"])))
    (work / "model.onnx").write_bytes(corpus.models()[f"exported-{name}.onnx"])
    options = rng.choice(([], ["--json"]))
    run = command(*verb, "in", "--model", "model.onnx", "-o", "out", "--device", "cpu", *options)

    def action() -> int:
        code = run()
        if not any((work / "out").glob("sound*")):
            raise AssertionError("the sound picture has no result")
        return code

    return action


def archives(rng: random.Random, work: Path) -> Action:
    name = rng.choice(sorted(corpus.archives()))
    (work / name).write_bytes(damage(rng, corpus.archives()[name], list(corpus.archives().values()), most=3))
    return command("prepare", name, *rng.choice((["--check"], ["--check"], ["-o", "out"])), "--as", "unpaired")


def annotations(rng: random.Random, work: Path) -> Action:
    tool = rng.choice(sorted(corpus.annotations()))
    _, tree = corpus.annotations()[tool]
    if isinstance(tree, str):
        text = _bend_xml(rng, tree).encode("utf-8")
    else:
        text = json.dumps(bend(rng, tree) if rng.random() < 0.85 else tree).encode()
    if rng.random() < 0.15:
        text = damage(rng, text, [text])
    corpus.write_annotated_set(work / "set", tool, text)
    options = rng.choice(([], ["--check", "--json"], ["--check"], ["--tile", "16"], ["--attribute", "kind"]))
    return command("prepare", "set", "-o", "out", *options) if rng.random() < 0.8 else command("info", "set")


def _bend_xml(rng: random.Random, text: str) -> str:
    """Put odd values into attributes."""
    values = (
        "", "-1", "1e308", "nan", "inf", "9" * 30, "1,2,3", ";", "a", "0", "1.5", "../../x.png", "é", "1_0", "٣",
    )  # fmt: skip
    parts = text.split('"')
    for _ in range(rng.randint(1, 3)):
        parts[rng.randrange(len(parts) // 2) * 2 + 1] = rng.choice(values)
    return '"'.join(parts)


def masks(rng: random.Random, work: Path) -> Action:
    form = rng.choice(sorted(set_corpus.masks()))
    tree = dict(set_corpus.masks()[form])
    for place in rng.sample([one for one in sorted(tree) if not one.startswith("images/")], rng.randint(1, 2)):
        tree[place] = _bend_mask(rng, place, tree[place], list(tree.values()))
    set_corpus.write_tree(work / "set", tree)
    if rng.random() < 0.2:
        return command("info", "set", *rng.choice(([], ["--json"])))
    return command("prepare", "set", "-o", "out", *_mask_options(rng, work))


def _bend_mask(rng: random.Random, place: str, data: bytes, others: list[bytes]) -> bytes:
    if rng.random() < 0.4:
        return damage(rng, data, others)
    if place.endswith(".npy"):
        return _bend_array(rng, data)
    if place.endswith(".txt"):
        return damage(rng, data, others)
    wide, high = rng.choice((corpus.SIZE, corpus.SIZE, (1, 1), (7, 300), (24, 15)))
    noise = np.random.default_rng(rng.randrange(1000)).integers(0, 256, (high, wide, 3)).astype(np.uint8)
    image = Image.fromarray(noise).convert(rng.choice(("L", "RGB", "P", "1", "LA", "RGBA", "CMYK", "I", "F")))
    formats = ("PNG", "TIFF", "JPEG", "BMP", "GIF", "WEBP")
    for format in rng.sample(formats, len(formats)):
        try:
            return corpus.encode(image, format)
        except (OSError, KeyError, ValueError):
            continue  # not every format has every mode
    return b""


def _bend_array(rng: random.Random, data: bytes) -> bytes:
    array = np.load(io.BytesIO(data))
    dtype = rng.choice((
        "bool", "int8", "uint16", "int64", "uint64", "float16", "float32", "complex64", "U3", "S2", "object", "V4",
        ">i4", "M8[s]", "longdouble",
    ))  # fmt: skip
    kind = rng.randrange(5)
    if kind == 0:
        return set_corpus.save_array(array.astype(np.uint8).astype(dtype) if dtype != "V4" else array.view("V1"))
    if kind == 1:
        value = rng.choice((float("nan"), float("inf"), 0.5, -1, 254, 255, 256, 1e30, 2**62))
        bent = array.astype(np.float64)
        bent.flat[rng.randrange(bent.size)] = value
        return set_corpus.save_array(
            bent if rng.random() < 0.5 else np.clip(np.nan_to_num(bent), 0, 2**40).astype(int)
        )
    if kind == 2:
        shape = rng.choice(
            ((), (0,), (0, 0), (1, 1), (24, 16), (16, 24, 0), (16, 24, 1), (16, 24, 300), (2, 2, 2, 2))
        )
        return set_corpus.save_array(np.zeros(shape, array.dtype))
    if kind == 3:
        return set_corpus.save_array(np.asfortranarray(array[::-1]))
    old, new = rng.choice((
        (b"(16, 24", b"(10**9, "), (b"(16, 24", b"(99999999"), (b"False", b"1    "), (b"|u1", b"|O8"),
        (b"|u1", b"|V9"), (b"'shape'", b"'shapo'"), (b"(16, 24", b"(-6, -2"), (b"{", b"["), (b"16, 24", b"24, 16"),
    ))  # fmt: skip
    return data.replace(old, new, 1)


def _mask_options(rng: random.Random, work: Path) -> list[str]:
    options = list(
        rng.choice(([], ["--check"], ["--check", "--json"], ["--tile", "16"], ["--size", "16"], ["--link"]))
    )
    if rng.random() < 0.3:
        options += ["--ignore", rng.choice(("0", "255", "300", "-1", "nan", "1,2,3", "class 1", "", "999,0,0"))]
    if rng.random() < 0.3:
        name = rng.choice(sorted(set_corpus.TABLES))
        (work / name).write_text(set_corpus.TABLES[name], "utf-8")
        options += ["--classes", name]
    if rng.random() < 0.15:
        options += ["--snap", rng.choice(("0", "441", "nan", "20"))]
    return options


def tables(rng: random.Random, work: Path) -> Action:
    """Tables of classes, beside the masks or named."""
    name = rng.choice(sorted(set_corpus.TABLES))
    text = _bend_lines(rng, set_corpus.TABLES[name]).encode()
    if rng.random() < 0.3:
        text = damage(rng, text, [one.encode() for one in set_corpus.TABLES.values()], most=2)
    form = rng.choice(
        ("index", "palette", "palettes", "color", "jpeg", "array", "one_hot", "layers", "voc", "camvid")
    )
    set_corpus.write_tree(work / "set", set_corpus.masks()[form])
    if rng.random() < 0.5:
        (work / "set" / name).write_bytes(text)
        return command("prepare", "set", "-o", "out", *rng.choice(([], ["--check"], ["--check", "--json"])))
    named = rng.choice((name, name, "classes.json", "classes.png"))
    (work / named).write_bytes(text)
    return command("prepare", "set", "--classes", named, "-o", "out", *rng.choice(([], ["--check"])))


def _bend_lines(rng: random.Random, text: str) -> str:
    """Lines twice, without a part, or with an odd one."""
    odd = (
        "", "-1", "256", "999999999999", "9" * 5000, "nan", "0x10", "1.5", "١٢", "²", "é", '"', "#12", "#GGGGGG",
        "a,b,c,d,e,f", "255,255,255", "void", "\x00", "name " * 500,
    )  # fmt: skip
    lines = text.splitlines()
    for _ in range(rng.randint(1, 3)):
        number = rng.randrange(len(lines))
        kind = rng.randrange(4)
        if kind == 0:
            lines.insert(number, lines[number])
        elif kind == 1 and len(lines) > 1:
            del lines[number]
        elif kind == 2:
            parts = lines[number].replace(" ", ",").split(",")
            parts[rng.randrange(len(parts))] = rng.choice(odd)
            lines[number] = ",".join(parts)
        else:
            lines[number] = rng.choice(odd)
    return rng.choice(("\n", "\n", "\r\n", "\r", "\n\n")).join(lines)


def descriptions(rng: random.Random, work: Path) -> Action:
    """``dataset.yaml`` of prepared sets."""
    form = rng.choice(sorted(set_corpus.prepared()))
    tree = dict(set_corpus.prepared()[form])
    text = tree["dataset.yaml"]
    if rng.random() < 0.75:
        yaml, buffer = YAML(typ="safe", pure=True), io.StringIO()
        yaml.dump(bend(rng, yaml.load(text.decode())), buffer)
        text = buffer.getvalue().encode("utf-8", "surrogatepass")
    else:
        text = damage(rng, text, [one["dataset.yaml"] for one in set_corpus.prepared().values()])
    set_corpus.write_tree(work / "set", {**tree, "dataset.yaml": text})
    (work / "unet.onnx").write_bytes(corpus.models()["exported-unet.onnx"])
    arguments: Any = rng.choice((
        ("info", "set"), ("info", "set", "--json"), ("prepare", "set", "--check"), ("prepare", "set", "-o", "out"),
        ("prepare", "set", "-o", "set", "--overwrite"), ("evaluate", "unet.onnx", "--data", "set", "-o", "made"),
    ))  # fmt: skip
    return command(*arguments)


KINDS: dict[str, Kind] = {
    one.__name__: one
    for one in (
        images, batches, archives, annotations, masks, tables, descriptions,
        model_kinds.models, model_kinds.exports, model_kinds.weights, model_kinds.settings, model_kinds.runs,
    )
}  # fmt: skip
"""Every kind by its name."""
