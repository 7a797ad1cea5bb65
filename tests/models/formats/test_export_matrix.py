"""Every network in every format, at odd and large sizes; minutes, so only in the continuous integration."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from gantool.cards import Card, Domain, Exported
from gantool.models.files import FORMATS
from gantool.models.formats.torch_archive import torch_runner
from gantool.nets.layers import initialize
from gantool.nets.registry import GENERATORS, build_generator
from gantool.nets.segmenter_table import SEGMENTERS
from gantool.nets.segmenters import build_segmenter

WRITTEN = {one.name: one for one in FORMATS if one.is_exported}
SMALL = [name for name in GENERATORS if not name.startswith("unet_") or name in ("unet_32", "unet_128")]


def segmenter(name: str) -> tuple[nn.Module, int, int]:
    torch.manual_seed(0)
    if name == "dpt":  # a vision transformer, of one size and without batch norm
        net = build_segmenter(name, classes=4, encoder="tu-vit_tiny_patch16_224.augreg_in21k")
        return net.eval(), 32, 224
    net = build_segmenter(name, classes=4, encoder="resnet18" if name != "segformer" else "mit_b0")
    # Statistics of a few batches, or a batch norm that divides by almost nothing magnifies every rounding.
    net.train()
    with torch.no_grad():
        for _ in range(3):
            net(torch.rand(2, 3, 128, 128) * 2 - 1)
    spec = SEGMENTERS[name]
    return net.eval(), spec.multiple_of, spec.smallest


@pytest.mark.slow
@pytest.mark.parametrize("form", WRITTEN)
@pytest.mark.parametrize("name", [*SMALL, *(f"segment {name}" for name in SEGMENTERS)])
def test_file_equals_network(name: str, form: str, tmp_path: Path) -> None:
    static = False
    if name.startswith("segment "):
        architecture = name.removeprefix("segment ")
        net, multiple, smallest = segmenter(architecture)
        static = bool(SEGMENTERS[architecture].why_one_size)
    else:
        torch.manual_seed(0)
        net = build_generator(name, width=4)
        initialize(net, gain=0.1)
        net.eval()
        multiple, smallest = GENERATORS[name].multiple_of, 16
    first = max(2 * multiple, smallest, 32)
    sizes = [(first, first)] if static else [(first, first), (first + multiple, first + 3 * multiple),
                                             (first + 5 * multiple, first + 2 * multiple)]  # fmt: skip
    path = tmp_path / f"file{WRITTEN[form].suffix}"
    example = torch.rand(1 if static else 2, 3, *sizes[0]) * 2 - 1
    exported = Exported(format=form, static_size=sizes[0] if static else None)
    card = Card(task="cyclegan", domains=(Domain(name="a"),), multiple_of=multiple, exported=exported)
    write = WRITTEN[form].write
    assert write is not None
    write(path, net, card, example, None)
    if form == "onnx":
        import onnxruntime

        session = onnxruntime.InferenceSession(str(path))

        def run(batch: np.ndarray) -> np.ndarray:
            return np.asarray(session.run(None, {"image": batch})[0])
    else:
        run = torch_runner(path, form, torch.device("cpu"), trust=True)
    for number, size in enumerate(sizes):
        batch = torch.rand(1 if static or number == 1 else 2, 3, *size) * 2 - 1
        with torch.no_grad():
            expected = net(batch).numpy()
        made = run(batch.numpy())
        assert np.abs(made - expected).max() <= 1e-4 * np.abs(expected).max(), size
        if name.startswith("segment "):
            assert (made.argmax(1) == expected.argmax(1)).mean() >= 0.9999, size
