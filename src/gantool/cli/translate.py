"""``gantool translate``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gantool.cli.console import Screen
from gantool.cli.image_results import conclude, file_options, follow
from gantool.cli.options import (
    DeviceOption,
    FilesFromOption,
    FormatOption,
    InputsArgument,
    JsonOption,
    NullOption,
    OutputOption,
    OverwriteOption,
    PrecisionOption,
    QuietOption,
    RecursiveOption,
    RunsOption,
    SkipExistingOption,
    TileOption,
    TrustOption,
    VerboseOption,
)
from gantool.errors import UsageError, counted
from gantool.predict.sizes import parse_side

if TYPE_CHECKING:
    from gantool.predict.translator import Translator

__all__ = ["translate"]


def translate(
    inputs: InputsArgument = None,
    *,
    to: Annotated[str, typer.Option("--to", metavar="DOMAIN", help="Domain to translate to, such as winter.")],
    model: Annotated[
        str | None,
        typer.Option(
            "--model", metavar="MODEL", help="A model file, a run, or a kind. Default: the newest run that can."
        ),
    ] = None,
    output: OutputOption = None,
    size: Annotated[
        str | None, typer.Option("--size", metavar="WxH", help="Scale to this size first, such as 640x480.")
    ] = None,
    tile: TileOption = "auto",
    batch_size: Annotated[int, typer.Option("--batch-size", min=1, help="Images of one size run together.")] = 1,
    side_by_side: Annotated[bool, typer.Option("--side-by-side", help="Input and result in one picture.")] = False,
    format: FormatOption = None,
    files_from: FilesFromOption = None,
    null: NullOption = False,
    recursive: RecursiveOption = False,
    overwrite: OverwriteOption = False,
    skip_existing: SkipExistingOption = False,
    runs: RunsOption = Path("runs"),
    device: DeviceOption = None,
    precision: PrecisionOption = None,
    trust: TrustOption = False,
    json_output: JsonOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> int:
    """Translate pictures into another domain, at their own size.

    photo.jpg becomes photo.winter.jpg in the current folder.
    """
    screen = Screen(quiet=quiet, verbose=verbose, json_output=json_output)
    wanted = _parse_size(size)
    files = file_options(
        screen, inputs, output, recursive=recursive, overwrite=overwrite, skip_existing=skip_existing,
        files_from=files_from, null=null, format=format,
    )  # fmt: skip
    from gantool.workflows import translate as work

    options = work.TranslateOptions(
        to=to, model=model, runs=runs, device=device or "auto", precision=precision or "auto", tile=tile, size=wanted,
        trust=trust, files=files,
        batch_size=batch_size, side_by_side=side_by_side,
    )  # fmt: skip
    translator = work.load_translator(options)
    _announce(screen, translator, model)
    jobs, skipped = work.plan_translation(translator, options.files, sys.stdin)
    if tile.isdigit() and translator.model.card.norm.startswith("instance"):
        screen.warn("tiles see their own colors only, which can show as seams; --tile auto has none.")
    results = work.translate_files(translator, jobs, options)
    done = follow(screen, results, doing=f"to {to}", count=len(jobs), skipped=skipped)
    head = {
        "model": str(translator.model.path),
        "from": translator.source.name,
        "to": translator.target.name,
        "device": translator.device,
        "precision": translator.precision,
    }
    return conclude(screen, head, done, skipped, lambda item: {"output": str(item.outputs[translator.target.name])})


def _announce(screen: Screen, translator: Translator, model: str | None) -> None:
    card = translator.model.card
    screen.note(
        f"{translator.model.label}: {translator.source.name} to {translator.target.name} "
        f"on {translator.device} in {translator.precision}"
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


def _parse_size(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    width, _, height = text.lower().partition("x")
    size = parse_side(width), parse_side(height)
    if not (size[0] and size[1]):
        raise UsageError(f"--size {text}: expected WIDTHxHEIGHT, such as 640x480.")
    return size[0], size[1]
