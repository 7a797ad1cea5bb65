"""``gantool train``: a run from its first image to its delivered model."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from torch import nn

from gantool._version import __version__
from gantool.cards import Origin
from gantool.engine.compiling import has_compiler
from gantool.engine.events import Decided, EpochDone, StepDone, Stopped
from gantool.engine.loop import Trainer
from gantool.engine.runtime import Runtime, started_by_launcher
from gantool.engine.signals import StopRequest
from gantool.engine.task import Task
from gantool.errors import ModelError, OutputError, SettingsError, TrainingError, UsageError, roughly
from gantool.locks import WITHOUT_LOCKS
from gantool.methods.base import Method
from gantool.methods.registry import make_method
from gantool.models.files import load_net, load_segmenter, read_card
from gantool.models.find import find_model
from gantool.models.formats.native import save_model
from gantool.models.runs import Run, create_run
from gantool.settings import Settings
from gantool.workflows.plan_training import TrainingPlan, TrainOptions, plan_training
from gantool.workflows.train.data_files import DataFiles, look_at_data
from gantool.workflows.train.page import write_run_page
from gantool.workflows.train.records import (
    measured_when_chosen,
    record,
    record_decision,
    record_end,
    record_start,
    record_stop,
    run_log,
)
from gantool.workflows.training_events import Event, Finished, Notice, Started, TrainResult

__all__ = ["Event", "Finished", "Notice", "Started", "TrainOptions", "TrainResult", "train", "training_events"]

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
    distill: str | None = None,
    accept_changed_data: bool = False,
    on_event: Callable[[Event], None] | None = None,
) -> TrainResult:
    """Train a model to the end of its last epoch.

    Args:
        model: ``cyclegan``, ``cyclegan-light``, ``cut``, ``pix2pix``, ``unet``, or ``ARCH-ENCODER`` such as
            ``unet-resnet50``; may be left out with ``resume``.
        data: a folder or a name under ``./data``; default the built-in sample.
        domains: two plain folders by domain name, instead of ``data``.
        epochs: how often every training image is seen.
        batch_size: images per step, over all devices together.
        size: side of the square crops in pixels.
        lr: learning rate.
        seed: of initial weights, order and augmentation.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:1`` or ``mps``.
        precision: ``auto``, ``fp32``, ``bf16`` or ``fp16``.
        settings: any other settings by dotted key, such as ``{"loss.identity": 0}``.
        config: a YAML file of settings.
        to: the target domain of a model that translates in one direction.
        encoder_weights: of a segmenter: ``imagenet``, ``none`` or a file.
        name: the run's name.
        runs: the folder in which the run is created.
        resume: a run to resume, or ``latest``.
        init_from: a run or model file to take initial weights from; ``none`` for random weights where the model's
            name implies pretrained ones.
        distill: a run or model file whose translations a light generator is to learn, instead of ``model``.
        accept_changed_data: resume even if files of the run's data were added, removed or changed.
        on_event: called with every `Event` while training.

    Raises:
        GantoolError: names the key, file or run at fault and the remedy.
    """
    options = TrainOptions(
        model, data, domains, None, epochs, batch_size, size, lr, seed, device=device, precision=precision, to=to,
        encoder_weights=encoder_weights, distill=distill, settings=settings or {},
        config=Path(config) if config is not None else None, name=name, runs=Path(runs), resume=resume,
        init_from=init_from, accept_changed_data=accept_changed_data,
    )  # fmt: skip
    for event in training_events(plan_training(options)):
        if on_event is not None:
            on_event(event)
        if isinstance(event, Finished):
            return event.result
    raise AssertionError("training ended without a result")


@dataclass(frozen=True)
class _Training:
    """What one training consists of."""

    plan: TrainingPlan
    method: Method
    runtime: Runtime
    run: Run
    trainer: Trainer
    data: DataFiles | None
    stopping: Callable[[], bool]

    @property
    def task(self) -> Task:
        return self.trainer.task


def training_events(plan: TrainingPlan) -> Iterator[Event]:
    """Train and yield what happens, `Started` first and `Finished` last.

    The run's files are written whether or not anything is done with the events; training goes on only while they
    are asked for.
    """
    if plan.dry_run and plan.resume is not None:
        raise UsageError("--dry-run checks a new run; it cannot be had with --resume.")
    settings = plan.settings
    _check_runtime(settings)
    with ExitStack() as stack:
        # Before the images are looked at, which can take minutes; a new run is made once they are known to be good.
        locked = plan.resume is None or _lock(plan.resume, stack)
        method = make_method(settings, plan.kind, fresh=plan.fresh)
        start = _first_weights(plan)
        runtime = Runtime(settings.runtime.device, settings.runtime.devices, settings.runtime.precision)
        made = _make_run(plan, stack)
        if plan.resume is None and made is not None:
            locked = _lock(made, stack)
        stack.callback(runtime.close)
        runtime.launch()
        run = Run(runtime.broadcast(made.path if made is not None else Path()))
        data = _look_at_data(plan, method, runtime, run)
        stack.enter_context(run_log(run, runtime))
        request = stack.enter_context(StopRequest())
        start = runtime.broadcast(start)
        trainer = _make_trainer(plan, method, runtime, run, start, lambda: request.asked or plan.dry_run)
        if not locked:
            yield Notice(WITHOUT_LOCKS.format(path=run.path))
        result = yield from _train(_Training(plan, method, runtime, run, trainer, data, lambda: request.asked))
        yield Finished(result, None if plan.dry_run else request.signal)


def _check_runtime(settings: Settings) -> None:
    if settings.runtime.tensorboard and find_spec("tensorboard") is None:
        raise SettingsError(
            "runtime.tensorboard: the tensorboard package is missing.",
            'Install it: pip install "gantool[tensorboard]".',
        )
    if settings.runtime.compile is True and not has_compiler():
        raise SettingsError(
            "runtime.compile: needs a C++ compiler, none was found.", "Install one, or leave --compile out."
        )


def _make_run(plan: TrainingPlan, stack: ExitStack) -> Run | None:
    """Return the run to train in; processes that another one started get its name from that one."""
    if plan.resume is not None:
        return plan.resume
    if _RUN_VARIABLE in os.environ:
        return Run(Path(os.environ[_RUN_VARIABLE]))
    if not _is_first():
        return None
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory())) if plan.dry_run else plan.runs
    data = plan.settings.data.label.encode(errors="backslashreplace").decode()  # names need not be UTF-8, cards are
    facts = {"gantool": __version__, "data": data, "init_from": plan.init_from}
    run = create_run(folder, plan.kind, plan.name, facts)
    os.environ[_RUN_VARIABLE] = str(run.path.resolve())
    stack.callback(os.environ.pop, _RUN_VARIABLE, None)
    return run


def _is_first() -> bool:
    """Whether this process is to be the main one, as far as launchers tell before they joined the processes."""
    ranks = ("RANK",) if "RANK" in os.environ else ("SLURM_PROCID", "NODE_RANK", "LOCAL_RANK")
    return not started_by_launcher() or all(int(os.environ.get(name, "0")) == 0 for name in ranks)


def _lock(run: Run, stack: ExitStack) -> bool:
    """Keep the run for this training; False where the file system has no locks. One process does it for all."""
    return not _is_first() or stack.enter_context(run.locked())


def _look_at_data(plan: TrainingPlan, method: Method, runtime: Runtime, run: Run) -> DataFiles | None:
    """What is to be noted about the data, on the main process; its failure is everybody's."""
    found: list[DataFiles] = []
    resumed, accept = plan.resume is not None, plan.accept_changed_data
    runtime.on_main(lambda: found.append(look_at_data(run, plan.settings, method, resumed=resumed, accept=accept)))
    return found[0] if found else None


def _make_trainer(
    plan: TrainingPlan, method: Method, runtime: Runtime, run: Run, start: Path | None, stop: Callable[[], bool]
) -> Trainer:
    settings = plan.settings
    task = method.task(runtime, fresh=plan.fresh)
    if start is not None:
        method.load_weights(start, task.nets())
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
        save_model(path, method.delivered(nets), task.card().model_copy(update={"origin": origin}))

    return Trainer(
        task,
        method.batches(runtime),
        settings,
        runtime,
        run,
        measure=lambda nets: method.measure(method.delivered(nets), "val", runtime),
        preview=method.preview(),
        deliver=deliver,
        stop=stop,
        compile=_whether_to_compile(plan, facts),
    )


def _whether_to_compile(plan: TrainingPlan, facts: Mapping[str, Any]) -> Literal["auto", True, False]:
    """What the settings say; for a run that goes on what was decided at its start, which its numbers depend on."""
    wanted = plan.settings.runtime.compile
    if plan.resume is not None:
        return bool((facts.get("compiled") or {"on": wanted is True})["on"])
    return False if plan.dry_run and wanted == "auto" else wanted


def _train(training: _Training) -> Generator[Event, None, TrainResult]:
    plan, method, runtime, run = training.plan, training.method, training.runtime, training.run
    trainer, terms = training.trainer, training.task.losses
    exact = trainer.resume() if plan.resume is not None else True
    if training.data is not None:
        record_start(run, plan.settings, method, training.data, runtime, trainer.progress.epoch)
        write_run_page(run, plan.settings, terms)
    yield _started(training)
    if training.data is not None and training.data.note:
        yield Notice(training.data.note)
    if runtime.is_main:
        yield from map(Notice, plan.notes)
    if not exact:
        yield Notice("The run had another number of devices; it is resumed, but not exactly.")
    losses: Mapping[str, float] = {}
    stopped = False
    for event in _noting_failure(training):
        if runtime.is_main:
            record(run, event, plan.settings, terms)
        if isinstance(event, Decided) and plan.resume is None and runtime.is_main:
            record_decision(run, event)
        if isinstance(event, EpochDone):
            losses = event.losses
        stopped = stopped or isinstance(event, Stopped)
        yield event
    if plan.dry_run and runtime.is_main and (peak := runtime.peak_memory()):
        yield Notice(f"Most memory this process had: {peak / 2**30:.1f} GiB on {runtime.device}.")
    model = run.model if run.model.exists() else None
    result = TrainResult(run.path, model, trainer.progress.epoch, stopped, losses=losses)
    if not runtime.is_main or model is None or stopped:
        return result
    unseen = method.measure(_load_delivered(model, runtime), "test", runtime)
    found = unseen or measured_when_chosen(run)
    record_end(run, plan.settings, terms, found, unseen=unseen is not None)
    if found is None:
        return result
    return replace(result, metrics=found.values, unseen=unseen is not None, baselines=found.baselines)


def _noting_failure(training: _Training) -> Iterator[Event]:
    """Pass the events on; the page of a training that had to stop does not go on waiting for news."""
    try:
        yield from _with_estimate(training)
    except TrainingError:
        if training.runtime.is_main:
            with suppress(OutputError):
                record_stop(training.run, training.plan.settings, training.task.losses)
        raise


def _load_delivered(path: Path, runtime: Runtime) -> dict[str, nn.Module]:
    """The networks of a model file, under the names that the task gives them, on the device."""
    card = read_card(path)
    nets: dict[str, nn.Module] = (
        {"segment": load_segmenter(path, card)}
        if card.is_segmenter
        else {one.net: load_net(path, card, one.target) for one in card.directions}
    )
    return {name: net.to(runtime.device) for name, net in nets.items()}


def _started(training: _Training) -> Started:
    trainer, settings, runtime = training.trainer, training.plan.settings, training.runtime
    return Started(
        training.run.path,
        training.method.about,
        str(runtime.device),
        runtime.precision,
        runtime.world_size,
        settings.train.epochs,
        trainer.progress.epoch,
        trainer.batches.steps_per_epoch,
        settings.train.batch_size,
        {name: sum(p.numel() for p in net.parameters()) for name, net in training.task.nets().items()},
        training.task.losses,
        runtime.is_main,
        training.stopping,
    )


def _with_estimate(training: _Training) -> Iterator[Event]:
    """Pass the loop's events on; on a CPU tell early how long a real data set will take."""
    settings, runtime, hint = training.plan.settings, training.runtime, training.method.hint
    seconds: list[float] = []
    wanted = runtime.device.type == "cpu" and runtime.is_main and not settings.data.is_sample
    for event in training.trainer.train():
        yield event
        if wanted and isinstance(event, StepDone):
            seconds.append(event.seconds)
            if len(seconds) == _STEPS_BEFORE_ESTIMATE:
                wanted = False
                left = settings.train.epochs * event.steps_per_epoch - event.step
                step = sorted(seconds)[len(seconds) // 2]
                text = f"{roughly(left * step).capitalize()} left on this CPU ({step:.2f} s a step)."
                if left * step > 3600 and hint:
                    text += f" {hint}"
                yield Notice(text)


def _first_weights(plan: TrainingPlan) -> Path | None:
    """The file to start from, found before there is a new run, which may be what the name would mean then."""
    return _model_file(plan.init_from, plan.runs) if plan.init_from is not None and _is_first() else None


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
