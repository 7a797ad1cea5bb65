"""An evaluation as tables for people, in a terminal or on a page."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from gantool.metrics.estimates import Estimate, shown
from gantool.metrics.table import METRICS, better_is
from gantool.report.words import title_of
from gantool.workflows.evaluate.results import Evaluation, Result

__all__ = ["DifferenceTable", "Part", "Row", "parts_of"]


@dataclass(frozen=True)
class Row:
    """One number of all models.

    Attributes:
        plain: of the untranslated images; empty where it is not known.
        better: ``higher`` or ``lower``; empty where that depends.
        unit: of the value; empty where it has none.
        best: place of the best one of several models; None where none is.
    """

    label: str
    cells: Sequence[str]
    plain: str = ""
    better: str = ""
    best: int | None = None
    unit: str = ""


@dataclass(frozen=True)
class DifferenceTable:
    """What is subtracted, from which models, and for each metric a cell for each model."""

    other: str
    models: Sequence[str]
    rows: Sequence[tuple[str, Sequence[str]]]


@dataclass(frozen=True)
class Part:
    """What stands beside each other.

    Attributes:
        title: the direction; empty for label maps.
        classes: name, IoU and F1 of each model.
    """

    title: str
    results: Sequence[Result]
    rows: Sequence[Row]
    classes: Sequence[tuple[str, Sequence[str], Sequence[str]]]
    differences: Sequence[DifferenceTable]

    @property
    def models(self) -> list[str]:
        return [one.name for one in self.results]

    @property
    def has_plain(self) -> bool:
        """Whether the untranslated images were measured."""
        return any(row.plain for row in self.rows)


def parts_of(evaluation: Evaluation) -> list[Part]:
    """One for each direction."""
    return [
        Part(_title(some[0]), some, [*_values(some), *_costs(some)], _classes(some), _differences(some))
        for some in evaluation.directions()
    ]


def _title(first: Result) -> str:
    if first.source:
        return f"{first.source} to {first.target}"
    return f"{first.name} against {first.target}" if first.target else ""


def _values(some: Sequence[Result]) -> list[Row]:
    first = some[0]
    return [
        Row(
            title_of(key) + (f" ({first.fid_mode})" if "Inception weights" in METRICS[key].needs else ""),
            [shown(one.values.get(key)) for one in some],
            shown(Estimate(first.untranslated[key].value)) if key in first.untranslated else "",
            better_is(key),
            _best([one.values.get(key) for one in some], higher=METRICS[key].higher_is_better),
            METRICS[key].unit,
        )
        for key in dict.fromkeys(key for one in some for key in one.values)
    ]


def _best(values: Sequence[Estimate | None], *, higher: bool) -> int | None:
    """The place of the best one; None where there is only one, or several are equally good."""
    known = [one.value * (1 if higher else -1) if one is not None else math.nan for one in values]
    top = max([value for value in known if not math.isnan(value)], default=math.nan)
    return known.index(top) if len(values) > 1 and known.count(top) == 1 else None


def _costs(some: Sequence[Result]) -> list[Row]:
    if not any(one.parameters for one in some):
        return []
    return [
        Row("parameters", [f"{one.parameters / 1e6:.2f} M" if one.parameters else "n/a" for one in some]),
        Row("time per image", [f"{1000 * one.seconds:.0f} ms" for one in some]),
    ]


def _classes(some: Sequence[Result]) -> list[tuple[str, list[str], list[str]]]:
    scores = [one.classes.scores for one in some if one.classes is not None]
    return [
        (name, [_cell(one.iou[n]) for one in scores], [_cell(one.f1[n]) for one in scores])
        for n, name in enumerate(scores[0].names if scores else ())
    ]


def _cell(value: float) -> str:
    return "n/a" if math.isnan(value) else f"{value:.3f}"


def _differences(some: Sequence[Result]) -> list[DifferenceTable]:
    tables = []
    for other in dict.fromkeys(name for one in some for name in one.differences):
        found = [(one.name, one.differences[other]) for one in some if other in one.differences]
        keys = dict.fromkeys(key for _, values in found for key in values)
        rows = [(key, [shown(values.get(key), sign=True) for _, values in found]) for key in keys]
        tables.append(DifferenceTable(other, [name for name, _ in found], rows))
    return tables
