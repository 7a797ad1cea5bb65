"""``gantool train``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gantool.cli.console import Screen
from gantool.cli.contract import completion
from gantool.cli.options import (
    COMPUTING,
    IMAGES,
    MODEL,
    DataOption,
    DeviceOption,
    DomainsOption,
    DryRunOption,
    JsonOption,
    OverwriteOption,
    PrecisionOption,
    QuietOption,
    RunsOption,
    VerboseOption,
    named_model,
    parse_domains,
    parse_halves,
)
from gantool.errors import UsageError, counted

if TYPE_CHECKING:
    from gantool.workflows.plan_training import TrainingPlan
    from gantool.workflows.train import Started

__all__ = ["train"]


TRAINING, RUN, SETTINGS = "Training", "Run", "Settings"

EXAMPLES = """
gantool train cyclegan --epochs 20
gantool train cyclegan-light --domain summer=DIR1 --domain winter=DIR2
gantool train unet-resnet50 --data bob-ross --set loss.class_weights=auto
gantool train unet --config my.yaml --crop 128 --epochs 40
gantool train --resume latest
gantool train --list-models
"""


def train(
    model: Annotated[
        str | None,
        typer.Argument(
            metavar="[MODEL]",
            help="cyclegan, pix2pix, unet, ARCH-ENCODER (unet-resnet50), ...; see --list-models.",
            rich_help_panel=MODEL,
            autocompletion=completion.offered(completion.trainable),
        ),
    ] = None,
    model_option: Annotated[
        str | None,
        typer.Option(
            "--model",
            metavar="MODEL",
            help="The same as an option.",
            rich_help_panel=MODEL,
            autocompletion=completion.offered(completion.trainable),
        ),
    ] = None,
    list_models: Annotated[
        bool,
        typer.Option("--list-models", help="List the models that can be trained, and stop.", rich_help_panel=MODEL),
    ] = False,
    to: Annotated[
        str | None,
        typer.Option(
            "--to", metavar="DOMAIN", help="Domain to translate to, for pix2pix and cut.", rich_help_panel=MODEL
        ),
    ] = None,
    init_from: Annotated[
        str | None,
        typer.Option(
            "--init-from",
            metavar="MODEL",
            help="Start a new run from the weights of a model; none for random weights.",
            rich_help_panel=MODEL,
            autocompletion=completion.offered(completion.models),
        ),
    ] = None,
    encoder_weights: Annotated[
        str | None,
        typer.Option(
            "--encoder-weights",
            metavar="imagenet|none|FILE",
            help="Pretrained weights of a segmenter's encoder.",
            rich_help_panel=MODEL,
            autocompletion=completion.of("imagenet", "none"),
        ),
    ] = None,
    distill: Annotated[
        str | None,
        typer.Option(
            "--distill",
            metavar="MODEL",
            help="Train a light generator to imitate this model.",
            rich_help_panel=MODEL,
            autocompletion=completion.offered(completion.models),
        ),
    ] = None,
    data: DataOption = None,
    domain: Annotated[
        list[str] | None,
        typer.Option(
            "--domain",
            metavar="NAME=DIR",
            help="Give it twice: two folders of images, instead of --data.",
            rich_help_panel=IMAGES,
        ),
    ] = None,
    domains: DomainsOption = None,
    epochs: Annotated[
        int | None, typer.Option("--epochs", metavar="N", help="Number of epochs in total.", rich_help_panel=TRAINING)
    ] = None,
    batch_size: Annotated[
        int | None,
        typer.Option(
            "--batch-size", metavar="N", help="Images per step, over all devices.", rich_help_panel=TRAINING
        ),
    ] = None,
    crop: Annotated[
        int | None,
        typer.Option(
            "--crop", metavar="N", help="Side of the square training crops, in pixels.", rich_help_panel=TRAINING
        ),
    ] = None,
    lr: Annotated[
        float | None, typer.Option("--lr", metavar="N", help="Learning rate.", rich_help_panel=TRAINING)
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            "--seed", metavar="N", help="Random seed for weights, order and augmentation.", rich_help_panel=TRAINING
        ),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option("--name", metavar="NAME", help="Name of the run. Default: MODEL-N.", rich_help_panel=RUN),
    ] = None,
    runs: RunsOption = Path("runs"),
    resume: Annotated[
        str | None,
        typer.Option(
            "--resume",
            metavar="RUN|latest",
            help="Resume a run exactly where it stopped.",
            rich_help_panel=RUN,
            autocompletion=completion.offered(completion.runs),
        ),
    ] = None,
    accept_changed_data: Annotated[
        bool,
        typer.Option(
            "--accept-changed-data",
            help="Resume although the data has changed; not exact.",
            rich_help_panel=RUN,
        ),
    ] = False,
    dry_run: DryRunOption = False,
    config: Annotated[
        Path | None,
        typer.Option("--config", metavar="FILE", help="YAML file with settings.", rich_help_panel=SETTINGS),
    ] = None,
    assignments: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Any setting, such as loss.identity=0; repeatable.",
            rich_help_panel=SETTINGS,
        ),
    ] = None,
    write_settings: Annotated[
        Path | None,
        typer.Option(
            "--write-settings",
            metavar="FILE",
            help="Write all settings with explanations to a file, and stop.",
            rich_help_panel=SETTINGS,
        ),
    ] = None,
    overwrite: OverwriteOption = False,
    device: DeviceOption = None,
    precision: PrecisionOption = None,
    devices: Annotated[
        int | None,
        typer.Option(
            "--devices",
            metavar="N",
            help="Number of processes on this machine, one per device.",
            rich_help_panel=COMPUTING,
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            "--workers", metavar="N", help="Number of processes that load images.", rich_help_panel=COMPUTING
        ),
    ] = None,
    compile_nets: Annotated[
        bool | None,
        typer.Option(
            "--compile/--no-compile",
            help="Always or never compile the networks. Default: where it saves time.",
            rich_help_panel=COMPUTING,
        ),
    ] = None,
    json_output: JsonOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> int:
    """Train a model on your images, or without --data on the built-in sample.

    Ctrl-C saves before it stops; --resume latest continues the newest run. --dry-run checks everything and does one
    step. --overwrite concerns --write-settings only.
    """
    screen = Screen(quiet=quiet, verbose=verbose, json_output=json_output)
    from gantool.methods.registry import MODELS

    if list_models:
        screen.print_table(("model", "what it is"), MODELS.items())
        screen.json("models", {"models": dict(MODELS)})
        return 0
    from gantool.fetch.remote.addresses import require_disk
    from gantool.workflows import plan_training as planning

    require_disk(runs, "runs are written", "--runs")
    require_disk(write_settings, "settings are written", "--write-settings")
    model = named_model(model, model_option)
    if data is not None and domain:
        raise UsageError("--data and --domain name the images twice; give one of them.")
    plan = planning.plan_training(
        planning.TrainOptions(
            model, data, parse_domains(domain or []), parse_halves(domains), epochs, batch_size, crop, lr, seed,
            devices, workers, device, precision, compile_nets, to, encoder_weights, distill,
            assignments=assignments or [], config=config, name=name, runs=runs, resume=resume, init_from=init_from,
            dry_run=dry_run, accept_changed_data=accept_changed_data,
        )
    )  # fmt: skip
    if write_settings is not None:
        _write_settings(screen, plan, write_settings, overwrite)
        return 0
    return _run(screen, plan)


def _run(screen: Screen, plan: TrainingPlan) -> int:
    from gantool.cli.training import TrainingDisplay
    from gantool.cli.training.ending import conclude, conclude_dry_run
    from gantool.engine.events import StepDone
    from gantool.workflows.train import Finished, Notice, Started, training_events

    display = TrainingDisplay(screen)
    started: Started | None = None
    first_step: StepDone | None = None
    over = False
    with display:
        for event in training_events(plan):
            if isinstance(event, Started):
                started = event
                if not event.main:
                    display.silence()
                over = _is_over(event)
                if not over:
                    _announce(screen, event, dry_run=plan.dry_run)
                    display.start(event)
            elif isinstance(event, Notice):
                display.note(event.text)
            elif isinstance(event, Finished):
                display.finish(stopped=event.result.stopped)
                # The other processes of a run end with 0: their launcher takes any other code for a crash.
                main = started is not None and started.main
                if main and started is not None and plan.dry_run:
                    conclude_dry_run(screen, started, first_step)
                elif main:
                    conclude(screen, plan, event.result, over=over)
                return 128 + event.signal if main and event.result.stopped and event.signal is not None else 0
            else:
                first_step = first_step or (event if isinstance(event, StepDone) else None)
                display.show(event)
    raise AssertionError("training ended without a result")


def _is_over(event: Started) -> bool:
    """Whether a run that is resumed has nothing left to train."""
    from gantool.models.history import history_of
    from gantool.models.runs import Run

    return event.first_epoch > 0 and replace(history_of(Run(event.run)), planned=event.epochs).is_finished


def _announce(screen: Screen, event: Started, *, dry_run: bool) -> None:
    if not event.main:
        return
    ranks = f" x {event.world_size}" if event.world_size > 1 else ""
    screen.note(f"{'Dry run' if dry_run else event.run}: {event.data}")
    screen.note(
        f"{counted(event.epochs, 'epoch')} of {counted(event.steps_per_epoch, 'step')}, "
        f"batch size {event.batch_size}, on {event.device}{ranks} in {event.precision}"
    )
    if event.first_epoch:
        screen.note(f"resumed after epoch {event.first_epoch}")
    for name, count in event.parameters.items():
        screen.detail(f"{name}: {count / 1e6:.3f} M parameters")


def _write_settings(screen: Screen, plan: TrainingPlan, path: Path, overwrite: bool) -> None:
    from gantool.errors import OutputError
    from gantool.files import atomic
    from gantool.settings import to_yaml

    if path.exists() and not overwrite:
        raise OutputError(f"{path}: exists already.", "Use --overwrite to replace it.")
    with atomic(path) as temporary:
        temporary.write_text(to_yaml(plan.settings), "utf-8")
    for note in plan.notes:
        screen.note(note)
    screen.result(path)
    content: Mapping[str, Any] = {"settings": str(path)}
    screen.json("settings", content)
