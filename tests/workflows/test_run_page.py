"""What a run's page says first: times, the best epoch, what to do next."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import gantool
from gantool.engine.events import EpochDone
from gantool.errors import TrainingError
from gantool.models.history import epoch_seconds
from gantool.models.runs import Run

TINY: dict[str, object] = {
    "model.width": 4, "model.discriminator": "n_layers", "model.discriminator_layers": 1,
    "model.discriminator_width": 4, "data.size": 32, "data.load_size": 32, "data.scenes": 4, "data.test_scenes": 2,
    "runtime.device": "cpu", "runtime.precision": "fp32",
}  # fmt: skip


def tiles(run: Run) -> dict[str, str]:
    text = run.report.read_text("utf-8")
    found = re.findall(r"<div><dt>(.*?)</dt><dd class=\"value\">(.*?)</dd>", text)
    return {re.sub("<[^>]+>|[↑↓]", "", name).split(" (")[0]: value for name, value in found}


def state(run: Run) -> str:
    found = re.search(r'<span class="badge[^"]*">(\w+)</span>', run.report.read_text("utf-8"))
    assert found
    return found[1]


def test_an_epoch_takes_as_long_as_until_the_next_but_for_breaks() -> None:
    records = [
        {"seconds": 10.0, "time": 1000.0},
        {"seconds": 10.0, "time": 1013.0},  # 3 s of measuring
        {"seconds": 10.0, "time": 9000.0},  # went on the next day
        {"seconds": 10.0, "time": 9011.0},
        {"seconds": 12.0},  # of an older release
        {"seconds": 8.0, "time": 9100.0},
    ]
    assert epoch_seconds(records) == [10, 13, 10, 11, 12, 8]


def test_the_page_follows_the_run(workplace: Path) -> None:
    seen: list[tuple[str, dict[str, str]]] = []

    def look(event: object) -> None:
        if isinstance(event, EpochDone):
            (run,) = (Run(path) for path in Path("runs").iterdir())
            seen.append((state(run), tiles(run)))

    result = gantool.train("cyclegan", epochs=2, settings=TINY, on_event=look)
    assert [found for found, _ in seen] == ["running", "running"]
    assert [named["Epoch"] for _, named in seen] == ["1 of 2", "2 of 2"]
    assert [("Remaining" in named) for _, named in seen] == [True, False]
    run = Run(result.run)
    records = run.read_metrics()
    best = [record for record in records if record["best"]][-1]
    assert state(run) == "finished"
    assert tiles(run)["L1 ratio"] == f"{best['metrics']['l1_ratio']:.4g}"
    assert f"epoch {best['epoch']}, whose weights are delivered" in run.report.read_text("utf-8")


def test_the_page_of_a_run_that_failed_waits_no_longer(workplace: Path) -> None:
    with pytest.raises(TrainingError, match="not a finite number"):
        gantool.train("cyclegan", epochs=3, lr=1e30, settings=TINY)
    (run,) = (Run(path) for path in Path("runs").iterdir())
    assert state(run) == "stopped"
    assert 'data-every="' not in run.report.read_text("utf-8")
    assert "--resume" not in run.report.read_text("utf-8"), "there is no checkpoint yet"
