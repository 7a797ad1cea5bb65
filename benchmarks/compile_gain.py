"""Training steps with compiled networks against the same steps as they are, and what compiling takes.

    python benchmarks/compile_gain.py [--only NAME]... [--steps 7] [--json FILE]

Both kinds of steps are timed in turn in this process, by the clock and by the processor time of this process, which
depends less on what else the machine does. What compiling takes is the processor time of this process and of the C++
compiler; kernels that an earlier call left in torch's cache (TORCHINDUCTOR_CACHE_DIR) are not compiled again.
gantool.engine.compiling has its table from here.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from typing import Any

import torch
from measured import Row, argument_parser, finish, middle
from torch import Tensor

from gantool.engine.compiling import compile_networks, rehearse
from gantool.engine.runtime import Runtime
from gantool.engine.step_work import count_work
from gantool.engine.task import Task
from gantool.methods.base import Method
from gantool.methods.registry import load_settings, make_method

CASES: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "cyclegan, 256 px": ("cyclegan", {"data.size": 256}),
    "cyclegan, 128 px": ("cyclegan", {"data.size": 128}),
    "cyclegan-light, 128 px": ("cyclegan-light", {"data.size": 128}),
    "pix2pix, 256 px": ("pix2pix", {"data.size": 256}),
    "unet-resnet18, 128 px, batch 8": ("segmentation", {"model.encoder": "resnet18", "data.size": 128}),
    "unet-resnet50, 256 px, batch 8": ("segmentation", {"model.encoder": "resnet50", "data.size": 256}),
}
"""Presets, with what replaces their values."""


class Subject:
    """A method with its first batch."""

    def __init__(self, preset: str, overrides: Mapping[str, Any]) -> None:
        base = {"data.path": "sample", "data.scenes": 8, "data.test_scenes": 2, "runtime.workers": 0, **overrides}
        if preset == "segmentation":
            base |= {"train.batch_size": 8, "model.encoder_weights": "none"}
        else:
            base |= {"train.batch_size": 1, "data.load_size": base["data.size"]}
        self.settings = load_settings(preset, base=base)
        self.method: Method = make_method(self.settings, preset)
        self.runtime = Runtime("cpu")
        first = next(iter(self.method.batches(self.runtime).epoch(0, 0)))
        layout = self.settings.channels_last("cpu", self.runtime.precision)
        self.batch = self.runtime.to_device(first, channels_last=layout)

    def task(self) -> Task:
        return self.method.task(self.runtime, fresh=False)

    def step(self, task: Task) -> Callable[[], Tensor]:
        runtime = Runtime("cpu")
        runtime.prepare(task.players)
        update = runtime.make_update(self.settings.optimizer.clip_norm)

        def step() -> Tensor:
            with runtime.autocast():
                return torch.stack(list(task.step(self.batch, update).values()))

        return step


def measure(name: str, steps: int) -> list[Row]:
    subject = Subject(*CASES[name])
    plain, compiled = subject.task(), subject.task()
    work = count_work(lambda: rehearse(plain, subject.batch, subject.runtime))
    before = _processor_time()
    problem = compile_networks(compiled, subject.batch, subject.runtime)
    took = _processor_time() - before
    if problem:
        return [Row(f"{name}, compiled", None, "s", note=problem)]
    ways = {"as it is": subject.step(plain), "compiled": subject.step(compiled)}
    clock, processor = timed(ways, steps)
    note = f"{work.moved / 1e9:.2f} GB moved, {work.calls} calls, {torch.get_num_threads()} threads"
    return [
        *_rows(name, clock, note),
        *_rows(f"{name}, processor time", processor, note),
        Row(f"{name}, compiling, processor time", took, "s", note=note),
    ]


def timed(ways: Mapping[str, Callable[[], object]], steps: int) -> tuple[dict[str, list[float]], ...]:
    """Take steps of each way in turn, the first untimed: seconds by the clock, and of processor time."""
    clock: dict[str, list[float]] = {way: [] for way in ways}
    processor: dict[str, list[float]] = {way: [] for way in ways}
    for turn in range(-1, steps):
        for way, step in ways.items():
            started, used = time.perf_counter(), time.process_time()
            step()
            if turn >= 0:
                clock[way].append(time.perf_counter() - started)
                processor[way].append(time.process_time() - used)
    return clock, processor


def _rows(name: str, times: Mapping[str, list[float]], note: str) -> list[Row]:
    plain, compiled = times["as it is"], times["compiled"]
    seconds, noise = middle(plain)
    ratio, ratio_noise = middle([one / other for one, other in zip(compiled, plain, strict=True)])
    return [
        Row(name, seconds, "s", noise=noise, note=note),
        Row(f"{name}, compiled", middle(compiled)[0], "s", ratio, name, ratio_noise, note),
    ]


def _processor_time() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def main() -> None:
    parser = argument_parser(__doc__)
    parser.add_argument("--steps", type=int, default=7)
    parser.add_argument("--only", action="append", choices=list(CASES))
    options = parser.parse_args()
    finish([row for name in options.only or CASES for row in measure(name, options.steps)], options.json)


if __name__ == "__main__":
    main()
