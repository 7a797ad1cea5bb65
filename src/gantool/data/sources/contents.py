"""What is in a source, image by image."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gantool.data.images import find_images
from gantool.data.sources.labels import LabelledImage, LabelledSet
from gantool.data.sources.names import Kind
from gantool.data.sources.pairs import PairedFiles
from gantool.data.sources.unpaired import UnpairedFiles
from gantool.data.splits import SPLIT_WORDS
from gantool.errors import DataError

__all__ = [
    "Contents",
    "SourceImage",
    "contents_of_domains",
    "contents_of_images",
    "contents_of_labels",
    "contents_of_pairs",
]


@dataclass(frozen=True, slots=True)
class SourceImage:
    """An image of the source.

    Attributes:
        domain: empty where it is one of a pair, holds both halves of one, or has labels.
        partner: the other image of a pair in two folders.
    """

    path: Path
    split: str
    domain: str = ""
    partner: Path | None = None


@dataclass(frozen=True)
class Contents:
    """All images of a source, before anything in it is judged.

    Attributes:
        kind: ``images`` is for checking only: nothing can be trained on images of one kind.
        about: what the source was recognized as, in words.
        unpaired: a sentence for every file that lacks its partner or its labels.
    """

    kind: Kind | Literal["images"]
    about: str
    domains: tuple[str, ...]
    images: tuple[SourceImage, ...]
    labels: LabelledSet | None = None
    unpaired: tuple[str, ...] = ()

    def label_of(self) -> dict[Path, LabelledImage]:
        """The labels of every image, by its path; empty for anything but segmentation."""
        return {one.image: one for one in self.labels.images} if self.labels is not None else {}

    def files(self) -> Iterator[Path]:
        """Every image file, partners included."""
        for image in self.images:
            yield image.path
            if image.partner is not None:
                yield image.partner


def contents_of_labels(found: LabelledSet) -> Contents:
    """Images with labels.

    Raises:
        DataError: an image has labels twice.
    """
    images = tuple(SourceImage(one.image, one.split) for one in found.images)
    seen: set[Path] = set()
    for image in images:
        if image.path in seen:
            raise DataError(f"{image.path}: has labels twice ({found.about}).", "Keep one of them.")
        seen.add(image.path)
    return Contents("segmentation", found.about, ("images",), images, found, found.unpaired)


def contents_of_pairs(found: PairedFiles) -> Contents:
    """Pairs, one entry each."""
    images = tuple(SourceImage(pair.left, pair.split, partner=pair.right) for pair in found.pairs)
    return Contents("paired", found.about, found.names, images, unpaired=found.unpaired)


def contents_of_domains(found: UnpairedFiles) -> Contents:
    """The images of two domains."""
    images = [
        SourceImage(path, split, domain.name)
        for domain in (found.a, found.b)
        for split, paths in (("train", domain.train), ("test", domain.test))
        for path in paths
    ]
    about = f"{found.layout}: two domains without pairs"
    return Contents("unpaired", about, (found.a.name, found.b.name), tuple(images))


def contents_of_images(root: Path, by_split: Mapping[str, Iterable[Path]] | None = None) -> Contents:
    """All images in a folder and in those within it, whose names may be those of splits.

    Args:
        by_split: the images where they are in shards.
    """
    images = []
    if by_split is not None:
        images = [SourceImage(path, split, "images") for split, paths in by_split.items() for path in paths]
    for path in find_images(root, recursive=True) if by_split is None else ():
        first = path.relative_to(root).parts[0]
        images.append(SourceImage(path, SPLIT_WORDS.get(first.lower(), "train"), "images"))
    about = f"{root}: images of one kind, neither labels nor pairs nor two domains, so there is nothing to train on"
    return Contents("images", about, ("images",), tuple(images))
