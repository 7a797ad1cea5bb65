"""What is this data? Found once, here, for every verb.

A source is a folder (by its path or its name, see `gantool.data.sources.names`), an annotation file, or two folders
by domain name. The first of these that fits decides what it is:

1. **Two folders by domain name** are two domains, or pairs if their images have the same names (see 6).
2. **Shards**, tar files that ``gantool prepare --shards`` or others wrote, are what their index says.
3. **The kind that the caller names** (``--as``, the catalog), or else ``dataset.yaml`` of a prepared set, is the
   only one that is tried.
4. **Images with labels** (`find_labelled`): prepared, well-known sets, annotation files, masks. Not looked for where
   the caller names the two sides.
5. **Pairs side by side**: images twice as wide as high; where the caller names the two sides and there are no two
   folders, whatever their shape.
6. **Two folders**, in every split or in the folder itself: two domains. Where the images have the same names they
   could be pairs as well; `Source.kind` is None then, and whoever must decide asks (`Source.require_kind`). Folders
   called ``trainA`` and ``trainB`` are never taken for pairs by themselves.

What a caller wants it asks for, whatever the kind: two domains, pairs, or images with labels. Hidden folders and
files are never data, and nothing is decoded but what recognition needs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from gantool.data.sources.contents import (
    Contents,
    contents_of_domains,
    contents_of_images,
    contents_of_labels,
    contents_of_pairs,
)
from gantool.data.sources.description import read_description
from gantool.data.sources.labels import LabelledSet, LabelOptions, find_labelled
from gantool.data.sources.names import Kind, resolve_data
from gantool.data.sources.pairs import PairedFiles, find_halves, halves_as_domains, pair_folders, same_names
from gantool.data.sources.sharded import find_shards, images_of, labelled_of, pairs_of, unpaired_of
from gantool.data.sources.unpaired import (
    TwoFolders,
    UnpairedFiles,
    domains_by_name,
    domains_in,
    folders_by_name,
    splits_of_domain,
    two_folders,
)
from gantool.data.splits import SPLITS
from gantool.errors import DataError, UsageError
from gantool.shards.index import ShardIndex

__all__ = ["Source", "find_source"]

_KINDS: dict[str, Kind] = {"unpaired": "unpaired", "paired": "paired", "segmentation": "segmentation"}
_ANNOTATIONS = frozenset({".json", ".xml"})


@dataclass(frozen=True)
class Source:
    """What was found.

    Attributes:
        place: the folder, in words; both where there are two.
        kind: None where two folders could be pairs or two domains.
        labels: images with labels; they serve as two domains and as pairs too, label maps and photos.
        halves: pairs side by side in one image.
        folders: two folders of images by split.
        names: of the two sides, as the caller says.
        domains_given: two folders by domain name.
        shards: the index of a set of shards.
    """

    place: str
    kind: Kind | None
    labels: LabelledSet | None = None
    halves: PairedFiles | None = None
    folders: TwoFolders = field(default_factory=dict)
    names: tuple[str, str] | None = None
    domains_given: Mapping[str, str] | None = None
    shards: ShardIndex | None = None

    @property
    def about(self) -> str:
        """What was recognized, in a sentence.

        Raises:
            DataError: nothing was.
        """
        return self.contents().about if self.kind is not None else self._doubt()

    def domains(self, holdout: float = 0.1) -> UnpairedFiles:
        """Two domains of images: folders, or the halves of pairs.

        Args:
            holdout: fraction of the images to hold out, by content, where there is no test split.

        Raises:
            DataError: a folder is missing or empty, a domain is missing, or there are more than two.
        """
        if self.labels is not None:
            raise DataError(f"{self.place}: is a set of images with labels, expected two domains of images.")
        if self.shards is not None:
            return unpaired_of(self.shards, self.names).complete(holdout)
        if self.halves is not None:
            return halves_as_domains(self.halves, holdout)
        if self.domains_given is not None:
            return domains_by_name(self.domains_given).complete(holdout)
        return domains_in(Path(self.place), self.folders, self.names).complete(holdout)

    def pairs(self) -> PairedFiles:
        """Pairs: side by side, or in two folders by the names of their images.

        Raises:
            DataError: there are none.
        """
        if self.shards is not None and self.shards.kind == "paired":
            return pairs_of(self.shards, self.names)
        if self.halves is not None:
            return self.halves
        if self.folders:
            _require_same_splits(self.domains_given or {})
            return pair_folders(self.place, self.folders, self.names)
        raise DataError(
            f"{self.place}: no pairs found.",
            "Expected images of two halves (twice as wide as high, or named by --domains LEFT,RIGHT), two folders of "
            "images with the same names, or images with labels.",
        )

    def labelled(self) -> LabelledSet:
        """Images with labels.

        Raises:
            DataError: there are none.
        """
        if self.labels is None:
            raise DataError(
                f"{self.place}: no images with labels found.",
                "See what is recognized: gantool prepare --help, and the page on your own data.",
            )
        return self.labels

    def contents(self, *, to_check: bool = False) -> Contents:
        """All images, as what they were recognized as.

        Args:
            to_check: images of one kind, which nothing can be trained on, will do.

        Raises:
            DataError: nothing was recognized.
            UsageError: it could be pairs or two domains.
        """
        if to_check and self.shards is not None and self.shards.kind == "images":
            return contents_of_images(Path(self.place), images_of(self.shards))
        if to_check and self.labels is None and self.halves is None and not self.folders and self.shards is None:
            images = contents_of_images(Path(self.place))
            if images.images and not any((Path(self.place) / half).is_dir() for half in ("trainA", "trainB")):
                return images
        kind = self.require_kind()
        if kind == "segmentation":
            return contents_of_labels(self.labelled())
        return contents_of_pairs(self.pairs()) if kind == "paired" else contents_of_domains(self.domains(0))

    def require_kind(self) -> Kind:
        """The kind.

        Raises:
            UsageError: it could be pairs or two domains.
        """
        if self.kind is None:
            raise UsageError(self._doubt(), "Say which: --as paired or --as unpaired.")
        return self.kind

    def _doubt(self) -> str:
        left, right = next(iter(self.folders.values()))
        return f"{left} and {right} have images of the same names, so they could be pairs or not."


def find_source(
    data: str | Path | Mapping[str, str],
    *,
    names: tuple[str, str] | None = None,
    default_names: tuple[str, str] | None = None,
    kind: Kind | None = None,
    options: LabelOptions | None = None,
) -> Source:
    """Find out what a source is, in the order that this module's first lines give.

    Args:
        data: a name or a folder, an annotation file (as a path), or two folders by domain name.
        names: of the two sides of pairs, or of two domains whose folders do not say.
        default_names: of the two sides, where neither ``names`` nor the source says.
        kind: the only reading to try.
        options: what the user says about labels.

    Raises:
        DataError: it is not there, or not of that kind; says what was expected.
        UsageError: what the user says does not fit.
    """
    if isinstance(data, Mapping):
        return _two_by_name(data, kind)
    root, only = resolve_data(data) if isinstance(data, str) else data, None
    if root.is_file() and root.suffix.lower() in _ANNOTATIONS:
        root, only = root.parent, root
    _require_folder(root, data)
    shards = find_shards(root) if only is None else None
    if shards is not None:
        return _shards(shards, kind, names or default_names, options)
    if kind is None and only is None:
        kind = _KINDS.get(str(read_description(root).get("kind")))
    if (kind is None and names is None) or kind == "segmentation" or only is not None:
        labels = find_labelled(root, options, only)
        if labels is not None and names is not None:
            raise UsageError(
                "--domains names the halves of side-by-side pairs, which these are not.", "Use --as paired."
            )
        if labels is not None:
            return Source(str(root), "segmentation", labels)
        if kind == "segmentation" or only is not None:
            raise DataError(
                f"{only or root}: no labels found.",
                "Expected annotation files (COCO, labelme, VIA, Label Studio, CVAT, Supervisely), images/ with "
                "masks/, train/ with trainannot/, or masks beside the images named _mask, _label or _seg.",
            )
    return _pictures(root, kind, names, default_names)


def _shards(
    index: ShardIndex, kind: Kind | None, names: tuple[str, str] | None, options: LabelOptions | None
) -> Source:
    place = str(index.root)
    own = _KINDS.get(index.kind, "unpaired")
    if kind is not None and kind != own and (own, kind) != ("paired", "unpaired"):
        raise DataError(f"{index.where}: its shards hold {own} images, --as says {kind}.", "Leave --as out.")
    if own == "segmentation":
        if names is not None:
            raise UsageError("--domains names two sides of images, these are images with labels.")
        return Source(place, own, labelled_of(index, options), shards=index)
    return Source(place, kind or own, names=names, shards=index)


def _pictures(
    root: Path, kind: Kind | None, names: tuple[str, str] | None, default_names: tuple[str, str] | None
) -> Source:
    """Images without labels."""
    folders = two_folders(root)
    named = names or default_names
    if kind != "unpaired" and not (kind == "paired" and folders):
        force = kind == "paired" or (names is not None and not folders)
        halves = find_halves(root, named, force=force)
        if halves is not None:
            return Source(str(root), "paired", halves=halves)
        if kind == "paired":
            raise DataError(
                f"{root}: expected images of two halves, or two folders with the same names, in the folder itself or "
                "in train, val and test."
            )
    doubtful = kind is None and _could_be_pairs(folders)
    return Source(str(root), None if doubtful else kind or "unpaired", folders=folders, names=named)


def _could_be_pairs(folders: TwoFolders) -> bool:
    if not folders or any(left.name.endswith("A") and right.name.endswith("B") for left, right in folders.values()):
        return False
    return same_names(*next(iter(folders.values())))


def _two_by_name(domains: Mapping[str, str], kind: Kind | None) -> Source:
    if kind == "segmentation":
        raise UsageError("--domain names two folders of images, --as segmentation means images with labels.")
    if len(domains) != 2:
        names = ", ".join(domains) or "none"
        raise DataError(f"data.domains: expected two domains, got {len(domains)} ({names}).")
    for name, folder in domains.items():
        if not Path(folder).is_dir():
            raise DataError(f'{folder}: there is no such folder (domain "{name}").')
    a, b = domains
    folders = folders_by_name(domains)
    if kind is None and not ("train" in folders and same_names(*folders["train"])):
        kind = "unpaired"
    return Source(" and ".join(domains.values()), kind, None, None, folders, (a, b), domains)


def _require_same_splits(domains: Mapping[str, str]) -> None:
    """Of pairs, so that none is left out."""
    for split in SPLITS:
        there = {name: split in splits_of_domain(Path(folder)) for name, folder in domains.items()}
        if len(set(there.values())) > 1:
            has, lacks = sorted(there, key=lambda name: not there[name])
            raise DataError(f'{domains[lacks]}: has no folder "{split}", {domains[has]} has one.', "Pairs need both.")


def _require_folder(root: Path, data: str | Path) -> None:
    if not root.is_dir():
        what = "is a file, expected a folder or an archive" if root.is_file() else "there is no such folder"
        raise DataError(f"{data}: {what}.")
    try:
        next(root.iterdir(), None)
    except OSError as error:
        raise DataError(f"{root}: cannot be looked into ({error.strerror}).") from None
