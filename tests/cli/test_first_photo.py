"""The commands of somebody new start without torch, and import no more than they need."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from gantool.data.sample import draw_scene
from gantool.models.find import bundled_models

ALONE = """
import json, sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("torch", "torchvision", "lightning_fabric", "torchmetrics", "timm"):
            raise ModuleNotFoundError(f"{name} is blocked", name=name)

sys.meta_path.insert(0, Blocked())
from gantool.cli.app import run

for command in json.loads(sys.argv[1]):
    print("CODE", run(command), flush=True)
slow = (
    "jinja2", "pycocotools", "contourpy", "ruamel.yaml", "http.client", "filelock", "rich.progress",
    "gantool.cli.train",
)
print("SLOW", [name for name in slow if name in sys.modules])
"""


def alone(*commands: list[str]) -> subprocess.CompletedProcess[str]:
    """Run commands one after the other in a process of their own that cannot import torch."""
    done = subprocess.run([sys.executable, "-c", ALONE, json.dumps(commands)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("CODE 0") == len(commands), done.stdout + done.stderr
    return done


def test_a_first_photo_and_a_first_painting(workplace: Path) -> None:
    image = draw_scene(4, size=(320, 240)).summer
    Image.fromarray(image).save("photo.jpg", quality=95)
    Image.fromarray(image).save("painting.png")
    done = alone(
        ["translate", "photo.jpg", "--to", "winter"],
        ["translate", "photo.jpg", "--to", "summer", "--model", "seasons", "--device", "cpu"],
        ["translate", "photo.jpg", "--to", "winter", "--tile", "off", "-o", "whole/"],
        ["segment", "painting.png"],
        ["segment", "painting.png", "--model", "landscape", "--size", "256", "-o", "larger/"],
    )
    assert "SLOW []" in done.stdout
    assert "seasons: summer to winter on cpu in fp32" in done.stderr
    assert "landscape: 5 classes on cpu in fp32" in done.stderr
    for name in ("photo.winter.jpg", "photo.summer.jpg", "whole/photo.winter.jpg"):
        made = np.asarray(Image.open(name)).astype(int)
        assert made.shape == image.shape and np.abs(made - image).mean() > 1
    assert np.asarray(Image.open("larger/painting.mask.png")).shape == (240, 320)


def test_what_is_here(workplace: Path) -> None:
    run = Path("runs/cyclegan-1")
    run.mkdir(parents=True)
    run.joinpath("run.json").write_text('{"created": "2026-11-28", "kind": "cyclegan"}')
    model = bundled_models()["seasons"]
    shutil.copy(model, run / "model.safetensors")
    shutil.copy(model.with_name("seasons-to-winter.onnx"), "winter.onnx")
    Image.new("RGB", (8, 8)).save("photo.png")
    for name in ("a", "b"):
        Path("set", name).mkdir(parents=True)
        Image.effect_noise((32, 32), 50).save(f"set/{name}/{name}.png")
    done = alone(
        ["info"], ["info", "--json"], ["info", "seasons"], ["info", "landscape"], ["info", "cyclegan-1"],
        ["info", str(run / "model.safetensors")], ["info", "winter.onnx"], ["info", "photo.png"], ["info", "set"],
        ["train", "--list-models"],
    )  # fmt: skip
    assert "landscape, seasons" in done.stdout and '"device": "' in done.stdout
    assert "cyclegan-light" in done.stdout


def test_from_python(workplace: Path) -> None:
    script = (
        "import sys; sys.modules['torch'] = None; import numpy, gantool; "
        "image = numpy.full((40, 60, 3), 90, numpy.uint8); "
        "print(gantool.translate(image, to='winter').shape, gantool.segment(image).mask.shape)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.split("\n")[0] == "(40, 60, 3) (40, 60)", done.stderr


def test_what_needs_torch_says_so_where_it_is_not_installed(workplace: Path) -> None:
    for command in (["train", "cyclegan"], ["export", "seasons"]):
        done = subprocess.run([sys.executable, "-c", ALONE, json.dumps([command])], capture_output=True, text=True)
        assert "CODE 2" in done.stdout
        sentence = "error: this needs torch, which is not installed here. All it needs: pip install gantool"
        assert " ".join(done.stderr.split()) == sentence
    assert not list(workplace.iterdir())
