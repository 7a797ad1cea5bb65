"""Write networks into files that run without their Python: ONNX, TorchScript, ``torch.export``.

All take ``(N, C, H, W)`` float32 in [-1, 1] and give pictures in [-1, 1] or logits, N free, H and W free multiples of
what the network needs. What cannot be had at free sizes is written at one size.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.export import Dim

from gantool.errors import ModelError

__all__ = ["FIXED_SIZE", "HalfInside", "PixelClasses", "PixelPictures", "quantize", "write_file"]

FIXED_SIZE: Mapping[str, str] = {
    "pspnet": "its pooled branches are traced for one size",
    "upernet": "its pooled branches are traced for one size",
    "dpt": "its encoder takes one size",
    "pan": "its attention was found wrong at some sizes",
}
"""Architectures that are exported at one size, and why."""

_LARGEST = 8192  # a bound that the exporter wants for free sizes


class HalfInside(nn.Module):
    """A network that computes in float16 and takes and gives float32."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net.half()

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.net(x.half())
        return out.float()


class PixelPictures(nn.Module):
    """``(N, H, W, C)`` uint8 pictures to ``(N, H, W, C')`` uint8 pictures."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, pixels: Tensor) -> Tensor:
        made: Tensor = self.net(_values(pixels)).clamp(-1, 1)
        return ((made + 1) * 127.5).round().to(torch.uint8).permute(0, 2, 3, 1)


class PixelClasses(nn.Module):
    """``(N, H, W, 3)`` uint8 pictures to ``(N, H, W)`` uint8 class indices."""

    def __init__(self, net: nn.Module, mode: str) -> None:
        super().__init__()
        self.net, self.mode = net, mode

    def forward(self, pixels: Tensor) -> Tensor:
        logits: Tensor = self.net(_values(pixels))
        if self.mode == "binary":
            return (logits[:, 0] > 0).to(torch.uint8)
        return logits.argmax(1).to(torch.uint8)


def _values(pixels: Tensor) -> Tensor:
    return pixels.permute(0, 3, 1, 2).float() / 127.5 - 1


def write_file(
    net: nn.Module,
    path: Path,
    form: str,
    example: Tensor,
    metadata: Mapping[str, str],
    *,
    multiple_of: int,
    static: bool,
    opset: int | None = None,
) -> None:
    """Write one file.

    Args:
        net: in eval mode on the CPU.
        form: ``onnx``, ``torchscript`` or ``pt2``.
        example: an input; two images where the batch is free, the size that is meant where ``static``.
        metadata: texts that go into the file.

    Raises:
        ModelError: the exporter refuses the network.
    """
    height, width = (1, 2) if example.dtype == torch.uint8 else (2, 3)
    shapes: Any = None
    if not static:
        most = _LARGEST // multiple_of
        shapes = ({0: Dim("n", min=1, max=1024), height: _sizes("h", multiple_of, most),
                   width: _sizes("w", multiple_of, most)},)  # fmt: skip
    try:
        with _quiet(), torch.no_grad():
            if form == "torchscript":
                traced = torch.jit.trace(net, (example,), check_trace=False)  # type: ignore[no-untyped-call]
                torch.jit.save(traced, str(path), _extra_files=dict(metadata))
            elif form == "pt2":
                program = torch.export.export(net, (example,), dynamic_shapes=shapes)
                torch.export.save(program, path, extra_files=dict(metadata))
            else:
                _write_onnx(net, path, example, metadata, shapes, opset)
    except (RuntimeError, ValueError, TypeError, NotImplementedError, torch.onnx.OnnxExporterError) as error:
        first = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise ModelError(
            f"{form}: the exporter cannot write this network ({first.strip()[:200]}).",
            "Try another --format, or --static-size." if not static else "Try another --format.",
        ) from error


def _sizes(name: str, multiple_of: int, most: int) -> Any:
    if multiple_of == 1:
        return Dim(name, min=16, max=_LARGEST)
    return multiple_of * Dim(name, min=1, max=most)


def _write_onnx(
    net: nn.Module, path: Path, example: Tensor, metadata: Mapping[str, str], shapes: Any, opset: int | None
) -> None:
    import onnx

    torch.onnx.export(
        net, (example,), str(path), dynamo=True, external_data=False, input_names=["image"], output_names=["result"],
        dynamic_shapes=shapes, opset_version=opset, verbose=False,
    )  # fmt: skip
    model = onnx.load(str(path))
    onnx.helper.set_model_props(model, dict(metadata))
    onnx.save(model, str(path))


@contextmanager
def _quiet() -> Iterator[None]:
    """Exporters talk a lot about themselves, also through loggers of their own making."""
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def quantize(source: Path, target: Path, batches: Iterable[NDArray[np.float32]]) -> None:
    """Write an 8-bit form of an ONNX file; ranges of activations are those seen on ``batches``.

    Args:
        batches: inputs ``(1, C, H, W)``, all of one size.
    """
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self.left = iter(batches)

        def get_next(self) -> dict[str, NDArray[np.float32]] | None:
            batch = next(self.left, None)
            return None if batch is None else {"image": batch}

    with _quiet():
        quantize_static(
            str(source), str(target), Reader(), quant_format=QuantFormat.QDQ, per_channel=True,
            activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8, op_types_to_quantize=["Conv", "Add"],
        )  # fmt: skip
