"""The files that a training leaves beside its weights: metrics, sample pictures, a log, TensorBoard on request."""

from __future__ import annotations

import logging
import platform
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress

import torch

from gantool._version import __version__
from gantool.engine.events import Decided, EpochDone, Sampled, Saved, Stopped
from gantool.engine.loss_terms import LossTerm, by_curve
from gantool.engine.measurement import Measurement
from gantool.engine.runtime import Runtime
from gantool.files import atomic
from gantool.methods.base import Method
from gantool.models.history import best_of
from gantool.models.runs import Run
from gantool.report.confusion import write_confusion
from gantool.report.gallery import write_gallery
from gantool.report.grids import write_grid
from gantool.settings import Settings, to_yaml
from gantool.workflows.train.data_files import DataFiles
from gantool.workflows.train.page import write_run_page
from gantool.workflows.training_events import Event

__all__ = [
    "measured_when_chosen",
    "record",
    "record_decision",
    "record_end",
    "record_start",
    "record_stop",
    "run_log",
]

_log = logging.getLogger("gantool")


def record(run: Run, event: Event, settings: Settings, terms: Mapping[str, LossTerm]) -> None:
    """Write down what an event says.

    Args:
        terms: what the losses are.
    """
    if isinstance(event, EpochDone):
        if event.gallery is not None:
            write_gallery(run.judged, event.gallery)
        if event.confusion is not None:
            write_confusion(run.confusion, event.confusion)
        line = {
            "event": "epoch",
            "epoch": event.epoch,
            "step": event.step,
            "lr": event.lr,
            "losses": dict(event.losses),
            "metrics": dict(event.metrics),
            "time": round(time.time(), 1),
            "seconds": round(event.seconds, 3),
            "images_per_second": round(event.images_per_second, 3),
            "wait_share": round(event.wait_share, 4),
            "best": event.best,
        }
        run.append_metrics(line)
        _log.info("epoch %d: %s", event.epoch, line)
        if settings.runtime.tensorboard:
            _write_tensorboard(run, event, terms)
        write_run_page(run, settings, terms)
    elif isinstance(event, Sampled) and event.pictures:
        write_grid(run.samples / f"epoch-{event.epoch:04d}.png", event.pictures)
        write_run_page(run, settings, terms)
    elif isinstance(event, Decided):
        _log.info("networks compiled: %s (%s)", event.compiled, event.reason)
    elif isinstance(event, Stopped):
        record_stop(run, settings, terms)
    elif isinstance(event, Saved):
        _log.info("saved %s at step %d", event.path, event.step)


def record_start(run: Run, settings: Settings, method: Method, data: DataFiles, runtime: Runtime, epoch: int) -> None:
    """Write down what is trained, on what and with what.

    Args:
        epoch: after which it begins or goes on.
    """
    with atomic(run.settings) as temporary:
        temporary.write_text(to_yaml(settings), "utf-8")
    if method.held_out:
        lines = "".join(f"{line}\n" for line in method.held_out)
        with atomic(run.path / "held_out.txt") as temporary:
            temporary.write_text(lines, "utf-8", "surrogateescape")
    facts = data.record(run, run.facts(), epoch)
    run.write_facts({**facts, **method.facts, "environment": _environment(runtime)})


def record_decision(run: Run, event: Decided) -> None:
    """Write down whether the networks are compiled, for the run to go on like that."""
    run.write_facts({**run.facts(), "compiled": {"on": event.compiled, "reason": event.reason}})


def measured_when_chosen(run: Run) -> Measurement | None:
    """What was measured at the epoch whose weights were delivered, on the images that chose it."""
    chosen = best_of(run.read_metrics()).get("metrics")
    return Measurement(chosen, next(iter(chosen.values()))) if chosen else None


def record_stop(run: Run, settings: Settings, terms: Mapping[str, LossTerm]) -> None:
    """Write down that the training ended before its last epoch."""
    write_run_page(run, settings, terms, state="stopped")


def record_end(
    run: Run, settings: Settings, terms: Mapping[str, LossTerm], found: Measurement | None, *, unseen: bool
) -> None:
    """Write down that the training is over.

    Args:
        terms: what the losses are.
        found: what was measured at the end; None where there is nothing to measure by.
        unseen: whether on images that played no part in the training.
    """
    if found is not None:
        if found.gallery is not None:
            write_gallery(run.judged, found.gallery)
        if found.confusion is not None:
            write_confusion(run.confusion, found.confusion)
        run.write_facts({**run.facts(), "metrics": found.values, "unseen": unseen, "baselines": found.baselines})
    write_run_page(run, settings, terms, state="finished")


def _environment(runtime: Runtime) -> dict[str, str]:
    """What the run is made with, for whoever repeats it."""
    return {
        "gantool": __version__,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "system": platform.platform(),
        "device": str(runtime.device),
        "precision": runtime.precision,
    }


def _write_tensorboard(run: Run, event: EpochDone, terms: Mapping[str, LossTerm]) -> None:
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(str(run.path / "tensorboard")) as writer:
        for name, value in {**by_curve(event.losses, terms), **event.metrics, "lr": event.lr}.items():
            writer.add_scalar(name, value, event.epoch)


class _LogFile(logging.FileHandler):
    """A log that a full disk silences; what went wrong is said elsewhere, and must not be drowned out."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        pass


@contextmanager
def run_log(run: Run, runtime: Runtime) -> Iterator[None]:
    """Let the run's ``log.txt`` have what the library logs meanwhile."""
    if not runtime.is_main:
        yield
        return
    handler = _LogFile(run.log, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    level = _log.level
    _log.addHandler(handler)
    _log.setLevel(logging.INFO)
    try:
        _log.info("gantool %s on %s in %s", __version__, runtime.device, runtime.precision)
        yield
    except Exception:
        _log.exception("training failed")
        raise
    finally:
        _log.removeHandler(handler)
        _log.setLevel(level)
        with suppress(OSError):
            handler.close()
