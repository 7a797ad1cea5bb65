"""The training loop: one generator of events for every method.

The loop trains, measures and saves. What becomes of the events (pictures, lines in a file, a progress bar) is
decided by who iterates over them.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol

import torch
from pydantic import Field, TypeAdapter
from torch import Tensor, nn

from gantool.documents import brief
from gantool.engine.checkpoints import load_checkpoint, random_state, restore_random_state, save_checkpoint
from gantool.engine.compiling import choose_compile, compile_networks
from gantool.engine.ema import Ema
from gantool.engine.events import Decided, EndedEarly, EpochDone, Event, Sampled, Saved, StepDone, Stopped
from gantool.engine.loss_terms import generator_objective
from gantool.engine.measurement import Measurement
from gantool.engine.runtime import Runtime
from gantool.engine.schedules import Plateau, lr_factor
from gantool.engine.task import Batch, Task
from gantool.errors import GantoolError, RunError, SettingsError, TrainingError, counted
from gantool.models.runs import Run
from gantool.settings.schema import Settings

__all__ = ["Batches", "Trainer"]


@dataclass
class Progress:
    """Where training stands. ``sums`` add up the losses of the epoch so far; when saved, the mean of all ranks."""

    epoch: Annotated[int, Field(ge=0)] = 0
    step_in_epoch: Annotated[int, Field(ge=0)] = 0
    step: Annotated[int, Field(ge=0)] = 0
    best: float = math.inf
    best_epoch: Annotated[int, Field(ge=0)] = 0
    sums: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    waited: float = 0.0


class Batches(Protocol):
    """What the loop asks of its data."""

    @property
    def steps_per_epoch(self) -> int: ...

    def epoch(self, epoch: int, first_step: int) -> Iterable[Batch]:
        """The batches of an epoch (from 0), from a step on."""
        ...


class Trainer:
    """Trains a task within a run.

    Args:
        measure: measures the given nets; None where there is nothing to measure them by.
        preview: the batch for sample pictures.
        deliver: writes the given nets into a model file, for the given number of epochs.
        stop: asked after every step whether to save and end.
        compile: whether to compile the networks before the first step; ``auto`` where that pays.
    """

    def __init__(
        self,
        task: Task,
        batches: Batches,
        settings: Settings,
        runtime: Runtime,
        run: Run,
        *,
        measure: Callable[[Mapping[str, nn.Module]], Measurement | None],
        preview: Batch | None = None,
        deliver: Callable[[Path, Mapping[str, nn.Module], int], None],
        stop: Callable[[], bool] = lambda: False,
        compile: Literal["auto", True, False] = False,
    ) -> None:
        self.task, self.batches, self.settings, self.runtime, self.run = task, batches, settings, runtime, run
        self.measure, self.preview, self.deliver, self.stop = measure, preview, deliver, stop
        self.progress = Progress()
        self.plateau = Plateau(settings.schedule)
        self.ema = (
            Ema(task.nets(), settings.train.ema, warmup=settings.train.ema_warmup) if settings.train.ema > 0 else None
        )
        runtime.prepare(task.players)
        self._base_lrs = [[group["lr"] for group in player.optimizer.param_groups] for player in task.players]
        self._update = runtime.make_update(settings.optimizer.clip_norm)
        self._sum_dtype = torch.float32 if runtime.device.type == "mps" else torch.float64
        self._measures = settings.metrics.every > 0
        self._stopping = False
        self._compile = compile
        self._channels_last = settings.channels_last(runtime.device.type, runtime.precision)

    @property
    def nets(self) -> Mapping[str, nn.Module]:
        """The networks to look at and to deliver: averaged where an average is kept."""
        return self.ema.nets if self.ema is not None else self.task.nets()

    def train(self) -> Iterator[Event]:
        """Train up to the last epoch and yield what happens.

        Raises:
            TrainingError: a loss is not a finite number, or memory does not suffice any more; the last checkpoint is
                kept as it is.
            SettingsError: memory does not suffice for the first step.
        """
        while self.progress.epoch < self.settings.train.epochs and not self._stopping:
            if self._has_converged():
                yield EndedEarly(self.progress.epoch, self.progress.best_epoch)
                return
            yield from self._epoch()
        if self.progress.epoch < self.settings.train.epochs:
            yield Stopped(self.progress.epoch, self.progress.step)

    # -- one epoch ----------------------------------------------------------------------------------------------

    def _epoch(self) -> Iterator[Event]:
        progress, train = self.progress, self.settings.train
        steps = self.batches.steps_per_epoch
        sums = {
            name: torch.tensor(value, dtype=self._sum_dtype, device=self.runtime.device)
            for name, value in progress.sums.items()
        }
        asked = time.perf_counter()
        for batch in self.batches.epoch(progress.epoch, progress.step_in_epoch):
            got = time.perf_counter()
            if self._compile is not False:
                yield from self._decide(batch)
                asked, got = time.perf_counter() - (got - asked), time.perf_counter()
            self._set_learning_rates(progress.epoch + progress.step_in_epoch / steps)
            losses = self._step(batch)
            values = torch.stack(list(losses.values())).to(self._sum_dtype)
            for name, value in zip(losses, values, strict=True):
                sums[name] = sums.get(name, 0) + value
            progress.step += 1
            progress.step_in_epoch += 1
            read = progress.step % self.runtime.steps_between_reads == 0 or progress.step_in_epoch == steps
            shown = dict(zip(losses, values.tolist(), strict=True)) if read else None
            if shown is not None:
                self._require_finite(shown)
            done = time.perf_counter()
            progress.seconds += done - asked
            progress.waited += got - asked
            yield StepDone(
                progress.epoch + 1, progress.step, progress.step_in_epoch, steps, shown, done - asked, got - asked
            )
            if progress.step_in_epoch < steps:
                if read or self.runtime.world_size == 1:  # asking the other ranks waits for the GPU, too
                    self._stopping = self.runtime.any_rank(self.stop())
                if self._stopping or (train.save_steps and progress.step % train.save_steps == 0):
                    # The main rank saves for all, and all go on from what it saved.
                    progress.sums = self.runtime.mean({name: float(value) for name, value in sums.items()})
                    yield self._save()
                if self._stopping:
                    return
            asked = time.perf_counter()
        progress.sums = {name: float(value) for name, value in sums.items()}
        self._require_finite(progress.sums)
        yield from self._end_of_epoch()

    def _decide(self, batch: Batch) -> Iterator[Event]:
        """Compile the networks if they are to be, and say so."""
        wanted, self._compile = self._compile, False
        steps = self.settings.train.epochs * self.batches.steps_per_epoch - self.progress.step
        batch = self._on_device(batch)
        # The main rank decides for all: a compiler may be missing on another machine, which then says so below.
        choice = self.runtime.broadcast(choose_compile(wanted, self.task, batch, self.runtime, self.settings, steps))
        yield Decided(choice.on, choice.reason, choice.notable)
        if choice.on and (problem := compile_networks(self.task, batch, self.runtime)):
            yield Decided(False, f"could not be compiled ({problem})", True)

    def _on_device(self, batch: Batch) -> Batch:
        return self.runtime.to_device(batch, channels_last=self._channels_last)

    def _step(self, batch: Batch) -> dict[str, Tensor]:
        try:
            with self.runtime.autocast():
                losses = self.task.step(self._on_device(batch), self._update)
        except RuntimeError as error:
            if not _lacks_memory(error):
                raise
            raise self._too_large() from error
        if self.ema is not None:
            self.ema.update(self.task.nets())
        return losses

    def _too_large(self) -> GantoolError:
        """What to say where memory does not suffice: at the first step a mistake in the settings."""
        count, step = self.settings.train.batch_size, self.progress.step
        said = f"there is too little memory on {self.runtime.device} for a step of {counted(count, 'image')}."
        remedy = "Try a smaller --batch-size or --crop, or --precision bf16 or fp16."
        if step == 0:
            return SettingsError(f"train.batch_size: {said}", remedy)
        return TrainingError(f"step {step + 1}: {said} The last checkpoint is kept.", remedy)

    def _end_of_epoch(self) -> Iterator[Event]:
        progress, train = self.progress, self.settings.train
        lr = float(self.task.players[0].optimizer.param_groups[0]["lr"])
        steps = self.batches.steps_per_epoch
        losses = self.runtime.mean({name: value / steps for name, value in progress.sums.items()})
        seconds, waited = max(progress.seconds, 1e-9), progress.waited
        progress.epoch += 1
        progress.step_in_epoch, progress.sums = 0, {}
        progress.seconds = progress.waited = 0.0
        last = progress.epoch == train.epochs
        found = self._measure() if self._measures and self._due(self.settings.metrics.every, last) else None
        best = False
        if found is not None:
            self.plateau.observe(found.best)
            best = found.best < progress.best
            if best:
                progress.best, progress.best_epoch = found.best, progress.epoch
        elif not self._measures:
            self.plateau.observe(generator_objective(losses, self.task.losses))
        metrics = found.values if found is not None else {}
        images = steps * train.batch_size
        yield EpochDone(
            progress.epoch, progress.step, losses, metrics, lr, seconds, images / seconds, waited / seconds, best,
            found.gallery if found is not None else None, found.confusion if found is not None else None,
        )  # fmt: skip
        if self.preview is not None and self._due(train.samples_every, last):
            yield Sampled(progress.epoch, self._sample())
        self._stopping = self.runtime.any_rank(self.stop())
        if last or self._stopping or progress.epoch % train.save_every == 0:
            yield self._save(best=best)
            if train.keep_every and progress.epoch % train.keep_every == 0:
                yield self._save(self.run.numbered_checkpoint(progress.epoch), deliver=False)
        elif best:
            self._deliver(self.run.model)

    def _due(self, every: int, last: bool) -> bool:
        return every > 0 and (last or self.progress.epoch % every == 0)

    def _has_converged(self) -> bool:
        progress, patience = self.progress, self.settings.train.patience
        measured = patience is not None and progress.best_epoch > 0 and progress.step_in_epoch == 0
        return measured and progress.epoch - progress.best_epoch >= (patience or 0)

    def _set_learning_rates(self, done: float) -> None:
        factor = lr_factor(self.settings.schedule, done, self.settings.train.epochs)
        factor *= self.plateau.factor
        for player, base in zip(self.task.players, self._base_lrs, strict=True):
            for group, lr in zip(player.optimizer.param_groups, base, strict=True):
                group["lr"] = lr * factor

    def _require_finite(self, values: Mapping[str, float]) -> None:
        bad = [name for name, value in values.items() if not math.isfinite(value)]
        if self.runtime.any_rank(bool(bad)):
            raise TrainingError(
                f"step {self.progress.step}: the loss {bad[0] if bad else 'of another rank'} is not a finite number; "
                "the last checkpoint is kept.",
                "Try a smaller --lr or --precision fp32.",
            )

    # -- looking ------------------------------------------------------------------------------------------------

    def _measure(self) -> Measurement | None:
        found = None
        if self.runtime.is_main:
            with _looking(self.nets, self.runtime):
                found = self.measure(self.nets)
        # The images stay where they are written.
        told = self.runtime.broadcast(found and replace(found, gallery=None, confusion=None))
        self._measures = told is not None
        return found if self.runtime.is_main else told

    def _sample(self) -> dict[str, Tensor]:
        if self.preview is None or not self.runtime.is_main:
            return {}
        with _looking(self.nets, self.runtime):
            pictures = self.task.preview(self.runtime.to_device(self.preview), self.nets)
        return {name: picture.float().cpu() for name, picture in pictures.items()}

    # -- saving and going on ------------------------------------------------------------------------------------

    def _save(self, path: Path | None = None, *, best: bool = False, deliver: bool = True) -> Saved:
        path = path or self.run.checkpoint
        for player in self.task.players:
            finite = [torch.isfinite(parameter).all() for parameter in player.parameters()]
            if not bool(torch.stack(finite).all()):
                raise TrainingError(
                    f"step {self.progress.step}: a weight of the {player.name} is not a finite number; "
                    "the last checkpoint is kept.",
                    "Try a smaller --lr or --precision fp32.",
                )
        # Without a metric the newest weights are the ones to deliver; with one, the best so far (or any at all).
        # First the model, then the checkpoint: if this is cut off in between, going on delivers the same again.
        if deliver and (best or not self._measures or not self.run.model.exists()):
            self._deliver(self.run.model)
        if deliver and self._measures:
            self._deliver(self.run.last_model)
        state = self.state_dict()
        self.runtime.on_main(lambda: save_checkpoint(path, state))
        return Saved(path, self.progress.step)

    def _deliver(self, path: Path) -> None:
        epochs = self.progress.epoch
        self.runtime.on_main(lambda: self.deliver(path, self.nets, epochs))

    def state_dict(self) -> dict[str, Any]:
        """Everything that decides what happens from here on."""
        own = {"random": random_state(self.runtime.device), "task": self.task.state_dict()}
        return {
            "progress": dict(vars(self.progress)),
            "players": {
                player.name: {
                    "nets": {name: net.state_dict() for name, net in player.nets.items()},
                    "optimizer": player.optimizer.state_dict(),
                }
                for player in self.task.players
            },
            "ema": self.ema.state_dict() if self.ema is not None else None,
            "plateau": self.plateau.state_dict(),
            "scaler": self.runtime.scaler_state(),
            "ranks": self.runtime.gather(own),
        }

    def resume(self) -> bool:
        """Go on from the run's last checkpoint; return whether that is exact (the same number of ranks)."""
        state = load_checkpoint(self.run.checkpoint)
        try:
            for player in self.task.players:
                saved = state["players"][player.name]
                for name, net in player.nets.items():
                    net.load_state_dict(saved["nets"][name])
                player.optimizer.load_state_dict(saved["optimizer"])
                _fit_moments(player.optimizer)
            if self.ema is not None:
                self.ema.load_state_dict(state["ema"])
            self.plateau.load_state_dict(state["plateau"])
            self.runtime.load_scaler_state(state["scaler"])
            self.progress = TypeAdapter(Progress).validate_python(state["progress"])
            exact = len(state["ranks"]) == self.runtime.world_size
            if self.runtime.rank < len(state["ranks"]):
                own = state["ranks"][self.runtime.rank]
                self.task.load_state_dict(own["task"])
                if exact:
                    restore_random_state(own["random"], self.runtime.device)
        except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RuntimeError) as error:
            # What an edited file makes of loading it.
            said = brief(error, 160) or type(error).__name__
            raise RunError(f"{self.run.checkpoint}: does not fit the run's settings ({said}).") from error
        if self.runtime.is_main:
            self.run.cut_metrics(self.progress.step)
        return exact


def _lacks_memory(error: RuntimeError) -> bool:
    """Whether a step failed for want of memory: torch has a type for it on a GPU, and libraries have words."""
    words = ("can't allocate memory", "CUBLAS_STATUS_ALLOC_FAILED", "CUDNN_STATUS_ALLOC_FAILED")
    return isinstance(error, torch.OutOfMemoryError) or any(one in str(error) for one in words)


def _fit_moments(optimizer: torch.optim.Optimizer) -> None:
    """Its own loading takes moments of any shape and layout.

    Those of another shape let the next step fail. Those of another layout, from a part of the run whose
    `runtime.channels_last` or precision was another one, would move other weights, as a fused step takes them in the
    order of their storage.
    """
    for parameter, moments in optimizer.state.items():
        for name, value in moments.items():
            if isinstance(value, Tensor) and value.dim():
                if value.shape != parameter.shape:
                    raise ValueError(f"{name} of the optimizer has the shape {tuple(value.shape)}")
                if value.stride() != parameter.stride():
                    moments[name] = torch.empty_like(parameter, dtype=value.dtype).copy_(value)


@contextmanager
def _looking(nets: Mapping[str, nn.Module], runtime: Runtime) -> Iterator[None]:
    """Networks in eval mode, no gradients, the run's precision; afterwards as before."""
    modes = {name: net.training for name, net in nets.items()}
    for net in nets.values():
        net.eval()
    try:
        with torch.no_grad(), runtime.autocast():
            yield
    finally:
        for name, net in nets.items():
            net.train(modes[name])
