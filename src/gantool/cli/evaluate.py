"""``gantool evaluate``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gantool.cli.console import Screen, failure
from gantool.cli.contract import completion
from gantool.cli.options import (
    COMPUTING,
    IMAGES,
    MODEL,
    RESULTS,
    DataOption,
    DeviceOption,
    DryRunOption,
    JsonOption,
    OverwriteOption,
    PrecisionOption,
    QuietOption,
    RunsOption,
    SizeOption,
    SkipExistingOption,
    ToOption,
    TrustOption,
    VerboseOption,
    no_stream,
    parse_size,
)
from gantool.cli.shares import (
    DevicesOption,
    EngineOption,
    ShardOption,
    choose_share,
    device_for,
    handed_in,
    note_share,
    screen_for,
    start_tasks,
    warn_of_no_lock,
)
from gantool.errors import UsageError, counted

if TYPE_CHECKING:
    from gantool.cli.training.table import Signs
    from gantool.workflows.evaluate import EvaluateOptions, Evaluation
    from gantool.workflows.evaluate.results import Progress
    from gantool.workflows.evaluate.tables import Row

__all__ = ["evaluate"]

EXAMPLES = """
gantool evaluate cyclegan-2
gantool evaluate unet-resnet50 unet-resnet18 --data bob-ross -o measured/
gantool evaluate unet --fail-under mean_iou=0.6 --fail-under iou/sky=0.9
gantool evaluate --generated out --real photos/winter
"""


def evaluate(
    models: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[MODEL...]",
            help="Model files, runs, kinds of models or built-in models; several are compared side by side.",
            rich_help_panel=MODEL,
            autocompletion=completion.offered(completion.models),
        ),
    ] = None,
    model_option: Annotated[
        list[str] | None,
        typer.Option(
            "--model",
            metavar="MODEL",
            help="The same as an option; repeatable.",
            rich_help_panel=MODEL,
            autocompletion=completion.offered(completion.models),
        ),
    ] = None,
    to: ToOption = None,
    runs: RunsOption = Path("runs"),
    trust: TrustOption = False,
    segmenter: Annotated[
        str | None,
        typer.Option(
            "--segmenter",
            metavar="MODEL",
            help="Segment the generated pictures with this model, to see whether they show what they should.",
            rich_help_panel=MODEL,
            autocompletion=completion.offered(completion.models),
        ),
    ] = None,
    data: DataOption = None,
    split: Annotated[
        str,
        typer.Option(
            "--split",
            metavar="SPLIT",
            help="Part of the data: train, val or test.",
            rich_help_panel=IMAGES,
            autocompletion=completion.of("train", "val", "test"),
        ),
    ] = "test",
    generated: Annotated[
        Path | None,
        typer.Option(
            "--generated",
            metavar="DIR",
            help="Without a model: folder of generated images, for --real.",
            rich_help_panel=IMAGES,
        ),
    ] = None,
    real: Annotated[
        Path | None,
        typer.Option(
            "--real",
            metavar="DIR",
            help="Folder of real images that --generated is compared with.",
            rich_help_panel=IMAGES,
        ),
    ] = None,
    paired: Annotated[
        bool,
        typer.Option("--paired", help="Images of the same name in both folders are pairs.", rich_help_panel=IMAGES),
    ] = False,
    predicted: Annotated[
        Path | None,
        typer.Option(
            "--predicted",
            metavar="DIR",
            help="Without a model: folder of predicted index masks, for --truth.",
            rich_help_panel=IMAGES,
        ),
    ] = None,
    truth: Annotated[
        Path | None,
        typer.Option(
            "--truth",
            metavar="DIR",
            help="Folder of true masks with the same names that --predicted is compared with.",
            rich_help_panel=IMAGES,
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="DIR",
            help="Folder for evaluation.json, .csv and .html. Default: evaluation/, in the folder of the run "
            "if one run is measured, else in the current folder.",
            rich_help_panel=RESULTS,
        ),
    ] = None,
    fail_under: Annotated[
        list[str] | None,
        typer.Option(
            "--fail-under",
            metavar="NAME=VALUE",
            help="Exit with 1 if a metric is below a value: mean_iou=0.6, or for one class iou/sky=0.9; repeatable.",
            rich_help_panel=RESULTS,
            autocompletion=completion.offered(completion.gates),
        ),
    ] = None,
    fail_over: Annotated[
        list[str] | None,
        typer.Option(
            "--fail-over",
            metavar="NAME=VALUE",
            help="Exit with 1 if a metric is above a value: swd=0.2; repeatable.",
            rich_help_panel=RESULTS,
            autocompletion=completion.offered(completion.gates),
        ),
    ] = None,
    overwrite: OverwriteOption = False,
    skip_existing: SkipExistingOption = False,
    dry_run: DryRunOption = False,
    size: SizeOption = None,
    inception_weights: Annotated[
        Path | None,
        typer.Option(
            "--inception-weights",
            metavar="FILE",
            help="File of Inception weights for FID and KID. Default: the cache, or a download.",
            rich_help_panel=COMPUTING,
        ),
    ] = None,
    fid_mode: Annotated[
        str,
        typer.Option(
            "--fid-mode",
            metavar="clean|legacy",
            help="How images are resized for FID and KID.",
            rich_help_panel=COMPUTING,
            autocompletion=completion.of("clean", "legacy"),
        ),
    ] = "clean",
    device: DeviceOption = None,
    precision: PrecisionOption = None,
    devices: DevicesOption = None,
    shard: ShardOption = None,
    engine: EngineOption = None,
    json_output: JsonOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> int:
    """Measure models: label maps by IoU, pictures by FID, KID and SWD, with pairs also by L1, PSNR, SSIM and LPIPS.

    Several models are compared on the same images, segmenters also with translations to label maps. SWD always works
    offline; FID, KID and LPIPS need weights, and a metric that is left out is named with the reason. Without --data,
    the first model's own data is used.
    """
    share = choose_share(shard, devices, engine=engine)
    screen = screen_for(share, quiet=quiet, verbose=verbose, json_output=json_output)
    no_stream(output, "evaluations")
    from gantool.workflows.evaluate import EvaluateOptions, look_ahead, run_evaluation, usual_output
    from gantool.workflows.evaluate.gates import parse_gates

    gates = parse_gates(fail_under or (), fail_over or ())
    named = (*(models or ()), *(model_option or ()))
    options = EvaluateOptions(
        named, data=data, split=split, to=to, size=_square(size),
        segmenter=segmenter, inception_weights=inception_weights, fid_mode=fid_mode,  # type: ignore[arg-type]
        generated=generated, real=real, paired=paired, predicted=predicted, truth=truth,
        output=output or Path(),
        overwrite=overwrite, skip_existing=skip_existing,
        classes=tuple(gate.class_name for gate in gates if gate.class_name), runs=runs,
        device=device_for(share, device), precision=precision or "auto", trust=trust, share=share,
    )  # fmt: skip
    if skip_existing and gates:
        raise UsageError("--skip-existing measures nothing, which a gate needs.", "Leave one of them out.")
    if output is None:
        options = replace(options, output=usual_output(named, runs))
    ahead = look_ahead(options)
    if ahead.done or dry_run:
        screen.note("Dry run: nothing was measured." if dry_run else f"{ahead.files[0]}: exists already and is left.")
        if ahead.older:
            screen.warn(f"{ahead.files[0]}: is older than the model; --overwrite instead measures it again.")
        for path in ahead.files:
            screen.result(path)
        what = {"dry_run": True} if dry_run else {"skipped": [str(path) for path in ahead.files]}
        screen.json("evaluate", {**what, "files": [str(path) for path in ahead.files]} if dry_run else what)
        return 0
    if engine is not None:
        read = (data, inception_weights, *_folders(options))
        start_tasks(
            screen, share, options.output or Path(), read, lambda: ahead.models, devices=devices, device=device
        )  # fmt: skip
    from gantool.models.history import unfinished

    for text in filter(None, map(unfinished, ahead.models)):
        screen.note(text)
    with screen.stages() as progress:
        result = run_evaluation(options, progress) if share.is_alone else _as_share(screen, options, progress)
    if result is None:
        return 0
    _show(screen, result)
    missed = [sentence for gate in gates for sentence in gate.missed(result)]
    for sentence in missed:
        failure(sentence)
    if result.failed:
        screen.warn(f"{counted(len(result.failed), 'image')} could not be read; the numbers are of the others:")
        for problem in result.failed[:20]:
            screen.warn(f"  {problem}")
    return 1 if missed or result.failed else 0


def _folders(options: EvaluateOptions) -> tuple[Path | None, ...]:
    return options.generated, options.real, options.predicted, options.truth


def _square(text: str | None) -> int | None:
    """The side of ``NxN``, or of ``N``."""
    if text is None:
        return None
    width, height = parse_size("--size", text, square=True)
    if width != height:
        raise UsageError(f"--size {text}: what is measured is square.", f"Use {width}x{width}.")
    return width


def _as_share(screen: Screen, options: EvaluateOptions, progress: Progress) -> Evaluation | None:
    """The evaluation if this share is the last one; else None, after saying so."""
    from gantool.workflows.evaluate import parts_of_evaluation, run_share

    parts = parts_of_evaluation(options)
    note_share(screen, options.share)
    try:
        result = run_share(parts, options, progress, lambda: warn_of_no_lock(screen, options.share, parts.output))
        if result is None:
            handed_in(screen, "evaluate", parts, {})
        else:
            screen.speak_up()
        return result
    finally:
        parts.tidy()


def _show(screen: Screen, result: Evaluation) -> None:
    from gantool.cli.training.table import Signs
    from gantool.workflows.evaluate.tables import parts_of

    screen.note(result.about)
    signs = Signs.of(screen.err.encoding)
    for part in parts_of(result):
        plain = ("untranslated",) if part.has_plain else ()
        rows: list[tuple[object, ...]] = [
            (_label(row, signs), *row.cells, *(row.plain for _ in plain)) for row in part.rows
        ]
        rows += [(f"IoU {name}{signs.arrow('iou')}", *iou) for name, iou, _ in part.classes]
        screen.table(("", *part.models, *plain), rows, title=part.title or None)
        for minus in part.differences:
            differences = [(signs.titled(key), *cells) for key, cells in minus.rows]
            screen.table(("", *minus.models), differences, title=f"minus {minus.other}")
    screen.note(f"{signs.legend}; in brackets: 95 % intervals. A difference with 0 in its interval can be chance.")
    for sentence in result.left_out():
        what, _, remedy = sentence.partition("\n")
        screen.note(f"Left out: {what.rstrip('.')}.")
        if remedy:
            screen.note(f"  {remedy.rstrip('.')}.")
    for text in dict.fromkeys(text for one in result.results for text in one.warnings):
        screen.warn(text + ".")
    for path in result.files:
        screen.result(path)
    screen.json("evaluate", result.as_json())


def _label(row: Row, signs: Signs) -> str:
    """``PSNR ↑ (dB)``"""
    return row.label + signs.direction(row.better) + (f" ({row.unit})" if row.unit else "")
