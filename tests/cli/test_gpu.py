"""What needs a CUDA device: ``pytest -m gpu``.

``GANTOOL_GPU_TESTS=cpu pytest -m gpu`` runs them without one, which tests the tests.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from exported_files import export_small
from PIL import Image
from support import SEGMENTER_TINY, TINY, TINY_PIX2PIX, Cli

from gantool.data.sample import draw_scene
from gantool.engine.checkpoints import random_state, restore_random_state
from gantool.engine.ema import Ema
from gantool.engine.runtime import Runtime
from gantool.methods.base import MethodSpec
from gantool.methods.registry import METHODS, make_method
from gantool.models.files import read_card
from gantool.models.find import FoundModel
from gantool.nets.layers import initialize
from gantool.nets.registry import build_generator
from gantool.predict.live import LiveRunner
from gantool.predict.load import open_runner
from gantool.predict.pictures import PicturePredictor
from gantool.predict.tiling import Tiling
from gantool.workflows.plan_training import TrainOptions, plan_training

DEVICE = os.environ.get("GANTOOL_GPU_TESTS", "cuda")
pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(DEVICE == "cuda" and not torch.cuda.is_available(), reason="there is no CUDA device here"),
]
SMALL = ["--set", "data.scenes=6", "--set", "data.test_scenes=2", "--size", "64", "--set", "data.load_size=64"]
every_method = pytest.mark.parametrize("spec", METHODS.values(), ids=METHODS)


def on_device(options: list[str], precision: str = "auto") -> list[str]:
    """The options for a CPU in fp32, for this device instead."""
    changed = {"--device": DEVICE, "--precision": precision}
    kept = [one for n, one in enumerate(options) if one not in changed and options[n - 1] not in changed]
    return [*kept, *(word for pair in changed.items() for word in pair)]


@pytest.mark.parametrize("name", ["resnet_light", "resnet_9blocks", "unet_64"])
def test_strips_and_cpu_agree(name: str) -> None:
    net = build_generator(name, width=8, norm="instance")
    initialize(net)
    pixels = draw_scene(3, size=(320, 192)).summer
    multiple = 64 if name == "unet_64" else 4
    whole = Tiling("off")
    cpu = PicturePredictor(LiveRunner(net, multiple_of=multiple), tiling=whole)(pixels)
    gpu = PicturePredictor(LiveRunner(net, multiple_of=multiple, device=DEVICE), tiling=whole)(pixels)
    strips = PicturePredictor(LiveRunner(net, multiple_of=multiple, device=DEVICE, memory=0))
    assert strips.way(192, 320) == "strips"
    assert np.abs(cpu.astype(int) - gpu).mean() < 1
    assert np.abs(gpu.astype(int) - strips(pixels)).mean() <= 0.2


def test_chance_comes_back() -> None:
    device = torch.device(DEVICE)
    before = random_state(device)
    assert ("cuda" in before) == (DEVICE == "cuda")
    first = torch.rand(5, device=device)
    restore_random_state(before, device)
    assert torch.equal(torch.rand(5, device=device), first)


@every_method
def test_a_step_waits_for_nothing(spec: MethodSpec, workplace: object) -> None:
    """Nothing in it makes the CPU wait for the GPU, which would leave that without work."""
    tiny: dict[str, Any] = {"model.width": 4, "data.size": 64, "data.load_size": 64, "data.scenes": 4,
                            "data.test_scenes": 2, "train.batch_size": 2}  # fmt: skip
    plan = plan_training(TrainOptions(next(iter(spec.models)), settings=tiny))
    method, runtime = make_method(plan.settings, plan.kind), Runtime(DEVICE, 1, "auto")
    if runtime.precision == "fp16":
        pytest.skip("whether fp16 gradients are finite is asked in every step")
    task = method.task(runtime, fresh=False)
    runtime.prepare(task.players)
    update, ema = runtime.make_update(1.0), Ema(task.nets(), 0.9)
    batch = runtime.to_device(next(iter(method.batches(runtime).epoch(0, 0))))
    for mode in ("default", "error"):  # what the first step sets up may wait
        if DEVICE == "cuda":
            torch.cuda.set_sync_debug_mode(mode)
        try:
            with runtime.autocast():
                losses = task.step(batch, update)
            ema.update(task.nets())
        finally:
            if DEVICE == "cuda":
                torch.cuda.set_sync_debug_mode("default")
    assert all(bool(torch.isfinite(loss)) for loss in losses.values())


@pytest.mark.parametrize(
    ("precision", "extra"),
    [
        ("auto", ["--workers", "2"]),
        ("fp32", []),
        ("bf16", ["--set", "runtime.channels_last=true"]),
        ("auto", ["--set", "optimizer.clip_norm=1", "--set", "model.discriminator_norm=spectral"]),
        ("fp16", []),
        ("fp16", ["--set", "optimizer.clip_norm=1"]),
    ],
)
def test_training_and_resuming(precision: str, extra: list[str], cli: Cli, workplace: object) -> None:
    if DEVICE == "cpu" and precision == "fp16":
        pytest.skip("a CPU has no fp16")
    options = on_device(["--epochs", "2", *SMALL, *extra], precision)
    result = cli("train", "cyclegan", *options)
    assert result.code == 0, result.err
    assert f"on {DEVICE}" in result.err
    more = cli("train", "--resume", "latest", "--epochs", "3")
    assert more.code == 0, more.err


@pytest.mark.skipif(DEVICE == "cpu", reason="a CPU's memory cannot be limited")
def test_too_little_memory_is_told(cli: Cli, workplace: object) -> None:
    torch.cuda.empty_cache()
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction((torch.cuda.memory_reserved() + 64 * 2**20) / total)
    try:
        result = cli("train", "cyclegan", "--batch-size", "64", *on_device(["--epochs", "1", *SMALL]))
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
        torch.cuda.empty_cache()
    assert result.code == 2, result.err
    assert "there is too little memory on cuda:0 for a step of 64 images" in result.err


def test_pairs_are_learned_and_measured(cli: Cli, workplace: Path) -> None:
    result = cli("train", "pix2pix", *on_device(TINY_PIX2PIX))
    assert result.code == 0, result.err
    measured = cli("evaluate", "pix2pix-1", "--device", DEVICE)
    assert measured.code == 0, measured.err


def test_a_segmenter_is_trained_and_used(cli: Cli, workplace: Path) -> None:
    result = cli("train", "unet", "--epochs", "1", *on_device(SEGMENTER_TINY))
    assert result.code == 0, result.err
    Image.fromarray(draw_scene(2, size=(96, 64)).summer).save("a.png")
    for extra in ([], ["--tta"], ["--precision", "bf16"]):
        used = cli("segment", "a.png", "--model", "unet", "--device", DEVICE, "--overwrite", *extra)
        assert used.code == 0, used.err


def test_a_photo_is_translated(cli: Cli, workplace: Path) -> None:
    """By a run and by the built-in model, which applies a change that it finds on a small picture."""
    assert cli("train", "cyclegan", "--epochs", "1", *on_device(TINY)).code == 0
    Image.fromarray(draw_scene(2, size=(96, 64)).summer).save("a.png")
    for model in ("cyclegan", "seasons"):
        options = ["--to", "winter", "--model", model, "--device", DEVICE, "--overwrite"]
        result = cli("translate", "a.png", *options)
        assert result.code == 0, result.err


@pytest.mark.parametrize("form", ["torchscript", "pt2"])
def test_exported_files_agree(form: str, tmp_path: Path) -> None:
    net = build_generator("resnet_light", width=4)
    initialize(net)
    path = export_small(tmp_path / f"file{'.pt' if form == 'torchscript' else '.pt2'}", form, net)
    found = FoundModel(path, read_card(path), "small")
    pixels = draw_scene(1, size=(64, 48)).summer[None]
    exported = open_runner(found, "winter", device=DEVICE, trust=True)(pixels)
    live = LiveRunner(net, device=DEVICE)(pixels)
    assert np.abs(exported - live).max() < 0.01


@pytest.mark.filterwarnings("ignore")  # torch warns of its own ways while it compiles
def test_compiled(cli: Cli, workplace: object) -> None:
    """Last, for it takes longest."""
    result = cli("train", "cyclegan", "--compile", *on_device(["--epochs", "1", *SMALL]))
    assert result.code == 0, result.err
