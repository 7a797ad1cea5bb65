"""Write ``tests/compat/v1``: runs stopped in mid-epoch, exported files, and what this gantool makes of them.

    OMP_NUM_THREADS=1 python tools/make_compat_fixture.py

``tests/compat/test_old_runs.py`` holds later versions to it, so it is written once per format, at the commit that its
README names, and not again to make a test pass.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from contextlib import chdir
from pathlib import Path
from typing import Any

os.environ["GANTOOL_MIRROR"] = "http://127.0.0.1:9"  # nothing from the network

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "compat"))

import old_runs as house
import onnx
import torch
from PIL import Image

import gantool
from gantool.data.sample import draw_scene

DISCRIMINATOR = {
    "model.discriminator": "n_layers", "model.discriminator_layers": 1, "model.discriminator_width": 2,
}  # fmt: skip
SHARED = {
    "data.test_scenes": 3, "train.samples_every": 0, "runtime.device": "cpu", "runtime.precision": "fp32",
}  # fmt: skip
TRAININGS: dict[str, tuple[int, dict[str, Any]]] = {
    "cyclegan": (6, {
        **SHARED, **DISCRIMINATOR, "model.width": 2, "data.size": 32, "data.load_size": 36, "data.scenes": 4,
        "train.epochs": 3, "train.pool_size": 2, "optimizer.lr": 1e-4,
        "augment.discriminator": ["color", "translation"],
    }),
    "pix2pix": (4, {
        **SHARED, **DISCRIMINATOR, "model.generator": "unet_32", "model.width": 2, "data.size": 32,
        "data.load_size": 36, "data.scenes": 6, "train.epochs": 3, "train.batch_size": 2,
    }),
    "unet": (38, {
        **SHARED, "model.width": 4, "model.depth": 1, "data.size": 32, "data.scenes": 8, "train.epochs": 12,
        "train.batch_size": 2, "train.ema": 0.9, "optimizer.lr": 0.01, "loss.class_weights": None,
    }),
}  # fmt: skip
"""By kind: the step after which the run is stopped, in mid-epoch, and its settings."""
KEPT = ("run.json", "settings.yaml", "metrics.jsonl", "model.safetensors", "last.safetensors", "checkpoints/last.pt")
README = """# Runs that an older gantool wrote

`runs/` holds a training of each method that was stopped in the middle of an epoch (pictures and pages left out),
`exported/` files made from them (without the exporters' notes about lines of source), `outputs/` what they make of
the pictures here, `evaluations/` what `gantool evaluate` says of them, and `expected/` what `gantool info` says and
what lies in each run's folder after `gantool train --resume`. `../test_old_runs.py` proves that the present gantool
reads and continues all that.

Written at commit {commit} by gantool {version} with torch {torch}:

    git checkout {commit}
    OMP_NUM_THREADS=1 python tools/make_compat_fixture.py

With `GANTOOL_COMPAT_EXACT=1` the test demands equal bytes, which only the machine and the torch that wrote this can
give; write it again there first.
"""


def main() -> None:
    torch.set_num_threads(1)
    platform.platform = lambda *_, **__: "Linux"  # type: ignore[assignment]  # stands in run.json
    shutil.rmtree(house.FIXTURE, ignore_errors=True)
    with tempfile.TemporaryDirectory() as place, chdir(place):
        os.environ["GANTOOL_CACHE"], os.environ["TORCH_HOME"] = f"{place}/cache", f"{place}/torch"
        make()
    with tempfile.TemporaryDirectory() as place, chdir(place):
        house.set_up(Path())
        record()
    about = {"commit": _commit(), "version": gantool.__version__, "torch": torch.__version__}
    (house.FIXTURE / "README.md").write_text(README.format(**about), "utf-8")
    total = sum(path.stat().st_size for path in house.FIXTURE.rglob("*") if path.is_file())
    print(f"{house.FIXTURE}: {total / 1000:.0f} kB")


def make() -> None:
    """Pictures, runs and exported files."""
    house.FIXTURE.mkdir(parents=True)
    scene = draw_scene(11, size=(96, 64), seed=7)
    for name, image in (("summer", scene.summer), ("winter", scene.winter), ("labels", scene.mask)):
        Image.fromarray(image).save(house.FIXTURE / f"{name}.png", optimize=True)
    for kind, (last, settings) in TRAININGS.items():
        result = gantool.train(kind, name=kind, settings=settings, on_event=_stop_after(last))
        assert result.stopped
        for name in KEPT:
            path = house.FIXTURE / "runs" / kind / name
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(Path("runs", kind, name), path)
    for format in ("onnx", "torchscript"):
        gantool.export("cyclegan", format=format, to="winter", output=house.FIXTURE / "exported")
    for format in ("onnx", "pt2"):
        gantool.export("unet", format=format, output=house.FIXTURE / "exported")
    for path in (house.FIXTURE / "exported").iterdir():
        _forget_source(path)


def _forget_source(path: Path) -> None:
    """Take out of an exported file where each line of its code stands on this machine, which only debuggers want."""
    if path.suffix == ".onnx":
        model = onnx.load(path)
        for node in model.graph.node:
            del node.metadata_props[:]
        onnx.save(model, path)
        return
    with zipfile.ZipFile(path) as archive:
        entries = {entry.filename: (entry.compress_type, archive.read(entry)) for entry in archive.infolist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, (how, content) in entries.items():
            if name.endswith("models/model.json"):
                program = json.loads(content)
                for node in program["graph_module"]["graph"]["nodes"]:
                    node["metadata"].pop("stack_trace", None)
                content = json.dumps(program).encode()
            if not name.endswith(".debug_pkl"):
                archive.writestr(zipfile.ZipInfo(name), content, how)


def _stop_after(last: int) -> Callable[[Any], None]:
    def listen(event: Any) -> None:
        if type(event).__name__ == "StepDone" and event.step == last:
            assert 0 < event.step_in_epoch < event.steps_per_epoch
            signal.raise_signal(signal.SIGINT)

    return listen


def record() -> None:
    """What this gantool makes of them. The runs are resumed last, so that all else is said of what is kept."""
    for name in house.OUTPUTS:
        house.make_output(name, to=house.FIXTURE / "outputs")
    for name in house.EVALUATIONS:
        house.write_json(house.FIXTURE / "evaluations" / f"{name}.json", house.evaluation(name))
    exported = {
        path: house.file_digest(house.make_output(name, model=f"exported/{path}"))
        for path, name in house.EXPORTED.items()
    }
    house.write_json(house.FIXTURE / "expected" / "exported.json", {"sha256": exported})
    cards = {path: house.answer("info", path) for path in (*house.RUNS, *house.CARDS)}
    house.write_json(house.FIXTURE / "expected" / "info.json", cards)
    for name in house.RUNS:
        house.write_json(house.FIXTURE / "expected" / f"{name}.json", house.finish(name))


def _commit() -> str:
    done = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.strip()[:12]


if __name__ == "__main__":
    main()
