"""What a folder was recognized as, before anything in it is judged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from PIL import Image

from gantool.data.images import find_images
from gantool.data.layouts import find_unpaired
from gantool.errors import DataError, UsageError
from gantool.workflows.label_sources import LabelledImage, LabelledSet, find_labelled

Kind = Literal["unpaired", "paired", "segmentation"]

__all__ = ["SPLITS", "Kind", "SourceImage", "SourceSet", "recognize"]

SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class SourceImage:
    """An image of the source; ``domain`` is empty where one image holds both halves of a pair."""

    path: Path
    split: str
    domain: str = ""


@dataclass(frozen=True)
class SourceSet:
    """What a source was recognized as."""

    kind: Kind
    about: str
    domains: tuple[str, ...]
    images: tuple[SourceImage, ...]
    labels: LabelledSet | None = None

    def label_of(self) -> dict[Path, LabelledImage]:
        """The labels of every image, by its path; empty for anything but segmentation."""
        return {one.image: one for one in self.labels.images} if self.labels is not None else {}


def recognize(
    source: str | Path | None,
    *,
    domains: Mapping[str, str] | None = None,
    names: tuple[str, str] | None = None,
    kind: Kind | None = None,
    classes: Sequence[str] | None = None,
    ignore: Sequence[int] = (),
) -> SourceSet:
    """Find out what a source is.

    Raises:
        DataError: it is nothing that is known, with what was expected.
        UsageError: two readings are possible.
    """
    if domains:
        return _as_unpaired(None, domains)
    if source is None:
        raise UsageError("No source named.", "Name a folder, or two: --domain summer=DIR1 --domain winter=DIR2.")
    root = Path(source)
    if not root.is_dir():
        what = "is a file, expected a folder" if root.is_file() else "there is no such folder"
        raise DataError(f"{source}: {what}.")
    labelled = find_labelled(root, classes=classes, ignore=ignore) if kind in (None, "segmentation") else None
    unused = "classes" if classes is not None else "ignore" if ignore else ""
    if unused and (labelled is None or not labelled.takes(unused)):
        raise UsageError(f"--{unused} says nothing about this source ({labelled.about if labelled else source}).")
    if labelled is not None and names is not None:
        raise UsageError("--domains names the halves of side-by-side pairs, which these are not.", "Use --as paired.")
    if labelled is not None:
        listed = tuple(SourceImage(one.image, one.split) for one in labelled.images)
        return SourceSet("segmentation", labelled.about, ("images",), listed, labelled)
    if kind == "segmentation":
        raise DataError(
            f"{source}: no labels found.",
            "Expected COCO or labelme files, images/ with masks/, or train/ with trainannot/.",
        )
    halves = _side_by_side(root, force=kind == "paired")
    if kind == "paired" or (halves is not None and kind is None):
        if halves is None:
            raise DataError(f"{source}: expected images of two halves, in the folder or in train, val and test.")
        left, right = names or ("left", "right")
        counts = ", ".join(f"{n} {split}" for split, n in Counter(image.split for image in halves).items())
        return SourceSet(
            "paired", f"{source}: pairs side by side in one image ({counts})", (left, right), tuple(halves)
        )
    if names is not None:
        raise UsageError("--domains names the halves of side-by-side pairs, which these are not.", "Use --as paired.")
    return _as_unpaired(root, None)


def _as_unpaired(root: Path | None, domains: Mapping[str, str] | None) -> SourceSet:
    files = find_unpaired(root, domains=domains, holdout=0)
    images = [
        SourceImage(path, split, domain.name)
        for domain in (files.a, files.b)
        for split, paths in (("train", domain.train), ("test", domain.test))
        for path in paths
    ]
    return SourceSet(
        "unpaired", f"{files.layout}: two domains without pairs", (files.a.name, files.b.name), tuple(images)
    )


def _side_by_side(root: Path, *, force: bool) -> list[SourceImage] | None:
    """Images of two halves in ``root`` or in its train, val and test folders; None if they do not look like that.

    They do if every one of the first images is exactly twice as wide as high.
    """
    folders = {split: root / split for split in SPLITS if (root / split).is_dir() and find_images(root / split)}
    if not folders and find_images(root):
        folders = {"train": root}
    images = [SourceImage(path, split) for split, folder in folders.items() for path in find_images(folder)]
    if not images:
        return None
    if force:
        return images
    for image in images[:12]:
        try:
            with Image.open(image.path) as opened:
                width, height = opened.size
        except OSError:
            continue
        if width != 2 * height:
            return None
    return images
