"""The images of an unpaired training: found, checked, opened, and served in batches."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from gantool.arrays import Pixels
from gantool.cards import LabelClass
from gantool.data.augment import Preparation, to_tensor
from gantool.data.datasets import ArrayImages, FileImages, Images, UnpairedDataset, orders_by_shards, shuffled
from gantool.data.images import open_image
from gantool.data.inspect import problems
from gantool.data.sample import SEASONS, Scene, draw_scene
from gantool.data.sources.find import find_source
from gantool.data.sources.labels import LabelledSet
from gantool.data.sources.unpaired import UnpairedFiles
from gantool.errors import DataError, SettingsError, UsageError, closest, counted
from gantool.methods.gan.settings import UnpairedSettings
from gantool.methods.images import TranslationImages, as_it_is, two_sides
from gantool.methods.pairs import Sides, label_pairs
from gantool.nets.registry import GENERATORS

__all__ = ["PairedTruth", "UnpairedData", "build_data", "preview_batch", "towards", "training_set"]

# Scene numbers of the three splits of the built-in sample; training sides never share a scene either.
_VALIDATION_SCENES, _TEST_SCENES = 1_000_000, 2_000_000


@dataclass(frozen=True)
class PairedTruth:
    """Test images of both domains that show the same things; only drawn scenes have that."""

    a: Sequence[Pixels]
    b: Sequence[Pixels]


@dataclass(frozen=True)
class UnpairedData:
    """The images of a run.

    Attributes:
        names: of both domains.
        about: what was recognized, for the user.
        train, test: images per domain.
        preparations: of both domains; that of label maps mixes no colors.
        classes: of each domain; empty for pictures that are no label maps.
        labelled: validation and test images of both domains that belong together; only labelled sets have them.
        validation: paired truth that decides which epoch is best.
        truth: paired truth for the final number, seen by nothing else.
        held_out: files taken from training as a test split.
        files: that images and labels are read from.
    """

    names: tuple[str, str]
    about: str
    train: tuple[Images, Images]
    test: tuple[Images, Images]
    preparations: tuple[Preparation, Preparation]
    classes: tuple[tuple[LabelClass, ...], tuple[LabelClass, ...]] = ((), ())
    labelled: tuple[Sides, Sides] | None = None
    validation: PairedTruth | None = None
    truth: PairedTruth | None = None
    held_out: tuple[Path | str, ...] = ()
    files: tuple[Path, ...] = ()

    def turned(self) -> UnpairedData:
        """The same images with both domains exchanged."""

        def other(truth: PairedTruth | None) -> PairedTruth | None:
            return None if truth is None else PairedTruth(truth.b, truth.a)

        labelled = self.labelled
        return replace(
            self,
            names=self.names[::-1], train=self.train[::-1], test=self.test[::-1],
            preparations=self.preparations[::-1], classes=self.classes[::-1],
            labelled=None if labelled is None else (labelled[0][::-1], labelled[1][::-1]),
            validation=other(self.validation), truth=other(self.truth),
        )  # fmt: skip

    def images(self, split: str, where: str) -> TranslationImages:
        """The images of a split, prepared without chance.

        Args:
            where: what to call the data.

        Raises:
            UsageError, DataError: there are none.
        """
        about = f"{where}, {split}"
        if self.truth is not None and self.validation is not None and split != "train":
            truth = self.truth if split == "test" else self.validation
            sides = (ArrayImages(truth.a), ArrayImages(truth.b))
            return two_sides(about, self.names, sides, (as_it_is, as_it_is), paired=True, classes=self.classes)
        if self.labelled is not None:
            chosen = {"train": self.train, "val": self.labelled[0], "test": self.labelled[1]}[split]
        elif split == "val":
            raise UsageError("--split val: the run has no validation images.", "Use --split test or --split train.")
        else:
            chosen = self.train if split == "train" else self.test
        paired = self.labelled is not None and split != "train"
        views = [preparation.testing for preparation in self.preparations]
        return two_sides(about, self.names, chosen, views, paired=paired, classes=self.classes)


def build_data(settings: UnpairedSettings) -> UnpairedData:
    """Find, check and open the images.

    Raises:
        DataError: names the folder or every file that cannot be used.
    """
    data = settings.data
    load_size = data.load_size or (
        round(data.size * 286 / 256)
        if "resize" in settings.augment.preprocess or "scale" in settings.augment.preprocess
        else data.size
    )
    preparation = Preparation(
        settings.augment.preprocess,
        load_size,
        data.size,
        settings.augment.flip,
        GENERATORS[settings.model.generator].multiple_of,
    )
    if data.path == "sample" and not data.domains:
        return _sample_data(settings, preparation)
    source = find_source(data.domains or data.path, names=data.names)
    if source.labels is not None:
        return _label_data(settings, source.labels, preparation)
    return _file_data(settings, source.domains(data.holdout), preparation)


def _sample_data(settings: UnpairedSettings, preparation: Preparation) -> UnpairedData:
    data, seed = settings.data, settings.train.seed
    side = preparation.load_size

    def scenes(first: int, count: int) -> list[Scene]:
        return [draw_scene(first + n, size=side, seed=seed) for n in range(count)]

    def truth(first: int) -> PairedTruth:
        drawn = [draw_scene(first + n, size=data.size, seed=seed) for n in range(data.test_scenes)]
        return PairedTruth([scene.summer for scene in drawn], [scene.winter for scene in drawn])

    gray_a, gray_b = data.channels
    if (gray_a, gray_b) != (3, 3):
        raise SettingsError("data.channels: the built-in sample has 3 channels in both domains.")
    # With align the scenes of both sides are the same ones, otherwise no scene is on both sides.
    other = 0 if data.align else data.scenes
    validation = truth(_VALIDATION_SCENES)
    return UnpairedData(
        names=SEASONS,
        about=f"built-in sample, {data.scenes} drawn scenes per season",
        train=(
            ArrayImages([scene.summer for scene in scenes(0, data.scenes)]),
            ArrayImages([scene.winter for scene in scenes(other, data.scenes)]),
        ),
        test=(ArrayImages(validation.a), ArrayImages(validation.b)),
        preparations=(preparation, preparation),
        validation=validation,
        truth=truth(_TEST_SCENES),
    )


def _label_data(settings: UnpairedSettings, found: LabelledSet, preparation: Preparation) -> UnpairedData:
    """Photos and label maps as two domains; which photo a label map belongs to counts only with align."""
    if settings.data.channels != (3, 3):
        raise SettingsError("data.channels: label maps and their photos have 3 channels.")
    pairs = label_pairs(found, settings, preparation)
    if not settings.data.align and not len(pairs.train[0]):
        raise DataError(f"{pairs.about}: has no training images.")
    return UnpairedData(
        names=pairs.names,
        about=f"{pairs.about}, {'aligned' if settings.data.align else 'used without pairs'}",
        train=pairs.train,
        test=pairs.validation,
        preparations=(replace(preparation, nearest=True), preparation),
        classes=pairs.classes,
        labelled=(pairs.validation, pairs.test),
        held_out=pairs.held_out,
        files=pairs.files,
    )


def _file_data(settings: UnpairedSettings, files: UnpairedFiles, preparation: Preparation) -> UnpairedData:
    data = settings.data
    train = [domain.train[: data.max_images] for domain in (files.a, files.b)]
    test = [domain.test for domain in (files.a, files.b)]
    if data.align and len(train[0]) != len(train[1]):
        raise DataError(
            f"data.align: needs as many images of {files.a.name} as of {files.b.name}, "
            f"got {len(train[0])} and {len(train[1])}."
        )
    # Those of prepared shards were looked at when they were written, and are checked as they are read.
    looked_at = () if files.shards is not None and files.shards.checked else (*train, *test)
    found = list(itertools.islice(itertools.chain.from_iterable(map(problems, looked_at)), 200))
    if found:
        listed = "\n  ".join(found[:20])
        more = f"\n  and {len(found) - 20} more" if len(found) > 20 else ""
        raise DataError(
            f"{counted(len(found), 'image')} cannot be used:\n  {listed}{more}\n", "Repair or remove them."
        )
    if data.align:
        _require_same_sizes(train)
    channels = data.channels
    return UnpairedData(
        names=(files.a.name, files.b.name),
        about=(
            f"{files.layout}: {len(train[0])} {files.a.name} and {len(train[1])} {files.b.name}, "
            f"{len(test[0])} and {len(test[1])} {'held out' if files.held_out else 'for testing'}"
        ),
        train=(FileImages(train[0], channels[0], files.a.half), FileImages(train[1], channels[1], files.b.half)),
        test=(FileImages(test[0], channels[0], files.a.half), FileImages(test[1], channels[1], files.b.half)),
        preparations=(preparation, preparation),
        held_out=tuple(dict.fromkeys((*files.a.test, *files.b.test))) if files.held_out else (),
        files=files.shards.files if files.shards is not None else (*train[0], *train[1], *test[0], *test[1]),
    )


def _require_same_sizes(train: Sequence[Sequence[Path]]) -> None:
    for a, b in zip(*train, strict=True):
        size_a, size_b = open_image(a).size, open_image(b).size
        if size_a != size_b:
            raise DataError(
                f"data.align: {a} has {size_a[0]}x{size_a[1]} pixels, its partner {b} has {size_b[0]}x{size_b[1]}."
            )


def towards(data: UnpairedData, target: str | None) -> UnpairedData:
    """The data with ``target`` as the second domain; None leaves it as it is.

    Raises:
        SettingsError: there is no such domain.
    """
    if target is None or target == data.names[1]:
        return data
    if target != data.names[0]:
        raise SettingsError(f'--to {target}: the data has no domain "{target}".', closest(target, data.names))
    return data.turned()


def training_set(settings: UnpairedSettings, data: UnpairedData, sides: str = "ab") -> UnpairedDataset:
    """The training pairs by ``(epoch, position)``, or the images of one side."""
    orders = orders_by_shards(data.train) if settings.data.by_shards else (shuffled, shuffled)
    return UnpairedDataset(
        *data.train,
        data.preparations,
        seed=settings.train.seed,
        align=settings.data.align,
        orders=orders,
        sides=sides,
    )


def preview_batch(settings: UnpairedSettings, data: UnpairedData) -> dict[str, Tensor]:
    """The first test images of both domains (training images where there are none), prepared without chance."""
    batch = {}
    for name, test, train, preparation in zip("ab", data.test, data.train, data.preparations, strict=True):
        images = test if len(test) else train
        count = min(settings.train.sample_images, len(images))
        views = [preparation.testing(images[n]) for n in range(count)]
        # Uncropped images can differ in size; a grid needs one size.
        views = [view for view in views if view.shape == views[0].shape]
        batch[name] = torch.stack([to_tensor(view) for view in views])
    rows = min(len(images) for images in batch.values())
    return {name: images[:rows] for name, images in batch.items()}
