"""Sets of shards, seen as all other sources are: two domains, pairs, or images with labels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any, TypeVar, overload

import numpy as np
from numpy.typing import NDArray

from gantool.arrays import IGNORE
from gantool.data.sources.labels import LabelledImage, LabelledSet, LabelOptions, masks_set, read_values
from gantool.data.sources.pairs import PairedFiles, PairFile
from gantool.data.sources.unpaired import DomainFiles, UnpairedFiles
from gantool.data.sources.webdataset import plain_index
from gantool.data.splits import SPLITS
from gantool.errors import DataError, counted
from gantool.shards.index import INDEX, NONE, Seen, ShardIndex, open_index
from gantool.shards.members import MemberPaths, is_member, register

__all__ = [
    "both_paths",
    "find_shards",
    "images_in_shards",
    "images_of",
    "labelled_of",
    "noted_labels",
    "of_split",
    "pairs_of",
    "unpaired_of",
]

Sample = TypeVar("Sample", bound="LabelledImage | PairFile")


def find_shards(root: Path) -> ShardIndex | None:
    """The index of the shards in a folder: that which lies beside them, or one of a set from elsewhere; else None.

    Raises:
        DataError: a shard is missing, cut off or none of the index's.
        OutputError: the index of a set from elsewhere cannot be written.
    """
    path = root / INDEX
    known = open_index(path, root) if path.is_file() else plain_index(root)
    if known is None:
        return None
    known.require_shards()
    return register(known)


def images_in_shards(path: Path) -> Iterator[tuple[Path, Path]] | None:
    """The images of a set of shards, of one shard, or one image in a shard, each with its shard's name as a folder.

    None for any other path.

    Raises:
        DataError: see `find_shards`.
    """
    if is_member(path):
        return iter([(path, Path())])
    only = path.name if path.suffix == ".tar" and path.is_file() else None
    root = path if only is None else path.parent
    index = find_shards(root) if root.is_dir() else None
    if index is None or (only is not None and index.shard_named(only) is None):
        return None
    pairs = index.kind == "paired"
    trees = cache(lambda place: Path(place).with_suffix(""))  # one for each shard
    found = (image for numbers in ([index.first, index.second] if pairs else [index.first])
             for image in MemberPaths(index, numbers))  # fmt: skip
    named = ((image, _below(image, root)) for image in found)
    return ((image, trees(place)) for image, place in named if only in (None, place))


def _below(image: Path, root: Path) -> str:
    """The name of the shard that an image is in."""
    text = image.relative_to(root).as_posix()
    return text[: text.index(".tar/") + 4]


def images_of(index: ShardIndex) -> dict[str, MemberPaths]:
    """All images by split, of whatever domain; not masks."""
    found = {}
    for split in SPLITS:
        groups = [index.first[one.start : one.stop] for one in index.groups if one.split == split]
        if groups:
            found[split] = MemberPaths(index, np.concatenate(groups))
    return found


def unpaired_of(index: ShardIndex, names: tuple[str, str] | None) -> UnpairedFiles:
    """Two domains, or the two sides of pairs.

    Raises:
        DataError: there are no two domains.
    """
    if index.kind == "paired":
        names = names or _domains(index)
        sides = [{split: _paths(index, split, "", second=second) for split in SPLITS} for second in (False, True)]
    elif index.kind == "unpaired":
        own = _domains(index)
        names = names if names is not None and set(names) == set(own) else own
        sides = [{split: _paths(index, split, name) for split in SPLITS} for name in names]
    else:
        raise DataError(f"{index.where}: its shards hold images of one kind only, one domain is missing.")
    a, b = (DomainFiles(name, s["train"], s["test"]) for name, s in zip(names, sides, strict=True))
    return UnpairedFiles(a, b, f"{_about(index)} ({', '.join(names)})", shards=index)


def pairs_of(index: ShardIndex, names: tuple[str, str] | None) -> PairedFiles:
    """The pairs."""
    pairs = _Samples(index, _pair, *_numbered(index))
    counts = ", ".join(f"{one.stop - one.start} {one.split}" for one in index.groups)
    about = f"{_about(index)}: pairs ({counts})"
    return PairedFiles(about, pairs, names or _domains(index), _alone(index), shards=index)


def labelled_of(index: ShardIndex, options: LabelOptions | None) -> LabelledSet:
    """Images with labels: those of a prepared set as they are, others as masks in folders would be read.

    Raises:
        DataError: names the file that cannot be used.
    """
    if not index.checked:
        pairs = [
            (split, image, mask)
            for split in SPLITS
            for image, mask in zip(_paths(index, split), _paths(index, split, second=True), strict=True)
        ]
        named = f"in {counted(len(index.shards), 'shard')}{index.facts.get('remark', '')}"
        found = masks_set(index.root, pairs, options or LabelOptions(), named, _alone(index))
        return replace(found, shards=index)
    try:
        names = tuple(str(entry["name"]) for entry in index.facts["classes"])
        colors = tuple((int(r), int(g), int(b)) for r, g, b in (entry["color"] for entry in index.facts["classes"]))
    except (KeyError, TypeError, ValueError):
        raise DataError(f"{index.path}: names no classes.") from None
    table = {**{value: value for value in range(len(names))}, IGNORE: IGNORE}
    images = _Samples(index, partial(_labelled, table=table), *_numbered(index))
    return LabelledSet(
        f"{_about(index)}: a prepared set", names, images, (), colors, _alone(index),
        tiled=index.facts.get("tile") is not None, shards=index,
    )  # fmt: skip


def noted_labels(
    images: Sequence[LabelledImage],
) -> tuple[dict[Path, NDArray[np.int64]], dict[Path, str]] | None:
    """Counts of mask values and content hashes as they were noted when a set was packed; None where they were not."""
    if not isinstance(images, _Samples):
        return None
    counts: dict[Path, NDArray[np.int64]] = {}
    contents: dict[Path, str] = {}
    for one, seen in zip(images, images.seen(), strict=True):
        if seen is None:
            return None
        counts[one.image], contents[one.image] = seen.counts, seen.content
    return counts, contents


def of_split(samples: Sequence[Sample], split: str) -> Sequence[Sample]:
    """The pairs or labeled images of a split: a view where they are in shards."""
    if isinstance(samples, _Samples):
        return samples.of(split)
    return [one for one in samples if one.split == split]


def both_paths(pairs: Sequence[PairFile]) -> tuple[Sequence[Path], Sequence[Path]]:
    """The left and the right images of pairs in two files each."""
    if isinstance(pairs, _Samples):
        return pairs.paths()
    return [pair.left for pair in pairs], [pair.right for pair in pairs if pair.right is not None]


class _Samples(Sequence[Any]):
    """Pairs or images with labels, each made when it is asked for."""

    def __init__(self, index: ShardIndex, make: Any, numbers: NDArray[np.intp], splits: NDArray[np.uint8]) -> None:
        self._index, self._make, self._numbers, self._splits = index, make, numbers, splits

    def __len__(self) -> int:
        return len(self._numbers)

    @overload
    def __getitem__(self, place: int) -> Any: ...

    @overload
    def __getitem__(self, place: slice) -> _Samples: ...

    def __getitem__(self, place: int | slice) -> Any:
        if isinstance(place, slice):
            return _Samples(self._index, self._make, self._numbers[place], self._splits[place])
        number = int(self._numbers[place])
        index, second = self._index, int(self._index.second[number])
        first = Path(index.text(int(index.first[number])))
        return self._make(SPLITS[self._splits[place]], first, Path(index.text(second)) if second != NONE else None)

    def __iter__(self) -> Iterator[Any]:
        return (self[place] for place in range(len(self)))

    def of(self, split: str) -> _Samples:
        """Those of a split."""
        chosen = self._splits == SPLITS.index(split)
        return _Samples(self._index, self._make, self._numbers[chosen], self._splits[chosen])

    def seen(self) -> Iterator[Seen | None]:
        """What was seen in each."""
        return (self._index.seen(int(number)) for number in self._numbers)

    def paths(self) -> tuple[MemberPaths, MemberPaths]:
        """Both files of each."""
        first, second = self._index.first[self._numbers], self._index.second[self._numbers]
        return MemberPaths(self._index, first), MemberPaths(self._index, second)


def _numbered(index: ShardIndex) -> tuple[NDArray[np.intp], NDArray[np.uint8]]:
    """The samples in the order of their splits, and their splits."""
    groups = [one for split in SPLITS for one in index.groups if one.split == split]
    numbers = [np.arange(one.start, one.stop) for one in groups]
    splits = [np.full(one.stop - one.start, SPLITS.index(one.split), np.uint8) for one in groups]
    return np.concatenate([np.empty(0, np.intp), *numbers]), np.concatenate([np.empty(0, np.uint8), *splits])


def _pair(split: str, left: Path, right: Path | None) -> PairFile:
    return PairFile(split, left, right)


def _labelled(split: str, image: Path, mask: Path | None, table: dict[int, int]) -> LabelledImage:
    assert mask is not None
    return LabelledImage(image, split, partial(read_values, mask, table), (mask,))


def _paths(index: ShardIndex, split: str, domain: str = "", *, second: bool = False) -> MemberPaths:
    group = index.group(split, domain)
    return MemberPaths(index, (index.second if second else index.first)[group.start : group.stop])


def _domains(index: ShardIndex) -> tuple[str, str]:
    try:
        a, b = (str(name) for name in index.facts["domains"])
    except (KeyError, TypeError, ValueError):
        raise DataError(f"{index.path}: names no two domains.") from None
    return a, b


def _alone(index: ShardIndex) -> tuple[str, ...]:
    return tuple(f"{index.where}/{sentence}" for sentence in index.facts.get("alone", ()))


def _about(index: ShardIndex) -> str:
    return f"{index.where}, {counted(len(index.shards), 'shard')}{index.facts.get('remark', '')}"
