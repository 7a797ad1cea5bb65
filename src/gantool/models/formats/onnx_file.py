"""ONNX files: the card stands in the model's properties; they run and are read without torch."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gantool.arrays import Floats
from gantool.cards import Card
from gantool.errors import ModelError
from gantool.hardware import threads_to_compute
from gantool.models.formats.native import KEY
from gantool.quiet import stop_telemetry

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["forget_sessions", "matches", "open_onnx", "quantize", "read_card", "write"]


def matches(path: Path) -> bool:
    """Whether its name is that of an ONNX file."""
    return path.suffix.lower() == ".onnx" and path.is_file()


def read_card(path: Path) -> Card:
    return open_onnx(path)[1]


def open_onnx(path: Path, device: str = "auto", threads: int = 0) -> tuple[Any, Card]:
    """An ONNX Runtime session and the card of an exported file.

    Args:
        device: ``auto`` and ``cpu`` run on the CPU, ``cuda`` and ``cuda:N`` on a GPU.
        threads: how many compute one call; 0 for `threads_to_compute`.

    Raises:
        ModelError: damaged, not exported by gantool, or no runtime for the device.
    """
    kind = "cpu" if device == "auto" else device
    return _session(str(path), path.stat().st_mtime_ns, kind, threads or threads_to_compute())


def forget_sessions() -> None:
    """Close what is open of files that are about to change."""
    _session.cache_clear()


@lru_cache(maxsize=4)
def _session(path: str, changed: int, device: str, threads: int) -> tuple[Any, Card]:
    stop_telemetry()
    import onnxruntime

    onnxruntime.set_default_logger_severity(4)  # what is an error is raised as well
    kind, _, index = device.partition(":")
    providers: list[Any] = ["CPUExecutionProvider"]
    if kind == "cuda":
        if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
            raise ModelError(
                f"{path}: onnxruntime has no CUDA provider here.", "Use --device cpu, or install onnxruntime-gpu."
            )
        providers.insert(0, ("CUDAExecutionProvider", {"device_id": int(index or 0)}))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    # Threads that wait in a loop slow down whatever else uses the cores: a second call, torch, reading and writing.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        session = onnxruntime.InferenceSession(path, options, providers=providers)
    except Exception as error:  # the runtime has error types of its own for every kind of damage
        first = (str(error).splitlines() or ["damaged"])[0]
        raise ModelError(f"{path}: cannot be opened as ONNX ({first[:200]}).") from None
    try:
        text = session.get_modelmeta().custom_metadata_map.get(KEY)
    except UnicodeDecodeError:
        raise ModelError(f"{path}: its metadata is damaged.") from None
    if text is None:
        raise ModelError(f"{path}: was not exported by gantool (it has no card).")
    return session, Card.from_json(text, path)


def write(path: Path, net: nn.Module, card: Card, example: Tensor, opset: int | None = None) -> None:
    """Write a network; see `gantool.models.formats.exporters`."""
    import onnx
    import torch

    from gantool.models.formats.exporters import exporting, free_sizes, with_fixed_padding

    with exporting("onnx", card):
        net = with_fixed_padding(net, card.multiple_of)
        program = torch.onnx.export(
            net, (example,), dynamo=True, input_names=["image"], output_names=["result"],
            dynamic_shapes=free_sizes(card, example), opset_version=opset, verbose=False,
        )  # fmt: skip
        assert program is not None
        model = program.model_proto
        for node in model.graph.node:
            del node.metadata_props[:]  # tell the paths of this machine
        onnx.helper.set_model_props(model, {KEY: card.to_json()})
        content = model.SerializeToString()
    path.write_bytes(content)


def quantize(path: Path, batches: Iterable[Floats]) -> None:
    """Replace an ONNX file by its 8-bit form; ranges of activations are those seen on ``batches``.

    Args:
        batches: inputs ``(1, C, H, W)``, all of one size.
    """
    stop_telemetry()
    import onnx
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    from gantool.quiet import quiet

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self.left = iter(batches)

        def get_next(self) -> dict[str, Floats] | None:
            batch = next(self.left, None)
            return None if batch is None else {"image": batch}

    with quiet():
        quantize_static(
            onnx.load(path), str(path), Reader(), quant_format=QuantFormat.QDQ, per_channel=True,
            activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8, op_types_to_quantize=["Conv", "Add"],
        )  # fmt: skip
