"""``gantool export``: files that run elsewhere, each compared with the model before it gets its name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from gantool.arrays import Pixels
from gantool.cards import Card, Direction, Exported
from gantool.data.images import find_images, read_pixels
from gantool.errors import DataError, GantoolError, ModelError, OutputError, UsageError, closest
from gantool.files import atomic
from gantool.nets.card_files import KEY, forget_sessions, form_of
from gantool.nets.checkpoints_elsewhere import foreign_card, load_foreign_net
from gantool.nets.export_files import FIXED_SIZE, HalfInside, PixelClasses, PixelPictures, quantize, write_file
from gantool.nets.model_file import load_net, load_segmenter
from gantool.nets.trusted_files import remember_export
from gantool.workflows.evaluate import evaluate
from gantool.workflows.export_proof import (
    BOUNDS,
    Check,
    as_pixels,
    compare,
    file_runner,
    fixed_size,
    judge,
    proof_inputs,
    proof_plan,
    proof_sizes,
    run_live,
    timed,
)
from gantool.workflows.reference_format import reference_state
from gantool.workflows.resolve_model import ResolvedModel, resolve_model

__all__ = ["FORMATS", "Check", "ExportResult", "export"]

Format = Literal["onnx", "torchscript", "pt2", "reference"]
Precision = Literal["fp32", "fp16", "int8"]

FORMATS = {"onnx": ".onnx", "torchscript": ".pt", "pt2": ".pt2", "reference": ".pth"}
"""What can be written, and the suffix of its files."""

_CALIBRATED_WITH = 64


@dataclass(frozen=True)
class ExportResult:
    """One file that was written and compared.

    Attributes:
        static_size: height and width that it takes; None for any.
        why_static: the reason, where the network decides.
        model_ms, file_ms: time for one image of the first check's size.
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
    on_check: Callable[[Check], None] = lambda check: None,
) -> list[ExportResult]:
    """Write a model into files of another format and compare each with the model.

    Args:
        model: a path, a run's name or kind, or a checkpoint of the reference implementation.
        output: a file, or a folder for several; default the current folder.
        to: only this direction of a translation.
        precision: ``fp16`` computes in half precision inside; ``int8`` is for ONNX and needs images.
        calibrate: a folder of images that show what the model will see, for int8.
        static_size: ``(height, width)`` instead of free sizes.
        pixels: take and give uint8 images, for programs without gantool.
        running_statistics: use the batch-norm averages in a checkpoint of the reference implementation, as that does
            with ``--eval``, and not the statistics of each image.

    Raises:
        ModelError: the file does not do what the model does; nothing is left under its name.
        GantoolError: a wrong option, model or output.
    """
    _require(format, precision, calibrate, opset, static_size, pixels)
    resolved = resolve_model(model, Path(runs))
    if form_of(resolved.path) in ("onnx", "torchscript", "pt2"):
        raise ModelError(f"{resolved.label}: is an exported file already.", "Export the run or model it came from.")
    if running_statistics:
        resolved = _with_running_statistics(resolved)
    parts = _parts(resolved, to)
    paths = _paths(resolved, parts, format, output)
    for path in paths:
        if path.exists() and not overwrite:
            raise OutputError(f"{path}: exists already.", "Use --overwrite to replace it.")
    images = _images(Path(calibrate)) if calibrate is not None else []
    return [
        _export_one(resolved, part, path, format, precision, images, opset, static_size, pixels, on_check)
        for part, path in zip(parts, paths, strict=True)
    ]


def _with_running_statistics(resolved: ResolvedModel) -> ResolvedModel:
    if form_of(resolved.path) == "checkpoint":
        card = foreign_card(resolved.path, running_statistics=True)
        if card.norm == "batch":
            return replace(resolved, card=card)
    raise UsageError(
        f"--running-statistics: {resolved.label} is no checkpoint with the averages of a batch norm.",
        "Leave it out.",
    )


def _require(
    format: str,
    precision: str,
    calibrate: str | Path | None,
    opset: int | None,
    static_size: tuple[int, int] | None,
    pixels: bool,
) -> None:
    if format not in FORMATS:
        raise UsageError(f"--format {format}: there is no such format.", closest(format, FORMATS))
    if precision not in BOUNDS:
        raise UsageError(f"--precision {precision}: expected fp32, fp16 or int8.")
    if precision == "int8" and format != "onnx":
        raise UsageError(f"--precision int8 is for ONNX only, not {format}.")
    if precision == "int8" and calibrate is None:
        raise UsageError(
            "--precision int8 needs images that show what the model will see.", "Name a folder: --calibrate DIR."
        )
    if opset is not None and format != "onnx":
        raise UsageError("--opset is for ONNX only.")
    if format == "reference" and (precision != "fp32" or static_size is not None or pixels):
        raise UsageError(
            "--format reference writes weights alone; leave --precision, --static-size and --pixels out."
        )


def _parts(resolved: ResolvedModel, to: str | None) -> list[Direction | None]:
    card = resolved.card
    if card.task == "segmentation":
        if to is not None:
            raise UsageError(f"--to {to}: {resolved.label} is a segmenter, it has one file.")
        return [None]
    if to is not None:
        return [resolved.named(to).card.direction(to)]
    return list(card.directions)


def _paths(
    resolved: ResolvedModel, parts: Sequence[Direction | None], format: str, output: str | Path | None
) -> list[Path]:
    suffix = FORMATS[format]
    stem = Path(resolved.label).stem if resolved.path.name != "model.safetensors" else resolved.path.parent.name
    if format == "reference":
        letters = ["_A", "_B"] if resolved.card.task == "cyclegan" else [""]
        known = {
            direction.target: letter for direction, letter in zip(resolved.card.directions, letters, strict=False)
        }
        names = [f"latest_net_G{known.get(part.target, '') if part is not None else ''}.pth" for part in parts]
    else:
        names = [f"{stem}{suffix}" if part is None else f"{stem}-to-{part.target}{suffix}" for part in parts]
    if output is None:
        return [Path(name) for name in names]
    folder = Path(output)
    if folder.is_dir() or str(output).endswith(("/", "\\")) or not folder.suffix:
        return [folder / name for name in names]
    if len(parts) > 1:
        raise UsageError(
            f"-o {output}: is one file, the model has {len(parts)} directions.",
            f"Name one with --to {parts[0].target if parts[0] else ''}, or a folder.",
        )
    if folder.suffix != suffix:
        raise UsageError(f"-o {output}: a file of the format {format} ends in {suffix}.")
    return [folder]


def _images(folder: Path) -> list[Pixels]:
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


def _export_one(
    resolved: ResolvedModel,
    part: Direction | None,
    path: Path,
    format: Format,
    precision: Precision,
    images: Sequence[Pixels],
    opset: int | None,
    static_size: tuple[int, int] | None,
    pixels: bool,
    on_check: Callable[[Check], None],
) -> ExportResult:
    card = resolved.card
    net = load_segmenter(resolved.path, card) if part is None else load_net(resolved.path, card, _own(card, part))
    net.eval()
    if format == "reference":
        if part is None:
            raise UsageError("--format reference is for generators; a segmenter has none.")
        return _export_reference(net, card, part, path, on_check)
    architecture = card.architecture.name if card.architecture is not None else ""
    why = FIXED_SIZE.get(architecture, "") if static_size is None else ""
    size = static_size or (fixed_size(card) if why else None)
    if size is not None and any(side % card.multiple_of or side < card.smallest for side in size):
        raise UsageError(
            f"--static-size {size[1]}x{size[0]}: must be multiples of {card.multiple_of}, at least {card.smallest}."
        )
    sizes = [size] if size is not None else proof_sizes(card)
    batches = [proof_inputs(card, part, images, each, count) for each, count in proof_plan(sizes, size is not None)]
    exported = Exported(format=format, precision=precision, static_size=size, pixels=pixels)
    metadata = {KEY: _card_of(resolved, part, exported).to_json()}
    live = PixelClasses(net, card.mode) if part is None and pixels else PixelPictures(net) if pixels else net
    with atomic(path) as file:
        try:
            _write(live, file, format, precision, batches, metadata, card, images, part, size, opset, pixels)
            run = file_runner(file, format)
            checks = []
            for batch in batches:
                check = compare(live, run, batch, part is None, pixels)
                checks.append(check)
                on_check(check)
            judge(path, checks, precision, pixels=pixels)
            seconds = (timed(lambda x: run_live(live, x), batches[0]), timed(run, batches[0]))
            length = file.stat().st_size
            metric = _mean_iou(resolved, file) if precision == "int8" and part is None else None
        finally:
            forget_sessions()
            file.with_name(f"{file.name}.data").unlink(missing_ok=True)
    if format != "onnx":  # which holds no code
        remember_export(path)
    return ExportResult(
        path, format, precision, part.target if part else "", length, size, why, tuple(checks),
        round(1000 * seconds[0], 2), round(1000 * seconds[1], 2), metric,
    )  # fmt: skip


def _mean_iou(resolved: ResolvedModel, file: Path) -> tuple[float, float] | None:
    """Mean IoU of the model and of the file on the model's own validation images; None where it has none at hand."""
    try:
        result = evaluate((str(resolved.path), str(file)), split="val")
    except (DataError, UsageError):
        return None
    model, exported = (one.scores.mean_iou for one in result.models)
    return model, exported


def _own(card: Card, part: Direction) -> str:
    """The target as the file knows it; checkpoints are given names by whoever uses them."""
    known = [direction.target for direction in card.directions]
    return part.target if part.target in known else known[0]


def _card_of(resolved: ResolvedModel, part: Direction | None, exported: Exported) -> Card:
    card = resolved.card if part is None else resolved.named(part.target).card
    update: dict[str, Any] = {"exported": exported}
    if part is not None:
        update["directions"] = (part,)
    return card.model_copy(update=update)


def _write(
    live: nn.Module, file: Path, format: str, precision: str, batches: Sequence[NDArray[np.float32]],
    metadata: dict[str, str], card: Card, images: Sequence[Pixels], part: Direction | None,
    size: tuple[int, int] | None, opset: int | None, pixels: bool,
) -> None:  # fmt: skip
    import copy

    net: nn.Module = live
    if precision == "fp16":
        inner = copy.deepcopy(live.net if pixels else live)
        half = HalfInside(inner)  # type: ignore[arg-type]
        if pixels:
            net = copy.copy(live)
            net._modules = {"net": half}
        else:
            net = half
    first = batches[0]
    example = torch.from_numpy(as_pixels(first) if pixels else first)
    options: dict[str, Any] = {"multiple_of": card.multiple_of, "static": size is not None, "opset": opset}
    if precision != "int8":
        write_file(net, file, format, example, metadata, **options)
        return
    if pixels:
        raise UsageError("--precision int8 and --pixels do not go together.")
    whole = file.with_name(f"full-{file.name}")
    try:
        write_file(net, whole, format, example, metadata, **options)
        side = size or fixed_size(card)
        quantize(whole, file, (proof_inputs(card, part, images[n:], side, 1) for n in range(len(images))))
    finally:
        whole.unlink(missing_ok=True)


def _export_reference(
    net: nn.Module, card: Card, part: Direction, path: Path, on_check: Callable[[Check], None]
) -> ExportResult:
    """Weights under the reference's names, read back as its loader would."""
    state = reference_state(net, part.architecture)
    with atomic(path) as temporary:
        torch.save(state, temporary)
        back = load_foreign_net(temporary)
        batch = proof_inputs(card, part, [], proof_sizes(card)[0], 1)
        expected, made = run_live(net, batch), run_live(back, batch)
        difference = np.abs(made - expected)
        error = float(difference.max() / np.abs(expected).max())
        check = Check(batch.shape[2], batch.shape[3], 1, error, None, float(difference.mean() * 127.5))
        on_check(check)
        judge(path, [check], "fp32")
        length = temporary.stat().st_size
    return ExportResult(path, "reference", "fp32", part.target, length, None, "", (check,), 0.0, 0.0)
