"""Batches across the ends of epochs."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils.data import Dataset

from gantool.engine.batches import EpochBatches


class Numbers(Dataset[dict[str, Tensor]]):
    """Ten epochs' places as numbers, and which were asked for in this process."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, int]] = []

    def __getitem__(self, position: tuple[int, int]) -> dict[str, Tensor]:
        self.asked.append(position)
        return {"place": torch.tensor(100 * position[0] + position[1])}


def made(workers: int = 0, length: int = 5) -> tuple[Numbers, EpochBatches]:
    runtime: Any = SimpleNamespace(device=torch.device("cpu"), rank=0, world_size=1)
    numbers = Numbers()
    return numbers, EpochBatches(numbers, length, 2, workers, runtime)


def places(batches: EpochBatches, epoch: int, first_step: int = 0) -> list[list[int]]:
    return [batch["place"].tolist() for batch in batches.epoch(epoch, first_step)]


@pytest.mark.parametrize("workers", [0, 2])
def test_every_epoch_has_its_own_batches(workers: int) -> None:
    _, batches = made(workers)
    assert places(batches, 3, 1) == [[302, 303], [304, 305]]  # going on in the middle
    assert places(batches, 4) == [[400, 401], [402, 403], [404, 405]]
    assert places(batches, 5) == [[500, 501], [502, 503], [504, 505]]
    assert places(batches, 2) == [[200, 201], [202, 203], [204, 205]]  # another one than was to come
    assert places(batches, 3, 2) == [[304, 305]]


@pytest.mark.parametrize("workers", [0, 2])
def test_an_epoch_that_was_left_is_gone_on_with(workers: int) -> None:
    _, batches = made(workers)
    for batch in batches.epoch(0, 0):
        assert batch["place"].tolist() == [0, 1]
        break
    assert places(batches, 0, 1) == [[2, 3], [4, 5]]
    assert places(batches, 0, 1) == [[2, 3], [4, 5]]  # and once more from there


def test_one_process_reads_what_it_is_asked_for_and_no_more() -> None:
    numbers, batches = made()
    assert places(batches, 0) == [[0, 1], [2, 3], [4, 5]]
    assert numbers.asked == [(0, place) for place in range(6)]


def test_the_next_epoch_is_begun_before_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    _, batches = made(workers=1)
    sent: list[Any] = []
    positions = iter(batches._loader.batch_sampler)  # type: ignore[arg-type]
    monkeypatch.setattr(batches._loader.batch_sampler.__class__, "__iter__", lambda _: map(_noted(sent), positions))
    places(batches, 0)
    assert sent[3:] == [[(1, 0), (1, 1)], [(1, 2), (1, 3)]]


def _noted(into: list[Any]) -> Any:
    return lambda item: (into.append(item), item)[1]
