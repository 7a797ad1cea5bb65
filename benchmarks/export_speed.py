"""Live against exported: eager fp32, bf16, compiled, and ONNX Runtime, in alternation in one process.

python benchmarks/export_speed.py [--size 256] [--rounds 20] [--json FILE]
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import onnxruntime
import torch
from measured import Row, alternate, argument_parser, finish
from torch import nn

from gantool.cards import Card, Domain
from gantool.models.formats import onnx_file
from gantool.nets.registry import build_generator
from gantool.nets.segmenters import build_segmenter


def ways(net: nn.Module, batch: torch.Tensor, multiple_of: int, folder: Path) -> dict[str, Callable[[], object]]:
    file = folder / "net.onnx"
    card = Card(task="cyclegan", domains=(Domain(name="any"),), multiple_of=multiple_of)
    onnx_file.write(file, net, card, torch.cat([batch, batch]))
    session = onnxruntime.InferenceSession(str(file))
    array = batch.numpy()
    compiled = torch.compile(net)

    def bf16() -> object:
        with torch.autocast("cpu", torch.bfloat16):
            return net(batch)

    return {
        "eager fp32": lambda: net(batch),
        "eager bf16": bf16,
        "compiled fp32": lambda: compiled(batch),
        "ONNX Runtime fp32": lambda: session.run(None, {"image": array}),
    }


def main() -> None:
    parser = argument_parser(__doc__)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=20)
    arguments = parser.parse_args()
    nets = {
        "resnet_light, width 16": (build_generator("resnet_light", width=16), 4),
        "resnet_9blocks, width 64": (build_generator("resnet_9blocks"), 4),
        "unet-resnet18": (build_segmenter("unet", classes=11, encoder="resnet18"), 32),
    }
    batch = torch.rand(1, 3, arguments.size, arguments.size) * 2 - 1
    rows: list[Row] = []
    for net_name, (net, multiple_of) in nets.items():
        net.eval()
        with tempfile.TemporaryDirectory() as folder, torch.no_grad():
            found = alternate(ways(net, batch, multiple_of, Path(folder)), arguments.rounds, unit="ms")
        for row in found:
            base = f"{net_name}: {row.baseline}" if row.baseline else None
            rows.append(replace(row, name=f"{net_name}: {row.name}", baseline=base))
    finish(rows, arguments.json)


if __name__ == "__main__":
    main()
