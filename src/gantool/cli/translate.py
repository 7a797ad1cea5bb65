"""``gantool translate``."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gantool.cli.clips import (
    EndOption,
    EveryOption,
    FpsOption,
    QualityOption,
    StartOption,
    SteadyOption,
    clip_options,
    follow_clips,
)
from gantool.cli.console import Screen
from gantool.cli.contract import completion
from gantool.cli.image_results import announce, conclude, file_options, follow, not_done
from gantool.cli.options import (
    MODEL,
    RESULTS,
    BatchSizeOption,
    DeviceOption,
    DryRunOption,
    FilesFromOption,
    FormatOption,
    InputsArgument,
    JsonOption,
    ModelOption,
    NullOption,
    OutputOption,
    OverwriteOption,
    PrecisionOption,
    QuietOption,
    RecursiveOption,
    RunsOption,
    SizeOption,
    SkipExistingOption,
    TileOption,
    TrustOption,
    VerboseOption,
    parse_size,
)
from gantool.cli.shares import (
    DevicesOption,
    EngineOption,
    ShardOption,
    choose_share,
    device_for,
    screen_for,
    start_tasks,
    together,
    whole_only,
)
from gantool.errors import counted

if TYPE_CHECKING:
    from gantool.predict.translator import Translator
    from gantool.workflows.image_files import ImageOutcome
    from gantool.workflows.translate import TranslateOptions

__all__ = ["translate"]


EXAMPLES = """
gantool translate photo.jpg --to winter
gantool translate photos -r --to winter -o out/ --skip-existing
gantool translate photo.jpg --to summer --model cyclegan-2 --side-by-side
gantool translate clip.mp4 --to winter --steady auto
cat x.jpg | gantool translate - --to winter -o - > y.jpg
"""


def translate(
    inputs: InputsArgument = None,
    files_from: FilesFromOption = None,
    null: NullOption = False,
    recursive: RecursiveOption = False,
    *,
    to: Annotated[
        str,
        typer.Option(
            "--to",
            metavar="DOMAIN",
            help="Domain to translate to, such as winter.",
            rich_help_panel=MODEL,
            autocompletion=completion.offered(completion.domains),
        ),
    ],
    model: ModelOption = None,
    runs: RunsOption = Path("runs"),
    trust: TrustOption = False,
    output: OutputOption = None,
    format: FormatOption = None,
    side_by_side: Annotated[
        bool,
        typer.Option(
            "--side-by-side", help="Put input and result side by side in one picture.", rich_help_panel=RESULTS
        ),
    ] = False,
    overwrite: OverwriteOption = False,
    skip_existing: SkipExistingOption = False,
    dry_run: DryRunOption = False,
    start: StartOption = None,
    end: EndOption = None,
    every: EveryOption = 1,
    fps: FpsOption = None,
    quality: QualityOption = 18,
    steady: SteadyOption = "off",
    size: SizeOption = None,
    tile: TileOption = "auto",
    batch_size: BatchSizeOption = None,
    device: DeviceOption = None,
    precision: PrecisionOption = None,
    devices: DevicesOption = None,
    shard: ShardOption = None,
    engine: EngineOption = None,
    json_output: JsonOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> int:
    """Translate pictures or clips into another domain, at their own size.

    photo.jpg becomes photo.winter.jpg in the current folder, clip.mp4 becomes clip.winter.mp4 with its sound. Without
    --model, the newest run that translates to the domain is used, or else a built-in model.
    """
    share = choose_share(shard, devices, (*(inputs or ()), files_from), engine)
    screen = screen_for(share, quiet=quiet, verbose=verbose, json_output=json_output)
    wanted = parse_size("--size", size) if size is not None else None
    files = file_options(
        screen, inputs, output, recursive=recursive, overwrite=overwrite, skip_existing=skip_existing,
        files_from=files_from, null=null, format=format, share=share,
    )  # fmt: skip
    clips = clip_options(files, start=start, end=end, every=every, fps=fps, quality=quality, steady=steady)
    from gantool.workflows import translate as work
    from gantool.workflows.image_jobs import output_folder, shared_folder

    options = work.TranslateOptions(
        to=to, model=model, runs=runs, device=device_for(share, device), precision=precision or "auto", tile=tile,
        size=wanted,
        trust=trust, files=files,
        batch_size=batch_size or 1, side_by_side=side_by_side,
    )  # fmt: skip
    if engine is not None and not dry_run:
        start_tasks(
            screen, share, shared_folder(files), (*files.inputs, files_from),
            lambda: [work.find_model_of(options).path], devices=devices, device=device,
            whole="clips" if clips is not None else "",
        )  # fmt: skip
    translator = work.load_translator(options)
    head = {
        **({"dry_run": True} if dry_run else {}),
        "model": str(translator.model.path),
        "from": translator.source.name,
        "to": translator.target.name,
        "device": translator.device,
        "precision": translator.precision,
    }
    details = partial(_output, translator.target.name)
    if clips is not None:
        whole_only(share, "clips")
        from gantool.workflows.video import plan_clip_translation, translate_clips

        planned, there = plan_clip_translation(translator, options.files)
        _announce(screen, translator, model)
        return follow_clips(
            screen, "translate", head, planned, there, details, doing=f"to {to}",
            work=lambda watch: translate_clips(translator, planned, options, clips, watch, dry_run=dry_run),
        )  # fmt: skip
    jobs, skipped = work.plan_translation(translator, options.files, sys.stdin)
    if screen.speaks:  # only now, as what is wrong with the inputs should not stand below it
        _announce(screen, translator, model)
    if screen.speaks and tile.isdigit() and translator.model.card.norm.startswith("instance"):
        screen.warn("tiles see their own colors only, which can show as seams; --tile auto has none.")
    with together(screen, share, output_folder(files), _question(translator, options), dry_run=dry_run) as parts:
        results = not_done(jobs) if dry_run else work.translate_files(translator, jobs, options)
        done = follow(screen, results, doing=f"to {to}", count=len(jobs), skipped=skipped)
        return conclude(screen, "translate", head, done, skipped, details, parts, jobs)


def _question(translator: Translator, options: TranslateOptions) -> list[object]:
    """What the results depend on."""
    files, path = options.files, translator.model.path
    return [
        "translate", files.inputs, files.files_from, files.format, options.to, translator.model.label,
        path.stat().st_size, translator.precision, options.tile, options.size, options.batch_size,
        options.side_by_side,
    ]  # fmt: skip


def _output(kind: str, item: ImageOutcome) -> dict[str, str]:
    return {"output": str(item.outputs[kind])}


def _announce(screen: Screen, translator: Translator, model: str | None) -> None:
    card = translator.model.card
    announce(
        screen,
        f"{translator.model.label}: {translator.source.name} to {translator.target.name} "
        f"on {translator.device} in {translator.precision}",
        translator.model,
    )
    if translator.trained_on_sample and model is None:
        target = translator.target.name
        screen.warn(
            f"{translator.model.label} was trained on the built-in drawn landscapes, so photos come out like "
            f"drawings. {_for_photos(target)}"
        )
    elif model is None and translator.model.is_bundled:
        screen.note(
            f"{translator.model.label} is the built-in model. To train your own: "
            "gantool train cyclegan-light --domain summer=DIR1 --domain winter=DIR2"
        )
    screen.detail(f"{translator.model.path}, {counted(card.origin.epochs, 'epoch')}, trained at {card.size} px")


def _for_photos(target: str) -> str:
    from gantool.models.find import bundled_for

    name = bundled_for(target)
    if name is not None:
        return f"For photos: gantool translate photo.jpg --to {target} --model {name}"
    return "For photos, train on photos: gantool train cyclegan-light --domain summer=DIR1 --domain winter=DIR2"
