"""Two domains of images without pairs: their names, and the images to train on and to test with."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from gantool.data.images import find_folders, find_images, images_within
from gantool.data.sources.description import described_domains
from gantool.data.splits import SPLIT_WORDS, SPLITS, split_folders
from gantool.errors import DataError
from gantool.shards.index import ShardIndex
from gantool.shards.members import read_bytes

__all__ = [
    "DomainFiles",
    "TwoFolders",
    "UnpairedFiles",
    "domains_by_name",
    "domains_in",
    "folders_by_name",
    "image_folders",
    "splits_of_domain",
    "two_folders",
]

TwoFolders = Mapping[str, tuple[Path, Path]]
"""Two folders of images by split."""

_EXPECTED = (
    "Expected trainA and trainB, or train/A and train/B, or two folders of images, one per domain "
    "(or name two folders: --domain summer=DIR1 --domain winter=DIR2)."
)


@dataclass(frozen=True)
class DomainFiles:
    """The images of one domain, sorted by name.

    Attributes:
        half: 0 or 1 where each file holds both halves of a pair and this domain is the left or the right one.
    """

    name: str
    train: Sequence[Path]
    test: Sequence[Path]
    half: int | None = None

    def held_out(self, fraction: float) -> DomainFiles:
        """Move the images with the smallest content hashes to the test split: the same whatever they are called."""
        count = round(len(self.train) * fraction)
        ranked = sorted(self.train, key=lambda path: hashlib.sha256(read_bytes(path)).hexdigest()) if count else []
        test = set(ranked[:count])
        return replace(
            self,
            train=tuple(path for path in self.train if path not in test),
            test=(*self.test, *(path for path in self.train if path in test)),
        )


@dataclass(frozen=True)
class UnpairedFiles:
    """Two domains.

    Attributes:
        layout: what was recognized, in words.
        held_out: whether the test split was taken from the training images because there was none.
        shards: the index where the images are in shards.
    """

    a: DomainFiles
    b: DomainFiles
    layout: str
    held_out: bool = False
    shards: ShardIndex | None = None

    def complete(self, holdout: float) -> UnpairedFiles:
        """The same with a test split for each domain that has none: that fraction of its images, by content.

        Raises:
            DataError: a domain has no images.
        """
        for domain in (self.a, self.b):
            if not len(domain.train):
                raise DataError(f'{self.layout}: no images for the domain "{domain.name}".', _EXPECTED)
        if len(self.a.test) and len(self.b.test):
            return self
        a, b = (domain if len(domain.test) else domain.held_out(holdout) for domain in (self.a, self.b))
        return replace(self, a=a, b=b, held_out=True)


def two_folders(root: Path) -> TwoFolders:
    """``trainA`` and ``trainB``, ``train/x`` and ``train/y``, or ``x`` and ``y``; with those of other splits."""
    found = {split: (root / f"{split}A", root / f"{split}B") for split in SPLITS}
    found = {split: both for split, both in found.items() if all(folder.is_dir() for folder in both)}
    for split, folder in {} if found else split_folders(root).items():
        _add_two(found, split, folder)
    if not found and not all(folder.name.lower() in SPLIT_WORDS for folder in image_folders(root)):
        _add_two(found, "train", root)
    return found


def _add_two(found: dict[str, tuple[Path, Path]], split: str, parent: Path) -> None:
    inner = image_folders(parent)
    if len(inner) == 2:
        found[split] = (inner[0], inner[1])


def image_folders(parent: Path) -> list[Path]:
    """Folders with images in them, directly in ``parent``, sorted by name."""
    return [entry for entry in find_folders(parent) if find_images(entry)]


def domains_by_name(domains: Mapping[str, str]) -> UnpairedFiles:
    """Two folders from anywhere; see `folders_by_name`.

    Raises:
        DataError: a folder has no images.
    """
    parts = []
    for name, given in domains.items():
        folders = splits_of_domain(Path(given))
        images = {split: tuple(images_within(folder)) for split, folder in folders.items()}
        if not images.get("train"):
            where = folders.get("train", given)
            raise DataError(f'{where}: no images for the domain "{name}", nor in folders within it.')
        parts.append(DomainFiles(name, images["train"], images.get("test", ())))
    return UnpairedFiles(parts[0], parts[1], "two folders")


def folders_by_name(domains: Mapping[str, str]) -> TwoFolders:
    """Folders from anywhere, each of images or with ``train``, ``val`` and ``test``; the splits that both have.

    The images lie in a folder itself or, where there are none, in folders within it.
    """
    left, right = (splits_of_domain(Path(folder)) for folder in domains.values())
    return {split: (left[split], right[split]) for split in SPLITS if split in left and split in right}


def splits_of_domain(folder: Path) -> dict[str, Path]:
    """The folders of the splits; images beside ``test`` are for training."""
    splits = split_folders(folder)
    return {"train": folder, **splits} if "train" not in splits and find_images(folder) else splits


def domains_in(root: Path, folders: TwoFolders, given: tuple[str, str] | None) -> UnpairedFiles:
    """The two domains of a data set.

    Their names are those of the folders, or else those in ``dataset.yaml``, those given, or those of a folder called
    ``summer2winter``; their order is that in ``dataset.yaml``.

    Raises:
        DataError: there are not two domains; says what is missing.
    """
    names = described_domains(root) or given or _names_from_folder(root)
    if "train" not in folders:
        raise _what_is_missing(root, names)
    left, right = folders["train"]
    own = (left.name, right.name)
    if own == ("trainA", "trainB"):
        return UnpairedFiles(
            DomainFiles(names[0], _images(left), _images(root / "testA")),
            DomainFiles(names[1], _images(right), _images(root / "testB")),
            f"{root} (trainA, trainB)",
        )
    if own == names[::-1]:
        left, right, own = right, left, names
    test = split_folders(root).get("test") if left.parent != root else None
    a, b = (
        DomainFiles(name, _images(folder), _images(test / folder.name) if test is not None else ())
        for name, folder in zip(names if own == ("A", "B") else own, (left, right), strict=True)
    )
    return UnpairedFiles(a, b, f"{left.parent} ({own[0]}, {own[1]})")


def _what_is_missing(root: Path, names: tuple[str, str]) -> DataError:
    for side, name in zip("AB", names, strict=True):
        other = root / ("trainB" if side == "A" else "trainA")
        if other.is_dir() and not (root / f"train{side}").is_dir():
            return DataError(f'{root / f"train{side}"}: there is no such folder, the domain "{name}" is missing.')
    nested = split_folders(root).get("train", root)
    for parent in dict.fromkeys((nested, root)):
        folders = image_folders(parent)
        if len(folders) > 2:
            listed = ", ".join(folder.name for folder in folders[:6])
            return DataError(
                f"{parent}: has {len(folders)} folders of images ({listed}), expected two.",
                "Name two of them: --domain summer=DIR1 --domain winter=DIR2.",
            )
        if len(folders) == 1:
            return DataError(
                f"{parent}: has one folder of images ({folders[0].name}), one domain is missing.", _EXPECTED
            )
        if _images(parent):
            return DataError(f"{parent}: holds images of one kind only, one domain is missing.", _EXPECTED)
    return DataError(f"{root}: no images found.", _EXPECTED)


def _images(folder: Path) -> tuple[Path, ...]:
    return tuple(find_images(folder)) if folder.is_dir() else ()


def _names_from_folder(root: Path) -> tuple[str, str]:
    match = re.fullmatch(r"([A-Za-z]+)2([A-Za-z]+)(_.*)?", root.resolve().name)
    return (match[1], match[2]) if match else ("A", "B")
