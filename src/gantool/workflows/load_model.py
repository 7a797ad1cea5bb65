"""From a model that was found to something that runs: networks in torch, or exported files.

Torch is imported only where it is needed: an ONNX file runs without it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from gantool.arrays import Pixels
from gantool.cards import Card
from gantool.errors import ModelError, SettingsError, UsageError
from gantool.models.files import format_of
from gantool.models.onnx_file import open_onnx
from gantool.predict.changes import Change
from gantool.predict.exported import ExportedPredictor, ExportedSegmenter, Run, onnx_runner
from gantool.predict.results import Segmented
from gantool.predict.tiling import Tiling

__all__ = ["LabelPredictor", "PicturePredictor", "load_picture_predictor", "load_segment_predictor"]


class PicturePredictor(Protocol):
    """Translates ``(H, W, C)`` uint8 images of one size together."""

    def __call__(self, pixels: Pixels) -> Pixels: ...

    def batch(self, images: Sequence[Pixels]) -> list[Pixels]: ...


class LabelPredictor(Protocol):
    """Labels the pixels of a ``(H, W, 3)`` uint8 image."""

    net: Any

    def __call__(self, pixels: Pixels, *, probabilities: bool = False) -> Segmented: ...


@dataclass(frozen=True)
class _Machine:
    device: str
    precision: str


def load_picture_predictor(
    path: Path, card: Card, target: str, *, device: str, precision: str, tiling: Tiling, trust: bool = False
) -> tuple[PicturePredictor, str, str]:
    """Load one direction; returns it with the device and the precision it runs in.

    Args:
        trust: also a TorchScript or ``.pt2`` file that this user did not export here.

    Raises:
        ModelError, SettingsError, UsageError: with the remedy.
    """
    form = format_of(path).name
    strength = card.direction(target).change_strength
    change = Change(card.change_size, card.change_blur, strength) if card.change_size else None
    if form in ("onnx", "torchscript", "pt2"):
        run, machine = _exported(path, form, card, device, precision, trust)
        predictor = ExportedPredictor(
            run, multiple_of=card.multiple_of, static_size=_static(card), tiling=tiling, change=change
        )
        return predictor, machine.device, machine.precision
    from gantool.devices import choose_device, choose_precision
    from gantool.models.files import load_net
    from gantool.predict.predictor import Predictor

    chosen = choose_device(device)
    # bf16 moves the result by about one level of 255; pictures are worth the time unless asked otherwise.
    kind = "fp32" if precision == "auto" else choose_precision(precision, chosen)
    net = load_net(path, card, target)
    live = Predictor(net, multiple_of=card.multiple_of, device=chosen, precision=kind, tiling=tiling, change=change)
    return live, str(chosen), kind


def load_segment_predictor(
    path: Path,
    card: Card,
    *,
    load_size: int,
    device: str,
    precision: str,
    tiling: Tiling,
    tta: bool,
    trust: bool = False,
) -> tuple[LabelPredictor, str, str]:
    """Load a segmenter; returns it with the device and the precision it runs in; ``trust`` as for pictures."""
    form = format_of(path).name
    if form in ("onnx", "torchscript", "pt2"):
        if tta:
            raise UsageError(f"--tta: {path} is an exported file, which sees every image once.")
        run, machine = _exported(path, form, card, device, precision, trust)
        exported = ExportedSegmenter(
            run, card.mode, load_size=load_size, multiple_of=card.multiple_of, smallest=card.smallest,
            static_size=_static(card), tiling=tiling,
        )  # fmt: skip
        return exported, machine.device, machine.precision
    from gantool.devices import choose_device, choose_precision
    from gantool.models.files import load_segmenter
    from gantool.predict.segmenter import SegmentPredictor

    chosen = choose_device(device)
    kind = "fp32" if precision == "auto" else choose_precision(precision, chosen)
    net = load_segmenter(path, card)
    live = SegmentPredictor(
        net, card.mode, multiple_of=card.multiple_of, smallest=card.smallest, load_size=load_size, device=chosen,
        precision=kind, tiling=tiling, tta=tta,
    )  # fmt: skip
    return live, str(chosen), kind


def _static(card: Card) -> tuple[int, int] | None:
    return card.exported.static_size if card.exported is not None else None


def _exported(path: Path, form: str, card: Card, device: str, precision: str, trust: bool) -> tuple[Run, _Machine]:
    if card.exported is None or card.exported.pixels:
        raise ModelError(
            f"{path}: takes and gives pixels itself (--pixels), for programs without gantool.",
            "Export it without --pixels to use it here.",
        )
    if precision not in ("auto", card.exported.precision):
        raise SettingsError(f"--precision {precision}: {path} was exported in {card.exported.precision}.")
    if form == "onnx":
        if device.partition(":")[0] not in ("auto", "cpu", "cuda"):
            raise SettingsError(f"--device {device}: an ONNX file runs on cpu or cuda.")
        session, _ = open_onnx(path, device)
        return onnx_runner(session), _Machine("cpu" if device == "auto" else device, card.exported.precision)
    from gantool.devices import choose_device
    from gantool.models.torch_archive import torch_runner

    chosen = choose_device(device)
    return torch_runner(path, form, chosen, trust=trust), _Machine(str(chosen), card.exported.precision)
