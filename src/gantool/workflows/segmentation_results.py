"""What an evaluation of segmenters found, and its files."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gantool._version import __version__
from gantool.arrays import Color, Pixels, class_colors, color_table
from gantool.data.labelled import LabelledImages
from gantool.files import atomic
from gantool.metrics.estimates import Estimate, shown
from gantool.metrics.segmentation import Scores
from gantool.report.pages import data_uri, write_page
from gantool.workflows.evaluation_results import cell, difference_tables, differences_as_json

__all__ = ["Evaluated", "SegmentationEvaluation", "write_segmentation"]


_HEIGHT = 150


@dataclass(frozen=True)
class Evaluated:
    """One model (or folder of masks) on the images.

    Attributes:
        parameters: of the network; 0 for masks.
        seconds: per image, reading not counted.
        estimates: all values that are not per class, with intervals.
        boundary: boundary IoU by class.
        worst: names of the images by their accuracy, the smallest first.
        differences: of the estimates to the first model's, by its name; with intervals that take into account that
            the images are the same.
    """

    name: str
    scores: Scores
    parameters: int = 0
    seconds: float = 0.0
    worst: tuple[tuple[str, float], ...] = ()
    boundary: tuple[float, ...] = ()
    estimates: Mapping[str, Estimate] = field(default_factory=dict)
    differences: Mapping[str, Mapping[str, Estimate]] = field(default_factory=dict)

    def overall(self) -> dict[str, float]:
        """The estimates without their intervals."""
        return {key: value.value for key, value in self.estimates.items()}

    def per_class(self) -> dict[str, dict[str, float | None]]:
        """All values by class; None for what is not there."""
        return {
            name: {**values, "boundary_iou": None if np.isnan(boundary) else boundary}
            for (name, values), boundary in zip(self.scores.per_class().items(), self.boundary, strict=True)
        }


@dataclass(frozen=True)
class SegmentationEvaluation:
    """All models on the same images; `files` were written."""

    about: str
    images: int
    models: tuple[Evaluated, ...]
    confusions: tuple[NDArray[np.int64], ...] = field(repr=False, default=())
    files: tuple[Path, ...] = ()

    def as_json(self) -> dict[str, object]:
        """The documented JSON: metric names as everywhere, None for what is not there."""
        return {
            "data": self.about,
            "images": self.images,
            "models": [
                {
                    "model": one.name,
                    **{key: None if math.isnan(value) else value for key, value in one.overall().items()},
                    "intervals": {key: [v.low, v.high] for key, v in one.estimates.items() if v.low is not None},
                    "differences": differences_as_json(one.differences),
                    "per_class": one.per_class(),
                    "parameters": one.parameters,
                    "seconds_per_image": round(one.seconds, 5),
                    "worst": [{"image": name, "accuracy": value} for name, value in one.worst[:20]],
                }
                for one in self.models
            ],
            "confusion": [matrix.tolist() for matrix in self.confusions],
        }


def write_segmentation(
    evaluation: SegmentationEvaluation,
    folder: Path,
    images: LabelledImages,
    maps: Mapping[int, list[Pixels]],
    colors: Mapping[str, Color],
) -> SegmentationEvaluation:
    """Write ``evaluation.json``, ``.csv`` and ``.html``.

    Args:
        maps: the label maps of all models, by the number of the image, of those to show.
        colors: by class.
    """
    files = tuple(folder / f"evaluation.{suffix}" for suffix in ("json", "csv", "html"))
    with atomic(files[0]) as temporary:
        temporary.write_text(json.dumps(evaluation.as_json(), indent=2) + "\n", "utf-8")
    _write_csv(files[1], evaluation)
    names = evaluation.models[0].scores.names
    table = color_table(
        [colors.get(name, color) for name, color in zip(names, class_colors(len(names)), strict=True)]
    )
    write_page(
        files[2],
        "evaluation.html",
        {
            "version": __version__,
            "title": "Evaluation",
            "about": evaluation.about,
            "models": [one.name for one in evaluation.models],
            "rows": _rows(evaluation),
            "differences_of": difference_tables([(one.name, one.differences) for one in evaluation.models]),
            "classes": [
                (name, "#{:02x}{:02x}{:02x}".format(*table[n]),
                 [_shown(one.scores.iou[n]) for one in evaluation.models],
                 [_shown(one.scores.f1[n]) for one in evaluation.models])
                for n, name in enumerate(names)
            ],
            "confusions": [
                (one.name, data_uri(_confusion_picture(counts), quality=95))
                for one, counts in zip(evaluation.models, evaluation.confusions, strict=True)
            ],
            "pictures": [
                (data_uri(_row(images, n, masks, table)), images.name(n)) for n, masks in sorted(maps.items())
            ],
        },
    )  # fmt: skip
    return replace(evaluation, files=files)


def _write_csv(path: Path, evaluation: SegmentationEvaluation) -> None:
    with atomic(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(("model", "class", "metric", "value", "low", "high"))
        for one in evaluation.models:
            for key, value in one.estimates.items():
                table.writerow(
                    (one.name, "", key, *(cell(number) for number in (value.value, value.low, value.high)))
                )
            for name, values in one.per_class().items():
                table.writerows((one.name, name, key, cell(number), "", "") for key, number in values.items())


def _rows(evaluation: SegmentationEvaluation) -> list[tuple[str, list[str]]]:
    keys = evaluation.models[0].estimates
    rows = [(key.replace("_", " "), [shown(one.estimates[key]) for one in evaluation.models]) for key in keys]
    if any(one.parameters for one in evaluation.models):
        rows.append(
            (
                "parameters",
                [f"{one.parameters / 1e6:.2f} M" if one.parameters else "n/a" for one in evaluation.models],
            )
        )
        rows.append(("time per image", [f"{1000 * one.seconds:.0f} ms" for one in evaluation.models]))
    return rows


def _shown(value: float) -> str:
    return "n/a" if np.isnan(value) else f"{value:.3f}"


def _confusion_picture(counts: NDArray[np.int64], side: int = 24) -> Pixels:
    """Shares of every true class (row) by predicted class (column), white to blue."""
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    low, high = np.array([255, 255, 255]), np.array([12, 62, 110])
    cells = low + (high - low) * shares[..., None] ** 0.5
    return np.kron(np.rint(cells).astype(np.uint8), np.ones((side, side, 1), dtype=np.uint8))


def _row(images: LabelledImages, n: int, masks: Sequence[Pixels], table: Pixels) -> Pixels:
    """Image, truth and the label maps of all models, beside each other."""
    pixels, truth = images[n]
    parts = [pixels, table[truth], *(table[mask] for mask in masks)]
    width = max(round(pixels.shape[1] * _HEIGHT / pixels.shape[0]), 1)
    ways = [Image.Resampling.BOX, *[Image.Resampling.NEAREST] * (len(parts) - 1)]
    small = [Image.fromarray(part).resize((width, _HEIGHT), way) for part, way in zip(parts, ways, strict=True)]
    return np.hstack([np.asarray(part) for part in small])
