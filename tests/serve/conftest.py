"""One server for all tests of this folder, and a picture for it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from served import Served, start

from gantool.data.sample import draw_scene


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """It takes at most 1 MB and 1 million pixels, and works for at most 10 seconds on an image."""
    log = tmp_path_factory.mktemp("served") / "log"
    served = start(log, "--workers", "1", "--max-body", "1", "--max-pixels", "1", "--seconds", "10", "--verbose")
    yield served
    assert served.stop() == 0
    assert "Traceback" not in log.read_text(), log.read_text()[-3000:]


@pytest.fixture(scope="session")
def scene() -> Any:
    """``(64, 96, 3)`` uint8."""
    return draw_scene(4, size=(96, 64)).summer
