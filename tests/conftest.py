"""Shared fixtures: golden numbers, real data where there is any, a quiet place to work in."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path

# Tiny networks gain nothing from threads, and two torch processes that spin on the same cores are many times slower.
# Set before torch is imported, and for the processes that tests start.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pytest
import torch

HERE = Path(__file__).parent
GOLDEN = (HERE / "golden", HERE.parent.parent / "shared" / "golden")
REAL_DATA = Path(os.environ.get("GANTOOL_TEST_DATA", HERE.parent.parent / "shared" / "data"))


def golden(name: str) -> Path:
    """A file of golden numbers; the large ones are not in the repository."""
    for folder in GOLDEN:
        if (folder / name).is_file():
            return folder / name
    pytest.skip(f"golden file {name} is not here")


@pytest.fixture
def real_data() -> Path:
    if not REAL_DATA.is_dir():
        pytest.skip("no real data here (set GANTOOL_TEST_DATA)")
    return REAL_DATA


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(autouse=True)
def _same_chances() -> Iterator[None]:
    torch.manual_seed(0)
    np.random.seed(0)
    random.seed(0)
    yield
