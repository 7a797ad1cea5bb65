"""What it takes to add something, proven in a copy of the source: the files and lines below, and nothing else."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytestmark = pytest.mark.slow

SOURCE = Path(__file__).parent.parent / "src" / "gantool"

METHOD = {
    "methods/toy/__init__.py": '''
"""A toy method."""
from gantool.methods.base import MethodSpec, ModelName, presets_in
from gantool.methods.toy.settings import ToySettings

def _load():
    from gantool.methods.toy.method import ToyMethod
    return ToyMethod

SPEC = MethodSpec(
    name="toy", settings=ToySettings, presets=presets_in(__name__, "toy"), models={"toy": "a toy"},
    resolve=lambda model: ModelName("toy", "toy") if model == "toy" else None, like=lambda model: ["toy"], refused={},
    load=_load,
)
''',
    "methods/toy/settings.py": '''
"""The keys of the toy."""
from typing import Literal
from gantool.methods.segmentation.settings import SegmentationSettings

class ToySettings(SegmentationSettings):
    """Everything that decides a training run of the toy."""
    task: Literal["toy"]
    """The method."""
''',
    "methods/toy/method.py": '''
"""The toy."""
from gantool.methods.segmentation.method import SegmentationMethod

class ToyMethod(SegmentationMethod):
    """Semantic segmentation under another name."""

    def task(self, runtime, *, fresh):
        task = super().task(runtime, fresh=fresh)
        task._card = task.card().model_copy(update={"task": "toy"})
        return task
''',
    "methods/toy/presets/toy.yaml": """
extends: segmentation-sample
task: toy
model: {architecture: unet, encoder: null, encoder_weights: none, width: 4, depth: 2}
data: {size: 32, scenes: 4, test_scenes: 2}
train: {epochs: 1, batch_size: 2}
""",
}
METRIC = {
    "metrics/toy.py": '''
"""The largest difference."""
import numpy as np

def largest(image, truth):
    return float(np.abs(image.astype(int) - truth).max())
'''
}
READER = {
    "data/sources/formats/toy.py": '''
"""One JSON file per image with boxes."""
from gantool.data.sources.formats.reader import Annotations, Reader
from gantool.data.sources.formats.shapes import AnnotatedImage, Shape

def _read(files, context):
    images = []
    for file in files:
        boxes = tuple(Shape(label, "rectangle", ((x, y), (x + w, y + h)), where=str(file.path))
                      for label, x, y, w, h in file.tree["toy"])
        width, height = context.size_of(file.path, file.tree["of"])
        images.append(AnnotatedImage(file.tree["of"], width, height, boxes, split=file.split, file=file.path))
    return Annotations(f"{len(files)} toy files", images)

READER = Reader("toy", lambda path, tree: isinstance(tree, dict) and "toy" in tree, _read)
'''
}
NETWORK = {
    "nets/toy.py": '''
"""The smallest generator."""
from torch import nn

class Toy(nn.Module):
    def __init__(self, in_channels=3, out_channels=3, *, width=1):
        super().__init__()
        self.net = nn.Sequential(nn.Conv2d(in_channels, out_channels, 1), nn.Tanh())

    def forward(self, x):
        return self.net(x)

def build(**options):
    return Toy(**options)
'''
}
COMMAND = {
    "cli/toy.py": '''
"""``gantool toy``."""
from gantool.cli.console import Screen

def toy() -> int:
    """Say what a toy says."""
    from gantool.workflows.toy import answer
    Screen().result(answer())
    return 0
''',
    "workflows/toy.py": '''
"""``gantool toy``."""

def answer():
    return "beep"
''',
}


class Copy:
    """A copy of the package that one thing is added to."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.package = folder / "src" / "gantool"
        shutil.copytree(SOURCE, self.package, ignore=shutil.ignore_patterns("__pycache__"))

    def add(self, files: dict[str, str]) -> None:
        for name, text in files.items():
            path = self.package / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text.lstrip(), "utf-8")

    def change_line(self, name: str, old: str, new: str) -> None:
        """Put one line in another's place, or add one to it."""
        path = self.package / name
        text = path.read_text("utf-8")
        assert text.count(old) == 1, f"{name}: {old!r}"
        path.write_text(text.replace(old, new), "utf-8")

    def run(self, *arguments: str) -> str:
        environment = {**os.environ, "PYTHONPATH": str(self.folder / "src")}
        done = subprocess.run(
            [sys.executable, "-m", "gantool", *arguments], cwd=self.folder, env=environment, capture_output=True,
            text=True, timeout=300,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture
def copy(tmp_path: Path) -> Copy:
    return Copy(tmp_path)


def test_a_method_is_a_folder_and_a_name_in_one_line(copy: Copy) -> None:
    copy.add(METHOD)
    copy.change_line(
        "methods/registry.py", '("cyclegan", "cut", "pix2pix", "distill", "segmentation")',
        '("cyclegan", "cut", "pix2pix", "distill", "segmentation", "toy")',
    )  # fmt: skip
    assert "a toy" in copy.run("train", "--list-models")
    copy.run("train", "toy", "--device", "cpu")
    Image.fromarray(np.full((40, 48, 3), 90, np.uint8)).save(copy.folder / "photo.png")
    assert "photo.mask.png" in copy.run("segment", "photo.png", "--model", "toy")
    assert "mean_iou" in copy.run("evaluate", "toy", "--json")
    assert "toy-1.onnx" in copy.run("export", "toy")
    assert json.loads(copy.run("info", "toy-1.onnx", "--json"))["task"] == "toy"


def test_a_metric_is_a_function_and_a_row(copy: Copy) -> None:
    copy.add(METRIC)
    copy.change_line(
        "metrics/table.py", '    "cycle_l1": Metric(',
        '    "largest": Metric("largest difference", False, ("pairs",), "gantool.metrics.toy:largest"),\n'
        '    "cycle_l1": Metric(',
    )  # fmt: skip
    for name, level in (("made", 100), ("real", 130)):
        (copy.folder / name).mkdir()
        for n in range(3):
            Image.new("RGB", (32, 32), (level, level, level + n)).save(copy.folder / name / f"{n}.png")
    found = json.loads(
        copy.run(
            "evaluate", "--generated", "made", "--real", "real", "--paired", "--json", "--device", "cpu",
            "--fail-over", "largest=31",
        )
    )  # fmt: skip
    assert 25 < found["results"][0]["largest"] <= 30
    assert "largest" in (copy.folder / "evaluation" / "evaluation.html").read_text("utf-8")


def test_a_format_of_annotations_is_a_file_and_a_line(copy: Copy) -> None:
    copy.add(READER)
    copy.change_line(
        "data/sources/formats/__init__.py", '("supervisely", "cvat",', '("toy", "supervisely", "cvat",'
    )  # fmt: skip
    (copy.folder / "set").mkdir()
    for n in range(4):
        Image.new("RGB", (64, 48), (10 * n, 80, 90)).save(copy.folder / "set" / f"{n}.png")
        tree = {"of": f"{n}.png", "toy": [["tree", 4, 4, 20 + n, 20], ["water", 30, 8, 20, 30]]}
        (copy.folder / "set" / f"{n}.json").write_text(json.dumps(tree))
    copy.run("prepare", "set", "-o", "made")
    masks = sorted((copy.folder / "made").rglob("masks/*.png"))
    assert len(masks) == 4
    assert sorted(np.unique(np.asarray(Image.open(masks[0])))) == [0, 1, 2]


def test_a_generator_is_its_module_and_a_row(copy: Copy) -> None:
    copy.add(NETWORK)
    copy.change_line(
        "nets/registry.py", '    "resnet_light": _resnet_spec(4, "resize"),',
        '    "toy": NetworkSpec(lambda **options: __import__("gantool.nets.toy").nets.toy.build(**options)),\n'
        '    "resnet_light": _resnet_spec(4, "resize"),',
    )  # fmt: skip
    options = [
        "--set", "model.generator=toy", "--size", "32", "--set", "data.scenes=2", "--set", "data.test_scenes=2",
        "--set", "model.discriminator=pixel", "--epochs", "1", "--device", "cpu", "--set", "data.load_size=32",
    ]  # fmt: skip
    copy.run("train", "cyclegan", *options)
    Image.fromarray(np.full((40, 48, 3), 90, np.uint8)).save(copy.folder / "photo.png")
    assert "photo.winter.png" in copy.run("translate", "photo.png", "--to", "winter", "--model", "cyclegan")


def test_a_command_is_two_files_and_a_line(copy: Copy) -> None:
    copy.add(COMMAND)
    copy.change_line(
        "cli/app.py", '"serve", "info")', '"serve", "info", "toy")'
    )  # fmt: skip
    assert copy.run("toy") == "beep\n"
    assert "Say what a toy says" in copy.run("--help")
