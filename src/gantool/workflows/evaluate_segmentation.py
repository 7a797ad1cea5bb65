"""How good are segmenters, side by side on the same images?"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gantool.arrays import IGNORE, Pixels
from gantool.data.images import find_images
from gantool.data.labelled import ArrayLabels, FileLabels, LabelledImages
from gantool.data.labels import find_labelled
from gantool.data.labels.pairing import match_files
from gantool.data.layouts import resolve_data_path
from gantool.data.masks import read_index_mask
from gantool.data.sample import CLASSES, draw_scene
from gantool.errors import DataError, ModelError, UsageError, closest
from gantool.metrics.boundary import BoundaryIou
from gantool.metrics.estimates import Estimate, differences_of
from gantool.metrics.segmentation import Confusion
from gantool.settings import SegmentationSettings, read_settings
from gantool.workflows.labelled_data import build_labelled_data
from gantool.workflows.segment import LoadedSegmenter, load_segmentation
from gantool.workflows.segmentation_results import Evaluated, SegmentationEvaluation, write_segmentation

__all__ = ["Evaluated", "SegmentationEvaluation", "evaluate_masks", "evaluate_segmenters", "match_classes"]


_SAMPLE_SCENES, _SAMPLE_FIRST = 32, 2_000_000  # the test scenes of the built-in sample
_SHOWN = 8  # pictures on the page, the worst first


def evaluate_segmenters(
    names: Sequence[str],
    *,
    data: str | None = None,
    split: str = "test",
    runs: Path = Path("runs"),
    device: str = "auto",
    precision: str = "auto",
    trust: bool = False,
    output: Path | None = None,
    on_progress: Callable[[str, int, int], None] = lambda what, done, total: None,
) -> SegmentationEvaluation:
    """Measure segmenters on labelled images, each at the size of its own mask.

    Args:
        names: paths, runs or kinds; U-Nets, DeepLab, and translations to label maps alike.
        data: a folder of images with labels; default the first model's own data.
        split: ``train``, ``val`` or ``test``.
        trust: also run TorchScript and ``.pt2`` files that were not exported here.
        output: folder for ``evaluation.json`` and ``evaluation.html``; None writes nothing.
        on_progress: called with the model, how many images are done and how many there are.

    Raises:
        GantoolError: a model or the data cannot be used, or they do not have the same classes.
    """
    loaded = [load_segmentation(name, runs=runs, device=device, precision=precision, trust=trust) for name in names]
    images, classes, about = _images(loaded[0], data, split)
    results: list[Evaluated] = []
    confusions = []
    shown: dict[int, list[Pixels]] = {}
    for number, segmenter in enumerate(loaded):
        order = match_classes(segmenter, classes)
        result, confusion, masks = _measure(names[number], segmenter, images, classes, order, on_progress, shown)
        results.append(_compared(result, results[0]) if results else result)
        confusions.append(confusion)
        shown = masks
    evaluation = SegmentationEvaluation(about, len(images), tuple(results), tuple(confusions))
    if output is None:
        return evaluation
    colors = [entry.color for entry in loaded[0].classes]
    return write_segmentation(evaluation, output, images, shown, dict(zip(classes, colors, strict=False)))


def evaluate_masks(
    predicted: str | Path,
    truth: str | Path,
    *,
    classes: Sequence[str] | None = None,
    output: str | Path | None = None,
) -> SegmentationEvaluation:
    """Compare two folders of index masks, matched by name.

    Args:
        classes: names by index; default ``class_N`` for every value there is.

    Raises:
        DataError: a folder is missing, nothing matches, or two masks differ in size.
    """
    folders = [Path(predicted), Path(truth)]
    for folder in folders:
        if not folder.is_dir():
            raise DataError(f"{folder}: there is no such folder.")
    pairs, alone = match_files(find_images(folders[1]), find_images(folders[0]))
    if not pairs:
        raise DataError(f"{predicted}: no mask has the name of one in {truth}.", alone[0] if alone else "")
    read = [(read_index_mask(guess), read_index_mask(true), true) for true, guess in pairs]
    most = max(int(np.where(mask == IGNORE, 0, mask).max(initial=0)) for pair in read for mask in pair[:2])
    names = tuple(classes) if classes is not None else tuple(f"class_{n}" for n in range(most + 1))
    confusion, boundary = Confusion(names), BoundaryIou(names)
    for guess, true, path in read:
        try:
            confusion.add(true.astype(np.uint8), guess.astype(np.uint8))
            boundary.add(true.astype(np.uint8), guess.astype(np.uint8))
        except ValueError as error:
            raise DataError(f"{path}: {error}.") from None
    about = f"{predicted} against {truth}" + (f" ({len(alone)} without a partner)" if alone else "")
    result = Evaluated(
        str(predicted), confusion.scores(), boundary=boundary.per_class(), estimates=_estimates(confusion, boundary)
    )
    evaluation = SegmentationEvaluation(about, len(pairs), (result,), (confusion.counts,))
    return evaluation if output is None else write_segmentation(evaluation, Path(output), ArrayLabels([]), {}, {})


def _images(first: LoadedSegmenter, data: str | None, split: str) -> tuple[LabelledImages, tuple[str, ...], str]:
    if data is None:
        own = first.model.path.parent / "settings.yaml"
        if own.is_file() and isinstance(settings := read_settings(own), SegmentationSettings):
            found = build_labelled_data(settings)
            chosen = {"train": found.train, "val": found.validation, "test": found.test}[split]
            where = "built-in sample" if settings.data.path == "sample" else settings.data.path
            return chosen, found.classes, f"{where}, {split} ({len(chosen)} images)"
        data = first.card.origin.data
    if data == "sample":
        scenes = [draw_scene(_SAMPLE_FIRST + n, size=first.card.size) for n in range(_SAMPLE_SCENES)]
        about = f"built-in sample, {_SAMPLE_SCENES} summer scenes"
        return ArrayLabels([(one.summer, one.mask) for one in scenes]), CLASSES, about
    if not data:
        raise UsageError("The model does not know its data.", "Name images with labels: --data DIR.")
    root = resolve_data_path(data)
    labelled = find_labelled(root)
    if labelled is None:
        raise DataError(f"{root}: no images with labels found.")
    several = [one for one in labelled.images if one.split == split]
    if not several:
        known = ", ".join(sorted({one.split for one in labelled.images}))
        raise DataError(f"{root}: has no {split} split (it has {known}).", "Choose another with --split.")
    return FileLabels(several), labelled.classes, f"{labelled.about}, {split} ({len(several)} images)"


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


def _measure(
    name: str,
    segmenter: LoadedSegmenter,
    images: LabelledImages,
    classes: Sequence[str],
    order: NDArray[np.uint8],
    on_progress: Callable[[str, int, int], None],
    shown: Mapping[int, list[Pixels]],
) -> tuple[Evaluated, NDArray[np.int64], dict[int, list[Pixels]]]:
    """Scores, counts, and the label maps of the images to show (the worst of the first model, the same of others)."""
    confusion, boundary = Confusion(classes), BoundaryIou(classes)
    accuracies: list[tuple[str, float]] = []
    masks: dict[int, list[Pixels]] = {key: list(value) for key, value in shown.items()}
    kept: list[tuple[float, int, Pixels]] = []
    seconds = 0.0
    for n in range(len(images)):
        pixels, truth = images[n]
        started = time.perf_counter()
        mask = order[segmenter(pixels).mask]
        seconds += time.perf_counter() - started
        confusion.add(truth, mask)
        boundary.add(truth, mask)
        valid = truth != IGNORE
        accuracy = float((mask[valid] == truth[valid]).mean()) if valid.any() else 1.0
        accuracies.append((images.name(n), accuracy))
        if shown and n in masks:
            masks[n].append(mask)
        elif not shown:
            kept = sorted([*kept, (accuracy, n, mask)], key=lambda entry: entry[:2])[:_SHOWN]
        on_progress(name, n + 1, len(images))
    if not shown:
        masks = {n: [mask] for _, n, mask in kept}
    parameters = segmenter.parameters
    worst = tuple(sorted(accuracies, key=lambda entry: entry[1]))
    result = Evaluated(
        name, confusion.scores(), parameters, seconds / max(len(images), 1), worst, boundary.per_class(),
        _estimates(confusion, boundary),
    )  # fmt: skip
    return result, confusion.counts, masks


def _estimates(confusion: Confusion, boundary: BoundaryIou) -> dict[str, Estimate]:
    return {**confusion.estimates(), "boundary_iou": boundary.mean()}


def _compared(result: Evaluated, first: Evaluated) -> Evaluated:
    return replace(result, differences={first.name: differences_of(result.estimates, first.estimates)})
