"""``gantool evaluate``."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gantool.cli.console import Screen
from gantool.cli.options import DeviceOption, JsonOption, PrecisionOption, QuietOption, RunsOption, VerboseOption
from gantool.errors import OutputError, UsageError, closest

if TYPE_CHECKING:
    from gantool.workflows.evaluate import Evaluation

__all__ = ["evaluate"]

_METRICS = ("mean_iou", "accuracy", "mean_f1", "mean_accuracy", "frequency_weighted_iou")


def evaluate(
    models: Annotated[
        list[str] | None,
        typer.Argument(metavar="[MODEL...]", help="Segmenters: files, runs or kinds. Several stand side by side."),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option("--data", metavar="DATA", help="Images with labels. Default: the first model's own data."),
    ] = None,
    split: Annotated[str, typer.Option("--split", metavar="SPLIT", help="train, val or test.")] = "test",
    predicted: Annotated[
        Path | None, typer.Option("--predicted", metavar="DIR", help="Without a model: a folder of index masks,")
    ] = None,
    truth: Annotated[
        Path | None, typer.Option("--truth", metavar="DIR", help="and one with the true masks of the same names.")
    ] = None,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIR", help="Folder of evaluation.json and evaluation.html.")
    ] = Path(),
    fail_under: Annotated[
        list[str] | None,
        typer.Option("--fail-under", metavar="NAME=VALUE", help="Exit 1 below a value: mean_iou=0.6; repeatable."),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an evaluation.")] = False,
    runs: RunsOption = Path("runs"),
    device: DeviceOption = None,
    precision: PrecisionOption = None,
    json_output: JsonOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> int:
    """Measure segmenters on labelled images: accuracy, mean IoU, and every class.

    U-Nets, DeepLab and translations to label maps are compared alike. Translations between pictures are not measured
    yet.
    """
    screen = Screen(quiet=quiet, verbose=verbose, json_output=json_output)
    bounds = [_bound(text) for text in fail_under or []]
    wrong = next((name for name, _ in bounds if name not in _METRICS), None)
    if wrong is not None:
        raise UsageError(f'--fail-under {wrong}: there is no metric "{wrong}".', closest(wrong, _METRICS))
    if bool(models) == (predicted is not None or truth is not None):
        raise UsageError("Name models, or two folders of masks: --predicted DIR --truth DIR.")
    for name in ("evaluation.json", "evaluation.html"):
        if (output / name).exists() and not overwrite:
            raise OutputError(f"{output / name}: exists already.", "Choose another -o, or use --overwrite.")
    from gantool.workflows import evaluate as work

    if models:
        with screen.stages() as progress:
            result = work.evaluate(
                models, data=data, split=split, runs=runs, device=device or "auto", precision=precision or "auto",
                output=output, on_progress=progress,
            )  # fmt: skip
    elif predicted is None or truth is None:
        raise UsageError("--predicted and --truth go together.")
    else:
        result = work.evaluate_masks(predicted, truth, output=output)
    return _conclude(screen, result, bounds)


def _bound(text: str) -> tuple[str, float]:
    name, equals, value = text.partition("=")
    try:
        return name.strip(), float(value if equals else "x")
    except ValueError:
        raise UsageError(f"--fail-under {text}: expected NAME=VALUE, such as mean_iou=0.6.") from None


def _conclude(screen: Screen, result: Evaluation, bounds: list[tuple[str, float]]) -> int:
    names = [one.name for one in result.models]
    screen.note(result.about)
    keys = list(result.models[0].scores.overall())
    rows: list[tuple[object, ...]] = [
        (key, *(_shown(one.scores.overall()[key]) for one in result.models)) for key in keys
    ]
    rows += [
        (f"IoU {name}", *(_shown(one.scores.iou[n]) for one in result.models))
        for n, name in enumerate(result.models[0].scores.names)
    ]
    if any(one.parameters for one in result.models):
        rows.append(("parameters", *(f"{one.parameters / 1e6:.2f} M" for one in result.models)))
        rows.append(("per image", *(f"{1000 * one.seconds:.0f} ms" for one in result.models)))
    screen.table(("", *names), rows)
    for path in result.files:
        screen.result(path)
    screen.json(result.as_json())
    code = 0
    for name, least in bounds:
        for one in result.models:
            value = one.scores.overall()[name]
            if not value >= least:
                screen.warn(f"{one.name}: {name} is {value:.3f}, below {least:g}.")
                code = 1
    return code


def _shown(value: float) -> str:
    return "n/a" if math.isnan(value) else f"{value:.3f}"
