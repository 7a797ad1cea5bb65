"""Memory and time of a CycleGAN step at the paper's settings, with what saves memory.

    python benchmarks/step_memory.py [--sizes 256 512] [--steps 2] [--device cpu] [--json FILE]

Every way runs in a process of its own: the most memory that a step takes beyond what the process has before it and
its processor time. ``runtime.split_backward`` differentiates one cycle at a time, ``runtime.checkpointing`` computes
the residual blocks of generators again.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from pathlib import Path

from measured import Row, argument_parser, finish

WAYS = {
    "plain": {},
    "one cycle at a time": {"runtime.split_backward": True},
    "blocks again": {"runtime.checkpointing": True},
    "both": {"runtime.split_backward": True, "runtime.checkpointing": True},
}


def measure(way: str, size: int, steps: int, device: str) -> dict[str, float]:
    """In this process: MiB and processor seconds of a step."""
    import torch

    from gantool.engine.runtime import Runtime
    from gantool.methods.registry import load_settings, make_method

    small = {"data.size": size, "data.scenes": 1, "data.test_scenes": 1, "runtime.device": device}
    settings = load_settings("cyclegan", overrides={**small, **WAYS[way]})
    runtime = Runtime(device)
    method = make_method(settings)
    task = method.task(runtime, fresh=True)
    runtime.prepare(task.players)
    update = runtime.make_update()
    batch = runtime.to_device(next(iter(method.batches(runtime).epoch(0, 0))))
    gpu = runtime.device.type == "cuda"

    def most() -> float:
        if gpu:
            torch.cuda.synchronize()
            return torch.cuda.max_memory_allocated() / 2**20
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

    # Weights, gradients and moments first, so that what is measured is what a step itself keeps.
    for player in task.players:
        for parameter in player.parameters():
            parameter.grad = torch.zeros_like(parameter)
        player.optimizer.step()
    before, times = most(), []
    for _ in range(steps):
        started = time.perf_counter() if gpu else time.process_time()
        with runtime.autocast():
            task.step(batch, update)
        used = most()
        times.append((time.perf_counter() if gpu else time.process_time()) - started)
    return {"memory": used - before, "time": min(times)}


def main() -> None:
    parser = argument_parser(__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[256, 512])
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--way", nargs=2, metavar=("NAME", "SIZE"), help="measure this in this process")
    options = parser.parse_args()
    if options.way:
        print(json.dumps(measure(options.way[0], int(options.way[1]), options.steps, options.device)))
        return
    rows: list[Row] = []
    for size in options.sizes:
        found = {}
        for way in WAYS:
            words = ["--way", way, str(size), "--steps", str(options.steps), "--device", options.device]
            done = subprocess.run(
                [sys.executable, str(Path(__file__).resolve()), *words], check=True, capture_output=True, text=True
            )
            found[way] = json.loads(done.stdout.splitlines()[-1])
            print(f"{size} px, {way}: {found[way]}", flush=True)
        for kind, unit in (("memory", "MiB"), ("time", "s")):
            base = found["plain"][kind]
            rows += [
                Row(f"{size} px, {kind}, {way}", one[kind], unit, *(() if way == "plain" else (
                    one[kind] / base, f"{size} px, {kind}, plain")))
                for way, one in found.items()
            ]  # fmt: skip
    finish(rows, options.json)


if __name__ == "__main__":
    main()
