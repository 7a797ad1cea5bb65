"""Small sound data sets by form, as trees of files: masks of every kind, tables of classes, prepared sets."""

from __future__ import annotations

import contextlib
import io
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from fuzz.corpus import SIZE, encode, scene
from PIL import Image

from gantool.cli import app
from gantool.data.sample import draw_scene

__all__ = ["COUNT", "TABLES", "masks", "prepared", "save_array", "write_tree"]

COUNT = 3  # images of a set
_COLORS = np.random.default_rng(0).integers(0, 256, (256, 3)).astype(np.uint8)
_SHIFTED = np.roll(_COLORS, 1, axis=0)
_CODES = [tuple(int(value) for value in color) for color in _COLORS[:9]]

TABLES = {
    "class_dict.csv": "name,r,g,b\n" + "".join(f"class {n},{r},{g},{b}\n" for n, (r, g, b) in enumerate(_CODES)),
    "labelmap.txt": "# label:color_rgb:parts:actions\n"
    + "".join(f"class {n}:{r},{g},{b}::\n" for n, (r, g, b) in enumerate(_CODES)),
    "classes.csv": "".join(f"{n},class {n}\n" for n in range(9)),
    "classes.txt": "".join(f"class {n}\n" for n in range(9)),
    "labels.txt": "".join("class {} #{:02x}{:02x}{:02x}\n".format(n, *color) for n, color in enumerate(_CODES)),
    "label_colors.txt": "".join(f"{r} {g} {b}\tclass {n}\n" for n, (r, g, b) in enumerate(_CODES)),
}
"""Tables of the classes of `masks`, in every form that is read."""


def save_array(array: Any) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=True)
    return buffer.getvalue()


def _palette(mask: np.ndarray, colors: np.ndarray) -> Image.Image:
    image = Image.fromarray(mask)
    image.putpalette(colors.tobytes())
    return image


@cache
def masks() -> dict[str, dict[str, bytes]]:
    """By form: images of three drawn scenes with their masks."""
    drawn = [draw_scene(n, size=SIZE).mask for n in range(COUNT)]
    images = {f"images/{n}.png": scene(n) for n in range(COUNT)}

    def form(suffix: str, make: Any, place: str = "masks") -> dict[str, bytes]:
        return images | {f"{place}/{n}{suffix}": make(mask) for n, mask in enumerate(drawn)}

    planes = np.eye(9, dtype=np.uint8)
    found = {
        "index": form(".png", lambda mask: encode(mask, "PNG")),
        "deep": form(".png", lambda mask: encode(mask.astype(np.uint16) * 300, "PNG")),
        "palette": form(".png", lambda mask: encode(_palette(mask, _COLORS), "PNG")),
        "color": form(".png", lambda mask: encode(_COLORS[mask], "PNG")),
        "jpeg": form(".jpg", lambda mask: encode(_COLORS[mask], "JPEG", quality=95)),
        "tiff": form("_mask.tif", lambda mask: encode(mask, "TIFF")),
        "binary": form(".png", lambda mask: encode((mask > 3).astype(np.uint8) * 255, "PNG")),
        "array": form(".npy", save_array),
        "one_hot": form(".npy", lambda mask: save_array(planes[mask])),
        "camvid": {
            **{f"train/{n}.png": scene(n) for n in range(COUNT)},
            **{f"trainannot/{n}.png": encode(mask, "PNG") for n, mask in enumerate(drawn)},
        },
        "voc": {
            **{f"JPEGImages/{n}.jpg": encode(draw_scene(n, size=SIZE).summer, "JPEG") for n in range(COUNT)},
            **{f"SegmentationClass/{n}.png": encode(_palette(mask, _COLORS), "PNG") for n, mask in enumerate(drawn)},
            "ImageSets/Segmentation/train.txt": b"0\n1\n",
            "ImageSets/Segmentation/val.txt": b"2\n",
        },
    }
    found["palettes"] = {**found["palette"], "masks/1.png": encode(_palette(drawn[1], _SHIFTED), "PNG")}
    found["mixed"] = {**found["color"], "masks/1.png": encode(_palette(drawn[1], _COLORS), "PNG")}
    found["layers"] = dict(images)
    for index, name in enumerate(("lake", "hut")):
        layers = [encode((mask == index).astype(np.uint8) * 255, "PNG") for mask in drawn]
        found["layers"] |= {f"masks/{name}/{n}.png": layer for n, layer in enumerate(layers)}
    return found


@cache
def prepared() -> dict[str, dict[str, bytes]]:
    """What ``gantool prepare`` makes of sets of every kind."""
    sides = {f"{side}/{n}.png": scene(n + start) for side, start in (("a", 0), ("b", 4)) for n in range(COUNT)}
    return {
        "unpaired": _prepare(sides, "--as", "unpaired"),
        "paired": _prepare(sides, "--as", "paired"),
        "segmentation": _prepare(masks()["index"]),
        "tiles": _prepare(masks()["color"], "--tile", "16", "--split", "0.4,0.3,0.3"),
    }


def _prepare(tree: dict[str, bytes], *options: str) -> dict[str, bytes]:
    with tempfile.TemporaryDirectory() as name:
        source, made = Path(name, "source"), Path(name, "made")
        write_tree(source, tree)
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            code = app.run(["prepare", str(source), "-o", str(made), *options])
        assert code in (0, 1), code
        return {path.relative_to(made).as_posix(): path.read_bytes() for path in made.rglob("*") if path.is_file()}


def write_tree(folder: Path, tree: dict[str, bytes]) -> None:
    for place, data in tree.items():
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        (folder / place).write_bytes(data)
