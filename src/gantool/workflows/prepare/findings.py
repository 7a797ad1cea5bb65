"""What the owner of a data set should know about it, and which of its images are one image too many."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gantool.arrays import IGNORE
from gantool.data.inspect import ImageFacts, exact_duplicates, near_duplicates
from gantool.data.parallel.helpers import in_order_by_helpers
from gantool.data.parallel.threads import in_order
from gantool.data.sources.contents import Contents, SourceImage
from gantool.data.sources.labels import LabelledImage, LabelledSet
from gantool.errors import DataError

__all__ = ["Finding", "findings_of", "read_labels", "without_duplicates"]

_Map = tuple[LabelledImage, tuple[int, int]]  # with the height and width of its image
_Counts = NDArray[np.int64]


@dataclass(frozen=True)
class Finding:
    """Something about the data that its owner should know; ``serious`` ones make a check fail."""

    kind: str
    text: str
    serious: bool = True


def findings_of(
    found: Contents, facts: Mapping[Path, ImageFacts], fractions: Mapping[str, float]
) -> Iterator[Finding]:
    """Everything that was noticed; ``fractions`` are those of the classes."""
    place = {path: image for image in found.images for path in (image.path, image.partner) if path is not None}
    halves = {image.path for image in found.images if image.partner is None}
    yield from (Finding("unpaired", sentence) for sentence in found.unpaired)
    for path in found.labels.unannotated if found.labels is not None else ():
        yield Finding("without annotations", f"{path}: is in no annotation file.", serious=False)
    for one in facts.values():
        if one.problem:
            yield Finding("unusable", one.problem)
        elif found.kind == "paired" and one.width % 2 and one.path in halves:
            yield Finding("odd width", f"{one.path}: is {one.width} pixels wide, its halves differ.")
    for group in exact_duplicates(facts.values()):
        # A pair may show the same on both sides; what matters is whether two pairs do.
        if len({place[one.path].path for one in group}) == 1:
            continue
        where = {(place[one.path].split, place[one.path].domain) for one in group}
        paths = " = ".join(str(one.path) for one in group)
        yield Finding(_kind_of_duplicate(where), paths)
    for first, second, distance in near_duplicates(list(facts.values())):
        if place[first.path] is place[second.path]:
            continue  # both sides of a pair
        text = f"{first.path} ~ {second.path} ({distance} of 64 fingerprint bits differ)"
        yield Finding("near duplicates", text, serious=False)
    yield from _rare_classes(fractions)


def _rare_classes(fractions: Mapping[str, float]) -> Iterator[Finding]:
    for name, fraction in fractions.items():
        if fraction == 0:
            yield Finding("a class without pixels", name, serious=False)
        elif fraction < 0.0005:
            yield Finding("an almost empty class", f"{name} ({fraction:.4%} of the pixels)", serious=False)


@dataclass(frozen=True)
class LabelFacts:
    """What the label maps say.

    Attributes:
        classes: names by index.
        counts: labelled pixels of every class.
        unusable: new facts of images whose labels cannot be used.
        seen: indices of the classes in every image.
    """

    classes: tuple[str, ...] = ()
    counts: tuple[int, ...] = ()
    unusable: dict[Path, ImageFacts] = field(default_factory=dict)
    seen: dict[Path, frozenset[int]] = field(default_factory=dict)

    @property
    def fractions(self) -> dict[str, float]:
        """Of the labelled pixels, by class."""
        total = max(sum(self.counts), 1)
        return {name: count / total for name, count in zip(self.classes, self.counts, strict=True)}


def check_pairs(found: Contents, facts: Mapping[Path, ImageFacts]) -> dict[Path, ImageFacts]:
    """New facts of images whose partner cannot be used or has another size."""
    bad: dict[Path, ImageFacts] = {}
    for image in found.images:
        if image.partner is None or facts[image.path].problem:
            continue
        left, right = facts[image.path], facts[image.partner]
        if right.problem:
            bad[image.path] = replace(left, problem=f"{image.path}: its partner cannot be used ({right.problem})")
        elif (left.width, left.height) != (right.width, right.height):
            bad[image.path] = replace(
                left,
                problem=f"{image.path}: has {left.width}x{left.height} pixels, its partner {image.partner} "
                f"{right.width}x{right.height}.",
            )
    return bad


def read_labels(
    found: Contents, facts: Mapping[Path, ImageFacts], on_progress: Callable[[str, int, int], None]
) -> LabelFacts:
    """Make every label map of the images with facts once."""
    if found.labels is None:
        return LabelFacts()
    counts = np.zeros(256, dtype=np.int64)
    bad: dict[Path, ImageFacts] = {}
    seen: dict[Path, frozenset[int]] = {}
    maps = [
        (one, (known.height, known.width))
        for one in found.labels.images
        if (known := facts.get(one.image)) is not None and not known.problem
    ]
    with closing(_looking(found.labels, maps)) as looking:
        for done, ((labelled, _), what) in enumerate(zip(maps, looking, strict=True), 1):
            on_progress("reading labels", done, len(maps))
            if isinstance(what, str):
                bad[labelled.image] = replace(facts[labelled.image], problem=what)
                continue
            counts += what
            seen[labelled.image] = frozenset(int(index) for index in np.flatnonzero(what[:IGNORE]))
    classes = found.labels.classes
    return LabelFacts(classes, tuple(counts[: len(classes)].tolist()), bad, seen)


def _looking(labels: LabelledSet, maps: Sequence[_Map]) -> Generator[_Counts | str, None, None]:
    if labels.tally is not None:  # which counts in this process
        return in_order(_look_at, maps)
    return in_order_by_helpers(_look_at, maps, (file for one, _ in maps for file in one.label_files))


def _look_at(one: _Map) -> _Counts | str:
    """Pixels by class index of a label map, or what is wrong with it."""
    labelled, (height, width) = one
    try:
        mask = labelled.mask()
    except DataError as error:
        return error.message
    if mask.shape != (height, width):
        return f"{labelled.image}: has {width}x{height} pixels, its mask {mask.shape[1]}x{mask.shape[0]}."
    if (mask == IGNORE).all():
        return f"{labelled.image}: every pixel of its mask is to be ignored."
    return np.bincount(mask.ravel(), minlength=256)


def _kind_of_duplicate(where: set[tuple[str, str]]) -> str:
    if len({domain for _, domain in where}) > 1:
        return "the same image in both domains"
    if len({split for split, _ in where}) > 1:
        return "the same image in training and test"
    return "the same image twice"


def without_duplicates(
    images: Sequence[SourceImage], facts: Mapping[Path, ImageFacts]
) -> tuple[list[SourceImage], tuple[Path, ...]]:
    """Leave out images with the same pixels as another.

    An image in both domains belongs to neither and leaves the training; of one in training and test the copy in
    training goes; of several in one place the first stays. Test images of one domain that are training images of
    the other stay in the test.
    """
    groups: dict[str, list[SourceImage]] = defaultdict(list)
    for image in images:
        groups[facts[image.path].content].append(image)
    dropped: list[Path] = []
    for group in groups.values():
        tested = {image.domain for image in group if image.split != "train"}
        ambiguous = len({image.domain for image in group}) > 1
        seen: set[tuple[bool, str]] = set()
        for image in group:
            training = image.split == "train"
            again = (training, image.domain) in seen
            if again or (training and (ambiguous or image.domain in tested)):
                dropped.append(image.path)
            seen.add((training, image.domain))
    gone = set(dropped)
    return [image for image in images if image.path not in gone], tuple(dropped)
