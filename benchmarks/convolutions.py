"""What convolutions gain that are computed in the layout that torch computes them in (`gantool.nets.convolutions`).

    python benchmarks/convolutions.py [--rounds N] [--json FILE]
    python benchmarks/convolutions.py --only layers
    python benchmarks/convolutions.py --only steps

- layers: single convolutions in bf16, there and back, on one thread, in turn with torch's own.
- steps: whole training steps at batch 1, on all threads (``OMP_NUM_THREADS`` says how many), in turn with the same
  step whose convolutions are left to torch.

On a processor without AMX both are the same, unless ``--everywhere`` takes the detour there, too.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping

import torch
from measured import Row, alternate, argument_parser, finish
from method_steps import make_step
from torch import nn

from gantool.nets import convolutions
from gantool.nets.convolutions import Convolution, TransposedConvolution, as_torch_does

LAYERS: Mapping[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "3 to 64 channels, 7x7, 256 px": (lambda: Convolution(3, 64, 7), (1, 3, 262, 262)),
    "64 to 128 channels, 256 px, halved": (lambda: Convolution(64, 128, 3, 2, 1), (1, 64, 256, 256)),
    "128 to 64 channels, 128 px, doubled": (
        lambda: TransposedConvolution(128, 64, 3, 2, 1, 1),
        (1, 128, 128, 128),
    ),
    "64 to 128 channels, two of 128 px": (lambda: Convolution(64, 128, 3, 1, 1), (2, 64, 128, 128)),
    "256 to 256 channels, 64 px": (lambda: Convolution(256, 256, 3), (1, 256, 66, 66)),
}
STEPS = {"cyclegan, 256 px": 4, "cyclegan, 128 px": 9, "cut, 128 px": 9, "pix2pix, 256 px": 15}
"""Steps of each in a round of the default length."""


def in_turn(name: str, work: Callable[[], object], rounds: int, unit: str) -> list[Row]:
    """The same work with convolutions left to torch, and as they are."""

    def by_torch() -> None:
        with as_torch_does():
            work()

    return alternate({f"{name}, torch": by_torch, name: work}, rounds, unit=unit)


def layers(rounds: int) -> list[Row]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    rows: list[Row] = []
    for name, (make, shape) in LAYERS.items():
        layer = make().to(torch.bfloat16)
        x = torch.randn(shape, dtype=torch.bfloat16, requires_grad=True)
        gradient = torch.randn_like(layer(x))

        def there_and_back(layer: nn.Module = layer, x: torch.Tensor = x, gradient: torch.Tensor = gradient) -> None:
            layer.zero_grad()
            x.grad = None
            layer(x).backward(gradient)

        rows += in_turn(name, there_and_back, 5 * rounds, "ms")
    torch.set_num_threads(threads)
    return rows


def steps(rounds: int) -> list[Row]:
    rows: list[Row] = []
    for name, count in STEPS.items():
        preset, size = name.removesuffix(" px").split(", ")
        options = argparse.Namespace(size=int(size), batch=1, device="cpu")
        rows += in_turn(name, make_step(preset, options), max(count * rounds // 2, 1), "s")
    return rows


def main() -> None:
    parser = argument_parser(__doc__)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--only", choices=("layers", "steps"))
    parser.add_argument("--everywhere", action="store_true", help="also without AMX")
    options = parser.parse_args()
    if options.everywhere:
        convolutions._amx = lambda: True
    print(f"{torch.get_num_threads()} threads, torch {torch.__version__}")
    rows = [] if options.only == "steps" else layers(options.rounds)
    rows += [] if options.only == "layers" else steps(options.rounds)
    finish(rows, options.json)


if __name__ == "__main__":
    main()
