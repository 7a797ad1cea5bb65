"""Trainings that are played, with a clock of their own: what the loop would tell, without a network."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from gantool.engine.events import Decided, EpochDone, Saved, StepDone, Stopped
from gantool.engine.loss_terms import ADVERSARIAL, DISCRIMINATOR, LossTerm
from gantool.models.runs import create_run
from gantool.workflows.train import Event, Finished, Notice, Started, TrainResult

__all__ = ["Clock", "Script", "cyclegan", "segmentation"]


class Clock:
    """Seconds that pass only when told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Script:
    """A training of an even pace.

    Attributes:
        losses: at its start; they sink with the epochs.
        metrics: of every epoch that is played.
        best: the best of these epochs.
        pause: called in the middle of the epoch after these.
    """

    clock: Clock
    kind: str
    epochs: int
    steps: int
    batch_size: int
    step_seconds: float
    losses: Mapping[str, tuple[LossTerm, float]]
    metrics: tuple[Mapping[str, float], ...]
    best: tuple[bool, ...]
    result: TrainResult
    about: str
    pause: Callable[[], None] = lambda: None

    def __call__(self, plan: object) -> Iterator[Event]:
        terms = {name: term for name, (term, _) in self.losses.items()}
        yield Started(
            self.result.run,
            self.about,
            "cpu",
            "bf16",
            1,
            self.epochs,
            0,
            self.steps,
            self.batch_size,
            {},
            terms,
            True,
        )
        self.clock.now += 2
        yield Decided(False, "a CPU of two cores gains too little", False)
        for epoch, (metrics, best) in enumerate(zip(self.metrics, self.best, strict=True), 1):
            yield from self._steps(epoch, self.steps)
            self.clock.now += 3
            seconds = self.steps * self.step_seconds
            yield EpochDone(
                epoch, epoch * self.steps, self._losses(epoch), metrics, 2e-4, seconds,
                self.batch_size / self.step_seconds, 0.01, best,
            )  # fmt: skip
            yield Saved(self.result.run / "checkpoints" / "last.pt", epoch * self.steps)
        yield from self._steps(len(self.metrics) + 1, self.steps // 3)
        yield Notice(
            "About 2.5 hours left on this CPU (1.25 s a step). Lighter networks learn in a fraction of that: "
            "gantool train cyclegan-light."
        )
        self.pause()
        if self.result.stopped:
            yield Stopped(len(self.metrics), len(self.metrics) * self.steps)
        yield Finished(self.result)

    def _steps(self, epoch: int, count: int) -> Iterator[StepDone]:
        for step in range(1, count + 1):
            self.clock.now += self.step_seconds
            number = (epoch - 1) * self.steps + step
            yield StepDone(epoch, number, step, self.steps, self._losses(epoch), self.step_seconds, 0.0)

    def _losses(self, epoch: int) -> dict[str, float]:
        return {name: value / math.sqrt(epoch) for name, (_, value) in self.losses.items()}


def _run(kind: str, facts: Mapping[str, object]) -> Path:
    run = create_run(Path("runs"), kind, None, facts)
    run.report.write_text("")
    return run.path


def cyclegan(clock: Clock, *, stopped: bool = False) -> Script:
    """A CycleGAN of the built-in sample; runs are made in the current folder."""
    run = _run("cyclegan", {"domains": ["summer", "winter"]})
    losses = {
        f"{group}_{domain}": (LossTerm(group), value)
        for group, value in ((ADVERSARIAL, 0.61), ("cycle", 6.2), ("identity", 1.9), (DISCRIMINATOR, 0.4))
        for domain in ("summer", "winter")
    }
    ratios = (0.7031, 0.5518, 0.5764)
    metrics = tuple(
        {"l1_ratio": ratio, "l1_ratio_to_winter": ratio - 0.1, "l1_ratio_to_summer": ratio + 0.1} for ratio in ratios
    )
    found = {"l1_ratio_to_winter": 0.4512, "l1_ratio_to_summer": 0.6523}
    guess = {"median training image": {"l1_ratio_to_winter": 0.556, "l1_ratio_to_summer": 0.531}}
    result = TrainResult(run, run / "model.safetensors", 3, stopped, found, guess)
    about = "built-in sample, 100 drawn scenes per season"
    return Script(
        clock, "cyclegan", 20, 100, 1, 0.41, losses, metrics, (True, True, False), result, about
    )  # fmt: skip


def segmentation(clock: Clock) -> Script:
    """A segmenter with classes, two hundred epochs and hours to go."""
    run = _run("unet", {"classes": ["sky", "leaf_tree"]})
    losses = {"cross_entropy": (LossTerm("cross_entropy"), 1.2176), "dice": (LossTerm("dice"), 0.71041)}
    scores = (0.38580, 0.74331)
    metrics = tuple(
        {
            "mean_iou": value,
            "accuracy": value + 0.2,
            "mean_f1": value + 0.1,
            "iou/sky": value,
            "iou/leaf_tree": 0.2046,
        }
        for value in scores
    )
    found = {"mean_iou": 0.8624, "accuracy": 0.9652, "iou/sky": 0.9710, "iou/leaf_tree": 0.7830}
    result = TrainResult(run, run / "model.safetensors", 2, False, found)
    about = "12000 images with 2 classes, 1333 held out"
    return Script(
        clock, "unet", 200, 1334, 8, 1.25, losses, metrics, (True, True), result, about
    )  # fmt: skip
