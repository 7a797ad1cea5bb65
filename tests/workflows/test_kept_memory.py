from __future__ import annotations

import ctypes
import platform
from types import SimpleNamespace

import pytest

from gantool.workflows.kept_memory import keep_freed_memory


def test_only_glibc_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    assert keep_freed_memory() == (platform.libc_ver()[0] == "glibc")
    told: list[tuple[int, int]] = []

    def mallopt(option: int, value: int) -> int:
        told.append((option, value))
        return 1

    monkeypatch.setattr(ctypes, "CDLL", lambda name: SimpleNamespace(mallopt=mallopt))
    assert keep_freed_memory()
    assert told == [(-3, 33554432), (-1, 67108864)]
    monkeypatch.setattr(ctypes, "CDLL", lambda name: SimpleNamespace())
    assert not keep_freed_memory()
