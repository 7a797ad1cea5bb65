from __future__ import annotations

import resource
import sys
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gantool.engine import runtime as module
from gantool.engine.runtime import Runtime, started_by_launcher
from gantool.engine.task import Player
from gantool.errors import SettingsError


@pytest.mark.parametrize(("clip_norm", "length"), [(None, 5.0), (1.0, 1.0), (9.0, 5.0)])
def test_a_step_is_no_longer_than_the_clipped_gradient(clip_norm: float | None, length: float) -> None:
    net = nn.Linear(2, 1, bias=False)
    player = Player("p", {"net": net}, torch.optim.SGD(net.parameters(), lr=1.0))
    runtime = Runtime("cpu", 1, "fp32")
    runtime.prepare([player])
    before = net.weight.detach().clone()
    runtime.make_update(clip_norm)(player, (net.weight * torch.tensor([[3.0, 4.0]])).sum())
    assert float((net.weight.detach() - before).norm()) == pytest.approx(length, rel=1e-4)


@pytest.mark.parametrize(
    ("environment", "launched"),
    [({}, False), ({"LOCAL_RANK": "0"}, True), ({"TORCHELASTIC_RUN_ID": "x"}, True),
     ({"SLURM_NTASKS": "2", "SLURM_PROCID": "0"}, True), ({"SLURM_NTASKS": "1", "SLURM_PROCID": "0"}, False),
     ({"SLURM_NTASKS": "2"}, False)],
)  # fmt: skip
def test_launchers_are_known_by_their_variables(
    environment: dict[str, str], launched: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("LOCAL_RANK", "TORCHELASTIC_RUN_ID", "SLURM_NTASKS", "SLURM_PROCID"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert started_by_launcher() is launched


def test_processes_are_counted_as_the_launcher_says(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, Any]] = []
    monkeypatch.setattr(module, "Fabric", lambda **options: asked.append(options))

    def given(environment: dict[str, str], devices: int) -> tuple[object, object, object]:
        with monkeypatch.context() as inside:
            for name, value in environment.items():
                inside.setenv(name, value)
            Runtime("cpu", devices, "fp32")
        return tuple(asked[-1][key] for key in ("devices", "num_nodes", "strategy"))  # type: ignore[return-value]

    assert given({}, 1) == (1, 1, "auto")
    assert given({}, 3) == (3, 1, "ddp")
    two = given({"LOCAL_WORLD_SIZE": "2", "WORLD_SIZE": "6"}, 1)
    assert two == (2, 3, "ddp")
    assert isinstance(two[1], int)
    assert given({"SLURM_NTASKS_PER_NODE": "4", "WORLD_SIZE": "4"}, 1) == (4, 1, "ddp")
    assert given({"LOCAL_WORLD_SIZE": "1", "WORLD_SIZE": "2"}, 1) == (1, 2, "ddp")


def test_no_more_gpus_than_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "Fabric", lambda **options: None)
    monkeypatch.setattr(module, "choose_device", lambda name: torch.device("cuda"))
    monkeypatch.setattr(module, "choose_precision", lambda name, device: "fp32")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    Runtime("cuda", 2)
    with pytest.raises(SettingsError, match="3 asked for, but there are 2 CUDA devices"):
        Runtime("cuda", 3)


class SecondOfTwo(Runtime):
    world_size, rank = 2, 1  # type: ignore[assignment]


def test_two_ranks_share_what_they_know(monkeypatch: pytest.MonkeyPatch) -> None:
    """The other one has gradients, flags and values of twice as much."""

    def add(values: Tensor, op: object = None) -> None:
        values.mul_(3) if op is None else values.clamp_(min=1)

    def gather(into: list[Any], value: Any) -> None:
        into[:] = [value * 2, value]

    def broadcast(box: list[Any], src: int) -> None:
        assert src == 0
        box[0] = "of the main rank"

    monkeypatch.setattr(module.dist, "all_reduce", add)
    monkeypatch.setattr(module.dist, "all_gather_object", gather)
    monkeypatch.setattr(module.dist, "broadcast_object_list", broadcast)
    two = SecondOfTwo("cpu", 1, "fp32")
    assert not two.is_main
    assert two.mean({"a": 2.0, "b": 4.0}) == {"a": 3.0, "b": 6.0}
    assert two.any_rank(False) is True
    assert two.gather(5) == [10, 5]
    assert two.broadcast("own") == "of the main rank"
    weights = [nn.Parameter(torch.zeros(2, 3)), nn.Parameter(torch.zeros(2)), nn.Parameter(torch.zeros(1))]
    weights[0].grad, weights[1].grad = torch.full((2, 3), 2.0), torch.tensor([4.0, 6.0])
    two._average_gradients(weights)
    assert torch.equal(weights[0].grad, torch.full((2, 3), 3.0))
    assert weights[1].grad.tolist() == [6.0, 9.0]
    assert weights[2].grad is None


def test_memory_is_in_bytes_on_every_system(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrusage", lambda who: SimpleNamespace(ru_maxrss=7))
    one = Runtime("cpu", 1, "fp32")
    for system, expected in (("linux", 7 * 1024), ("darwin", 7)):
        monkeypatch.setattr(sys, "platform", system)
        assert one.peak_memory() == expected
