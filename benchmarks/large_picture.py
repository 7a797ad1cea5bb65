"""Translate one large picture in strips: time and memory, and the difference to one piece where that fits.

    python benchmarks/large_picture.py [--generator resnet_9blocks] [--width 64] [--size 6000x4000] [--json FILE]

Prints the peak of anonymous memory (Linux), which is what can run out; layers on disk are mapped files.
"""

from __future__ import annotations

import threading
import time
from pathlib import Path

import numpy as np
import torch
from measured import Row, argument_parser, finish, middle

from gantool.data.sample import draw_scene
from gantool.nets.layers import initialize
from gantool.nets.registry import build_generator
from gantool.predict.live import LiveRunner
from gantool.predict.pictures import PicturePredictor
from gantool.predict.tiling import Tiling


def anonymous_bytes() -> int:
    for line in Path("/proc/self/smaps_rollup").read_text().splitlines():
        if line.startswith("Anonymous:"):
            return int(line.split()[1]) * 1024
    return 0


class PeakMemory(threading.Thread):
    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.peak, self.done = 0, False

    def run(self) -> None:
        while not self.done:
            self.peak = max(self.peak, anonymous_bytes())
            time.sleep(0.1)


def main() -> None:
    parser = argument_parser(__doc__)
    parser.add_argument("--generator", default="resnet_9blocks")
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--size", default="6000x4000")
    parser.add_argument("--compare", default="1024x768", help="size at which strips are compared with one piece")
    parser.add_argument("--rounds", type=int, default=1, help="of that comparison")
    options = parser.parse_args()
    torch.manual_seed(0)
    net = build_generator(options.generator, width=options.width, norm="instance")
    initialize(net)
    net.eval()
    what = f"{options.generator}, width {options.width}"
    rows = compared(net, options.compare, options.rounds, what)

    width, height = (int(side) for side in options.size.split("x"))
    pixels = draw_scene(0, size=(width, height)).summer
    predictor = PicturePredictor(LiveRunner(net))
    memory = PeakMemory()
    memory.start()
    start = time.perf_counter()
    predictor(pixels)
    seconds = time.perf_counter() - start
    memory.done = True
    rows += [
        Row(f"{what}, {options.size} in {predictor.way(height, width)}", seconds, "s"),
        Row(f"{what}, {options.size}, most anonymous memory", memory.peak / 2**20, "MiB"),
    ]
    finish(rows, options.json)


def compared(net: torch.nn.Module, size: str, rounds: int, what: str) -> list[Row]:
    """Strips against one piece: how far apart, and how long."""
    width, height = (int(side) for side in size.split("x"))
    pixels = draw_scene(0, size=(width, height)).summer
    whole, strips = (
        PicturePredictor(LiveRunner(net), tiling=Tiling("off")),
        PicturePredictor(LiveRunner(net, memory=0)),
    )
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds):
        for taken, predictor in zip(times, (whole, strips), strict=True):
            start = time.perf_counter()
            predictor(pixels)
            taken.append(time.perf_counter() - start)
    difference = np.abs(whole(pixels).astype(int) - strips(pixels))
    ratio, noise = middle([there / here for here, there in zip(*times, strict=True)])
    piece = f"{what}, {size} in one piece"
    return [
        Row(piece, middle(times[0])[0], "s", noise=middle(times[0])[1]),
        Row(f"{what}, {size} in strips", middle(times[1])[0], "s", ratio, piece, noise),
        Row(f"{what}, {size}, mean difference", float(difference.mean()), "levels of 255"),
        Row(f"{what}, {size}, largest difference", float(difference.max()), "levels of 255"),
    ]


if __name__ == "__main__":
    main()
