"""The pairs of a pix2pix training: found, checked, opened, and turned into the wanted direction."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from gantool.cards import LabelClass
from gantool.data.augment import Preparation, to_tensor
from gantool.data.datasets import (
    ArrayImages,
    FileImages,
    Images,
    LabelPictures,
    UnpairedDataset,
    orders_by_shards,
    shuffled,
)
from gantool.data.inspect import problems
from gantool.data.sample import CLASS_COLORS, CLASSES, draw_scene
from gantool.data.sources.find import find_source
from gantool.data.sources.labels import LabelledImage, LabelledSet
from gantool.data.sources.pairs import PairedFiles, PairFile
from gantool.data.sources.sharded import both_paths, of_split
from gantool.data.splits import draw_splits
from gantool.errors import DataError, SettingsError, closest, counted
from gantool.methods.gan.settings import GanSettings, PairedSettings
from gantool.methods.images import TranslationImages, two_sides
from gantool.methods.labels import check_labels
from gantool.nets.registry import GENERATORS
from gantool.shards.members import read_bytes, readable

__all__ = [
    "LABELS",
    "PHOTO",
    "PairedData",
    "Sides",
    "build_paired_data",
    "label_pairs",
    "paired_set",
    "preview_pairs",
]

_VALIDATION_SCENES, _TEST_SCENES = 1_000_000, 2_000_000
LABELS, PHOTO = "labels", "photo"

Sides = tuple[Images, Images]
T = TypeVar("T")


@dataclass(frozen=True)
class PairedData:
    """The pairs of a run, source first.

    Attributes:
        classes: of each side; empty for pictures that are no label maps.
        validation: decides which epoch is best.
        test: for the final numbers; the validation pairs where there are no others.
        turned_around: whether source and target are exchanged against how the pairs were found.
        files: that images and labels are read from.
    """

    names: tuple[str, str]
    classes: tuple[tuple[LabelClass, ...], tuple[LabelClass, ...]]
    about: str
    train: Sides
    validation: Sides
    test: Sides
    preparations: tuple[Preparation, Preparation]
    held_out: tuple[str, ...] = ()
    turned_around: bool = False
    files: tuple[Path, ...] = ()

    def images(self, split: str, where: str) -> TranslationImages:
        """The images of a split, prepared without chance.

        Args:
            where: what to call the data.

        Raises:
            DataError: there are none.
        """
        chosen = {"train": self.train, "val": self.validation, "test": self.test}[split]
        views = [preparation.testing for preparation in self.preparations]
        return two_sides(f"{where}, {split}", self.names, chosen, views, paired=True, classes=self.classes)

    def turned(self) -> PairedData:
        """The same pairs with target and source exchanged."""
        return replace(
            self,
            names=self.names[::-1], classes=self.classes[::-1], train=self.train[::-1],
            validation=self.validation[::-1], test=self.test[::-1], preparations=self.preparations[::-1],
            turned_around=True,
        )  # fmt: skip


def build_paired_data(settings: PairedSettings) -> PairedData:
    """Find, check and open the pairs.

    Raises:
        DataError: names the folder or every file that cannot be used.
        SettingsError: the domain to translate to does not exist.
    """
    data, augment = settings.data, settings.augment
    load_size = data.load_size or (
        round(data.size * 286 / 256) if "resize" in augment.preprocess or "scale" in augment.preprocess else data.size
    )
    multiple = GENERATORS[settings.model.generator].multiple_of
    preparation = Preparation(augment.preprocess, load_size, data.size, augment.flip, multiple)
    found = (
        _sample(settings, preparation)
        if data.path == "sample" and not data.domains
        else _files(settings, preparation)
    )
    if data.to is None or data.to == found.names[1]:
        return found
    if data.to != found.names[0]:
        raise SettingsError(f'--to {data.to}: the pairs have no domain "{data.to}".', closest(data.to, found.names))
    return found.turned()


def _sample(settings: PairedSettings, preparation: Preparation) -> PairedData:
    """Label maps of drawn scenes, and the scenes in summer."""
    data, seed = settings.data, settings.train.seed
    table = np.array(CLASS_COLORS, dtype=np.uint8)

    def pairs(first: int, count: int, side: int) -> Sides:
        drawn = [draw_scene(first + n, size=side, seed=seed) for n in range(count)]
        return ArrayImages([table[one.mask] for one in drawn]), ArrayImages([one.summer for one in drawn])

    classes = tuple(LabelClass(name=name, color=color) for name, color in zip(CLASSES, CLASS_COLORS, strict=True))
    return PairedData(
        (LABELS, "summer"),
        (classes, ()),
        f"built-in sample, {data.scenes} drawn scenes with their label maps",
        pairs(0, data.scenes, preparation.load_size),
        pairs(_VALIDATION_SCENES, data.test_scenes, data.size),
        pairs(_TEST_SCENES, data.test_scenes, data.size),
        (replace(preparation, nearest=True), preparation),
    )


def _files(settings: PairedSettings, preparation: Preparation) -> PairedData:
    source = find_source(settings.data.domains or settings.data.path, names=settings.data.names)
    if source.labels is not None:
        return label_pairs(source.labels, settings, preparation)
    return _pictures(source.pairs(), settings, preparation)


def _pictures(found: PairedFiles, settings: PairedSettings, preparation: Preparation) -> PairedData:
    if found.unpaired:
        raise _unusable([*found.unpaired])
    trusted = found.shards is not None and found.shards.checked
    bad = [] if trusted else list(itertools.islice(_problems(found.pairs), 200))
    if bad:
        raise _unusable(bad)
    channels = settings.data.channels
    both = (preparation, preparation)
    if found.shards is not None and len(found.shards.group("test")):

        def views(wanted: str, most: int | None = None) -> Sides:
            left, right = (paths[:most] for paths in both_paths(of_split(found.pairs, wanted)))
            return FileImages(left, channels[0]), FileImages(right, channels[1])

        return _assembled(found.names, ((), ()), found.about, views, both, settings, (), found.shards.files)
    splits, held_out = _splits([pair.split for pair in found.pairs], [str(p.left) for p in found.pairs], settings)
    files = [
        path for pair in _used(found.pairs, splits, settings) for path in (pair.left, pair.right) if path is not None
    ]

    def sides(wanted: str, most: int | None = None) -> Sides:
        chosen = [pair for pair, split in zip(found.pairs, splits, strict=True) if split == wanted][:most]
        if chosen and chosen[0].right is None:
            paths = [pair.left for pair in chosen]
            return FileImages(paths, channels[0], 0), FileImages(paths, channels[1], 1)
        rights = [pair.right for pair in chosen if pair.right is not None]
        return FileImages([pair.left for pair in chosen], channels[0]), FileImages(rights, channels[1])

    files = [*found.shards.files] if found.shards is not None else files
    return _assembled(found.names, ((), ()), found.about, sides, both, settings, held_out, files)


def _problems(pairs: Sequence[PairFile]) -> list[str]:
    files = [path for pair in pairs for path in (pair.left, pair.right) if path is not None]
    found = list(problems(files))
    if found:
        return found
    for pair in pairs:
        with Image.open(readable(pair.left)) as image:
            size = image.size
        if pair.right is None:
            if size[0] % 2:
                found.append(f"{pair.left}: is {size[0]} pixels wide, its halves differ.")
            continue
        with Image.open(readable(pair.right)) as image:
            other = image.size
        if size != other:
            found.append(
                f"{pair.left}: has {size[0]}x{size[1]} pixels, its partner {pair.right} {other[0]}x{other[1]}."
            )
    return found


def label_pairs(found: LabelledSet, settings: GanSettings, preparation: Preparation) -> PairedData:
    """Label maps, in the colors of their classes, and the images that they belong to.

    Raises:
        DataError: names every file that cannot be used.
    """
    classes = _checked_classes(found)
    colors = [entry.color for entry in classes]
    splits, held_out = _splits(
        [one.split for one in found.images], [str(one.image) for one in found.images], settings
    )

    def sides(wanted: str, most: int | None = None) -> Sides:
        chosen: list[LabelledImage] = [
            one for one, split in zip(found.images, splits, strict=True) if split == wanted
        ][:most]
        return LabelPictures([one.mask for one in chosen], colors), FileImages([one.image for one in chosen])

    files = [path for one in _used(found.images, splits, settings) for path in (one.image, *one.label_files)]
    files = [*found.shards.files] if found.shards is not None else files
    about = f"{found.about}: label maps and photos"
    both = (replace(preparation, nearest=True), preparation)
    return _assembled((LABELS, PHOTO), (classes, ()), about, sides, both, settings, held_out, files)


def _used(found: Sequence[T], splits: Sequence[str], settings: GanSettings) -> list[T]:
    """Without the training pairs beyond ``data.max_images``."""
    train = [place for place, split in enumerate(splits) if split == "train"]
    most = settings.data.max_images
    beyond = set(train[most:]) if most is not None else set()
    return [one for place, one in enumerate(found) if place not in beyond]


def _checked_classes(found: LabelledSet) -> tuple[LabelClass, ...]:
    """The classes and their colors, once every image and every mask has been opened.

    Raises:
        DataError: names the images that cannot be used.
    """
    if found.unpaired:
        raise _unusable([*found.unpaired])
    check_labels(found.images, len(found.classes))
    return tuple(LabelClass(name=name, color=color) for name, color in zip(found.classes, found.palette, strict=True))


def _assembled(
    names: tuple[str, str],
    classes: tuple[tuple[LabelClass, ...], tuple[LabelClass, ...]],
    about: str,
    sides: Callable[..., Sides],
    preparations: tuple[Preparation, Preparation],
    settings: GanSettings,
    held_out: Sequence[str],
    files: Sequence[Path],
) -> PairedData:
    train = sides("train", settings.data.max_images)
    if not len(train[0]):
        raise DataError(f"{about}: has no training pairs.")
    validation = sides("val")
    test = sides("test")
    validation = validation if len(validation[0]) else test if len(test[0]) else train
    test = test if len(test[0]) else validation
    counts = f"{counted(len(train[0]), 'pair')}, {len(validation[0])} for validation, {len(test[0])} for testing"
    return PairedData(
        names, classes, f"{about}: {counts}{' (held out)' if held_out else ''}", train, validation, test,
        preparations, tuple(held_out), files=tuple(files),
    )  # fmt: skip


def _splits(splits: Sequence[str], names: Sequence[str], settings: GanSettings) -> tuple[list[str], list[str]]:
    """Hold training pairs out by content for the test where there is no such split: validation chooses the epoch."""
    share = settings.data.holdout
    if "test" in splits or share == 0:
        return list(splits), []
    places = [place for place, split in enumerate(splits) if split == "train"]
    contents = [hashlib.sha256(read_bytes(Path(names[place]))).hexdigest() for place in places]
    drawn = dict(zip(places, draw_splits(contents, (1 - share, 0, share), 0), strict=True))
    held_out = [names[place] for place, split in drawn.items() if split == "test"]
    return [drawn.get(place, split) for place, split in enumerate(splits)], held_out


def _unusable(bad: Sequence[str]) -> DataError:
    listed = "\n  ".join(bad[:20])
    more = f"\n  and {len(bad) - 20} more" if len(bad) > 20 else ""
    return DataError(f"{counted(len(bad), 'pair')} cannot be used:\n  {listed}{more}\n", "Repair or remove them.")


def paired_set(settings: PairedSettings, data: PairedData) -> UnpairedDataset:
    """The training pairs by ``(epoch, position)``, both halves cropped and flipped alike."""
    orders = orders_by_shards(data.train) if settings.data.by_shards else (shuffled, shuffled)
    return UnpairedDataset(*data.train, data.preparations, seed=settings.train.seed, align=True, orders=orders)


def preview_pairs(settings: PairedSettings, data: PairedData) -> dict[str, Tensor]:
    """The first validation pairs, prepared without chance."""
    count = min(settings.train.sample_images, len(data.validation[0]))
    batch = {}
    for name, images, preparation in zip("ab", data.validation, data.preparations, strict=True):
        views = [preparation.testing(images[n]) for n in range(count)]
        batch[name] = torch.stack([to_tensor(view) for view in views if view.shape == views[0].shape])
    rows = min(len(images) for images in batch.values())
    return {name: images[:rows] for name, images in batch.items()}
