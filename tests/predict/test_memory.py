from __future__ import annotations

import os

import pytest
import torch
from torch import nn

from gantool.predict.memory import bytes_per_pixel, free_memory


def test_a_few_copies_of_the_largest_output_or_all_that_a_deep_network_keeps() -> None:
    cpu = torch.device("cpu")
    wide = nn.Sequential(nn.Conv2d(3, 8, 1), nn.Conv2d(8, 2, 1))
    assert bytes_per_pixel(wide, 16, cpu) == 4 * 5 * 8
    deep = nn.Sequential(*(nn.Conv2d(4, 4, 1) for _ in range(30)))
    assert bytes_per_pixel(deep, 16, cpu) == pytest.approx(4 * 30 * 4 / 3)
    assert not any(module._forward_hooks for module in deep.modules())


def test_half_of_what_is_free_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    cpu = torch.device("cpu")
    for free, expected in ((2**40, 1.5 * 2**30), (2**31, 2**30), (2**20, 2**28)):
        pages = {"SC_AVPHYS_PAGES": free // 4096, "SC_PAGE_SIZE": 4096}
        monkeypatch.setattr(os, "sysconf", pages.__getitem__)
        assert free_memory(cpu) == expected

    def unknown(name: str) -> int:
        raise ValueError(name)

    monkeypatch.setattr(os, "sysconf", unknown)
    assert free_memory(cpu) == 1.5 * 2**30
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (1000, 5000))
    assert free_memory(torch.device("cuda")) == 600
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda device: 900)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda device: 400)
    assert free_memory(torch.device("cuda")) == 900  # with what torch has taken and does not use
