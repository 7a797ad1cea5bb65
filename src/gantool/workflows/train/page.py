"""A run's ``report.html``: how it goes, in curves and pictures, how to use its model, and how to repeat it."""

from __future__ import annotations

import shlex
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any, Literal

import numpy as np

from gantool._version import __version__
from gantool.arrays import hex_color
from gantool.cards import Card
from gantool.engine.loss_terms import LossTerm, by_curve
from gantool.errors import ModelError
from gantool.metrics.table import better_is
from gantool.models.files import read_card
from gantool.models.history import best_of, epoch_seconds, epochs_of
from gantool.models.runs import Run
from gantool.palette import named_colors
from gantool.report.charts import chart
from gantool.report.confusion import ConfusionMatrix, matrix_table, read_confusion
from gantool.report.pages import write_page
from gantool.report.words import duration, number, title_of
from gantool.settings import to_yaml
from gantool.settings.schema import Settings
from gantool.workflows.train.curves import loss_panels
from gantool.workflows.train.samples import epoch_of, gallery_of, grids_of, sample_sets, shown_grid

__all__ = ["State", "write_run_page"]

State = Literal["running", "finished", "stopped"]

_EPOCHS_LISTED = 500
_REFRESH = 5, 60  # seconds between two looks of an open page, at least and at most
_SILENT = 600  # seconds without news, after which an open page stops looking
_SILENT_AT_FIRST = 6 * 3600  # while nobody knows how long an epoch takes


def write_run_page(run: Run, settings: Settings, terms: Mapping[str, LossTerm], *, state: State = "running") -> None:
    """Write the page anew from the run's files; an open one loads it again by itself while the run is going on.

    Args:
        terms: what the losses are.
        state: of the training.
    """
    records = epochs_of(run)
    facts = run.facts()
    grids = grids_of(run)
    chosen = best_of(records).get("epoch")
    card = _card(run)
    gallery = gallery_of(run.judged)
    times = epoch_seconds(records)
    listed = _spread(records, chosen)
    write_page(
        run.report,
        "run.html",
        {
            "version": __version__,
            "title": run.name,
            "state": state,
            "live": _live(times) if state == "running" else None,
            "progress": (records[-1]["epoch"] if records else 0, settings.train.epochs),
            "about": _about(facts, settings),
            "tiles": _tiles(records, times, settings.train.epochs, state),
            "usable": card is not None,
            "commands": _commands(run, card, state),
            "final": _final(facts),
            "panels": [
                chart(one, [record["epoch"] for record in listed], chosen) for one in loss_panels(listed, terms)
            ],
            "numbers": _numbers(listed, terms),
            "classes": _classes(run, facts, card, records),
            "pairs": sample_sets(grids[-1]) if grids else [],
            "gallery": gallery,
            "latest": epoch_of(grids[-1]) if grids else None,
            "epochs": shown_grid(grids),
            "environment": list(facts.get("environment", {}).items()),
            "settings": to_yaml(settings),
            "kind": facts.get("kind", settings.task),
        },
    )


def _live(times: Sequence[float]) -> dict[str, int]:
    """How an open page looks for a newer one: every so many seconds, until nothing was written for too long."""
    usual = median(times[-5:]) if times else 0.0
    silent = max(_SILENT, 5 * usual) if times else _SILENT_AT_FIRST
    low, high = _REFRESH
    return {
        "every": round(min(max(usual / 2, low), high)),
        "written": round(time.time() * 1000),
        "silent": round(silent),
    }


def _about(facts: Mapping[str, Any], settings: Settings) -> str:
    words = [f"{facts.get('kind', settings.task)} on {facts.get('data', '')}"]
    if device := facts.get("environment", {}).get("device"):
        words.append(f"{device}, {facts['environment'].get('precision', '')}")
    if facts.get("created"):
        words.append(f"started {str(facts['created'])[:16].replace('T', ' ')} UTC")
    return " · ".join(words)


def _tiles(
    records: Sequence[Mapping[str, Any]], times: Sequence[float], epochs: int, state: State
) -> list[tuple[str, str, str, str]]:
    """Name, value, a note and what is better, of what is asked first."""
    if not records:
        return [("Epoch", f"0 of {epochs}", "", "")]
    last = records[-1]
    tiles = [("Epoch", f"{last['epoch']} of {epochs}", "", "")]
    measured = [record for record in records if record.get("metrics")]
    chosen = best_of(measured)
    if measured:
        shown = chosen or measured[-1]
        name, value = next(iter(shown["metrics"].items()))
        note = f"epoch {shown['epoch']}, whose weights are delivered" if chosen else f"epoch {shown['epoch']}"
        tiles.append((title_of(name)[:1].upper() + title_of(name)[1:], number(value), note, better_is(name)))
    usual = median(times[-5:])
    tiles.append(("Elapsed", duration(sum(times)), f"{duration(usual)} an epoch", ""))
    left = (epochs - last["epoch"]) * usual
    if state == "running" and left > 0:
        tiles.append(("Remaining", f"about {duration(left)}", "", ""))
    if last.get("images_per_second"):
        tiles.append(("Speed", f"{last['images_per_second']:.1f}", "images a second", ""))
    return tiles


def _card(run: Run) -> Card | None:
    try:
        return read_card(run.model) if run.model.is_file() else None
    except ModelError:  # changed by somebody else
        return None


def _commands(run: Run, card: Card | None, state: State) -> list[tuple[str, str]]:
    """What to do with the run next, and the command for it."""
    name = shlex.quote(run.name if run.path.parent == Path("runs") else str(run.path))
    commands = []
    if card is not None and (card.is_segmenter or card.to_labels is not None):
        commands.append(("Label an image", f"gantool segment photo.jpg --model {name}"))
    if card is not None and not card.is_segmenter:
        label_maps = {domain.name for domain in card.domains if domain.classes}
        for one in card.directions:
            what = "labels.png" if one.source in label_maps else "photo.jpg"
            command = f"gantool translate {what} --to {shlex.quote(one.target)} --model {name}"
            commands.append((f"Translate to {one.target}", command))
    if card is not None and state == "finished":
        commands.append(("Measure it", f"gantool evaluate {name}"))
        commands.append(("Export it", f"gantool export {name} --format onnx"))
    if state == "stopped" and run.checkpoint.is_file():
        commands.append(("Resume the training", f"gantool train --resume {name}"))
    return commands


def _final(facts: Mapping[str, Any]) -> dict[str, Any] | None:
    """What was measured at the end on unseen images, beside baselines without a network."""
    metrics = facts.get("metrics")
    if not metrics or not facts.get("unseen", True):
        return None
    columns = {"this model": metrics, **facts.get("baselines", {})}
    keys = [key for key in metrics if "/" not in key]
    return {
        "columns": list(columns),
        "rows": [(key, better_is(key), [number(values.get(key)) for values in columns.values()]) for key in keys],
    }


def _spread(records: Sequence[Mapping[str, Any]], best: int | None) -> list[Mapping[str, Any]]:
    """The epochs that are shown: all, or of very many some, the last and the best ones among them."""
    if len(records) <= _EPOCHS_LISTED:
        return list(records)
    places = set(np.linspace(0, len(records) - 1, _EPOCHS_LISTED).round().astype(int).tolist())
    return [record for n, record in enumerate(records) if n in places or record["epoch"] == best]


def _numbers(records: Sequence[Mapping[str, Any]], terms: Mapping[str, LossTerm]) -> dict[str, Any]:
    """Losses and metrics of every epoch."""
    found = [{**by_curve(record.get("losses", {}), terms), **record.get("metrics", {})} for record in records]
    names = list(dict.fromkeys(name for values in found for name in values))
    return {
        "columns": ["epoch", *map(title_of, names)],
        "rows": [
            [str(record["epoch"]), *(number(values.get(name)) for name in names)]
            for record, values in zip(records, found, strict=True)
        ],
    }


def _classes(
    run: Run, facts: Mapping[str, Any], card: Card | None, records: Sequence[Mapping[str, Any]]
) -> dict[str, Any] | None:
    """Colors, scores and confusion matrix of the classes of label maps."""
    matrix = read_confusion(run.confusion)
    colors = _class_colors(matrix, facts, card)
    if not colors:
        return None
    metrics, unseen = facts.get("metrics", {}), facts.get("unseen", True)
    measured = [record for record in records if record.get("metrics")]
    found = metrics or (measured[-1]["metrics"] if measured else {})
    rows = [(name, colors[name], found.get(f"iou/{name}")) for name in colors]
    if matrix is not None and not any(value is not None for _, _, value in rows):
        rows = [(name, colors[name], value) for name, value in zip(matrix.names, _iou(matrix), strict=True)]
    if metrics:
        about = "Of the test images, which the run has not seen." if unseen else "Of the validation images."
    else:
        about = "Of the validation images, at the last measurement."
    return {
        "about": about,
        "legend": list(colors.items()),
        "iou": [
            (name, color, value or 0.0, "not there" if value is None else f"{value:.3f}")
            for name, color, value in rows
        ]
        if any(value is not None for _, _, value in rows)
        else [],
        "matrix": matrix_table(matrix) if matrix is not None else None,
    }


def _class_colors(matrix: ConfusionMatrix | None, facts: Mapping[str, Any], card: Card | None) -> dict[str, str]:
    """Colors by class, from where they are known."""
    if matrix is not None:
        pairs = list(zip(matrix.names, matrix.colors, strict=True))
    elif card is not None and card.is_segmenter:
        pairs = [(entry.name, entry.color) for entry in card.classes]
    else:
        names = [str(name) for name in facts.get("classes") or ()]
        pairs = list(zip(names, named_colors(names), strict=True))
    return {name: hex_color(color) for name, color in pairs}


def _iou(matrix: ConfusionMatrix) -> list[float | None]:
    hits = np.diag(matrix.counts)
    either = matrix.counts.sum(0) + matrix.counts.sum(1) - hits
    return [float(hit / all_) if all_ else None for hit, all_ in zip(hits, either, strict=True)]
