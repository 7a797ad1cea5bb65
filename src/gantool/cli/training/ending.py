"""What is said at the end of a training: what came of it, where it is, and what to do next."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gantool.cli.console import Screen
from gantool.cli.training.table import Signs
from gantool.errors import counted
from gantool.models.history import history_of
from gantool.models.runs import Run, list_runs
from gantool.report.words import roughly

if TYPE_CHECKING:
    from gantool.engine.events import StepDone
    from gantool.workflows.plan_training import TrainingPlan
    from gantool.workflows.train import Started, TrainResult

__all__ = ["conclude", "conclude_dry_run"]


def conclude_dry_run(screen: Screen, started: Started, first_step: StepDone | None) -> None:
    screen.note("Dry run: settings, data and one step are fine; nothing was kept.")
    if first_step is not None:
        steps = started.epochs * started.steps_per_epoch
        screen.note(
            f"The whole training has {counted(steps, 'step')}. Judged by this first one, which is slower than the "
            f"others, it takes {roughly(steps * first_step.seconds)}, without measuring."
        )
    screen.json("train", {"dry_run": True})


def conclude(screen: Screen, plan: TrainingPlan, result: TrainResult, *, over: bool) -> None:
    """Tell what came of it.

    Args:
        over: whether the run was finished before, so that all has been told.
    """
    if over:
        _say_finished(screen, plan, result)
    else:
        _say_outcome(screen, result)
    if result.model is not None:
        screen.result(result.model)
    if not over:
        _name_report(screen, result.run)
        _say_next(screen, plan, result)
    screen.json(
        "train",
        {
            "run": str(result.run),
            "model": str(result.model) if result.model is not None else None,
            "kind": plan.kind,
            **_history(result),
            "stopped": result.stopped,
            "losses": dict(result.losses),
            "metrics": dict(result.metrics),
            "unseen": result.unseen,
            "baselines": {name: dict(values) for name, values in result.baselines.items()},
        },
    )


def _say_finished(screen: Screen, plan: TrainingPlan, result: TrainResult) -> None:
    """That nothing was left to train, and the command that trains longer."""
    run, epochs = shlex.quote(result.run.name), plan.settings.train.epochs
    if result.epochs >= epochs:
        screen.note(f"{result.run.name} is finished: {result.epochs} of {counted(epochs, 'epoch')} done.")
        screen.note_command("To train longer", f"gantool train --resume {run} --epochs {2 * epochs}{_where(result)}")
    else:
        screen.note(f"{result.run.name} is finished: it ended early, after epoch {result.epochs} of {epochs}.")
        screen.note_command(
            "To train on from its weights", f"gantool train {plan.kind} --init-from {run}{_where(result)}"
        )


def _say_outcome(screen: Screen, result: TrainResult) -> None:
    """What was measured at the end, or that it was stopped."""
    if result.stopped:
        screen.note("Stopped and saved.")
    elif not result.unseen:
        _show_chosen(screen, result)
    elif any(key.startswith("iou/") for key in result.metrics):
        _show_classes(screen, result)
    elif result.metrics:
        _show_ratios(screen, result)


def _show_chosen(screen: Screen, result: TrainResult) -> None:
    """What was measured at the delivered epoch, where the same images chose it."""
    names = [key for key in result.metrics if "/" not in key]
    rows = [(_titled(screen, name), f"{result.metrics[name]:.3f}") for name in names]
    screen.table(("", "this model"), rows, title="The delivered epoch, on the test images that chose it")


def _titled(screen: Screen, metric: str) -> str:
    """A metric's name as in the table of the training, with the direction that is better."""
    return Signs.of(screen.err.encoding).titled(metric)


def _name_report(screen: Screen, run: Path) -> None:
    report = Run(run).report
    if report.is_file():
        screen.note_file("Report", report)


def _history(result: TrainResult) -> dict[str, Any]:
    """Epochs, duration, best epoch and page."""
    return {**history_of(Run(result.run)).as_json(), "epochs": result.epochs}


def _show_ratios(screen: Screen, result: TrainResult) -> None:
    keys = list(result.metrics)
    guesses = {"this model": result.metrics, **result.baselines}
    rows = [
        (name, *(f"{values[key]:.3f}" if key in values else "" for key in keys)) for name, values in guesses.items()
    ]
    ratios = [key for key in keys if key.startswith("l1_ratio_")]
    names = [
        key.removeprefix("l1_ratio_").replace("_", " ") if key in ratios else _titled(screen, key) for key in keys
    ]
    if ratios:
        title = "On drawn scenes that the run has not seen (lower is better)"
    else:
        title = f"On {'pairs' if 'l1' in keys else 'images'} not seen in training"
    screen.table(("L1 to the truth / untranslated" if len(ratios) == len(keys) else "", *names), rows, title=title)


def _show_classes(screen: Screen, result: TrainResult) -> None:
    classes = {key.removeprefix("iou/"): value for key, value in result.metrics.items() if key.startswith("iou/")}
    screen.table(
        ("class", _titled(screen, "iou")),
        [(name, f"{value:.3f}") for name, value in classes.items()],
        title="On images that the run has not seen",
    )
    screen.note(f"mean IoU {result.metrics['mean_iou']:.3f}, accuracy {result.metrics['accuracy']:.3f}")


def _say_next(screen: Screen, plan: TrainingPlan, result: TrainResult) -> None:
    """The command that goes on with it, or that uses the model."""
    if result.stopped:
        screen.note_command("Resume", f"gantool train --resume {shlex.quote(result.run.name)}{_where(result)}")
    elif result.model is not None:
        screen.note_command("Next", f"{_next_command(plan, result)}{_where(result)}")


def _next_command(plan: TrainingPlan, result: TrainResult) -> str:
    run = Run(result.run)
    facts = run.facts()
    if "domains" not in facts:
        return f"gantool segment photo.jpg --model {plan.kind}"
    alone = len(list_runs(run.path.parent)) == 1  # else a newer one may be taken
    named = "" if alone else f" --model {shlex.quote(run.name)}"
    return f"gantool translate photo.jpg --to {facts['domains'][-1]}{named}"


def _where(result: TrainResult) -> str:
    """The option that finds a run again which is not in the usual folder."""
    folder = result.run.parent
    return f" --runs {shlex.quote(str(folder))}" if folder != Path("runs") else ""
