"""Shared fixtures: golden numbers, real data where there is any, a quiet place to work in."""

from __future__ import annotations

import os
import random
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

# Tiny networks gain nothing from threads, and two torch processes that spin on the same cores are many times slower.
# Set before torch is imported, and for the processes that tests start.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # of tests that import it themselves

# Nothing from the network, and no waiting for one: what asks for another host is refused at once.
os.environ["HF_HUB_OFFLINE"] = "1"
for _name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
    os.environ[_name] = "http://127.0.0.1:9"
for _name in ("no_proxy", "NO_PROXY"):
    os.environ[_name] = "127.0.0.1,localhost"

# A shell starts what it puts in the background with Ctrl-C ignored, and so would every process that tests start be.
if threading.current_thread() is threading.main_thread():
    signal.signal(signal.SIGINT, signal.default_int_handler)

import numpy as np
import pytest
import torch
from support import REAL_DATA


@pytest.fixture
def real_data() -> Path:
    if not REAL_DATA.is_dir():
        pytest.skip("no real data here (set GANTOOL_TEST_DATA)")
    return REAL_DATA


@pytest.fixture
def two_threads() -> Iterator[None]:
    """Torch computes on two, as on a machine with two cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of this user's caches and exports, and nothing from the network."""
    monkeypatch.setenv("GANTOOL_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
    monkeypatch.setenv("GANTOOL_STATE", str(tmp_path_factory.getbasetemp() / "state"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path_factory.getbasetemp() / "torch"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.getbasetemp() / "config"))
    monkeypatch.setenv("GANTOOL_MIRROR", "http://127.0.0.1:9")
    monkeypatch.setattr("gantool.fetch.download.PATIENCE", 0.01)


@pytest.fixture(autouse=True)
def _same_chances() -> Iterator[None]:
    torch.manual_seed(0)
    np.random.seed(0)
    random.seed(0)
    yield
