"""WebDataset sets from elsewhere: what their files are, and an index of them, made once and kept in the cache.

Files that follow each other and have one name up to the first dot are a sample. One picture with a mask
(``.seg.png``, ``.mask.png``) is an image with labels, two pictures (``.a.jpg`` and ``.b.jpg``, or whatever they are
called) are a pair, and single pictures belong to a domain: that of their ``.cls``, else of their folder, else of
their shard's name, where there are two of them. All else is not used, which is said.
"""

from __future__ import annotations

import io
import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gantool.data.images import SUFFIXES, find_images
from gantool.data.splits import SPLIT_WORDS, split_of
from gantool.errors import DataError, counted
from gantool.fetch.remote.addresses import Server
from gantool.shards.index import INDEX, NONE, IndexBuilder, ShardIndex, open_index
from gantool.shards.members import cached_index
from gantool.shards.parts import Packed, Shard
from gantool.shards.places import address_at
from gantool.shards.ranges import LocalFiles, RangeReader, Ranges, RemoteShards
from gantool.shards.tar import scan, split_name

__all__ = ["NoShardsError", "find_tars", "plain_index"]

_MASKS = frozenset({"seg", "mask", "masks", "label", "labels", "segmentation", "gt", "annotation"})
_LISTED = 200  # sentences about samples that lack something
_LONGEST_CLASS = 100  # bytes of a .cls
_BUFFER = 1 << 16


class NoShardsError(DataError):
    """There is no set of shards at an address."""


@dataclass(frozen=True, slots=True)
class _Sample:
    """Pictures and masks of one key, by what follows the key's dot."""

    shard: int
    key: str
    pictures: tuple[tuple[str, Packed], ...]
    masks: tuple[tuple[str, Packed], ...]
    label: str  # what its .cls says


def find_tars(root: Path) -> dict[str, str]:
    """The split of every tar file in a folder or in its folders of splits, by its name below the folder.

    None where there are images as well: archives that lie beside a data set are not the data set.
    """
    with os.scandir(root) as entries:
        names = [entry.name for entry in entries]
    splits = [(SPLIT_WORDS[name.lower()], root / name) for name in sorted(names) if name.lower() in SPLIT_WORDS]
    found: dict[str, str] = {}
    for split, folder in [("", root), *splits]:
        here = names if folder == root else [path.name for path in folder.iterdir()] if folder.is_dir() else []
        for name in sorted(name for name in here if name.endswith(".tar") and not name.startswith(".")):
            if (folder / name).is_file():
                found[(folder / name).relative_to(root).as_posix()] = split or split_of(name[:-4]) or "train"
    return found if found and not find_images(root, recursive=True) else {}


def plain_index(root: Path) -> ShardIndex | None:
    """The index of the tar files in a folder; made if there is none or they have changed. None without any.

    Raises:
        DataError: one cannot be read, or they hold no pictures.
        OutputError: the index cannot be written.
    """
    address = address_at(root)
    if address is not None:
        shards, tars = _listed(address)
    else:
        tars = find_tars(root)
        stats = {name: (root / name).stat() for name in tars}
        shards = tuple(Shard(name, about.st_size, "", about.st_mtime_ns) for name, about in stats.items())
    if not tars:
        return None
    path = cached_index(root)
    try:
        index = open_index(path, root) if path.is_file() else None
    except DataError:
        index = None  # damaged: it is made again
    if index is None or index.shards != shards:
        ranges: Ranges = RemoteShards(address, shards) if address is not None else LocalFiles(root)
        _make(address or str(root), ranges, tars, shards, path)
        index = open_index(path, root)
    return index


def _listed(address: str) -> tuple[tuple[Shard, ...], dict[str, str]]:
    """The tar files at an address and their splits."""
    listing = Server(address).listing()
    if listing is None:
        raise NoShardsError(
            f"{address}: has no {INDEX}, and such servers do not list what they have.",
            "Put the index of gantool prepare --shards beside the shards.",
        )
    tars = {name: about for name, about in sorted(listing.items()) if name.endswith(".tar")}
    if not tars:
        raise NoShardsError(f"{address}: holds neither {INDEX} nor tar files.", "Expected a set of shards.")
    shards = tuple(Shard(name, size, "", time) for name, (size, time) in tars.items())
    return shards, {name: split_of(name[:-4]) or "train" for name in tars}


def _make(where: str, ranges: Ranges, splits: Mapping[str, str], shards: Sequence[Shard], path: Path) -> None:
    unused: Counter[str] = Counter()
    samples: list[_Sample] = []
    for number, shard in enumerate(shards):
        with io.BufferedReader(RangeReader(ranges, shard.name, shard.size), _BUFFER) as file:
            files = scan(f"{where}/{shard.name}", file)
            samples += _samples(ranges, number, shard.name, files, unused)
    if not any(sample.pictures for sample in samples):
        raise DataError(
            f"{where}: its tar files hold no pictures.", f"Expected {', '.join(sorted(SUFFIXES)[:4])} and others."
        )
    builder = IndexBuilder()
    builder.shards += shards
    kind = _kind(samples)
    add = {"segmentation": _add_labelled, "paired": _add_pairs}.get(kind, _add_single)
    facts = add(builder, samples, splits, unused)
    said = ", ".join(f"{count} .{ending}" for ending, count in sorted(unused.items())[:8])
    remark = f"; not used: {said}" if unused else ""
    builder.write(path, {"remark": remark, **facts}, checked=False)


def _samples(
    ranges: Ranges, number: int, shard: str, files: Iterator[Packed], unused: Counter[str]
) -> Iterator[_Sample]:
    """Group the files of a shard."""
    key, members = "", dict[str, Packed]()

    def made() -> _Sample:
        pictures: list[tuple[str, Packed]] = []
        masks: list[tuple[str, Packed]] = []
        label = ""
        for ending, packed in members.items():
            *words, last = ending.split(".")
            if f".{last}" in SUFFIXES:
                (masks if _MASKS & {*words} else pictures).append((ending, packed))
            elif ending == "cls" and packed.size <= _LONGEST_CLASS:
                label = ranges.read(shard, packed.offset, packed.size).decode("utf-8", "replace").strip()
            else:
                unused[ending] += 1
        return _Sample(number, key, tuple(pictures), tuple(masks), label)

    for packed in files:
        own, ending = split_name(packed.name)
        if own != key or ending in members:
            if members:
                yield made()
            key, members = own, {}
        members[ending] = packed
    if members:
        yield made()


def _kind(samples: Sequence[_Sample]) -> str:
    if any(sample.masks and sample.pictures for sample in samples):
        return "segmentation"
    double = sum(len(sample.pictures) == 2 for sample in samples)
    return "paired" if 2 * double > len(samples) else "single"


def _add_labelled(
    builder: IndexBuilder, samples: Sequence[_Sample], splits: Mapping[str, str], unused: Counter[str]
) -> dict[str, object]:
    alone = []
    for sample in samples:
        split, shard = _split(builder, sample, splits), builder.shards[sample.shard].name
        for ending, _ in (*sample.pictures[1:], *sample.masks[1:]):
            unused[ending] += 1
        if not (sample.pictures or sample.masks):
            continue
        if not (sample.pictures and sample.masks):
            what = "mask" if sample.pictures else "image"
            alone.append(f"{shard}/{sample.key}: has no {what} of that name.")
            continue
        first, second = (builder.add(sample.shard, found[0][1]) for found in (sample.pictures, sample.masks))
        builder.sample(split, "", _place(builder, sample), first, second)
    return {"kind": "segmentation", "alone": alone[:_LISTED]}


def _add_pairs(
    builder: IndexBuilder, samples: Sequence[_Sample], splits: Mapping[str, str], unused: Counter[str]
) -> dict[str, object]:
    pairs: Counter[tuple[str, ...]] = Counter(
        tuple(sorted(ending for ending, _ in sample.pictures)) for sample in samples if len(sample.pictures) == 2
    )
    endings = next(iter(pairs.most_common(1)))[0]
    names = tuple(ending.rpartition(".")[0] or ending for ending in endings)
    alone = []
    for sample in samples:
        found = dict(sample.pictures)
        for ending in found.keys() - set(endings):
            unused[ending] += 1
        if not found.keys() >= set(endings):
            alone.append(f"{builder.shards[sample.shard].name}/{sample.key}: has no partner of that name.")
            continue
        first, second = (builder.add(sample.shard, found[ending]) for ending in endings)
        builder.sample(_split(builder, sample, splits), "", _place(builder, sample), first, second)
    return {"kind": "paired", "domains": names if len(set(names)) == 2 else ("a", "b"), "alone": alone[:_LISTED]}


def _add_single(
    builder: IndexBuilder, samples: Sequence[_Sample], splits: Mapping[str, str], unused: Counter[str]
) -> dict[str, object]:
    used = [sample for sample in samples if sample.pictures]
    domains = [[sample.label for sample in used], [_folder(sample) for sample in used],
               [_stem(builder.shards[sample.shard].name) for sample in used]]  # fmt: skip
    chosen = next((names for names in domains if len(set(names)) == 2 and "" not in names), None)
    for sample, domain in zip(used, chosen or [""] * len(used), strict=True):
        for ending, _ in sample.pictures[1:]:
            unused[ending] += 1
        number = builder.add(sample.shard, sample.pictures[0][1])
        builder.sample(_split(builder, sample, splits), domain, _place(builder, sample), number, NONE)
    if chosen is None:
        return {"kind": "images"}
    return {"kind": "unpaired", "domains": sorted(set(chosen)), "about": counted(len(used), "image")}


def _split(builder: IndexBuilder, sample: _Sample, splits: Mapping[str, str]) -> str:
    return splits[builder.shards[sample.shard].name]


def _place(builder: IndexBuilder, sample: _Sample) -> str:
    return f"{builder.shards[sample.shard].name}/{sample.key}"


def _folder(sample: _Sample) -> str:
    return sample.key.split("/")[0] if "/" in sample.key else ""


def _stem(shard: str) -> str:
    """What a shard's name says of its content: neither its number nor its split."""
    words = re.split(r"[^A-Za-z]+", Path(shard).stem)
    return " ".join(word for word in words if word and split_of(word) is None)
