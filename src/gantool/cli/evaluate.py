"""``gantool evaluate``."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
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
from gantool.errors import OutputError, UsageError, closest

if TYPE_CHECKING:
    from gantool.metrics.estimates import Estimate
    from gantool.workflows.evaluate import Evaluation, SegmentationEvaluation, TranslationEvaluation

__all__ = ["evaluate"]

_SHARES = (
    "mean_iou", "accuracy", "mean_f1", "mean_accuracy", "frequency_weighted_iou", "boundary_iou",
)  # fmt: skip
_PICTURES = (
    "fid", "kid", "swd", "l1", "psnr", "ssim", "ms_ssim", "lpips", "cycle_l1", "segmenter_mean_iou",
    "segmenter_accuracy", "consistency_mean_iou", "consistency_accuracy",
)  # fmt: skip
_FILES = ("evaluation.json", "evaluation.csv", "evaluation.html", "evaluation-images.csv")

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
    folders = _folders(models, generated, real, predicted, truth)
    for name in _FILES:
        if (output / name).exists() and not overwrite:
            raise OutputError(f"{output / name}: exists already.", "Choose another -o, or use --overwrite.")
    if overwrite:
        (output / _FILES[3]).unlink(missing_ok=True)  # it would be of another evaluation
    from gantool.workflows import evaluate as work

    chosen = device or "auto"
    result: Evaluation
    with screen.stages() as progress:
        if folders is None:
            result = work.evaluate(
                models or [], data=data, split=split, to=to, size=size, segmenter=segmenter,
                inception_weights=inception_weights, fid_mode=fid_mode,  # type: ignore[arg-type]
                runs=runs, device=chosen, precision=precision or "auto", trust=trust, output=output,
                on_progress=progress,
            )  # fmt: skip
        elif generated is not None:
            result = work.evaluate_image_folders(
                *folders, paired=paired, inception_weights=inception_weights,
                resize=_mode(fid_mode),  # type: ignore[arg-type]
                device=chosen, output=output, on_progress=progress,
            )  # fmt: skip
        else:
            result = work.evaluate_masks(*folders, output=output)
    if isinstance(result, work.TranslationEvaluation):
        return _conclude_pictures(screen, result, bounds)
    return _conclude_labels(screen, result, bounds)


def _folders(
    models: list[str] | None,
    generated: Path | None,
    real: Path | None,
    predicted: Path | None,
    truth: Path | None,
) -> tuple[Path, Path] | None:
    """The two folders to compare, or None where models were named."""
    pairs = {"--generated and --real": (generated, real), "--predicted and --truth": (predicted, truth)}
    given = {name: pair for name, pair in pairs.items() if pair != (None, None)}
    if bool(models) + len(given) != 1:
        raise UsageError(
            "Name models, or two folders of pictures (--generated DIR --real DIR), or two folders of masks "
            "(--predicted DIR --truth DIR)."
        )
    for name, (one, other) in given.items():
        if one is None or other is None:
            raise UsageError(f"{name} go together.")
        return one, other
    return None


def _mode(text: str) -> str:
    if text not in ("clean", "legacy"):
        raise UsageError(f"--fid-mode {text}: expected clean or legacy.")
    return text


def _bound(option: str, text: str, above: bool) -> Bound:
    name, equals, value = text.partition("=")
    try:
        number = float(value if equals else "x")
    except ValueError:
        raise UsageError(f"{option} {text}: expected NAME=VALUE, such as mean_iou=0.6.") from None
    known = (*_SHARES, *_PICTURES)
    if name not in known:
        raise UsageError(f'{option} {name}: there is no metric "{name}".', closest(name, known))
    return name, number, above


def _conclude_labels(screen: Screen, result: SegmentationEvaluation, bounds: list[Bound]) -> int:
    names = [one.name for one in result.models]
    screen.note(result.about)
    from gantool.metrics.estimates import shown

    keys = list(result.models[0].estimates)
    rows: list[tuple[object, ...]] = [(key, *(shown(one.estimates[key]) for one in result.models)) for key in keys]
    rows += [
        (f"IoU {name}", *(_shown(one.scores.iou[n]) for one in result.models))
        for n, name in enumerate(result.models[0].scores.names)
    ]
    if any(one.parameters for one in result.models):
        rows.append(
            ("parameters", *(f"{one.parameters / 1e6:.2f} M" if one.parameters else "n/a" for one in result.models))
        )
        rows.append(("per image", *(f"{1000 * one.seconds:.0f} ms" for one in result.models)))
    screen.table(("", *names), rows)
    _show_differences(screen, [(one.name, one.differences) for one in result.models])
    for path in result.files:
        screen.result(path)
    screen.json(result.as_json())
    return _gate(screen, [(one.name, one.overall()) for one in result.models], bounds)


def _conclude_pictures(screen: Screen, result: TranslationEvaluation, bounds: list[Bound]) -> int:
    from gantool.metrics.estimates import shown

    screen.note(result.about)
    for target in dict.fromkeys(one.target for one in result.results):
        some = [one for one in result.results if one.target == target]
        keys = list(dict.fromkeys(key for one in some for key in one.values))
        rows: list[tuple[object, ...]] = []
        for key in keys:
            plain = some[0].untranslated.get(key)
            cells = [shown(one.values.get(key)) for one in some]
            rows.append((_label(key, some[0].fid_mode), *cells, "" if plain is None else f"{plain.value:.4g}"))
        title = f"{some[0].source} to {target}" if some[0].source else f"against {target}"
        screen.table(("", *(one.name for one in some), "untranslated"), rows, title=title)
        _show_differences(screen, [(one.name, one.differences) for one in some])
        for key, reason in some[0].left_out.items():
            screen.note(f"left out: {key}: {reason}")
        for text in some[0].warnings:
            screen.warn(text + ".")
    for path in result.files:
        screen.result(path)
    screen.json(result.as_json())
    code = _gate(screen, [(f"{one.name} to {one.target}", one.overall()) for one in result.results], bounds)
    if result.failed:
        screen.warn(f"{len(result.failed)} images could not be read and are not counted:")
        for problem in result.failed[:20]:
            screen.warn(f"  {problem}")
        return 1
    return code


def _label(key: str, fid_mode: str | None) -> str:
    return f"{key} ({fid_mode})" if key in ("fid", "kid") and fid_mode else key


def _show_differences(screen: Screen, results: Sequence[tuple[str, Mapping[str, Mapping[str, Estimate]]]]) -> None:
    from gantool.workflows.evaluation_results import difference_tables

    for other, models, rows in difference_tables(results):
        screen.table(("", *models), [(key, *cells) for key, cells in rows], title=f"minus {other}")


def _gate(screen: Screen, models: list[tuple[str, dict[str, float]]], bounds: list[Bound]) -> int:
    code = 0
    for name, bound, above in bounds:
        for model, values in models:
            if name not in values:
                screen.warn(f"{model}: {name} was not measured.")
                code = 1
            elif not (values[name] <= bound if above else values[name] >= bound):
                screen.warn(f"{model}: {name} is {values[name]:.3f}, {'above' if above else 'below'} {bound:g}.")
                code = 1
    return code


def _shown(value: float) -> str:
    return "n/a" if math.isnan(value) else f"{value:.3f}"
