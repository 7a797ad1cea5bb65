"""``gantool export``: files that run elsewhere, each compared with the model before it gets its name."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn

from gantool.arrays import Pixels
from gantool.cards import Card, Exported
from gantool.data.images import find_images, read_pixels
from gantool.errors import DataError, GantoolError, ModelError, OutputError, UsageError, closest
from gantool.files import atomic
from gantool.models.files import FORMATS, format_of
from gantool.models.find import FoundModel, find_model
from gantool.models.formats import reference
from gantool.models.formats.exporters import LARGEST_SIDE, HalfInside, PixelClasses, PixelPictures
from gantool.models.formats.onnx_file import forget_sessions, quantize
from gantool.models.trust import remember_export
from gantool.nets.segmenter_table import SEGMENTERS
from gantool.workflows.evaluate import evaluate
from gantool.workflows.export.parts import Part, find_parts
from gantool.workflows.export.proof import (
    PRECISIONS,
    Check,
    Examples,
    Proof,
    file_runner,
    fixed_size,
    live_runner,
    proof_plan,
)

__all__ = ["Check", "ExportOptions", "ExportPlan", "ExportResult", "export", "export_parts", "plan_export"]

Format = Literal["onnx", "torchscript", "pt2", "reference"]
Precision = Literal["fp32", "fp16", "int8"]

_WRITTEN = {one.name: one for one in FORMATS if one.write is not None}
_CALIBRATED_WITH = 64


@dataclass(frozen=True)
class ExportOptions:
    """What to export and how; see `export`.

    Raises:
        UsageError: options that do not go together.
    """

    model: str
    format: str = "onnx"
    output: str | Path | None = None
    to: str | None = None
    precision: str = "fp32"
    calibrate: str | Path | None = None
    opset: int | None = None
    static_size: tuple[int, int] | None = None
    pixels: bool = False
    running_statistics: bool = False
    overwrite: bool = False
    runs: str | Path = "runs"
    skip_existing: bool = False

    def __post_init__(self) -> None:
        if self.overwrite and self.skip_existing:
            raise UsageError("--overwrite and --skip-existing do not go together.", "Leave one of them out.")
        if self.format not in _WRITTEN:
            raise UsageError(f"--format {self.format}: there is no such format.", closest(self.format, _WRITTEN))
        if self.precision not in PRECISIONS:
            raise UsageError(f"--precision {self.precision}: expected fp32, fp16 or int8.")
        if self.precision == "int8":
            self._require_int8()
        if self.opset is not None and self.format != "onnx":
            raise UsageError("--opset is for ONNX only.")
        if self.format == "reference" and (self.precision != "fp32" or self.static_size is not None or self.pixels):
            raise UsageError(
                "--format reference writes weights alone; leave --precision, --static-size and --pixels out."
            )

    def _require_int8(self) -> None:
        if self.format != "onnx":
            raise UsageError(f"--precision int8 is for ONNX only, not {self.format}.")
        if self.calibrate is None:
            raise UsageError(
                "--precision int8 needs images that show what the model will see.", "Name a folder: --calibrate DIR."
            )
        if self.pixels:
            raise UsageError("--precision int8 and --pixels do not go together.")


@dataclass(frozen=True)
class ExportResult:
    """One file that was written and compared.

    Attributes:
        static_size: height and width that it takes; None for any.
        why_static: the reason, where the network decides.
        model_ms, file_ms: time for one image of the first check's size; 0 for weights alone.
        mean_iou: of the model and of the file on validation images; of an 8-bit segmenter whose data is at hand.
    """

    path: Path
    format: str
    precision: str
    to: str
    bytes: int
    static_size: tuple[int, int] | None
    why_static: str
    checks: tuple[Check, ...]
    model_ms: float
    file_ms: float
    mean_iou: tuple[float, float] | None = None

    def as_json(self) -> dict[str, Any]:
        """The documented JSON."""
        return {**asdict(self), "path": str(self.path)}


def export(
    model: str,
    *,
    format: Format = "onnx",
    output: str | Path | None = None,
    to: str | None = None,
    precision: Precision = "fp32",
    calibrate: str | Path | None = None,
    opset: int | None = None,
    static_size: tuple[int, int] | None = None,
    pixels: bool = False,
    running_statistics: bool = False,
    overwrite: bool = False,
    runs: str | Path = "runs",
) -> list[ExportResult]:
    """Write a model into files of another format and compare each with the model.

    Args:
        model: a path, a run's name or kind, or a checkpoint of the reference implementation.
        output: a file, or a folder for several; default the current folder.
        to: only this direction of a translation.
        precision: ``fp16`` computes in half precision inside; ``int8`` is for ONNX and needs images.
        calibrate: a folder of typical input images, to calibrate int8.
        static_size: ``(height, width)`` instead of free sizes.
        pixels: take and return uint8 images, for programs without gantool.
        running_statistics: use the running batch-norm statistics in a checkpoint of the reference implementation, as
            that does with ``--eval``, and not the statistics of each image.

    Raises:
        ModelError: the file's results differ from the model's; nothing is left under its name.
        GantoolError: a wrong option, model or output.
    """
    options = ExportOptions(
        model=model, format=format, output=output, to=to, precision=precision, calibrate=calibrate, opset=opset,
        static_size=static_size, pixels=pixels, running_statistics=running_statistics, overwrite=overwrite, runs=runs,
    )  # fmt: skip
    return export_parts(plan_export(options), options)


@dataclass(frozen=True)
class ExportPlan:
    """What is written, and what exists and is left."""

    parts: Sequence[Part]
    skipped: Sequence[Path] = ()


def plan_export(options: ExportOptions) -> ExportPlan:
    """Find the model and decide its files; nothing is computed.

    Raises:
        GantoolError: a wrong option or model, or a file that exists.
    """
    model = find_model(options.model, Path(options.runs))
    if format_of(model.path).is_exported:
        raise ModelError(f"{model.label}: is an exported file already.", "Export the run or model it came from.")
    if options.running_statistics:
        model = _with_running_statistics(model)
    suffix = _WRITTEN[options.format].suffix
    parts = find_parts(model, to=options.to, format=options.format, suffix=suffix, output=options.output)
    there = [part.path for part in parts if part.path.exists()]
    if there and not (options.overwrite or options.skip_existing):
        raise OutputError(
            f"{there[0]}: exists already.", "Use --overwrite to replace it, or --skip-existing to leave it."
        )
    if options.overwrite:
        return ExportPlan(parts)
    return ExportPlan([part for part in parts if part.path not in there], there)


def export_parts(plan: ExportPlan, options: ExportOptions) -> list[ExportResult]:
    """Write what is planned, and compare it.

    Raises:
        GantoolError: images for int8 that cannot be used, or a file that does something else than the model.
    """
    photos = _photos(Path(options.calibrate)) if options.calibrate is not None else []
    return [_export_part(part, photos, options) for part in plan.parts]


def _with_running_statistics(model: FoundModel) -> FoundModel:
    if format_of(model.path).name == "reference":
        card = reference.read_card(model.path, running_statistics=True)
        if card.norm == "batch":
            return replace(model, card=card)
    raise UsageError(
        f"--running-statistics: {model.label} is no checkpoint with the averages of a batch norm.", "Leave it out."
    )


def _photos(folder: Path) -> list[Pixels]:
    if not folder.is_dir():
        raise DataError(f"--calibrate {folder}: there is no such folder.")
    found: list[Pixels] = []
    for path in find_images(folder)[:_CALIBRATED_WITH]:
        try:
            found.append(read_pixels(path))
        except GantoolError:
            continue
    if not found:
        raise DataError(f"--calibrate {folder}: has no images that can be read.")
    return found


def _export_part(part: Part, photos: Sequence[Pixels], options: ExportOptions) -> ExportResult:
    net, card = part.load(), part.card
    size, why = _size(card, options.static_size)
    format = _WRITTEN[options.format]
    if format.is_exported:
        how = {"format": format.name, "precision": options.precision, "static_size": size, "pixels": options.pixels}
        card = card.model_copy(update={"exported": Exported.model_validate(how)})
    examples = Examples(card.domain(part.direction.source) if part.direction else None, photos)
    plan = proof_plan(card, size)
    # Weights that are read back are the same network again: one image shows it.
    batches = [examples.batch(each, count) for each, count in (plan if format.is_exported else plan[1:2])]
    proof = Proof(card.is_segmenter, options.pixels, options.precision)
    live = live_runner(_as_in_file(net, card))
    with atomic(part.path) as file:
        try:
            example = torch.from_numpy(proof.inputs(batches[0]))
            _write(file, net, card, example, examples, options.opset)
            run = file_runner(file, card)
            checks = tuple(proof.compare(live, run, batch) for batch in batches)
            proof.require_agreement(part.path, checks)
            times = [proof.timed(one, batches[0]) if format.is_exported else 0.0 for one in (live, run)]
            length = file.stat().st_size
            quantized_labels = options.precision == "int8" and card.is_segmenter
            mean_iou = _mean_iou(part.model.path, file) if quantized_labels else None
        finally:
            forget_sessions()
    if format.may_hold_code:
        remember_export(part.path)
    return ExportResult(
        part.path, format.name, options.precision, part.direction.target if part.direction else "", length, size, why,
        checks, times[0], times[1], mean_iou,
    )  # fmt: skip


def _size(card: Card, wanted: tuple[int, int] | None) -> tuple[tuple[int, int] | None, str]:
    """The one size of the file, if it has one, and the reason where the network decides."""
    if wanted is not None:
        if any(side % card.multiple_of or not card.smallest <= side <= LARGEST_SIDE for side in wanted):
            raise UsageError(
                f"--static-size {wanted[1]}x{wanted[0]}: must be multiples of {card.multiple_of}, "
                f"at least {card.smallest} and at most {LARGEST_SIDE}, as of files of free sizes."
            )
        return wanted, ""
    why = SEGMENTERS[card.architecture.name].why_one_size if card.architecture is not None else ""
    return (fixed_size(card) if why else None), why


def _as_in_file(net: nn.Module, card: Card) -> nn.Module:
    """The network with what is around it in a file."""
    if card.exported is None or not card.exported.pixels:
        return net
    return PixelClasses(net, card.mode) if card.is_segmenter else PixelPictures(net)


def _write(
    file: Path, net: nn.Module, card: Card, example: torch.Tensor, examples: Examples, opset: int | None
) -> None:
    exported = card.exported
    write = _WRITTEN[exported.format if exported is not None else "reference"].write
    assert write is not None
    if exported is not None and exported.precision == "fp16":
        net = HalfInside(copy.deepcopy(net))
    net = _as_in_file(net, card)
    write(file, net, card, example, opset)
    if exported is not None and exported.precision == "int8":
        size = exported.static_size or fixed_size(card)
        quantize(file, (examples.batch(size, 1, first=n) for n in range(len(examples.photos))))


def _mean_iou(model: Path, file: Path) -> tuple[float, float] | None:
    """Mean IoU of the model and of the file on the model's own validation images; None where it has none at hand."""
    try:
        result = evaluate((str(model), str(file)), split="val")
    except (DataError, UsageError):
        return None
    first, second = (one.scores.mean_iou for one in result.models)
    return first, second
