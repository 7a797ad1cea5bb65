"""What an evaluation found: one shape for label maps and pictures, for models and folders."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from gantool.arrays import Color, Pixels
from gantool.errors import UsageError
from gantool.metrics.estimates import Estimate, differences_of
from gantool.metrics.labels import ClassScores
from gantool.metrics.segmentation import Scores
from gantool.report.words import titles_of

__all__ = ["Evaluation", "Progress", "Result", "ShownRow", "compared"]

Progress = Callable[[str, int, int], None]
"""Takes what is done, how many images are done and how many there are."""

SCHEMA = "gantool.evaluate/1"
"""Of the JSON."""

_KEPT_OF_WORST = 20


@dataclass(frozen=True)
class Result:
    """One model (of a translation: in one direction), or one folder of generated images or of masks.

    Attributes:
        name: of the model that was found, or the folder.
        source, target: the direction; empty for label maps.
        values: by metric name, with intervals where they are known.
        untranslated: the same metrics of the sources as they are: what a model that does nothing would reach.
        differences: of the values to those of ``untranslated`` and of the direction's first model, by its name; with
            intervals that take into account that the images are the same.
        left_out: metrics that could not be had, with the reason.
        swd_levels: the sliced Wasserstein distance by the side of the pyramid's level.
        per_image: the metrics that every image has by itself, the worst image first.
        failed: images that could not be read.
        classes: of label maps.
        parameters: of a segmenter's network; 0 where they are not known.
        seconds: per image of a segmenter, reading not counted.
    """

    name: str
    images: int
    values: Mapping[str, Estimate]
    source: str = ""
    target: str = ""
    real_images: int = 0
    untranslated: Mapping[str, Estimate] = field(default_factory=dict)
    differences: Mapping[str, Mapping[str, Estimate]] = field(default_factory=dict)
    left_out: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    swd_levels: Mapping[int, float] = field(default_factory=dict)
    fid_mode: str | None = None
    per_image: tuple[tuple[str, Mapping[str, float]], ...] = ()
    failed: tuple[str, ...] = ()
    classes: ClassScores | None = None
    parameters: int = 0
    seconds: float = 0.0

    @property
    def label(self) -> str:
        """Model and direction in one."""
        return f"{self.name} to {self.target}" if self.target else self.name

    @property
    def scores(self) -> Scores:
        """Of label maps, also by class.

        Raises:
            UsageError: these are pictures.
        """
        if self.classes is None:
            raise UsageError(f"{self.label}: makes pictures, which have values but no scores of classes.")
        return self.classes.scores

    def overall(self) -> dict[str, float]:
        """The values without their intervals."""
        return {key: value.value for key, value in self.values.items()}


@dataclass(frozen=True)
class ShownRow:
    """Pictures that belong together: the source, what each model made of it, and the truth if there is one.

    Attributes:
        group: what rows are shown together as, such as the worst; empty where no image is better than another.
    """

    caption: str
    pictures: Sequence[tuple[str, Pixels]]
    group: str = ""


@dataclass(frozen=True)
class Evaluation:
    """All models in all their directions.

    Attributes:
        gallery: pictures by the direction's target; made where they are written.
        colors: of the classes of label maps.
        files: that were written.
    """

    about: str
    results: tuple[Result, ...]
    gallery: Mapping[str, Sequence[ShownRow]] = field(default_factory=dict, repr=False)
    colors: Mapping[str, Color] = field(default_factory=dict, repr=False)
    files: tuple[Path, ...] = ()

    @property
    def models(self) -> tuple[Result, ...]:
        """The results, one for each model if they are label maps."""
        return self.results

    @property
    def failed(self) -> tuple[str, ...]:
        """Images that could not be read, a sentence each."""
        return tuple(dict.fromkeys(problem for one in self.results for problem in one.failed))

    def left_out(self) -> list[str]:
        """Metrics that could not be had, with the reason, each once; with their results where others have them.

        What to do about it stands in a line of its own.
        """
        found: dict[tuple[str, str], list[str]] = {}
        for one in self.results:
            for key, reason in one.left_out.items():
                found.setdefault((key, reason.rstrip(".")), []).append(one.label)
        everywhere = len(self.results)
        return [
            f"{titles_of(key)}{'' if len(labels) == everywhere else ' of ' + ', '.join(labels)}: {reason}"
            for (key, reason), labels in found.items()
        ]

    def directions(self) -> list[list[Result]]:
        """The results that stand beside each other."""
        targets = dict.fromkeys(one.target for one in self.results)
        return [[one for one in self.results if one.target == target] for target in targets]

    def as_json(self) -> dict[str, Any]:
        """The documented JSON: metric names as everywhere, None for what is not there or not finite."""
        classes = [one.classes for one in self.results if one.classes is not None]
        if not classes:
            return {"schema": SCHEMA, "data": self.about, "results": [_pictures_as_json(one) for one in self.results]}
        return {
            "schema": SCHEMA,
            "data": self.about,
            "images": self.results[0].images,
            "models": [_labels_as_json(one) for one in self.results],
            "confusion": [one.confusion.tolist() for one in classes],
        }


def compared(results: Sequence[Result]) -> list[Result]:
    """Results of one direction with their differences to the untranslated images and to the first of them."""
    first, *rest = results

    def differences(one: Result, others: Mapping[str, Mapping[str, Estimate]]) -> Result:
        found = {name: differences_of(one.values, values) for name, values in others.items() if values}
        return replace(one, differences=found)

    return [
        differences(first, {"untranslated": first.untranslated}),
        *(differences(one, {"untranslated": one.untranslated, first.name: first.values}) for one in rest),
    ]


def _labels_as_json(one: Result) -> dict[str, Any]:
    assert one.classes is not None
    return {
        "model": one.name,
        **_numbers(one.overall()),
        "intervals": _intervals(one),
        "differences": _differences(one),
        "per_class": one.classes.per_class(),
        "parameters": one.parameters,
        "seconds_per_image": round(one.seconds, 5),
        "worst": _worst(one),
    }


def _pictures_as_json(one: Result) -> dict[str, Any]:
    return {
        "model": one.name,
        "from": one.source,
        "to": one.target,
        "images": one.images,
        "real_images": one.real_images,
        **_numbers(one.overall()),
        "intervals": _intervals(one),
        "untranslated": _numbers({key: value.value for key, value in one.untranslated.items()}),
        "differences": _differences(one),
        "fid_mode": one.fid_mode,
        "swd_levels": {str(side): value for side, value in one.swd_levels.items()},
        "left_out": {key: reason.replace("\n", " ") for key, reason in one.left_out.items()},
        "warnings": list(one.warnings),
        "worst": _worst(one),
        "failed": list(one.failed),
    }


def _numbers(values: Mapping[str, float]) -> dict[str, float | None]:
    return {key: _number(value) for key, value in values.items()}


def _number(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else value


def _intervals(one: Result) -> dict[str, list[float | None]]:
    return {key: [_number(v.low), _number(v.high)] for key, v in one.values.items() if v.low is not None}


def _differences(one: Result) -> dict[str, dict[str, list[float | None]]]:
    """``[difference, low, high]`` by what is subtracted and by metric."""
    return {
        name: {key: [_number(v.value), _number(v.low), _number(v.high)] for key, v in values.items()}
        for name, values in one.differences.items()
    }


def _worst(one: Result) -> list[dict[str, Any]]:
    return [{"image": name, **_numbers(values)} for name, values in one.per_image[:_KEPT_OF_WORST]]
