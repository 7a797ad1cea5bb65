"""Runs side by side on one page: what was set differently, what came of it, and how it went."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gantool._version import __version__
from gantool.documents import DocumentError
from gantool.errors import OutputError, RunError, UsageError, counted
from gantool.metrics.table import better_is
from gantool.models.history import best_of, epoch_seconds, epochs_of
from gantool.models.runs import Run, find_run, list_runs
from gantool.report.charts import Panel, chart
from gantool.report.pages import shares_of, write_page
from gantool.report.words import duration, number, title_of
from gantool.workflows.train.samples import last_grid
from gantool.yaml_documents import load_yaml

__all__ = ["compare_runs"]

_MOST = 12
_MARK = "Made by gantool"
_GRIDS = 600_000  # characters of the page for all sample grids
_LISTED = 200  # epochs of a curve


@dataclass(frozen=True)
class _Compared:
    """A run's files, read once."""

    run: Run
    facts: Mapping[str, Any]
    records: Sequence[Mapping[str, Any]]
    settings: Mapping[str, Any]

    @property
    def chosen(self) -> Mapping[str, Any]:
        """The epoch whose weights are delivered; empty where no metric chose one."""
        return best_of(self.records)


def compare_runs(names: Sequence[str], runs: Path, page: Path) -> list[Run]:
    """Write the page.

    Args:
        names: runs in the folder ``runs``, or paths of some; none means all in the folder, or its twelve newest.

    Returns:
        The runs on it.

    Raises:
        RunError, UsageError: there is no such run, or there are too many.
        OutputError: the page cannot be written, or is something else.
    """
    _require_own(page)
    found = [find_run(name, runs) for name in names] if names else list_runs(runs)[:_MOST][::-1]
    if not found:
        raise RunError(f"{runs}: there are no runs yet.", "Start one: gantool train cyclegan.")
    if len(found) > _MOST:
        raise UsageError(f"--page: compares at most {_MOST} runs, got {len(found)}.")
    compared = [_Compared(run, run.facts(), epochs_of(run), _settings(run)) for run in found]
    write_page(page, "comparison.html", _content(compared))
    return found


def _require_own(page: Path) -> None:
    """Refuse to replace anything but a page that was written here."""
    try:
        text = page.read_text("utf-8", "replace") if page.exists() else _MARK
    except OSError:
        text = ""
    if _MARK not in text:
        raise OutputError(f"{page}: exists already and is no page of gantool.", "Choose another --page.")


def _settings(run: Run) -> dict[str, Any]:
    """The run's settings by dotted key; empty where they cannot be read."""
    try:
        return _flat(load_yaml(run.settings.read_text("utf-8")))
    except (OSError, UnicodeDecodeError, DocumentError):
        return {}


def _flat(value: object, prefix: str = "") -> dict[str, Any]:
    if not isinstance(value, dict):
        return {prefix: value}
    return {
        key: one
        for name, inner in value.items()
        for key, one in _flat(inner, f"{prefix}.{name}" if prefix else str(name)).items()
    }


def _content(compared: Sequence[_Compared]) -> dict[str, Any]:
    names = _distinct([one.run for one in compared])
    grids = [last_grid(one.run, shares_of(_GRIDS, compared)) for one in compared]
    return {
        "version": __version__,
        "title": "Runs side by side" if len(compared) > 1 else names[0],
        "about": counted(len(compared), "run"),
        "runs": names,
        "facts": _overview(compared),
        "metrics": _metrics(compared),
        "settings": _differing([one.settings for one in compared]),
        "panels": _panels(compared, names),
        "grids": [(name, *grid) for name, grid in zip(names, grids, strict=True) if grid is not None],
    }


def _distinct(runs: Sequence[Run]) -> list[str]:
    """Their names, with the folder where two have the same one."""
    names = [run.name for run in runs]
    return [run.name if names.count(run.name) == 1 else run.path.as_posix() for run in runs]


def _overview(compared: Sequence[_Compared]) -> list[tuple[str, list[str]]]:
    def cells(one: _Compared) -> dict[str, str]:
        times = epoch_seconds(one.records)
        total = one.settings.get("train.epochs")
        done = str(one.records[-1]["epoch"]) if one.records else "0"
        return {
            "model": str(one.facts.get("kind", "")),
            "data": str(one.facts.get("data") or ""),
            "started": str(one.facts.get("created", ""))[:16].replace("T", " "),
            "epochs": f"{done} of {total}" if total is not None else done,
            "delivered epoch": str(one.chosen.get("epoch", "")),
            "elapsed": duration(sum(times)) if times else "",
            "device": str(one.facts.get("environment", {}).get("device", "")),
        }

    rows = [cells(one) for one in compared]
    return [(key, [row[key] for row in rows]) for key in rows[0] if any(row[key] for row in rows)]


def _metrics(compared: Sequence[_Compared]) -> list[tuple[str, str, list[Any]]]:
    """Tables of what was measured: at the end, and at the epoch whose weights are delivered."""
    unseen = [one.facts.get("metrics", {}) if one.facts.get("unseen", True) else {} for one in compared]
    chosen = [one.chosen.get("metrics", {}) for one in compared]
    signs = "↑ higher is better, ↓ lower is better; the best run is bold."
    several = (
        ("Metrics on unseen images", "Each run on its own test images. " + signs, unseen),
        ("Metrics at the delivered epoch", "On the validation images, which chose the epoch. " + signs, chosen),
    )
    return [(title, note, _rows(values)) for title, note, values in several if any(values)]


def _rows(values: Sequence[Mapping[str, float]]) -> list[tuple[str, str, list[str], list[int]]]:
    """Name, what is better, a cell for every run, and the places of the best ones."""
    rows = []
    for key in dict.fromkeys(key for one in values for key in one):
        found, better = [one.get(key, math.nan) for one in values], better_is(key)
        there = [value for value in found if not math.isnan(value)]
        top = (max if better == "higher" else min)(there, default=math.nan)
        best = [n for n, value in enumerate(found) if value == top] if better and len(there) > 1 else []
        rows.append((key, better, [number(value) for value in found], best))
    return rows


def _differing(settings: Sequence[Mapping[str, Any]]) -> list[tuple[str, list[str]]]:
    keys = list(dict.fromkeys(key for one in settings for key in one))
    rows = [(key, [_said(one[key]) if key in one else "–" for one in settings]) for key in keys]
    return [(key, cells) for key, cells in rows if len(set(cells)) > 1]


def _said(value: object) -> str:
    """A value as it stands in a file of settings."""
    words = {None: "null", True: "true", False: "false"}
    return words[value] if value is None or isinstance(value, bool) else str(value)


def _panels(compared: Sequence[_Compared], names: Sequence[str]) -> list[dict[str, Any]]:
    """A panel for each metric and each loss that several runs have; for all, if they have none in common."""
    found = []
    for kind in ("metrics", "losses"):
        keys = dict.fromkeys(key for one in compared for record in one.records for key in record.get(kind, {}))
        found += [_panel(kind, key, compared, names) for key in keys if "/" not in key]
    return [panel for panel in found if len(panel["keys"]) > 1] or found


def _panel(kind: str, key: str, compared: Sequence[_Compared], names: Sequence[str]) -> dict[str, Any]:
    curves = {
        name: {record["epoch"]: float(record[kind][key]) for record in one.records if key in record.get(kind, {})}
        for name, one in zip(names, compared, strict=True)
    }
    colors = [n for n, name in enumerate(names) if curves[name]]  # a run has the same one on every panel
    curves = {name: curve for name, curve in curves.items() if curve}
    epochs = sorted({epoch for curve in curves.values() for epoch in curve})
    step = math.ceil(len(epochs) / _LISTED)
    epochs = [*epochs[:-1:step], epochs[-1]]
    found = {name: [curve.get(epoch, math.nan) for epoch in epochs] for name, curve in curves.items()}
    title = title_of(key)
    panel = Panel(title[:1].upper() + title[1:], found, {}, better_is(key) if kind == "metrics" else "", colors)
    return {
        **chart(panel, epochs),
        "rows": [[str(epoch), *(number(curve[n]) for curve in found.values())] for n, epoch in enumerate(epochs)],
    }
