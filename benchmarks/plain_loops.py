"""Training steps, with everything on auto, against the plain fp32 loops that anybody would write in PyTorch.

    python benchmarks/plain_loops.py [--only NAME]... [--steps 7] [--compiled] [--json FILE]

The plain loops are those of the GPU report (`gpu_report/plain.py`). Both are timed in turn in this process, by the
clock and by the processor time of this process, which depends less on what else the machine does. ``--compiled``
adds gantool's step with compiled networks, which is what a long run gets where `runtime.compile: auto` compiles.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from compile_gain import CASES, Subject, timed
from gpu_report.plain import plain_loop
from measured import Row, argument_parser, finish, middle

from gantool.engine.compiling import compile_networks

COMPARED = ("cyclegan, 256 px", "cyclegan-light, 128 px", "pix2pix, 256 px", "unet-resnet18, 128 px, batch 8")


def measure(name: str, steps: int, *, compiled: bool) -> list[Row]:
    subject = Subject(*CASES[name])
    classes = len(subject.method.facts.get("classes", ()))
    plain = plain_loop(subject.settings, torch.device("cpu"), classes, subject.task)
    ways: dict[str, Callable[[], object]] = {
        f"{name}, plain loop": lambda: plain(subject.batch),
        name: subject.step(subject.task()),
    }
    if compiled:
        task = subject.task()
        problem = compile_networks(task, subject.batch, subject.runtime)
        if problem:
            raise SystemExit(problem)
        ways[f"{name}, compiled"] = subject.step(task)
    clock, processor = timed(ways, steps)
    note = f"{subject.runtime.precision}, {torch.get_num_threads()} threads"
    rows = []
    for kind, times in (("", clock), (", processor time", processor)):
        base, *others = ways
        value, noise = middle(times[base])
        rows.append(Row(base + kind, value, "s", noise=noise, note=note))
        for way in others:
            ratio, noise = middle([one / plain for one, plain in zip(times[way], times[base], strict=True)])
            rows.append(Row(way + kind, middle(times[way])[0], "s", ratio, base + kind, noise, note))
    return rows


def main() -> None:
    parser = argument_parser(__doc__)
    parser.add_argument("--steps", type=int, default=7)
    parser.add_argument("--only", action="append", choices=list(CASES))
    parser.add_argument("--compiled", action="store_true")
    options = parser.parse_args()
    rows = [
        row for name in options.only or COMPARED for row in measure(name, options.steps, compiled=options.compiled)
    ]
    finish(rows, options.json)


if __name__ == "__main__":
    main()
