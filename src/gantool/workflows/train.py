"""``gantool train``: a run from its first image to its delivered model."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from gantool._version import __version__
from gantool.cards import Origin
from gantool.engine.events import EpochDone, StepDone, Stopped
from gantool.engine.loop import Trainer
from gantool.engine.runtime import Runtime, started_by_launcher
from gantool.engine.signals import StopRequest
from gantool.errors import ModelError, UsageError
from gantool.models.find import find_model
from gantool.models.native import save_model
from gantool.models.runs import Run, create_run
from gantool.report.judged import write_judged
from gantool.settings import CycleGanSettings, Pix2PixSettings, SegmentationSettings, to_yaml
from gantool.workflows.plan_training import TrainingPlan, plan_training
from gantool.workflows.recipes import Recipe, make_recipe
from gantool.workflows.run_page import write_run_page
from gantool.workflows.training_events import Event, Finished, Notice, Started, TrainResult
from gantool.workflows.training_records import environment, record, run_log

__all__ = ["Event", "Finished", "Notice", "Started", "TrainResult", "train", "training_events"]

_RUN_VARIABLE = "GANTOOL_RUN_DIR"  # tells the other processes of a run which directory it has
_STEPS_BEFORE_ESTIMATE = 5


def train(
    model: str | None = None,
    *,
    data: str | None = None,
    domains: Mapping[str, str] | None = None,
    epochs: int | None = None,
    batch_size: int | None = None,
    size: int | None = None,
    lr: float | None = None,
    seed: int | None = None,
    device: str | None = None,
    precision: str | None = None,
    settings: Mapping[str, Any] | None = None,
    config: str | Path | None = None,
    to: str | None = None,
    encoder_weights: str | None = None,
    name: str | None = None,
    runs: str | Path = "runs",
    resume: str | None = None,
    init_from: str | None = None,
    on_event: Callable[[Event], None] | None = None,
) -> TrainResult:
    """Train a model to the end of its last epoch.

    Args:
        model: ``cyclegan``, ``cyclegan-light``, ``pix2pix``, ``unet``, or ``ARCH-ENCODER`` such as
            ``unet-resnet50``; may be left out with ``resume``.
        data: a folder or a name under ``./data``; default the built-in sample.
        domains: two plain folders by domain name, instead of ``data``.
        epochs, batch_size, size, lr, seed, device, precision: the most used settings.
        settings: any others by dotted key, such as ``{"loss.identity": 0}``.
        config: a YAML file of settings.
        to: domain that pix2pix translates to.
        encoder_weights: of a segmenter: ``imagenet``, ``none`` or a file.
        name, runs: the run's name and the folder it is made in.
        resume: a run to go on with, or ``latest``.
        init_from: a run or model file to take first weights from.
        on_event: called with every `Event` while training.

    Raises:
        GantoolError: with the key, file or run at fault and the remedy.
    """
    overrides = {
        "data.path": data,
        "data.domains": dict(domains) if domains else None,
        "data.size": size,
        "train.epochs": epochs,
        "train.batch_size": batch_size,
        "train.seed": seed,
        "optimizer.lr": lr,
        "runtime.device": device,
        "runtime.precision": precision,
        "model.encoder_weights": encoder_weights,
        "data.to": to,
        **(settings or {}),
    }
    plan = plan_training(
        model,
        overrides=overrides,
        config=Path(config) if config is not None else None,
        name=name,
        runs=Path(runs),
        resume=resume,
        init_from=init_from,
    )
    for event in training_events(plan):
        if on_event is not None:
            on_event(event)
        if isinstance(event, Finished):
            return event.result
    raise AssertionError("training ended without a result")


def training_events(plan: TrainingPlan, *, dry_run: bool = False) -> Iterator[Event]:
    """Train and yield what happens, `Started` first and `Finished` last.

    The run's files are written whether or not anything is done with the events; training goes on only while they
    are asked for.

    Args:
        dry_run: take one step in a run directory that is removed again.
    """
    if dry_run and plan.resume is not None:
        raise UsageError("--dry-run checks a new run; it cannot be had with --resume.")
    settings = plan.settings
    recipe = make_recipe(settings, plan.kind, fresh=plan.resume is None and plan.init_from is None)
    with ExitStack() as stack:
        runtime = Runtime(settings.runtime.device, settings.runtime.devices, settings.runtime.precision)
        run = _make_run(plan, dry_run, stack)
        stack.callback(runtime.close)
        runtime.launch()
        run = Run(runtime.broadcast(run.path if run is not None else Path()))
        stack.enter_context(run_log(run, runtime))
        request = stack.enter_context(StopRequest())
        yield from _train_in(run, plan, recipe, runtime, request, dry_run)


def _make_run(plan: TrainingPlan, dry_run: bool, stack: ExitStack) -> Run | None:
    """Return the run to train in; processes that another one started get its name from that one."""
    if plan.resume is not None:
        return plan.resume
    if _RUN_VARIABLE in os.environ:
        return Run(Path(os.environ[_RUN_VARIABLE]))
    if started_by_launcher() and int(os.environ.get("RANK", os.environ.get("SLURM_PROCID", "0"))) != 0:
        return None
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory())) if dry_run else plan.runs
    facts = {"gantool": __version__, "data": _data_label(plan), "init_from": plan.init_from}
    run = create_run(folder, plan.kind, plan.name, facts)
    os.environ[_RUN_VARIABLE] = str(run.path.resolve())
    stack.callback(os.environ.pop, _RUN_VARIABLE, None)
    return run


def _train_in(
    run: Run,
    plan: TrainingPlan,
    recipe: Recipe,
    runtime: Runtime,
    request: StopRequest,
    dry_run: bool,
) -> Iterator[Event]:
    trainer = _make_trainer(run, plan, recipe, runtime, lambda: request.asked or dry_run)
    exact = trainer.resume() if plan.resume is not None else True
    if runtime.is_main:
        run.settings.write_text(to_yaml(plan.settings), "utf-8")
        if recipe.held_out:
            (run.path / "held_out.txt").write_text("".join(f"{line}\n" for line in recipe.held_out), "utf-8")
        run.write_facts({**run.facts(), **recipe.facts, "environment": environment(runtime)})
    yield _started(run, plan, recipe, runtime, trainer)
    if not exact:
        yield Notice("The run had another number of devices; it goes on, but not exactly as it would have.")
    losses: Mapping[str, float] = {}
    stopped = False
    for event in _with_estimate(trainer, plan, recipe, runtime):
        if runtime.is_main:
            if isinstance(event, EpochDone) and event.metrics and recipe.judged is not None:
                write_judged(run.judged, recipe.judged)
            record(run, event, plan.settings, vanilla=_is_vanilla(plan))
        if isinstance(event, EpochDone):
            losses = event.losses
        stopped = stopped or isinstance(event, Stopped)
        yield event
    if dry_run and runtime.is_main and (peak := _peak_memory(runtime)):
        yield Notice(f"Most memory this process had: {peak / 2**30:.1f} GiB on {runtime.device}.")
    model = run.model if run.model.exists() else None
    result = TrainResult(run.path, model, trainer.progress.epoch, stopped, losses=losses)
    if runtime.is_main and model is not None and not stopped:
        metrics, baselines = recipe.final(run, runtime)
        if metrics:
            result = replace(result, metrics=metrics, baselines=baselines)
            if recipe.judged is not None:
                write_judged(run.judged, recipe.judged)
            run.write_facts({**run.facts(), "metrics": metrics, "baselines": baselines})
            write_run_page(run, plan.settings, vanilla=_is_vanilla(plan))
    yield Finished(result, None if dry_run else request.signal)


def _make_trainer(
    run: Run, plan: TrainingPlan, recipe: Recipe, runtime: Runtime, stop: Callable[[], bool]
) -> Trainer:
    settings = plan.settings
    task = recipe.build_task(runtime, fresh=plan.resume is None and plan.init_from is None)
    if plan.init_from is not None:
        recipe.load_first_weights(_model_file(plan.init_from, plan.runs), task.nets())
    facts = run.facts()

    def deliver(path: Path, nets: Mapping[str, nn.Module], epochs: int) -> None:
        origin = Origin(
            run=run.name,
            data=str(facts.get("data", "")),
            created=str(facts.get("created", "")),
            gantool=__version__,
            epochs=epochs,
            ema=settings.train.ema > 0,
        )
        save_model(path, recipe.for_use(nets), task.card().model_copy(update={"origin": origin}))

    return Trainer(
        task,
        recipe.batches(runtime),
        settings,
        runtime,
        run,
        evaluate=recipe.evaluate(runtime),
        score=recipe.score,
        preview=recipe.preview(),
        deliver=deliver,
        stop=stop,
    )


def _started(run: Run, plan: TrainingPlan, recipe: Recipe, runtime: Runtime, trainer: Trainer) -> Started:
    return Started(
        run.path,
        recipe.about,
        str(runtime.device),
        runtime.precision,
        runtime.world_size,
        plan.settings.train.epochs,
        trainer.progress.epoch,
        trainer.batches.steps_per_epoch,
        plan.settings.train.batch_size,
        {name: sum(p.numel() for p in net.parameters()) for name, net in trainer.task.nets().items()},
        runtime.is_main,
    )


def _peak_memory(runtime: Runtime) -> int:
    """Bytes of device memory on a GPU, of resident memory elsewhere; 0 where the system does not tell."""
    if runtime.device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(runtime.device))
    try:
        import resource
    except ImportError:  # Windows
        return 0
    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(largest if sys.platform == "darwin" else largest * 1024)


def _with_estimate(trainer: Trainer, plan: TrainingPlan, recipe: Recipe, runtime: Runtime) -> Iterator[Event]:
    """Pass the loop's events on; on a CPU tell early how many hours a real data set will take."""
    seconds: list[float] = []
    wanted = runtime.device.type == "cpu" and runtime.is_main and recipe.estimate
    for event in trainer.train():
        yield event
        if wanted and isinstance(event, StepDone):
            seconds.append(event.seconds)
            if len(seconds) == _STEPS_BEFORE_ESTIMATE:
                wanted = False
                left = plan.settings.train.epochs * event.steps_per_epoch - event.step
                hours = left * sorted(seconds)[len(seconds) // 2] / 3600
                text = f"About {hours:.1f} hours to go on this CPU ({sorted(seconds)[2]:.2f} s a step)."
                if hours > 1 and recipe.hint:
                    text += f" {recipe.hint}"
                yield Notice(text)


def _model_file(source: str, runs: Path) -> Path:
    try:
        resolved = find_model(source, runs)
    except ModelError as error:
        raise ModelError(f"--init-from {source}: {error.message}", error.remedy) from None
    if resolved.card.exported is not None:
        raise ModelError(
            f"--init-from {source}: is an exported file, whose weights cannot be trained on.",
            "Name the run or model it came from.",
        )
    return resolved.path


def _is_vanilla(plan: TrainingPlan) -> bool:
    settings = plan.settings
    return isinstance(settings, CycleGanSettings | Pix2PixSettings) and settings.loss.adversarial == "vanilla"


def _data_label(plan: TrainingPlan) -> str:
    settings = plan.settings
    if isinstance(settings, CycleGanSettings | Pix2PixSettings) and settings.data.domains:
        return " and ".join(settings.data.domains.values())
    assert isinstance(settings, CycleGanSettings | Pix2PixSettings | SegmentationSettings)
    return settings.data.path
