"""The images that translations are measured on: sources, real ones of the target, and truths where there are any."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from gantool.arrays import Pixels
from gantool.cards import Card, LabelClass
from gantool.data.augment import Preparation
from gantool.data.datasets import ArrayImages, FileImages, Images
from gantool.data.labels import find_labelled
from gantool.data.layouts import find_unpaired, resolve_data_path
from gantool.data.pairs import find_halves, two_folders
from gantool.errors import DataError, UsageError
from gantool.models.find import FoundModel
from gantool.settings import CycleGanSettings, Pix2PixSettings, load_settings, read_settings
from gantool.workflows.paired_data import PairedData, build_paired_data, label_pairs
from gantool.workflows.unpaired_data import UnpairedData, build_data

__all__ = ["TranslationImages", "find_images_for"]


_PLACEHOLDERS = ({"A", "B"}, {"left", "right"})


@dataclass(frozen=True)
class Side:
    """One domain's images with their names, and how they are shown to a model."""

    images: Images
    view: Callable[[Pixels], Pixels]

    def __len__(self) -> int:
        return len(self.images)

    def name(self, index: int) -> str:
        return self.images.name(index)

    def __getitem__(self, index: int) -> Pixels:
        return self.view(self.images[index])


@dataclass(frozen=True)
class TranslationImages:
    """Two domains of test images.

    Attributes:
        sides: by the domain names of the models.
        paired: whether image n of one belongs to image n of the other.
        classes: of a domain of label maps.
    """

    about: str
    sides: Mapping[str, Side]
    paired: bool
    classes: Mapping[str, tuple[LabelClass, ...]]


def find_images_for(model: FoundModel, data: str | None, split: str, size: int | None) -> TranslationImages:
    """Find the images for a model: its run's own, prepared as in training, or those of ``data`` at their own size.

    Args:
        size: scale to squares of this side instead.

    Raises:
        DataError, UsageError: with the remedy.
    """
    found = _own(model, split) if data is None else _given(data, model.card, split)
    found = replace(found, sides=_by_domain(found, model.card))
    if size is None:
        return found
    scaled = {
        name: replace(side, view=_Scaled(side.view, size, nearest=bool(found.classes.get(name))))
        for name, side in found.sides.items()
    }
    return replace(found, sides=scaled)


@dataclass(frozen=True)
class _Scaled:
    view: Callable[[Pixels], Pixels]
    size: int
    nearest: bool

    def __call__(self, pixels: Pixels) -> Pixels:
        pixels = self.view(pixels)
        gray = pixels.shape[2] == 1
        way = Image.Resampling.NEAREST if self.nearest else Image.Resampling.BICUBIC
        made = np.asarray(Image.fromarray(pixels[:, :, 0] if gray else pixels).resize((self.size, self.size), way))
        return made[:, :, None] if gray else made


def _as_it_is(pixels: Pixels) -> Pixels:
    return pixels


def _own(model: FoundModel, split: str) -> TranslationImages:
    path = model.path.parent / "settings.yaml"
    if not path.is_file():
        if model.card.origin.data == "sample":
            settings = load_settings("cyclegan-sample", overrides={"data.size": model.card.size})
            assert isinstance(settings, CycleGanSettings)
            return _of_unpaired(build_data(settings), split, "built-in sample")
        raise UsageError(f"{model.label}: does not know its data.", "Name images: --data DIR.")
    settings = read_settings(path)
    if isinstance(settings, CycleGanSettings):
        data = build_data(settings)
        return _of_unpaired(data, split, settings.data.path if settings.data.domains is None else "two folders")
    assert isinstance(settings, Pix2PixSettings)
    return _of_pairs(build_paired_data(settings), split, settings.data.path)


def _of_unpaired(data: UnpairedData, split: str, where: str) -> TranslationImages:
    if data.labelled is not None:
        chosen = {"train": data.train, "val": data.labelled[0], "test": data.labelled[1]}[split]
        paired = split != "train"
    elif data.truth is not None and data.validation is not None and split != "train":
        truth = data.truth if split == "test" else data.validation
        return _assembled(
            f"{where}, {split}",
            data.names,
            (ArrayImages(truth.a), ArrayImages(truth.b)),
            (_as_it_is, _as_it_is),
            True,
            data.classes,
        )
    elif split == "val":
        raise UsageError("--split val: the run has no validation images.", "Use --split test or --split train.")
    else:
        chosen, paired = (data.train, False) if split == "train" else (data.test, False)
    views = [preparation.testing for preparation in data.preparations]
    return _assembled(f"{where}, {split}", data.names, chosen, views, paired, data.classes)


def _of_pairs(data: PairedData, split: str, where: str) -> TranslationImages:
    chosen = {"train": data.train, "val": data.validation, "test": data.test}[split]
    views = [preparation.testing for preparation in data.preparations]
    return _assembled(f"{where}, {split}", data.names, chosen, views, True, data.classes)


def _given(data: str, card: Card, split: str) -> TranslationImages:
    """Images of a folder, unchanged."""
    root = resolve_data_path(data)
    preset = "pix2pix" if card.task == "pix2pix" else "cyclegan"
    settings = load_settings(preset, overrides={"data.path": str(root)})
    assert isinstance(settings, CycleGanSettings | Pix2PixSettings)
    plain = Preparation("none", 0, 0, flip=False, multiple_of=1)
    labelled = find_labelled(root)
    if labelled is not None:
        return replace(_of_pairs(label_pairs(labelled, settings, plain), split, str(root)))
    folders = two_folders(root)
    halves = find_halves(root, None)
    if halves is not None:
        names = halves.names or ("left", "right")
        paths = [pair.left for pair in halves.pairs if pair.split == split]
        if not paths:
            known = ", ".join(sorted({pair.split for pair in halves.pairs}))
            raise DataError(f"{root}: has no {split} split (it has {known}).", "Choose another with --split.")
        channels = [domain.channels for domain in card.domains]
        sides = (FileImages(paths, channels[0], 0), FileImages(paths, channels[1], 1))
        return _assembled(f"{root}, {split}", names, sides, (_as_it_is, _as_it_is), True, ((), ()))
    if card.task == "pix2pix" and folders is not None:
        return _of_pairs(build_paired_data(settings), split, str(root))  # type: ignore[arg-type]
    files = find_unpaired(root)
    if split == "val":
        raise UsageError("--split val: two domains without pairs have train and test only.")
    chosen = [domain.train if split == "train" else domain.test for domain in (files.a, files.b)]
    some = [FileImages(paths, domain.channels) for paths, domain in zip(chosen, card.domains, strict=True)]
    held = " (held out)" if files.held_out else ""
    about = f"{root}, {split}{held}"
    return _assembled(about, (files.a.name, files.b.name), some, (_as_it_is, _as_it_is), False, ((), ()))


def _assembled(
    about: str,
    names: tuple[str, str],
    images: Sequence[Images],
    views: Sequence[Callable[[Pixels], Pixels]],
    paired: bool,
    classes: tuple[tuple[LabelClass, ...], tuple[LabelClass, ...]],
) -> TranslationImages:
    sides = {name: Side(some, view) for name, some, view in zip(names, images, views, strict=True)}
    empty = next((name for name, side in sides.items() if not len(side)), None)
    if empty is not None:
        raise DataError(f"{about}: there are no images of {empty}.", "Choose another with --split.")
    counts = " and ".join(f"{len(side)} {name}" for name, side in sides.items())
    kinds = {name: own for name, own in zip(names, classes, strict=True) if own}
    return TranslationImages(f"{about}: {counts}{', paired' if paired else ''}", sides, paired, kinds)


def _by_domain(found: TranslationImages, card: Card) -> dict[str, Side]:
    """The sides under the model's own names; A and B or left and right are taken in order."""
    wanted = [domain.name for domain in card.domains]
    have = list(found.sides)
    if set(wanted) == set(have):
        return {name: found.sides[name] for name in wanted}
    if set(have) in _PLACEHOLDERS or set(wanted) in _PLACEHOLDERS:
        return dict(zip(wanted, found.sides.values(), strict=True))
    raise DataError(
        f"{found.about}: the data has {' and '.join(have)}, the model {' and '.join(wanted)}.",
        "Name the folders as the model's domains, or prepare them: gantool prepare --domain NAME=DIR ...",
    )
