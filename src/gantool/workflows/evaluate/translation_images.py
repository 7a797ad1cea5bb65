"""The images that translations are measured on: sources, real ones of the target, and truths where there are any."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from gantool.arrays import Pixels
from gantool.cards import Card
from gantool.data.augment import Preparation
from gantool.data.datasets import FileImages
from gantool.data.sources.find import find_source
from gantool.errors import DataError, UsageError
from gantool.methods.images import Side, TranslationImages, as_it_is, two_sides
from gantool.methods.pairs import build_paired_data, label_pairs
from gantool.methods.pix2pix.settings import Pix2PixSettings
from gantool.methods.registry import METHODS, PRESETS, load_settings, make_method, read_settings
from gantool.models.find import FoundModel
from gantool.settings import sources

__all__ = ["Side", "TranslationImages", "find_images_for"]

_PLACEHOLDERS = ({"A", "B"}, {"left", "right"})


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


def _own(model: FoundModel, split: str) -> TranslationImages:
    path = model.path.parent / "settings.yaml"
    if path.is_file():
        images = make_method(read_settings(path)).images(split)
    elif model.card.origin.data == "sample":
        settings = load_settings("cyclegan-sample", overrides={"data.size": model.card.size})
        images = make_method(settings).images(split)
        images = replace(images, about=f"built-in {images.about}")
    else:
        raise UsageError(f"{model.label}: does not know its data.", "Name images: --data DIR.")
    assert isinstance(images, TranslationImages)
    return images


def _given(data: str, card: Card, split: str) -> TranslationImages:
    """Images of a folder, unchanged."""
    source = find_source(data)
    root = source.place
    settings = sources.load_settings(Pix2PixSettings, "pix2pix", PRESETS, overrides={"data.path": root})
    plain = Preparation("none", 0, 0, flip=False, multiple_of=1)
    if source.labels is not None:
        return label_pairs(source.labels, settings, plain).images(split, root)
    halves = source.halves
    if halves is not None:
        paths = [pair.left for pair in halves.pairs if pair.split == split]
        if not paths:
            known = ", ".join(sorted({pair.split for pair in halves.pairs}))
            raise DataError(f"{root}: has no {split} split (it has {known}).", "Choose another with --split.")
        channels = [domain.channels for domain in card.domains]
        sides = (FileImages(paths, channels[0], 0), FileImages(paths, channels[1], 1))
        return two_sides(f"{root}, {split}", halves.names, sides, (as_it_is, as_it_is), paired=True)
    method = METHODS.get(card.task)
    in_shards = source.shards is not None and source.kind == "paired"
    if in_shards or (method is not None and method.paired and source.folders):
        return build_paired_data(settings).images(split, root)
    files = source.domains()
    if split == "val":
        raise UsageError("--split val: two domains without pairs have train and test only.")
    chosen = [domain.train if split == "train" else domain.test for domain in (files.a, files.b)]
    some = [FileImages(paths, domain.channels) for paths, domain in zip(chosen, card.domains, strict=True)]
    held = " (held out)" if files.held_out else ""
    about = f"{root}, {split}{held}"
    return two_sides(about, (files.a.name, files.b.name), some, (as_it_is, as_it_is), paired=False)


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
