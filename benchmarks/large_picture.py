"""Translate one large picture in strips: time and memory, and the difference to one piece where that fits.

    python benchmarks/large_picture.py [--generator resnet_9blocks] [--width 64] [--size 6000x4000]

Prints the peak of anonymous memory (Linux), which is what can run out; layers on disk are mapped files.
"""

from __future__ import annotations

import argparse
import threading
import time
from pathlib import Path

import numpy as np
import torch

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
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--generator", default="resnet_9blocks")
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--size", default="6000x4000")
    parser.add_argument("--compare", default="1024x768", help="size at which strips are compared with one piece")
    options = parser.parse_args()
    torch.manual_seed(0)
    net = build_generator(options.generator, width=options.width, norm="instance")
    initialize(net)
    net.eval()

    width, height = (int(side) for side in options.compare.split("x"))
    pixels = draw_scene(0, size=(width, height)).summer
    start = time.perf_counter()
    whole = PicturePredictor(LiveRunner(net), tiling=Tiling("off"))(pixels)
    one_piece = time.perf_counter() - start
    start = time.perf_counter()
    strips = PicturePredictor(LiveRunner(net, memory=0))(pixels)
    ratio = (time.perf_counter() - start) / one_piece
    difference = np.abs(whole.astype(int) - strips)
    print(f"{options.generator} width {options.width} at {options.compare}: strips against one piece "
          f"mean {difference.mean():.4f} max {difference.max()} levels, {ratio:.2f} times the time")  # fmt: skip

    width, height = (int(side) for side in options.size.split("x"))
    pixels = draw_scene(0, size=(width, height)).summer
    predictor = PicturePredictor(LiveRunner(net))
    memory = PeakMemory()
    memory.start()
    start = time.perf_counter()
    predictor(pixels)
    seconds = time.perf_counter() - start
    memory.done = True
    print(f"{options.size} in {predictor.way(height, width)}: {seconds:.0f} s, "
          f"peak anonymous memory {memory.peak / 2**20:.0f} MiB")  # fmt: skip


if __name__ == "__main__":
    main()
