"""Batches of a training set, read by worker processes where that helps.

The processes read ahead across the ends of epochs: they have the first batches of the next one ready while the loop
measures and saves.
"""

from __future__ import annotations

import itertools
import signal
from collections.abc import Iterator
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from gantool.data.datasets import Position, PositionBatches
from gantool.engine.keeping import KeepsImages, share_images
from gantool.engine.runtime import Runtime
from gantool.engine.task import Batch
from gantool.errors import SettingsError
from gantool.hardware import usable_cores
from gantool.settings.schema import Settings

__all__ = ["EpochBatches", "build_batches"]


class EpochBatches:
    """Batches of this rank; the dataset is indexed by ``(epoch, position)``."""

    def __init__(self, dataset: Dataset[Any], length: int, batch_size: int, workers: int, runtime: Runtime) -> None:
        self._positions = PositionBatches(length, batch_size, rank=runtime.rank, world_size=runtime.world_size)
        self._loader = DataLoader(
            dataset,
            batch_sampler=_Endless(self._positions),
            num_workers=workers,
            persistent_workers=workers > 0,
            worker_init_fn=_leave_signals_to_the_training,
            pin_memory=runtime.device.type == "cuda",
            # Without its own generator the loader would draw from the global one, once per iterator, and a run
            # that goes on in the middle of an epoch would differ.
            generator=torch.Generator(),
        )
        self._batches: Iterator[Batch] = iter(())
        self._next: tuple[int, int] | None = None  # epoch and step of what they give next

    @property
    def steps_per_epoch(self) -> int:
        return self._positions.steps

    def epoch(self, epoch: int, first_step: int) -> Iterator[Batch]:
        if self._next != (epoch, first_step):
            self._positions.epoch, self._positions.first_step = epoch, first_step
            self._batches = iter(self._loader)
        for step in range(first_step + 1, self.steps_per_epoch + 1):
            batch = next(self._batches)
            self._next = (epoch, step) if step < self.steps_per_epoch else (epoch + 1, 0)
            yield batch


class _Endless(Sampler[list[Position]]):
    """The positions of one epoch after the other."""

    def __init__(self, positions: PositionBatches) -> None:
        self._positions = positions

    def __iter__(self) -> Iterator[list[Position]]:
        for epoch in itertools.count(self._positions.epoch):
            self._positions.epoch = epoch
            yield from self._positions
            self._positions.first_step = 0


def _leave_signals_to_the_training(worker: int) -> None:
    """A signal to all processes of a job is the training's to answer: it still needs this one's batch to save."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


def build_batches(dataset: Dataset[Any], length: int, settings: Settings, runtime: Runtime) -> EpochBatches:
    """Return the training batches of this rank.

    Raises:
        SettingsError: the batch cannot be shared among the processes.
    """
    if settings.train.batch_size % runtime.world_size:
        raise SettingsError(
            f"train.batch_size: must be a multiple of the number of processes ({runtime.world_size}), "
            f"got {settings.train.batch_size}."
        )
    workers = settings.runtime.workers
    if workers is None:
        workers = 0 if runtime.device.type == "cpu" else min(8, usable_cores() // settings.runtime.devices)
    if isinstance(dataset, KeepsImages):
        share_images(dataset, settings.data.cache, runtime, workers)
    return EpochBatches(dataset, length, settings.train.batch_size, workers, runtime)
