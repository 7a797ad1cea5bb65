"""``gantool export``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gantool.cli.console import Screen
from gantool.cli.options import JsonOption, OverwriteOption, QuietOption, RunsOption, VerboseOption
from gantool.errors import UsageError
from gantool.predict.sizes import parse_side

if TYPE_CHECKING:
    from gantool.workflows.export import ExportResult

__all__ = ["export"]


def export(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="A run, a model file, a kind, or a checkpoint of the reference.")
    ],
    format: Annotated[
        str, typer.Option("--format", metavar="FORMAT", help="onnx, torchscript, pt2 or reference.")
    ] = "onnx",
    output: Annotated[
        str | None, typer.Option("--output", "-o", metavar="PATH", help="A file, or a folder. Default: here.")
    ] = None,
    to: Annotated[
        str | None, typer.Option("--to", metavar="DOMAIN", help="One direction of a translation. Default: all.")
    ] = None,
    precision: Annotated[
        str, typer.Option("--precision", metavar="PRECISION", help="fp32, fp16, or for ONNX int8.")
    ] = "fp32",
    calibrate: Annotated[
        Path | None, typer.Option("--calibrate", metavar="DIR", help="Images that show what the model will see.")
    ] = None,
    opset: Annotated[
        int | None, typer.Option("--opset", metavar="N", help="Of ONNX. Default: the exporter's.")
    ] = None,
    static_size: Annotated[
        str | None, typer.Option("--static-size", metavar="WxH", help="One size instead of all.")
    ] = None,
    pixels: Annotated[
        bool, typer.Option("--pixels", help="Take and give uint8 images, for programs without gantool.")
    ] = False,
    running_statistics: Annotated[
        bool,
        typer.Option(
            "--running-statistics", help="Of a reference checkpoint: its --eval, instead of each image's own."
        ),
    ] = False,
    overwrite: OverwriteOption = False,
    runs: RunsOption = Path("runs"),
    json_output: JsonOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> int:
    """Write a model as ONNX, TorchScript, .pt2 or reference weights, and compare the file with the model.

    A file that does something else is not kept, and the command ends with 1. translate and segment take the files.
    """
    screen = Screen(quiet=quiet, verbose=verbose, json_output=json_output)
    size = _parse_size(static_size)
    from gantool.workflows.export import ExportOptions, export_model

    options = ExportOptions(
        model=model, format=format, output=output, to=to, precision=precision, calibrate=calibrate, opset=opset,
        static_size=size, pixels=pixels, running_statistics=running_statistics, overwrite=overwrite, runs=runs,
    )  # fmt: skip
    results = export_model(options)
    for result in results:
        _show(screen, result)
        screen.result(result.path)
    screen.json({"files": [result.as_json() for result in results]})
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


def _parse_size(text: str | None) -> tuple[int, int] | None:
    """Read ``WxH`` or ``N`` as height and width."""
    if text is None:
        return None
    first, x, second = text.lower().partition("x")
    width, height = parse_side(first), parse_side(second if x else first)
    if width is None or height is None:
        raise UsageError(f"--static-size {text}: expected a size such as 256x256.")
    return height, width
