"""What a run has been through: its epochs, how long they took, which was the best, and whether it is finished."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gantool.errors import RunError, counted
from gantool.models.runs import Run
from gantool.yaml_documents import load_yaml

__all__ = ["History", "best_of", "epoch_seconds", "epochs_of", "history_of", "unfinished"]


@dataclass(frozen=True)
class History:
    """Of a run, as far as it was written down.

    Attributes:
        epochs: done.
        planned: epochs in total; None where the settings do not tell.
        patience: epochs without a better one after which it ends early; None for never.
        seconds: all epochs together, with measuring and saving.
        best_epoch: which the model file holds; None where no metric chose one.
        best: the metrics of that epoch, on the images that chose it.
        last: the metrics of the last epoch.
        page: the run's page; None if there is none.
    """

    epochs: int = 0
    planned: int | None = None
    patience: int | None = None
    seconds: float = 0.0
    best_epoch: int | None = None
    best: Mapping[str, float] = field(default_factory=dict)
    last: Mapping[str, float] = field(default_factory=dict)
    page: Path | None = None

    @property
    def is_finished(self) -> bool:
        """Whether there is nothing left to train: all epochs are done, or the patience was at its end."""
        if self.planned is None or self.epochs >= self.planned:
            return True
        if self.patience is None or self.best_epoch is None:
            return False
        return self.epochs - self.best_epoch >= self.patience

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


def epochs_of(run: Run) -> list[dict[str, Any]]:
    """The recorded epochs; lines that do not say which one they are of are left out.

    Raises:
        RunError: the file is damaged.
    """
    return [record for record in run.read_metrics() if "epoch" in record]


def epoch_seconds(records: Sequence[Mapping[str, Any]]) -> list[float]:
    """How long every epoch took, measuring and saving included where the run went on without a break."""
    out: list[float] = []
    before = 0.0
    for record in records:
        trained, now = float(record.get("seconds", 0.0)), float(record.get("time", 0.0))
        passed = now - before
        out.append(passed if before and trained <= passed <= 5 * trained + 60 else trained)
        before = now
    return out


def best_of(records: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """The epoch whose weights are delivered; empty where no metric chose one."""
    return next((record for record in reversed(records) if record.get("best")), {})


def history_of(run: Run) -> History:
    """Read what a run has been through.

    Raises:
        RunError: its metrics are damaged.
    """
    records = epochs_of(run)
    best = best_of(records)
    planned, patience = (_setting(run, key) for key in ("epochs", "patience"))
    return History(
        epochs=records[-1]["epoch"] if records else 0,
        planned=planned,
        patience=patience,
        seconds=sum(epoch_seconds(records)),
        best_epoch=best.get("epoch") if best.get("metrics") else None,
        best=best.get("metrics", {}),
        last=records[-1].get("metrics", {}) if records else {},
        page=run.report if run.report.is_file() else None,
    )


def unfinished(model: Path) -> str:
    """What to say of a model file whose run did not come to its end, in a sentence; empty for any other."""
    run = Run(model.parent)
    if not run.exists or model not in (run.model, run.last_model):
        return ""
    try:
        history = history_of(run)
    except RunError:
        return ""
    if history.is_finished:
        return ""
    done = f"{history.epochs} of {counted(history.planned or 0, 'epoch')}"
    if (who := run.trained_by) is not None:
        return f"{run.name} is still being trained by {who} ({done})."
    name = shlex.quote(run.name if run.path.parent == Path("runs") else str(run.path))
    return f"{run.name} is not trained to its end ({done}). To finish it: gantool train --resume {name}"


def _setting(run: Run, key: str) -> int | None:
    """A number from the section ``train`` of the settings; None where they do not tell."""
    try:
        tree = load_yaml(run.settings.read_text("utf-8"))
        value = tree["train"][key]
    except (OSError, ValueError, LookupError, TypeError, RunError):
        return None
    return value if isinstance(value, int) else None
