"""``gantool export``."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gantool.cli.console import Screen
from gantool.cli.contract import completion
from gantool.cli.image_results import tell_skipped
from gantool.cli.options import (
    COMPUTING,
    MODEL,
    RESULTS,
    DryRunOption,
    JsonOption,
    ModelOption,
    OverwriteOption,
    QuietOption,
    RunsOption,
    SkipExistingOption,
    ToOption,
    VerboseOption,
    named_model,
    no_stream,
    parse_size,
)
from gantool.errors import UsageError

if TYPE_CHECKING:
    from gantool.workflows.export import ExportResult

__all__ = ["export"]


EXAMPLES = """
gantool export cyclegan-1 --to winter
gantool export unet-resnet50 --format torchscript -o models/
gantool export seasons --precision int8 --calibrate photos
"""


def export(
    model: Annotated[
        str | None,
        typer.Argument(
            metavar="MODEL",
            help="Model file, run, kind of model, built-in model, or checkpoint of the reference implementation.",
            rich_help_panel=MODEL,
            autocompletion=completion.offered(completion.models),
        ),
    ] = None,
    model_option: ModelOption = None,
    to: ToOption = None,
    runs: RunsOption = Path("runs"),
    running_statistics: Annotated[
        bool,
        typer.Option(
            "--running-statistics",
            help="For a reference checkpoint: normalize with its running statistics (its --eval), not "
            "each image's own.",
            rich_help_panel=MODEL,
        ),
    ] = False,
    format: Annotated[
        str,
        typer.Option(
            "--format",
            metavar="FORMAT",
            help="onnx, torchscript, pt2 or reference.",
            rich_help_panel=RESULTS,
            autocompletion=completion.of("onnx", "torchscript", "pt2", "reference"),
        ),
    ] = "onnx",
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            metavar="PATH",
            help="A file, or a folder. Default: the current folder.",
            rich_help_panel=RESULTS,
        ),
    ] = None,
    opset: Annotated[
        int | None,
        typer.Option("--opset", metavar="N", help="ONNX opset. Default: the exporter's.", rich_help_panel=RESULTS),
    ] = None,
    static_size: Annotated[
        str | None,
        typer.Option(
            "--static-size",
            metavar="WxH",
            help="Fixed input size of the file. Default: any size.",
            rich_help_panel=RESULTS,
        ),
    ] = None,
    pixels: Annotated[
        bool,
        typer.Option(
            "--pixels",
            help="Make the file take and return uint8 images, for programs without gantool.",
            rich_help_panel=RESULTS,
        ),
    ] = False,
    overwrite: OverwriteOption = False,
    skip_existing: SkipExistingOption = False,
    dry_run: DryRunOption = False,
    precision: Annotated[
        str,
        typer.Option(
            "--precision",
            metavar="PRECISION",
            help="Precision of the file: fp32, fp16, or for ONNX int8.",
            rich_help_panel=COMPUTING,
            autocompletion=completion.of("fp32", "fp16", "int8"),
        ),
    ] = "fp32",
    calibrate: Annotated[
        Path | None,
        typer.Option(
            "--calibrate",
            metavar="DIR",
            help="Folder of typical images, to calibrate an int8 model.",
            rich_help_panel=COMPUTING,
        ),
    ] = None,
    json_output: JsonOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> int:
    """Write a model as ONNX, TorchScript, .pt2 or reference weights, and compare the file with the model.

    A file that computes something else than the model is not kept, and the command exits with 1. translate and
    segment take the files as --model. Everything is done on the CPU.
    """
    screen = Screen(quiet=quiet, verbose=verbose, json_output=json_output)
    no_stream(output, "exports")
    named = named_model(model, model_option)
    if named is None:
        raise UsageError("MODEL is missing.", "Name a run, a model file or a built-in model; see gantool info.")
    size = _parse_static(static_size)
    from gantool.workflows.export import ExportOptions, export_parts, plan_export

    options = ExportOptions(
        model=named, format=format, output=output, to=to, precision=precision, calibrate=calibrate, opset=opset,
        static_size=size, pixels=pixels, running_statistics=running_statistics, overwrite=overwrite, runs=runs,
        skip_existing=skip_existing,
    )  # fmt: skip
    plan = plan_export(options)
    tell_skipped(screen, plan.skipped)
    skipped = [str(path) for path in plan.skipped]
    if dry_run:
        for part in plan.parts:
            screen.result(part.path)
        screen.note("Dry run: nothing was written.")
        paths = [{"path": str(part.path)} for part in plan.parts]
        screen.json("export", {"dry_run": True, "files": paths, "skipped": skipped})
        return 0
    from gantool.models.history import unfinished

    for text in filter(None, {unfinished(part.model.path) for part in plan.parts}):
        screen.note(text)
    results = export_parts(plan, options)
    for result in results:
        _show(screen, result)
        screen.result(result.path)
    if results:
        screen.note_command("Use it", _use_of(results[0]))
    screen.json("export", {"files": [result.as_json() for result in results], "skipped": skipped})
    return 0


def _show(screen: Screen, result: ExportResult) -> None:
    rows: list[tuple[object, ...]] = []
    for check in result.checks:
        same = f"{check.agreement:.4%}" if check.agreement is not None else f"{check.levels:.4f}"
        rows.append((f"{check.width}x{check.height}", check.batch, f"{check.relative_error:.1e}", same))
    last = "same class" if result.checks[0].agreement is not None else "mean levels of 255"
    screen.table(("size", "images", "relative error", last), rows, title=f"{result.path} against the model")
    sizes = "any size" if result.static_size is None else f"{result.static_size[1]}x{result.static_size[0]} only"
    why = f" ({result.why_static})" if result.why_static else ""
    text = f"{result.bytes / 2**20:.2f} MiB, {result.precision}, {sizes}{why}"
    if result.file_ms:
        text += f"; one image {result.file_ms:.1f} ms, with the model {result.model_ms:.1f} ms"
    if result.mean_iou is not None:
        text += f"; mean IoU {result.mean_iou[1]:.3f}, of the model {result.mean_iou[0]:.3f}"
    screen.note(text)


def _use_of(result: ExportResult) -> str:
    """The command that takes the file."""
    path = shlex.quote(str(result.path))
    if not result.to:
        return f"gantool segment photo.jpg --model {path}"
    return f"gantool translate photo.jpg --to {shlex.quote(result.to)} --model {path}"


def _parse_static(text: str | None) -> tuple[int, int] | None:
    """Read ``WxH``, or ``N`` for a square, as height and width."""
    if text is None:
        return None
    width, height = parse_size("--static-size", text, square=True)
    return height, width
