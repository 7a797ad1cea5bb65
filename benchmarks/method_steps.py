"""One training step of every GAN method at its paper's settings, against our own CycleGAN step.

    python benchmarks/method_steps.py [--size 128] [--batch 1] [--steps 5] [--device cpu] [--json FILE]

All are timed in alternation in this process, with automatic precision, on drawn scenes; the ratio is what counts.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from measured import alternate, argument_parser, finish

from gantool.engine.runtime import Runtime
from gantool.methods.registry import load_settings, make_method

METHODS: dict[str, dict[str, Any]] = {
    "cyclegan": {}, "cut": {}, "fastcut": {}, "pix2pix": {"model.generator": "unet_128"},
}  # fmt: skip
"""Presets, and what they need at 128 px."""


def make_step(preset: str, options: Any) -> Callable[[], None]:
    """The step that `gantool train` takes with a preset, on one and the same batch."""
    small = {"data.size": options.size, "data.scenes": options.batch, "data.test_scenes": 1}
    settings = load_settings(
        preset,
        overrides={**small, "train.batch_size": options.batch, "runtime.device": options.device, **METHODS[preset]},
    )
    runtime = Runtime(options.device)
    method = make_method(settings)
    task = method.task(runtime, fresh=True)
    runtime.prepare(task.players)
    update = runtime.make_update()
    batch = runtime.to_device(next(iter(method.batches(runtime).epoch(0, 0))))

    def step() -> None:
        with runtime.autocast():
            task.step(batch, update)
        if runtime.device.type == "cuda":
            torch.cuda.synchronize()

    return step


def main() -> None:
    parser = argument_parser(__doc__)
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--device", default="auto")
    options = parser.parse_args()
    print(f"{options.size} px, batch {options.batch}, torch {torch.__version__}")
    finish(alternate({name: make_step(name, options) for name in METHODS}, options.steps, warmup=2), options.json)


if __name__ == "__main__":
    main()
