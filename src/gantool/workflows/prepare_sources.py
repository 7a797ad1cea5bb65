"""What a folder was recognized as, before anything in it is judged."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from gantool.data.labels import LabelledImage, LabelledSet, LabelOptions, find_labelled
from gantool.data.layouts import find_unpaired
from gantool.data.pairs import PairedFiles, find_side_by_side, pair_folders, same_names, two_folders
from gantool.data.splits import SPLITS
from gantool.errors import DataError, UsageError

Kind = Literal["unpaired", "paired", "segmentation"]

__all__ = ["SPLITS", "Kind", "SourceImage", "SourceSet", "recognize"]

_ANNOTATIONS = frozenset({".json", ".xml"})


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
class SourceSet:
    """What a source was recognized as.

    Attributes:
        unpaired: a sentence for every file that lacks its partner or its labels.
    """

    kind: Kind
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


def recognize(
    source: str | Path | None,
    *,
    domains: Mapping[str, str] | None = None,
    names: tuple[str, str] | None = None,
    default_names: tuple[str, str] | None = None,
    kind: Kind | None = None,
    labels: LabelOptions | None = None,
) -> SourceSet:
    """Find out what a source is.

    Args:
        default_names: of the two sides, where neither ``names`` nor the source says.

    Raises:
        DataError: it is nothing that is known, with what was expected.
        UsageError: two readings are possible.
    """
    labels = labels or LabelOptions()
    if domains:
        return _refuse_label_options(_two_domains(domains, kind), labels)
    if source is None:
        raise UsageError("No source named.", "Name a folder, or two: --domain summer=DIR1 --domain winter=DIR2.")
    root, only = Path(source), None
    if root.is_file() and root.suffix.lower() in _ANNOTATIONS:
        root, only = root.parent, root
    if not root.is_dir():
        what = "is a file, expected a folder or an archive" if root.is_file() else "there is no such folder"
        raise DataError(f"{source}: {what}.")
    try:
        next(root.iterdir(), None)
    except OSError as error:
        raise DataError(f"{root}: cannot be looked into ({error.strerror}).") from None
    found = _recognize(root, only, (names, default_names), _kind_of_prepared(root) if kind is None else kind, labels)
    if names is not None and found.kind != "paired":
        raise UsageError("--domains names the halves of side-by-side pairs, which these are not.", "Use --as paired.")
    return _refuse_label_options(found, labels)


def _recognize(
    root: Path,
    only: Path | None,
    names: tuple[tuple[str, str] | None, tuple[str, str] | None],
    kind: str | None,
    labels: LabelOptions,
) -> SourceSet:
    if kind in (None, "segmentation"):
        labelled = find_labelled(root, labels, only)
        if labelled is not None:
            return _labelled_set(labelled)
        if kind == "segmentation" or only is not None:
            raise DataError(
                f"{only or root}: no labels found.",
                "Expected annotation files (COCO, labelme, VIA, Label Studio, CVAT, Supervisely), images/ with "
                "masks/, train/ with trainannot/, or masks beside the images named _mask, _label or _seg.",
            )
    folders = two_folders(root)
    if kind == "paired":
        halves = (
            pair_folders(str(root), folders, names[0] or names[1]) if folders else find_side_by_side(root, force=True)
        )
        if halves is None:
            raise DataError(
                f"{root}: expected images of two halves, or two folders with the same names, in the folder itself or "
                "in train, val and test."
            )
        return _paired_set(halves, names[0] or names[1])
    if kind is None:
        halves = find_side_by_side(root)
        if halves is not None:
            return _paired_set(halves, names[0] or names[1])
        if folders and not any(
            left.name.endswith("A") and right.name.endswith("B") for left, right in folders.values()
        ):
            _ask_if_paired(*next(iter(folders.values())))
    return _unpaired_set(root, None, names[1])


def _ask_if_paired(left: Path, right: Path) -> None:
    if same_names(left, right):
        raise UsageError(
            f"{left} and {right} have images of the same names, so they could be pairs or not.",
            "Say which: --as paired or --as unpaired.",
        )


def _two_domains(domains: Mapping[str, str], kind: Kind | None) -> SourceSet:
    if kind == "segmentation":
        raise UsageError("--domain names two folders of images, --as segmentation means images with labels.")
    if len(domains) != 2 or not all(Path(folder).is_dir() for folder in domains.values()):
        return _unpaired_set(None, domains)  # says what is wrong
    (a, left), (b, right) = ((name, Path(folder)) for name, folder in domains.items())
    if kind == "paired":
        return _paired_set(pair_folders(f"{left} and {right}", {"train": (left, right)}, (a, b)), None)
    if kind is None:
        _ask_if_paired(left, right)
    return _unpaired_set(None, domains)


def _labelled_set(labelled: LabelledSet) -> SourceSet:
    images = tuple(SourceImage(one.image, one.split) for one in labelled.images)
    seen: set[Path] = set()
    for image in images:
        if image.path in seen:
            raise DataError(f"{image.path}: has labels twice ({labelled.about}).", "Keep one of them.")
        seen.add(image.path)
    return SourceSet("segmentation", labelled.about, ("images",), images, labelled, labelled.unpaired)


def _paired_set(found: PairedFiles, names: tuple[str, str] | None) -> SourceSet:
    images = tuple(SourceImage(pair.left, pair.split, partner=pair.right) for pair in found.pairs)
    return SourceSet(
        "paired", found.about, names or found.names or ("left", "right"), images, unpaired=found.unpaired
    )


def _unpaired_set(
    root: Path | None, domains: Mapping[str, str] | None, names: tuple[str, str] | None = None
) -> SourceSet:
    files = find_unpaired(root, domains=domains, names=names, holdout=0)
    images = [
        SourceImage(path, split, domain.name)
        for domain in (files.a, files.b)
        for split, paths in (("train", domain.train), ("test", domain.test))
        for path in paths
    ]
    about = f"{files.layout}: two domains without pairs"
    return SourceSet("unpaired", about, (files.a.name, files.b.name), tuple(images))


def _refuse_label_options(found: SourceSet, labels: LabelOptions) -> SourceSet:
    """An option that would do nothing is a misunderstanding."""
    taken = found.labels.options if found.labels is not None else ()
    for option in labels.given():
        if option not in taken:
            raise UsageError(f"--{option} says nothing about this source ({found.about}).")
    return found


def _kind_of_prepared(root: Path) -> str | None:
    """The kind in a ``dataset.yaml``; None without one."""
    try:
        tree = YAML(typ="safe", pure=True).load((root / "dataset.yaml").read_text("utf-8"))
        return str(tree["kind"]) if isinstance(tree, dict) and "kind" in tree else None
    except (OSError, UnicodeDecodeError, YAMLError):
        return None
