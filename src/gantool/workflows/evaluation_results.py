"""What an evaluation of pictures found, and its files."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from gantool.arrays import Pixels
from gantool.files import atomic
from gantool.metrics.estimates import Estimate, shown

__all__ = [
    "ImageResult",
    "ShownRow",
    "TranslationEvaluation",
    "cell",
    "difference_tables",
    "differences_as_json",
    "write_evaluation",
]


_KEPT_OF_WORST = 20


@dataclass(frozen=True)
class ImageResult:
    """One model in one direction, or one folder of generated images.

    Attributes:
        values: by metric name, with intervals where they are known.
        untranslated: the same metrics of the sources as they are: what a model that does nothing would reach.
        differences: of the values to those of ``untranslated`` and of the direction's first model, by its name; with
            intervals that take into account that the images are the same.
        left_out: metrics that could not be had, with the reason.
        swd_levels: the sliced Wasserstein distance by the side of the pyramid's level.
        per_image: paired metrics of every image, the worst L1 first.
        failed: images that could not be read.
    """

    name: str
    source: str
    target: str
    images: int
    real_images: int
    values: Mapping[str, Estimate]
    untranslated: Mapping[str, Estimate] = field(default_factory=dict)
    left_out: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    swd_levels: Mapping[int, float] = field(default_factory=dict)
    fid_mode: str | None = None
    per_image: tuple[tuple[str, Mapping[str, float]], ...] = ()
    failed: tuple[str, ...] = ()
    differences: Mapping[str, Mapping[str, Estimate]] = field(default_factory=dict)

    def overall(self) -> dict[str, float]:
        """The values without their intervals."""
        return {key: value.value for key, value in self.values.items()}


@dataclass(frozen=True)
class ShownRow:
    """Pictures that belong together: the source, what each model made of it, and the truth if there is one."""

    caption: str
    pictures: Sequence[tuple[str, Pixels]]


@dataclass(frozen=True)
class TranslationEvaluation:
    """All models in all their directions; ``files`` were written."""

    about: str
    results: tuple[ImageResult, ...]
    rows: Mapping[str, Sequence[ShownRow]] = field(default_factory=dict, repr=False)
    files: tuple[Path, ...] = ()

    @property
    def failed(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(problem for one in self.results for problem in one.failed))

    def as_json(self) -> dict[str, object]:
        """The documented JSON: metric names as everywhere, intervals and reasons beside them."""
        return {"data": self.about, "results": [_as_json(one) for one in self.results]}


def _as_json(one: ImageResult) -> dict[str, Any]:
    return {
        "model": one.name,
        "from": one.source,
        "to": one.target,
        "images": one.images,
        "real_images": one.real_images,
        **{key: _number(value.value) for key, value in one.values.items()},
        "intervals": {key: [_number(v.low), _number(v.high)] for key, v in one.values.items() if v.low is not None},
        "untranslated": {key: _number(value.value) for key, value in one.untranslated.items()},
        "differences": differences_as_json(one.differences),
        "fid_mode": one.fid_mode,
        "swd_levels": {str(side): value for side, value in one.swd_levels.items()},
        "left_out": dict(one.left_out),
        "warnings": list(one.warnings),
        "worst": [{"image": name, **_finite(values)} for name, values in one.per_image[:_KEPT_OF_WORST]],
        "failed": list(one.failed),
    }


def differences_as_json(
    differences: Mapping[str, Mapping[str, Estimate]],
) -> dict[str, dict[str, list[float | None]]]:
    """``[difference, low, high]`` by what is subtracted and by metric."""
    return {
        name: {key: [_number(v.value), _number(v.low), _number(v.high)] for key, v in values.items()}
        for name, values in differences.items()
    }


def difference_tables(
    results: Sequence[tuple[str, Mapping[str, Mapping[str, Estimate]]]],
) -> list[tuple[str, list[str], list[tuple[str, list[str]]]]]:
    """For people: what is subtracted, the columns (models), and the rows (metric and a cell for each model)."""
    tables = []
    for other in dict.fromkeys(name for _, differences in results for name in differences):
        some = [(name, differences[other]) for name, differences in results if other in differences]
        keys = list(dict.fromkeys(key for _, values in some for key in values))
        rows = [(key, [shown(values.get(key), sign=True) for _, values in some]) for key in keys]
        tables.append((other, [name for name, _ in some], rows))
    return tables


def _finite(values: Mapping[str, float]) -> dict[str, float | None]:
    return {key: _number(value) for key, value in values.items()}


def _number(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else value


def write_evaluation(evaluation: TranslationEvaluation, folder: Path) -> TranslationEvaluation:
    """Write ``evaluation.json``, ``.csv`` and ``.html``, and the paired metrics of every image."""
    from gantool.workflows.evaluation_page import write_translation_page

    files = [folder / f"evaluation.{suffix}" for suffix in ("json", "csv", "html")]
    with atomic(files[0]) as temporary:
        temporary.write_text(json.dumps(evaluation.as_json(), indent=2) + "\n", "utf-8")
    with atomic(files[1]) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(("model", "from", "to", "metric", "value", "low", "high"))
        for one in evaluation.results:
            for key, v in one.values.items():
                table.writerow((one.name, one.source, one.target, key, v.value, cell(v.low), cell(v.high)))
    write_translation_page(files[2], evaluation)
    if any(one.per_image for one in evaluation.results):
        files.append(folder / "evaluation-images.csv")
        with atomic(files[3]) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
            table = csv.writer(file)
            table.writerow(("model", "to", "image", "metric", "value"))
            for one in evaluation.results:
                for name, values in one.per_image:
                    table.writerows((one.name, one.target, name, key, value) for key, value in values.items())
    return replace(evaluation, files=tuple(files))


def cell(value: float | None) -> float | str:
    """A number for a table of comma-separated values; nothing for what is not there."""
    return "" if value is None or math.isnan(value) else value
