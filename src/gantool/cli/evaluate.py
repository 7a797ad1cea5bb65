"""``gantool evaluate``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gantool.cli.console import Screen
from gantool.cli.options import (
    DeviceOption,
    JsonOption,
    PrecisionOption,
    QuietOption,
    RunsOption,
    TrustOption,
    VerboseOption,
)
from gantool.errors import UsageError, closest, counted
from gantool.metrics.table import gated_metrics

if TYPE_CHECKING:
    from gantool.workflows.evaluate import Evaluation

__all__ = ["evaluate"]

Bound = tuple[str, float, bool]
"""Metric, bound, and whether more than it is too much."""


def evaluate(
    models: Annotated[
        list[str] | None,
        typer.Argument(metavar="[MODEL...]", help="Models: files, runs or kinds. Several stand side by side."),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option("--data", metavar="DATA", help="A data set. Default: the first model's own data."),
    ] = None,
    split: Annotated[str, typer.Option("--split", metavar="SPLIT", help="train, val or test.")] = "test",
    to: Annotated[
        str | None, typer.Option("--to", metavar="DOMAIN", help="Only translations to it. Default: all directions.")
    ] = None,
    size: Annotated[
        int | None, typer.Option("--size", metavar="N", help="Scale the images of a translation to NxN first.")
    ] = None,
    segmenter: Annotated[
        str | None,
        typer.Option(
            "--segmenter", metavar="MODEL", help="Labels generated pictures: do they show what they should?"
        ),
    ] = None,
    inception_weights: Annotated[
        Path | None,
        typer.Option("--inception-weights", metavar="FILE", help="For FID and KID. Default: cache, or download."),
    ] = None,
    fid_mode: Annotated[
        str, typer.Option("--fid-mode", metavar="clean|legacy", help="How images are scaled for FID and KID.")
    ] = "clean",
    generated: Annotated[
        Path | None, typer.Option("--generated", metavar="DIR", help="Without a model: a folder of generated images,")
    ] = None,
    real: Annotated[Path | None, typer.Option("--real", metavar="DIR", help="and one of real images.")] = None,
    paired: Annotated[
        bool, typer.Option("--paired", help="Images of the same name in both folders belong together.")
    ] = False,
    predicted: Annotated[
        Path | None, typer.Option("--predicted", metavar="DIR", help="Without a model: a folder of index masks,")
    ] = None,
    truth: Annotated[
        Path | None, typer.Option("--truth", metavar="DIR", help="and one with the true masks of the same names.")
    ] = None,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIR", help="Folder of evaluation.json, .csv and .html.")
    ] = Path(),
    fail_under: Annotated[
        list[str] | None,
        typer.Option("--fail-under", metavar="NAME=VALUE", help="Exit 1 below a value: mean_iou=0.6; repeatable."),
    ] = None,
    fail_over: Annotated[
        list[str] | None,
        typer.Option("--fail-over", metavar="NAME=VALUE", help="Exit 1 above a value: swd=0.2; repeatable."),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an evaluation.")] = False,
    runs: RunsOption = Path("runs"),
    device: DeviceOption = None,
    precision: PrecisionOption = None,
    trust: TrustOption = False,
    json_output: JsonOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> int:
    """Measure models: label maps by mean IoU and every class, pictures by FID, KID, SWD and, with pairs, L1 to LPIPS.

    U-Nets, DeepLab and translations to label maps are compared alike, and so are several translations. SWD always
    works offline; FID, KID and LPIPS need weights, and what is left out is named with the reason.
    """
    screen = Screen(quiet=quiet, verbose=verbose, json_output=json_output)
    bounds = [
        *(_bound("--fail-under", text, False) for text in fail_under or []),
        *(_bound("--fail-over", text, True) for text in fail_over or []),
    ]
    from gantool.workflows.evaluate import EvaluateOptions, run_evaluation

    options = EvaluateOptions(
        tuple(models or ()), data=data, split=split, to=to, size=size, segmenter=segmenter,
        inception_weights=inception_weights, fid_mode=fid_mode,  # type: ignore[arg-type]
        generated=generated, real=real, paired=paired, predicted=predicted, truth=truth, output=output,
        overwrite=overwrite, runs=runs, device=device or "auto", precision=precision or "auto",
        trust=trust,
    )  # fmt: skip
    with screen.stages() as progress:
        result = run_evaluation(options, progress)
    _show(screen, result)
    code = _gate(screen, result, bounds)
    if result.failed:
        screen.warn(f"{counted(len(result.failed), 'image')} could not be read; the numbers are of the others:")
        for problem in result.failed[:20]:
            screen.warn(f"  {problem}")
        return 1
    return code


def _bound(option: str, text: str, above: bool) -> Bound:
    name, equals, value = text.partition("=")
    try:
        number = float(value if equals else "x")
    except ValueError:
        raise UsageError(f"{option} {text}: expected NAME=VALUE, such as mean_iou=0.6.") from None
    if name not in gated_metrics():
        raise UsageError(f'{option} {name}: there is no metric "{name}".', closest(name, gated_metrics()))
    return name, number, above


def _show(screen: Screen, result: Evaluation) -> None:
    from gantool.workflows.evaluate.tables import parts_of

    screen.note(result.about)
    for part in parts_of(result):
        plain = ("untranslated",) if part.has_plain else ()
        rows: list[tuple[object, ...]] = [(row.label, *row.cells, *(row.plain for _ in plain)) for row in part.rows]
        rows += [(f"IoU {name}", *iou) for name, iou, _ in part.classes]
        screen.table(("", *part.models, *plain), rows, title=part.title or None)
        for minus in part.differences:
            differences = [(key, *cells) for key, cells in minus.rows]
            screen.table(("", *minus.models), differences, title=f"minus {minus.other}")
        for key, reason in part.results[0].left_out.items():
            screen.note(f"left out: {key}: {reason}")
        for text in part.results[0].warnings:
            screen.warn(text + ".")
    for path in result.files:
        screen.result(path)
    screen.json(result.as_json())


def _gate(screen: Screen, result: Evaluation, bounds: list[Bound]) -> int:
    code = 0
    for name, bound, above in bounds:
        for one in result.results:
            value = one.overall().get(name)
            if value is None:
                screen.warn(f"{one.label}: {name} was not measured.")
                code = 1
            elif not (value <= bound if above else value >= bound):
                screen.warn(f"{one.label}: {name} is {value:.3f}, {'above' if above else 'below'} {bound:g}.")
                code = 1
    return code
