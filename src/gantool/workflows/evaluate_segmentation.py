"""How good are segmenters, side by side on the same images?"""

from __future__ import annotations

import csv
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gantool import __version__
from gantool.cards import class_colors
from gantool.data.images import find_images
from gantool.data.labelled import ArrayLabels, FileLabels, LabelledImages
from gantool.data.labels import find_labelled
from gantool.data.labels.pairing import match_files
from gantool.data.layouts import resolve_data_path
from gantool.data.masks import IGNORE, color_table, read_index_mask
from gantool.data.sample import CLASSES, draw_scene
from gantool.errors import DataError, ModelError, UsageError, closest
from gantool.files import atomic
from gantool.metrics.boundary import BoundaryIou
from gantool.metrics.segmentation import Confusion, Scores
from gantool.report.pages import data_uri, write_page
from gantool.settings import SegmentationSettings, read_settings
from gantool.workflows.labelled_data import build_labelled_data
from gantool.workflows.segment import LoadedSegmenter, load_segmentation

__all__ = ["Evaluated", "SegmentationEvaluation", "evaluate_masks", "evaluate_segmenters", "match_classes"]

Pixels = NDArray[np.uint8]
Color = tuple[int, int, int]

_SAMPLE_SCENES, _SAMPLE_FIRST = 32, 2_000_000  # the test scenes of the built-in sample
_SHOWN = 8  # pictures on the page, the worst first
_HEIGHT = 150


@dataclass(frozen=True)
class Evaluated:
    """One model (or folder of masks) on the images.

    Attributes:
        parameters: of the network; 0 for masks.
        seconds: per image, reading not counted.
        boundary: boundary IoU by class.
        worst: names of the images by their accuracy, the smallest first.
    """

    name: str
    scores: Scores
    parameters: int = 0
    seconds: float = 0.0
    worst: tuple[tuple[str, float], ...] = ()
    boundary: tuple[float, ...] = ()

    def overall(self) -> dict[str, float]:
        """All values that are not per class, by name."""
        there = [value for value in self.boundary if not np.isnan(value)]
        return {**self.scores.overall(), "boundary_iou": float(np.mean(there)) if there else float("nan")}

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
                    **{key: None if np.isnan(value) else value for key, value in one.overall().items()},
                    "per_class": one.per_class(),
                    "parameters": one.parameters,
                    "seconds_per_image": round(one.seconds, 5),
                    "worst": [{"image": name, "accuracy": value} for name, value in one.worst[:20]],
                }
                for one in self.models
            ],
            "confusion": [matrix.tolist() for matrix in self.confusions],
        }


def evaluate_segmenters(
    names: Sequence[str],
    *,
    data: str | None = None,
    split: str = "test",
    runs: Path = Path("runs"),
    device: str = "auto",
    precision: str = "auto",
    output: Path | None = None,
    on_progress: Callable[[str, int, int], None] = lambda what, done, total: None,
) -> SegmentationEvaluation:
    """Measure segmenters on labelled images, each at the size of its own mask.

    Args:
        names: paths, runs or kinds; U-Nets, DeepLab, and translations to label maps alike.
        data: a folder of images with labels; default the first model's own data.
        split: ``train``, ``val`` or ``test``.
        output: folder for ``evaluation.json`` and ``evaluation.html``; None writes nothing.
        on_progress: called with the model, how many images are done and how many there are.

    Raises:
        GantoolError: a model or the data cannot be used, or they do not have the same classes.
    """
    loaded = [load_segmentation(name, runs=runs, device=device, precision=precision) for name in names]
    images, classes, about = _images(loaded[0], data, split)
    results, confusions = [], []
    shown: dict[int, list[Pixels]] = {}
    for number, segmenter in enumerate(loaded):
        order = match_classes(segmenter, classes)
        result, confusion, masks = _measure(names[number], segmenter, images, classes, order, on_progress, shown)
        results.append(result)
        confusions.append(confusion)
        shown = masks
    evaluation = SegmentationEvaluation(about, len(images), tuple(results), tuple(confusions))
    if output is None:
        return evaluation
    colors = [entry.color for entry in loaded[0].classes]
    return _write(evaluation, output, images, shown, dict(zip(classes, colors, strict=False)))


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
    result = Evaluated(str(predicted), confusion.scores(), boundary=boundary.per_class())
    evaluation = SegmentationEvaluation(about, len(pairs), (result,), (confusion.counts,))
    return evaluation if output is None else _write(evaluation, Path(output), ArrayLabels([]), {}, {})


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
        name, confusion.scores(), parameters, seconds / max(len(images), 1), worst, boundary.per_class()
    )
    return result, confusion.counts, masks


def _write(
    evaluation: SegmentationEvaluation,
    folder: Path,
    images: LabelledImages,
    shown: Mapping[int, list[Pixels]],
    colors: Mapping[str, Color],
) -> SegmentationEvaluation:
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
                (data_uri(_row(images, n, masks, table)), images.name(n)) for n, masks in sorted(shown.items())
            ],
        },
    )  # fmt: skip
    return SegmentationEvaluation(
        evaluation.about, evaluation.images, evaluation.models, evaluation.confusions, files
    )


def _write_csv(path: Path, evaluation: SegmentationEvaluation) -> None:
    with atomic(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(("model", "class", "metric", "value"))
        for one in evaluation.models:
            table.writerows((one.name, "", key, "" if np.isnan(v) else v) for key, v in one.overall().items())
            for name, values in one.per_class().items():
                table.writerows((one.name, name, key, "" if v is None else v) for key, v in values.items())


def _rows(evaluation: SegmentationEvaluation) -> list[tuple[str, list[str]]]:
    keys = evaluation.models[0].overall()
    rows = [(key.replace("_", " "), [_shown(one.overall()[key]) for one in evaluation.models]) for key in keys]
    if any(one.parameters for one in evaluation.models):
        rows.append(("parameters", [f"{one.parameters / 1e6:.2f} M" for one in evaluation.models]))
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
