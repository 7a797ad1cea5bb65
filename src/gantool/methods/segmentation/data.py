"""The images of a segmentation training: found, checked, split and opened."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gantool.arrays import IGNORE
from gantool.data.augment_masks import PRESETS, LabelledPreparation, RandomChange
from gantool.data.labelled import ArrayLabels, FileLabels, LabelledImages
from gantool.data.sample import CLASS_COLORS, CLASSES, draw_scene
from gantool.data.sources.find import find_source
from gantool.data.sources.labels import LabelledImage
from gantool.data.splits import draw_splits
from gantool.errors import DataError, SettingsError, counted
from gantool.methods.labels import check_labels, unusable
from gantool.methods.segmentation.settings import SegmentationSettings

__all__ = ["LabelledData", "build_labelled_data", "class_frequencies", "preview_labelled"]

_CHANGES = ("flip", "scale", "rotate", "color", "blur", "noise", "elastic", "focus", "paste")
_VALIDATION_SCENES, _TEST_SCENES = 1_000_000, 2_000_000


@dataclass(frozen=True)
class LabelledData:
    """The images of a run.

    Attributes:
        validation: decides which epoch is best.
        test: for the final numbers, seen by nothing else; the validation images where there are no others.
        counts: pixels of every class in every training image, ``(images, 256)``.
        held_out: files taken from training, by split.
        files: that images and labels are read from.
    """

    classes: tuple[str, ...]
    colors: tuple[tuple[int, int, int], ...]
    about: str
    train: LabelledImages
    validation: LabelledImages
    test: LabelledImages
    preparation: LabelledPreparation
    counts: NDArray[np.int64]
    held_out: tuple[str, ...] = ()
    files: tuple[Path, ...] = ()


def build_labelled_data(settings: SegmentationSettings) -> LabelledData:
    """Find, check, split and open the images.

    Raises:
        DataError: names the folder or every file that cannot be used.
        SettingsError: the settings do not fit the classes.
    """
    data = _sample(settings) if settings.data.path == "sample" else _from_files(settings)
    if settings.model.mode == "binary" and len(data.classes) != 2:
        raise SettingsError(
            f"model.mode: binary needs two classes, {data.about} has {len(data.classes)}.", "Leave it at multiclass."
        )
    return data


def _preparation(settings: SegmentationSettings, *, tiled: bool = False) -> LabelledPreparation:
    """Scales and changes of the images; tiles keep their scale, which is that of the pictures to segment later."""
    augment, data = settings.augment, settings.data
    base = PRESETS[augment.preset]
    given = {key: getattr(augment, key) for key in _CHANGES}
    change = RandomChange(**{key: getattr(base, key) if value is None else value for key, value in given.items()})
    usual = 0 if tiled else data.size
    return LabelledPreparation(data.size, usual if data.load_size is None else data.load_size, change)


def _sample(settings: SegmentationSettings) -> LabelledData:
    data, seed = settings.data, settings.train.seed

    def scenes(first: int, count: int) -> ArrayLabels:
        drawn = [draw_scene(first + n, size=data.size, seed=seed) for n in range(count)]
        # Every other scene is a winter one, so that a segmenter works on both.
        return ArrayLabels([(one.winter if n % 2 else one.summer, one.mask) for n, one in enumerate(drawn)])

    train = scenes(0, data.scenes)
    return LabelledData(
        CLASSES,
        CLASS_COLORS,
        f"built-in sample, {counted(data.scenes, 'drawn scene')} with {len(CLASSES)} classes",
        train,
        scenes(_VALIDATION_SCENES, data.test_scenes),
        scenes(_TEST_SCENES, data.test_scenes),
        _preparation(settings),
        np.stack([np.bincount(mask.ravel(), minlength=256) for _, mask in train.pairs]),
    )


def _from_files(settings: SegmentationSettings) -> LabelledData:
    data = settings.data
    found = find_source(data.path).labelled()
    if found.unpaired:
        raise unusable(found.unpaired)
    seen, contents = check_labels(found.images, len(found.classes))
    images, held_out = _with_splits(found.images, seen, contents, settings)
    by_split = {split: [one for one in images if one.split == split] for split in ("train", "val", "test")}
    train = by_split["train"][: data.max_images]
    if not train:
        raise DataError(f"{found.about}: has no training images.")
    count = len(found.classes)
    validation = by_split["val"] or by_split["test"] or train
    test = by_split["test"] or validation
    numbers = f"{len(train)} for training, {len(by_split['val'])} for validation, {len(by_split['test'])} for testing"
    return LabelledData(
        found.classes,
        found.palette,
        f"{found.about}: {count} classes, {numbers}{' (held out)' if held_out else ''}",
        FileLabels(train),
        FileLabels(validation),
        FileLabels(test),
        _preparation(settings, tiled=found.tiled),
        np.stack([seen[one.image] for one in train]),
        tuple(held_out),
        found.shards.files
        if found.shards is not None
        else tuple(
            path for one in (*train, *by_split["val"], *by_split["test"]) for path in (one.image, *one.label_files)
        ),
    )


def _with_splits(
    images: Sequence[LabelledImage],
    seen: dict[Path, NDArray[np.int64]],
    contents: dict[Path, str],
    settings: SegmentationSettings,
) -> tuple[list[LabelledImage], list[str]]:
    """Hold out validation and test images, by class and content, where the data set has none."""
    present = {one.split for one in images}
    share = settings.data.holdout
    missing = [split for split in ("val", "test") if split not in present]
    if not missing or share == 0:
        return list(images), []
    train = [one for one in images if one.split == "train"]
    classes = [frozenset(int(index) for index in np.flatnonzero(seen[one.image][:IGNORE])) for one in train]
    val, test = (share if split in missing else 0.0 for split in ("val", "test"))
    drawn = draw_splits([contents[one.image] for one in train], (1 - val - test, val, test), 0, classes)
    new = [replace(one, split=split) for one, split in zip(train, drawn, strict=True)]
    held_out = [f"{one.split}\t{one.image}" for one in new if one.split != "train"]
    return [*new, *(one for one in images if one.split != "train")], held_out


def class_frequencies(data: LabelledData) -> NDArray[np.float64]:
    """Fraction of every class among the labelled training pixels."""
    counts = data.counts.sum(0)[: len(data.classes)].astype(np.float64)
    return np.asarray(counts / max(counts.sum(), 1))


def preview_labelled(settings: SegmentationSettings, data: LabelledData) -> dict[str, Tensor]:
    """The first validation images and masks, evenly spread, as large as a crop."""
    count = min(settings.train.sample_images, len(data.validation))
    places = [n * len(data.validation) // count for n in range(count)]
    views = [data.preparation.preview(*data.validation[n]) for n in places]
    return {"image": torch.stack([one for one, _ in views]), "mask": torch.stack([one for _, one in views])}
