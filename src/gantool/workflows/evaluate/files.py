"""The files of an evaluation."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from gantool.files import atomic
from gantool.workflows.evaluate.page import write_evaluation_page
from gantool.workflows.evaluate.results import Evaluation, Result

__all__ = ["FILES", "write_evaluation"]

_JSON, _CSV, _PAGE, _IMAGES = FILES = (
    "evaluation.json", "evaluation.csv", "evaluation.html", "evaluation-images.csv",
)  # fmt: skip
"""All that there can be; the last one with pairs of pictures only."""


def write_evaluation(evaluation: Evaluation, folder: Path) -> tuple[Path, ...]:
    """Write ``evaluation.json``, ``.csv`` and ``.html``, and with pairs of pictures the metrics of each.

    Returns:
        The paths of the files.
    """
    with atomic(folder / _JSON) as temporary:
        temporary.write_text(json.dumps(evaluation.as_json(), indent=2) + "\n", "utf-8")
    _write_csv(
        folder / _CSV,
        ("model", "from", "to", "class", "metric", "value", "low", "high"),
        (row for one in evaluation.results for row in _rows(one)),
    )
    write_evaluation_page(folder / _PAGE, evaluation)
    images = [one for one in evaluation.results if one.per_image and one.classes is None]
    if not images:
        (folder / _IMAGES).unlink(missing_ok=True)  # it would be of another evaluation
        return tuple(folder / name for name in FILES[:3])
    _write_csv(
        folder / _IMAGES,
        ("model", "to", "image", "metric", "value"),
        (
            (one.name, one.target, name, key, value)
            for one in images
            for name, values in one.per_image
            for key, value in values.items()
        ),
    )
    return tuple(folder / name for name in FILES)


def _rows(one: Result) -> Iterator[Sequence[object]]:
    head = (one.name, one.source, one.target)
    for key, v in one.values.items():
        yield (*head, "", key, _cell(v.value), _cell(v.low), _cell(v.high))
    for name, values in one.classes.per_class().items() if one.classes is not None else ():
        for key, value in values.items():
            yield (*head, name, key, _cell(value), "", "")


def _cell(value: float | None) -> float | str:
    """Nothing for what is not there."""
    return "" if value is None or math.isnan(value) else value


def _write_csv(path: Path, head: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    with atomic(path) as temporary, temporary.open("w", -1, "utf-8", "surrogateescape", "") as file:
        table = csv.writer(file)
        table.writerow(head)
        table.writerows(rows)
