"""Pairs of images that show the same thing: side by side in one file, or in two folders under one name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gantool.data.images import find_images, images_within, upright_size
from gantool.data.sources.catalog import CATALOG
from gantool.data.sources.labels.pairing import SUFFIXES, bare_stem, stem_of
from gantool.data.sources.unpaired import DomainFiles, TwoFolders, UnpairedFiles
from gantool.data.splits import split_folders
from gantool.errors import DataError
from gantool.shards.index import ShardIndex

__all__ = ["PairFile", "PairedFiles", "find_halves", "halves_as_domains", "pair_folders", "same_names"]

_SIDES = ("_A", "_B", "_photo", "_picture", "_sketch", "_edges", "_input", "_target", "_real", "_source")
_LOOKED_AT = 12
_MOST = 0.8  # of the images or names, so that a few wrong ones are named rather than hide the others


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
        names: of the two sides.
        unpaired: a sentence for every file without a partner.
        shards: the index where the images are in shards.
    """

    about: str
    pairs: Sequence[PairFile]
    names: tuple[str, str] = ("left", "right")
    unpaired: tuple[str, ...] = ()
    shards: ShardIndex | None = None


def find_halves(root: Path, names: tuple[str, str] | None, *, force: bool = False) -> PairedFiles | None:
    """Images of two halves in ``root`` or in its train, val and test folders; None if they do not look like that.

    They do if four fifths of the first images are exactly twice as wide as high.

    Args:
        names: of the halves; else those that the catalog has for a folder of this name.
        force: take the images for pairs whatever their shapes.
    """
    pairs = tuple(
        PairFile(split, path) for split, folder in split_folders(root).items() for path in find_images(folder)
    )
    if not pairs or not (force or _mostly_double(pairs[:_LOOKED_AT])):
        return None
    known = CATALOG.get(root.resolve().name)
    named = known.domains if known is not None and known.kind == "paired" else None
    about = f"{root}: pairs side by side in one image ({_counts(pairs)})"
    return PairedFiles(about, pairs, names or named or ("left", "right"))


def _mostly_double(pairs: Sequence[PairFile]) -> bool:
    double = []
    for pair in pairs:
        try:
            width, height = upright_size(pair.left)
        except DataError:
            continue
        double.append(width == 2 * height)
    return bool(double) and sum(double) >= _MOST * len(double)


def halves_as_domains(found: PairedFiles, holdout: float) -> UnpairedFiles:
    """The halves of side-by-side pairs as two domains, left and right, for training without pairs."""
    train: Sequence[Path] = [pair.left for pair in found.pairs if pair.split == "train"]
    test: Sequence[Path] = [pair.left for pair in found.pairs if pair.split == "test"]
    held_out = not test
    if held_out:
        chosen = DomainFiles("", train, ()).held_out(holdout)
        train, test = chosen.train, chosen.test
    a, b = (DomainFiles(name, train, test, half) for half, name in enumerate(found.names))
    return UnpairedFiles(a, b, found.about, held_out)


def same_names(left: Path, right: Path) -> bool:
    """Whether nearly all images of both folders have partners of the same name, so that they may be pairs."""
    names = (left.name, right.name)
    a, b = ({_key(path, folder, names) for path in images_within(folder)} for folder in (left, right))
    return len(a & b) >= max(_MOST * max(len(a), len(b)), 2)


def pair_folders(about: str, folders: TwoFolders, names: tuple[str, str] | None) -> PairedFiles:
    """Pair the images of two folders by name.

    Raises:
        DataError: two images have one name, or nothing matches.
    """
    pairs: list[PairFile] = []
    alone: list[str] = []
    for split, (left, right) in folders.items():
        sides = (left.name, right.name)
        by_key = [_by_key(folder, sides) for folder in (left, right)]
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
    return PairedFiles(f"{about}: pairs in two folders ({_counts(pairs)})", tuple(pairs), names or own, tuple(alone))


def _counts(pairs: Sequence[PairFile]) -> str:
    return ", ".join(f"{n} {split}" for split, n in Counter(pair.split for pair in pairs).items())


def _by_key(folder: Path, sides: tuple[str, str]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for image in images_within(folder):
        key = _key(image, folder, sides)
        if key in found:
            raise DataError(f"{image}: has the same name as {found[key]}.", "Pairs are matched by name; rename one.")
        found[key] = image
    return found


def _key(path: Path, folder: Path, sides: tuple[str, str]) -> str:
    """What both images of a pair are called: where they lie in their folder, and the stem without usual endings."""
    bare = bare_stem(stem_of(path), (*SUFFIXES, *_SIDES, *(f"_{side}" for side in sides)))
    return str(path.parent.relative_to(folder) / bare)
