"""What needs a CUDA device: ``pytest -m gpu``."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from support import Cli

from gantool.data.sample import draw_scene
from gantool.nets.layers import initialize
from gantool.nets.registry import build_generator
from gantool.predict.live import LiveRunner
from gantool.predict.pictures import PicturePredictor
from gantool.predict.tiling import Tiling

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device here"),
]
SMALL = ["--set", "data.scenes=6", "--set", "data.test_scenes=2", "--epochs", "2", "--size", "64",
         "--set", "data.load_size=64"]  # fmt: skip


@pytest.mark.parametrize("precision", ["auto", "fp32", "bf16", "fp16"])
@pytest.mark.parametrize("extra", [[], ["--set", "optimizer.clip_norm=1"], ["--set", "runtime.channels_last=true"]])
def test_training_and_resuming(precision: str, extra: list[str], cli: Cli, workplace: object) -> None:
    result = cli("train", "cyclegan", "--device", "cuda", "--precision", precision, *SMALL, *extra)
    assert result.code == 0, result.err
    assert "on cuda" in result.err
    assert cli("train", "--resume", "latest", "--epochs", "3").code == 0


def test_compiled(cli: Cli, workplace: object) -> None:
    assert cli("train", "cyclegan", "--device", "cuda", "--compile", *SMALL).code == 0


@pytest.mark.parametrize("name", ["resnet_light", "resnet_9blocks", "unet_64"])
def test_strips_and_cpu_agree(name: str) -> None:
    net = build_generator(name, width=8, norm="instance")
    initialize(net)
    pixels = draw_scene(3, size=(320, 192)).summer
    multiple = 64 if name == "unet_64" else 4
    whole = Tiling("off")
    cpu = PicturePredictor(LiveRunner(net, multiple_of=multiple), tiling=whole)(pixels)
    gpu = PicturePredictor(LiveRunner(net, multiple_of=multiple, device="cuda"), tiling=whole)(pixels)
    strips = PicturePredictor(LiveRunner(net, multiple_of=multiple, device="cuda", memory=0))
    assert strips.way(192, 320) == "strips"
    assert np.abs(cpu.astype(int) - gpu).mean() < 1
    assert np.abs(gpu.astype(int) - strips(pixels)).mean() <= 0.2
