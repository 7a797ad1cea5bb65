"""Pairs of images that show the same thing: side by side in one file, or in two folders under one name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from PIL import Image

from gantool.data.catalog import CATALOG
from gantool.data.images import find_images
from gantool.data.labels.pairing import SUFFIXES, bare_stem
from gantool.data.layouts import DomainFiles, UnpairedFiles
from gantool.data.splits import split_folders
from gantool.errors import DataError

__all__ = [
    "PairFile",
    "PairedFiles",
    "find_halves",
    "find_side_by_side",
    "halves_as_domains",
    "pair_folders",
    "same_names",
    "two_folders",
]

_SIDES = ("_A", "_B", "_photo", "_picture", "_sketch", "_edges", "_input", "_target", "_real", "_source")


@dataclass(frozen=True)
class PairFile:
    """One pair; ``right`` is None where both halves are in ``left``."""

    split: str
    left: Path
    right: Path | None = None


@dataclass(frozen=True)
class PairedFiles:
    """All pairs of a source.

    Attributes:
        names: of the two sides, where their folders say.
        unpaired: a sentence for every file without a partner.
    """

    about: str
    pairs: tuple[PairFile, ...]
    names: tuple[str, str] | None = None
    unpaired: tuple[str, ...] = ()


def find_side_by_side(root: Path, *, force: bool = False) -> PairedFiles | None:
    """Images of two halves in ``root`` or in its train, val and test folders; None if they do not look like that.

    They do if four fifths of the first images are exactly twice as wide as high, so that a few wrong ones are named
    rather than hide the others.

    Args:
        force: take the images for pairs whatever their shapes.
    """
    folders = {split: folder for split, folder in split_folders(root).items() if find_images(folder)}
    pairs = tuple(PairFile(split, path) for split, folder in folders.items() for path in find_images(folder))
    if not pairs:
        return None
    if not force and not _mostly_double(pairs[:12]):
        return None
    counts = ", ".join(f"{n} {split}" for split, n in Counter(pair.split for pair in pairs).items())
    return PairedFiles(f"{root}: pairs side by side in one image ({counts})", pairs)


def find_halves(root: Path, names: tuple[str, str] | None) -> PairedFiles | None:
    """Pairs side by side, with the names given, or else those that the catalogue has for a folder of this name.

    Whoever names the halves says that there are two, whatever the shape of the images.
    """
    halves = find_side_by_side(root, force=names is not None)
    if halves is None or names is not None:
        return halves and replace(halves, names=names)
    known = CATALOG.get(root.resolve().name)
    if known is not None and known.kind == "paired" and halves.names is None:
        return replace(halves, names=known.domains)
    return halves


def _mostly_double(pairs: Sequence[PairFile]) -> bool:
    double = []
    for pair in pairs:
        try:
            with Image.open(pair.left) as opened:
                double.append(opened.width == 2 * opened.height)
        except (OSError, Image.DecompressionBombError):
            continue
    return bool(double) and sum(double) >= 0.8 * len(double)


def halves_as_domains(found: PairedFiles, holdout: float) -> UnpairedFiles:
    """The halves of side-by-side pairs as two domains, left and right, for training without pairs."""
    train = tuple(pair.left for pair in found.pairs if pair.split == "train")
    test = tuple(pair.left for pair in found.pairs if pair.split == "test")
    held_out = not test
    if held_out:
        drawn = DomainFiles("", train, ()).held_out(holdout)
        train, test = drawn.train, drawn.test
    names = found.names or ("left", "right")
    a, b = (DomainFiles(name, train, test, half) for half, name in enumerate(names))
    return UnpairedFiles(a, b, found.about, held_out)


def two_folders(root: Path) -> dict[str, tuple[Path, Path]] | None:
    """Two folders of images per split: ``trainA`` and ``trainB``, ``train/x`` and ``train/y``, or ``x`` and ``y``."""
    found: dict[str, tuple[Path, Path]] = {}
    for split in ("train", "val", "test"):
        a, b = root / f"{split}A", root / f"{split}B"
        if a.is_dir() and b.is_dir():
            found[split] = (a, b)
    if found:
        return found
    for split, folder in split_folders(root).items():
        inner = sorted(entry for entry in folder.iterdir() if entry.is_dir() and find_images(entry))
        if len(inner) == 2:
            found[split] = (inner[0], inner[1])
    return found or None


def same_names(left: Path, right: Path, *, share: float = 0.8) -> bool:
    """Whether nearly all images of both folders have partners of the same name, so that they may be pairs."""
    names = (left.name, right.name)
    a, b = ({_key(path, names) for path in find_images(folder)} for folder in (left, right))
    return len(a & b) >= max(share * max(len(a), len(b)), 2)


def pair_folders(about: str, folders: dict[str, tuple[Path, Path]], names: tuple[str, str] | None) -> PairedFiles:
    """Pair the images of two folders by name.

    Raises:
        DataError: two images have one name, or nothing matches.
    """
    pairs: list[PairFile] = []
    alone: list[str] = []
    for split, (left, right) in folders.items():
        sides = (left.name, right.name)
        by_key = [_by_key(find_images(folder), sides) for folder in (left, right)]
        for key, path in by_key[0].items():
            if key in by_key[1]:
                pairs.append(PairFile(split, path, by_key[1][key]))
            else:
                alone.append(f"{path}: has no partner in {right}.")
        alone += [f"{path}: has no partner in {left}." for key, path in by_key[1].items() if key not in by_key[0]]
    if not pairs:
        raise DataError(f"{about}: no image has a partner of the same name.", alone[0] if alone else "")
    first = next(iter(folders.values()))
    own = (first[0].name, first[1].name)
    if own == ("trainA", "trainB"):
        own = ("A", "B")
    counts = ", ".join(f"{n} {split}" for split, n in Counter(pair.split for pair in pairs).items())
    return PairedFiles(f"{about}: pairs in two folders ({counts})", tuple(pairs), names or own, tuple(alone))


def _by_key(images: Sequence[Path], sides: tuple[str, str]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for image in images:
        key = _key(image, sides)
        if key in found:
            raise DataError(f"{image}: has the same name as {found[key]}.", "Pairs are matched by name; rename one.")
        found[key] = image
    return found


def _key(path: Path, sides: tuple[str, str]) -> str:
    return bare_stem(path.stem, (*SUFFIXES, *_SIDES, *(f"_{side}" for side in sides)))
