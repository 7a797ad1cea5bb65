"""How good are segmenters, side by side on the same images?"""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gantool.arrays import IGNORE, Color
from gantool.data.labelled import LabelledImages
from gantool.data.tiles import photograph_of
from gantool.errors import ModelError, closest
from gantool.metrics.labels import LabelScores
from gantool.metrics.table import worst_first
from gantool.predict.segmenter import LoadedSegmenter
from gantool.workflows.evaluate.gallery import chosen_images, in_colors
from gantool.workflows.evaluate.gates import require_classes
from gantool.workflows.evaluate.labelled_images import find_labelled_images
from gantool.workflows.evaluate.names import distinct_names
from gantool.workflows.evaluate.options import EvaluateOptions
from gantool.workflows.evaluate.results import Evaluation, Progress, Result, ShownRow, compared
from gantool.workflows.segment import SegmentOptions, load_segmentation
from gantool.workflows.shares.gather import Entries, Gather

__all__ = ["evaluate_label_maps", "match_classes"]


class _Labeler:
    """A segmenter that speaks of the classes of the data."""

    def __init__(self, name: str, segmenter: LoadedSegmenter, classes: Sequence[str]) -> None:
        self.name, self.segmenter = name, segmenter
        self._order = match_classes(segmenter, classes)

    def __call__(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return np.asarray(self._order[self.segmenter(pixels).mask])


def evaluate_label_maps(options: EvaluateOptions, on_progress: Progress, gather: Gather) -> Evaluation | None:
    """Measure segmenters on labeled images, each at the size of its own mask.

    U-Nets, DeepLab, and translations to label maps are measured alike.

    Returns:
        None for a share that only measures.

    Raises:
        GantoolError: a model or the data cannot be used, or they do not have the same classes.
    """
    segmenters = [
        load_segmentation(
            SegmentOptions(name, options.runs, options.device, options.precision, trust=options.trust), live=True
        )
        for name in options.models
    ]
    images, classes, about = find_labelled_images(segmenters[0], options.data, options.split)
    require_classes(options.classes, classes)
    names = distinct_names([one.model for one in segmenters])
    gather.question([*(one.model.path for one in segmenters), *(images.name(n) for n in range(len(images)))])
    labelers = [_Labeler(name, one, classes) for name, one in zip(names, segmenters, strict=True)]
    measured = [_measured(one, images, classes, on_progress, gather) for one in labelers]
    if gather.is_looking:
        return None
    results = compared([_result(labeler, *one) for labeler, one in zip(labelers, measured, strict=True)])
    colors = {entry.name: entry.color for entry in segmenters[0].classes}
    gallery = {}
    if options.output is not None:
        gallery[""] = _gallery(images, labelers, results[0], [colors[name] for name in classes])
    return Evaluation(about, tuple(results), gallery, colors)


def match_classes(segmenter: LoadedSegmenter, classes: Sequence[str]) -> NDArray[np.uint8]:
    """The data's index of each of the model's classes.

    Raises:
        ModelError: one side has a class that the other has not.
    """
    own = [entry.name for entry in segmenter.classes]
    odd = next((name for name in own if name not in classes), None) or next(
        (n for n in classes if n not in own), None
    )
    if odd is not None:
        raise ModelError(
            f'{segmenter.model.label}: was trained on other classes than the data has ("{odd}" is only on one side).',
            closest(odd, classes if odd in own else own),
        )
    order = np.full(256, IGNORE, dtype=np.uint8)
    order[: len(own)] = [list(classes).index(name) for name in own]
    return order


def _measured(
    labeler: _Labeler, images: LabelledImages, classes: Sequence[str], on_progress: Progress, gather: Gather
) -> tuple[LabelScores, Sequence[float]]:
    """The scores, and how many seconds each image took."""
    scores, seconds = LabelScores(classes), Entries[float]()
    for n in gather.places(len(images)):
        pixels, truth = images[n]
        started = time.perf_counter()
        mask = labeler(pixels)
        seconds.add(n, time.perf_counter() - started)
        name = images.name(n)
        scores.add(name, truth, mask, photograph_of(name), n)
        on_progress(labeler.name, n + 1, len(images))
    gather.whole(f"scores of {labeler.name}", scores)
    gather.whole(f"seconds of {labeler.name}", seconds)
    return scores, seconds.values


def _result(labeler: _Labeler, scores: LabelScores, seconds: Sequence[float]) -> Result:
    mean = sum(seconds) / max(len(seconds), 1)
    return Result(
        labeler.name, len(scores.images), scores.values(), per_image=worst_first(scores.images, "accuracy"),
        classes=scores.classes(), parameters=labeler.segmenter.parameters, seconds=mean,
    )  # fmt: skip


def _gallery(
    images: LabelledImages, labelers: Sequence[_Labeler], first: Result, colors: Sequence[Color]
) -> list[ShownRow]:
    rows = []
    for n, caption, group in chosen_images(first, "accuracy", [images.name(n) for n in range(len(images))]):
        pixels, truth = images[n]
        made = [(one.name, in_colors(one(pixels), colors)) for one in labelers]
        pictures = [("image", pixels), *made, ("truth", in_colors(truth, colors))]
        rows.append(ShownRow(caption, pictures, group))
    return rows
