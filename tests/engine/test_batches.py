from __future__ import annotations

import os
import signal
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from gantool.engine import batches as module
from gantool.engine.batches import EpochBatches, build_batches
from gantool.errors import SettingsError
from gantool.methods.registry import load_settings


def built(device: str, ranks: int = 1, **settings: Any) -> EpochBatches:
    runtime: Any = SimpleNamespace(device=torch.device(device), rank=0, world_size=ranks)
    asked = load_settings("cyclegan", base={"train.batch_size": 4, "runtime.devices": ranks, **settings})
    return build_batches([0] * 9, 9, asked, runtime)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("cores", "device", "ranks", "wanted", "workers"),
    [(16, "cuda", 1, None, 8), (6, "cuda", 1, None, 6), (6, "cuda", 2, None, 3), (16, "cpu", 1, None, 0),
     (16, "cuda", 1, 1, 1), (16, "cpu", 1, 2, 2)],
)  # fmt: skip
def test_a_gpu_gets_processes_that_read_images(
    cores: int, device: str, ranks: int, wanted: int | None, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(cores)), raising=False)
    made = built(device, ranks, **{"runtime.workers": wanted})
    assert made._loader.num_workers == workers
    assert made._loader.pin_memory == (device == "cuda")
    assert made.steps_per_epoch == 3


def test_a_batch_is_shared_evenly() -> None:
    with pytest.raises(SettingsError, match=r"train\.batch_size: must be a multiple of"):
        built("cpu", 3, **{"runtime.devices": 1})


def test_cores_are_counted_where_none_are_assigned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 5)
    assert built("cuda")._loader.num_workers == 5


def test_readers_leave_signals_to_the_training() -> None:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        module._leave_signals_to_the_training(0)
        assert {signal.getsignal(number) for number in before} == {signal.SIG_IGN}
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
