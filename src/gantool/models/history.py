"""What a run has been through: its epochs, how long they took, and which was the best."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gantool.errors import RunError
from gantool.models.runs import Run
from gantool.yaml_documents import load_yaml

__all__ = ["History", "history_of"]


@dataclass(frozen=True)
class History:
    """Of a run, as far as it was written down.

    Attributes:
        epochs: done.
        planned: epochs in total; None where the settings do not tell.
        seconds: all epochs together.
        best_epoch: which the model file holds; None where no metric chose one.
        best: the metrics of that epoch, on the images that chose it.
        last: the metrics of the last epoch.
        page: the run's page; None if there is none.
    """

    epochs: int = 0
    planned: int | None = None
    seconds: float = 0.0
    best_epoch: int | None = None
    best: Mapping[str, float] = field(default_factory=dict)
    last: Mapping[str, float] = field(default_factory=dict)
    page: Path | None = None

    def as_json(self) -> dict[str, Any]:
        """The documented JSON."""
        return {
            "epochs": self.epochs,
            "epochs_planned": self.planned,
            "seconds": round(self.seconds, 3),
            "best_epoch": self.best_epoch,
            "best_metrics": dict(self.best),
            "page": None if self.page is None else str(self.page),
        }


def history_of(run: Run) -> History:
    """Read what a run has been through.

    Raises:
        RunError: its metrics are damaged.
    """
    records = run.read_metrics()
    best = next((one for one in reversed(records) if one.get("best")), None)
    return History(
        epochs=records[-1].get("epoch", 0) if records else 0,
        planned=_planned(run),
        seconds=sum(_seconds(one) for one in records),
        best_epoch=best["epoch"] if best is not None and best.get("metrics") else None,
        best=best.get("metrics", {}) if best is not None else {},
        last=records[-1].get("metrics", {}) if records else {},
        page=run.report if run.report.is_file() else None,
    )


def _seconds(record: Mapping[str, Any]) -> float:
    value = record.get("seconds", 0.0)
    return float(value) if isinstance(value, int | float) else 0.0


def _planned(run: Run) -> int | None:
    try:
        tree = load_yaml(run.settings.read_text("utf-8"))
        epochs = tree["train"]["epochs"]
    except (OSError, ValueError, LookupError, TypeError, RunError):
        return None
    return epochs if isinstance(epochs, int) else None
