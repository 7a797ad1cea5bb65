"""The images that models are measured on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from gantool.arrays import Pixels
from gantool.cards import LabelClass
from gantool.data.datasets import Images
from gantool.data.labelled import LabelledImages
from gantool.errors import DataError

__all__ = ["LabelledSplit", "Side", "TranslationImages", "as_it_is", "two_sides"]


@dataclass(frozen=True)
class LabelledSplit:
    """Images with label maps, whose values are indices of ``classes``."""

    about: str
    images: LabelledImages
    classes: tuple[str, ...]


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
    """Two domains of images.

    Attributes:
        sides: by the domain names of the models.
        paired: whether image n of one belongs to image n of the other.
        classes: of a domain of label maps.
    """

    about: str
    sides: Mapping[str, Side]
    paired: bool
    classes: Mapping[str, tuple[LabelClass, ...]]


def as_it_is(pixels: Pixels) -> Pixels:
    """The view of an image that needs none."""
    return pixels


def two_sides(
    about: str,
    names: tuple[str, str],
    images: Sequence[Images],
    views: Sequence[Callable[[Pixels], Pixels]],
    *,
    paired: bool,
    classes: tuple[tuple[LabelClass, ...], tuple[LabelClass, ...]] = ((), ()),
) -> TranslationImages:
    """Put two domains together and count their images.

    Raises:
        DataError: a domain has none.
    """
    sides = {name: Side(some, view) for name, some, view in zip(names, images, views, strict=True)}
    empty = next((name for name, side in sides.items() if not len(side)), None)
    if empty is not None:
        raise DataError(f"{about}: there are no images of {empty}.", "Choose another with --split.")
    counts = " and ".join(f"{len(side)} {name}" for name, side in sides.items())
    kinds = {name: own for name, own in zip(names, classes, strict=True) if own}
    return TranslationImages(f"{about}: {counts}{', paired' if paired else ''}", sides, paired, kinds)
