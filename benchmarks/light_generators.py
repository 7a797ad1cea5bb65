"""Which light generator learns most in equal time? Trains each on the built-in sample for the same number of seconds.

    python benchmarks/light_generators.py [--seconds 60] [--json FILE]

Prints steps, milliseconds per step, the L1 ratios on held-out scenes (lower is better), a measure of checkerboard
(energy of the results at the pixel frequency, relative to the truth's) and the time of one inference at 256 px.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import torch
from measured import Row, argument_parser, finish, middle
from torch import nn

from gantool.cards import Card, Domain
from gantool.data.augment import Preparation, to_tensor
from gantool.data.datasets import ArrayImages, UnpairedDataset
from gantool.data.sample import draw_scene
from gantool.engine.ema import Ema
from gantool.engine.runtime import Runtime
from gantool.engine.task import Player
from gantool.methods.cyclegan.task import CycleGan, CycleGanWeights
from gantool.methods.gan.game import Game
from gantool.metrics.paired import l1_ratio
from gantool.nets.layers import initialize
from gantool.nets.registry import build_discriminator
from gantool.nets.resnet import ResnetBlock, ResnetGenerator
from gantool.nets.unet import UnetGenerator


def separable(net: nn.Module) -> nn.Module:
    """Replace the convolutions of the residual blocks by a depthwise and a pointwise one."""
    for block in [module for module in net.modules() if isinstance(module, ResnetBlock)]:
        for place, layer in enumerate(block.conv_block):
            if isinstance(layer, nn.Conv2d):
                channels = layer.in_channels
                block.conv_block[place] = nn.Sequential(
                    nn.Conv2d(channels, channels, 3, groups=channels), nn.Conv2d(channels, layer.out_channels, 1)
                )
    return net


CANDIDATES: dict[str, Callable[[], nn.Module]] = {
    "4 blocks, width 16, resize": lambda: ResnetGenerator(width=16, blocks=4, upsampling="resize"),
    "4 blocks, width 16, transposed": lambda: ResnetGenerator(width=16, blocks=4, upsampling="transpose"),
    "4 separable blocks, width 24, resize": lambda: separable(
        ResnetGenerator(width=24, blocks=4, upsampling="resize")
    ),
    "9 blocks, width 12, transposed": lambda: ResnetGenerator(width=12, blocks=9, upsampling="transpose"),
    "U-Net 128, width 16": lambda: UnetGenerator(width=16, levels=7, norm="instance"),
}


def train(build: Callable[[], nn.Module], seconds: float, runtime: Runtime) -> tuple[int, Ema]:
    torch.manual_seed(0)
    generators = {name: build() for name in ("to_b", "to_a")}
    critics = {name: build_discriminator("basic", width=32) for name in ("b", "a")}
    players = []
    for name, nets in (("generators", generators), ("discriminators", critics)):
        for net in nets.values():
            initialize(net)
        parameters = [parameter for net in nets.values() for parameter in net.parameters()]
        players.append(Player(name, nets, torch.optim.Adam(parameters, lr=5e-4, betas=(0.5, 0.999), fused=True)))
    card = Card(task="cyclegan", domains=(Domain(name="summer"), Domain(name="winter")), directions=())
    task = CycleGan(card, players[0], players[1], CycleGanWeights(identity=0.3), Game())
    runtime.prepare(task.players)
    update, ema = runtime.make_update(), Ema(task.nets(), 0.995)
    scenes = [draw_scene(n) for n in range(120)]
    data = UnpairedDataset(
        ArrayImages([scene.summer for scene in scenes[:60]]),
        ArrayImages([scene.winter for scene in scenes[60:]]),
        Preparation("resize_and_crop", 128, 128, True),
    )
    steps, end = 0, time.perf_counter() + seconds
    while time.perf_counter() < end:
        item = data[(steps // 60, steps % 60)]
        with runtime.autocast():
            task.step({name: tensor[None] for name, tensor in item.items()}, update)
        ema.update(task.nets())
        steps += 1
    return steps, ema


@torch.no_grad()
def results(net: nn.Module, images: list[np.ndarray]) -> list[np.ndarray]:
    outputs = [net(to_tensor(image)[None])[0].clamp(-1, 1) for image in images]
    return [((output + 1) * 127.5).round().byte().permute(1, 2, 0).numpy() for output in outputs]


def checkerboard(images: list[np.ndarray]) -> float:
    """Mean absolute response to the alternating 2x2 pattern."""
    pattern = [x[::2, ::2] - x[1::2, ::2] - x[::2, 1::2] + x[1::2, 1::2] for x in (y.astype(float) for y in images)]
    return float(np.mean([np.abs(response).mean() for response in pattern]))


def inference(net: nn.Module) -> tuple[float, float | None]:
    """Milliseconds for a picture of 256 px, and their noise."""
    large, times = torch.zeros(1, 3, 256, 256), []
    with torch.no_grad():
        for _ in range(6):
            start = time.perf_counter()
            net(large)
            times.append(1000 * (time.perf_counter() - start))
    return middle(times[1:])


def main() -> None:
    parser = argument_parser(__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    options = parser.parse_args()
    runtime = Runtime("cpu")
    truth = [draw_scene(1_000_000 + n) for n in range(24)]
    summer, winter = [scene.summer for scene in truth], [scene.winter for scene in truth]
    print(f"{options.seconds:.0f} s each, {runtime.precision}, torch {torch.__version__}")
    rows: list[Row] = []
    for name, build in CANDIDATES.items():
        steps, ema = train(build, options.seconds, runtime)
        to_winter = results(ema.nets["to_winter"], summer)
        to_summer = results(ema.nets["to_summer"], winter)
        milliseconds, noise = inference(ema.nets["to_winter"])
        own = [
            Row(f"{name}: a step", options.seconds / steps * 1000, "ms", note=f"{steps} of them"),
            Row(f"{name}: to winter", l1_ratio(to_winter, summer, winter), "L1 ratio"),
            Row(f"{name}: to summer", l1_ratio(to_summer, winter, summer), "L1 ratio"),
            Row(f"{name}: checkerboard", checkerboard(to_winter) / checkerboard(winter), "of the truth's"),
            Row(f"{name}: inference at 256 px", milliseconds, "ms", noise=noise),
        ]
        finish(own, None)
        rows += own
    if options.json is not None:
        finish(rows, options.json)


if __name__ == "__main__":
    main()
