"""Files in shards under paths of their own: ``data/set/train-000000.tar/0001.jpg``.

Whoever opens an image by its path opens these as well (`readable`, `read_bytes`); sequences of such paths make each
one when it is asked for.
"""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from gantool.errors import DataError
from gantool.fetch.cache import cache_folder
from gantool.shards.index import INDEX, ShardIndex, open_index
from gantool.shards.parts import Shard
from gantool.shards.places import address_at
from gantool.shards.ranges import Ranges

__all__ = [
    "MemberPaths",
    "cached_index",
    "file_facts",
    "index_at",
    "is_member",
    "may_be_shards",
    "read_bytes",
    "readable",
    "register",
    "register_folder",
    "said",
    "shard_at",
]

_MARK = f".tar{os.sep}"

_known: dict[str, ShardIndex] = {}
"""The indexes in use, by the folder of their set."""


_REMEMBERED = 256

_made: dict[str, tuple[ShardIndex, int]] = {}
"""The last paths that views made, so that whoever opens one at once needs no search among the names."""

_folders: dict[str, Ranges] = {}
"""Folders of single files at an address, by the folders that stand for them."""


def register_folder(root: Path, files: Ranges) -> None:
    """Let the files below an address be opened by their paths below ``root`` from now on."""
    _folders[str(root)] = files


def register(index: ShardIndex) -> ShardIndex:
    """Let the files of an index be opened by their paths from now on."""
    _known[str(index.root)] = index
    _made.clear()
    return index


def cached_index(root: Path) -> Path:
    """Where the index of a set from elsewhere is kept."""
    key = hashlib.sha256(os.fsencode(root.resolve())).hexdigest()[:24]
    return cache_folder() / "shards" / f"{key}.index"


def index_at(root: Path) -> ShardIndex | None:
    """The index of the set in a folder, if one was made."""
    found = _known.get(str(root))
    if found is not None:
        return found
    for path in (root / INDEX, cached_index(root)):
        if path.is_file():
            return register(open_index(path, root))
    return None


def _find(path: Path) -> tuple[ShardIndex, str, str] | None:
    """The index, the shard and the name of a file in a shard; None for any other path."""
    text = str(path)
    place = text.find(_MARK)
    while place >= 0:
        end = place + len(_MARK) - 1
        shard = Path(text[:end])
        for root in (shard.parent, shard.parent.parent):
            index = _known.get(str(root)) or (
                index_at(root) if shard.is_file() or address_at(root) is not None else None
            )
            if index is not None:
                return index, shard.relative_to(root).as_posix(), text[end + 1 :].replace(os.sep, "/")
        place = text.find(_MARK, end)
    return None


def shard_at(path: Path) -> Shard | None:
    """What is known of a tar file of a set that is in use; None for any other file."""
    if path.suffix != ".tar":
        return None
    for root in (path.parent, path.parent.parent):
        index = _known.get(str(root))
        shard = index.shard_named(path.relative_to(root).as_posix()) if index is not None else None
        if shard is not None:
            return shard
    return None


def said(path: object) -> str:
    """A path in words for people: the address of what lies elsewhere; of anything else, its own words."""
    if not isinstance(path, Path):
        return str(path)
    single = _single(path)
    if single is not None:
        return f"{address_at(Path(single[0]))}/{single[1]}"
    found = _find(path) if _MARK in str(path) else None
    return f"{found[0].where}/{found[1]}/{found[2]}" if found is not None and found[0].remote else str(path)


def is_member(path: Path) -> bool:
    """Whether a path is that of a file in a shard, or at an address."""
    return _single(path) is not None or (_MARK in str(path) and _find(path) is not None)


def _single(path: Path) -> tuple[str, str] | None:
    """The folder and the name of a single file at an address; None for any other path."""
    text = str(path)
    for root, files in _folders.items():
        name = text[len(root) + 1 :].replace(os.sep, "/")
        if text.startswith(f"{root}{os.sep}") and files.size(name) is not None:
            return root, name
    return None


def _content(path: Path) -> bytes | None:
    made = _made.get(str(path)) if _made else None
    if made is not None:
        return made[0].read(made[1])
    single = _single(path)
    if single is not None:
        root, name = single
        return _folders[root].read(name, 0, _folders[root].size(name) or 0)
    found = _find(path) if _MARK in str(path) else None
    if found is None:
        return None
    index, shard, name = found
    number = index.find(shard, name)
    if number is None:
        raise DataError(f"{said(path)}: is not in its shard, as far as the index of {index.where} knows.")
    return index.read(number)


def readable(path: Path) -> Path | io.BytesIO:
    """What decoders open: the path itself, or the content of a file in a shard.

    Raises:
        DataError: it is not there, or not as the index says.
    """
    content = _content(path)
    return path if content is None else io.BytesIO(content)


def may_be_shards(path: Path) -> bool:
    """Whether a path looks like a set of shards, or something in one, before anything is opened."""
    if ".tar" in str(path) or _folders:
        return True
    try:
        with os.scandir(path) as found:
            entries = list(found)
        if any(entry.name == INDEX or entry.name.endswith(".tar") for entry in entries):
            return True
        return any(any(Path(entry).glob("*.tar")) for entry in entries if entry.is_dir())  # folders of splits
    except OSError:
        return False


def read_bytes(path: Path) -> bytes:
    """The content of a file, in a shard or not.

    Raises:
        DataError: it is not in its shard, or not as the index says.
        OSError: of other files.
    """
    content = _content(path)
    return path.read_bytes() if content is None else content


def file_facts(path: Path) -> tuple[int, int] | None:
    """Size of a file, in a shard or not, and a number that changes with its content; None where there is none.

    The number is the time of the last change in ns, or the checksum that an index has.
    """
    found = _find(path) if _MARK in str(path) else None
    number = found[0].find(*found[1:]) if found is not None else None
    if found is not None:
        return None if number is None else found[0].version(number)
    try:
        about = path.stat()
    except (OSError, ValueError):
        return None
    return about.st_size, about.st_mtime_ns


class MemberPaths(Sequence[Path]):
    """Paths of files in shards, made when they are asked for.

    Args:
        numbers: of the files.
    """

    def __init__(self, index: ShardIndex, numbers: NDArray[np.uint32]) -> None:
        self.of, self.numbers = index, numbers

    def __len__(self) -> int:
        return len(self.numbers)

    @overload
    def __getitem__(self, place: int) -> Path: ...

    @overload
    def __getitem__(self, place: slice) -> MemberPaths: ...

    def __getitem__(self, place: int | slice) -> Path | MemberPaths:
        if isinstance(place, slice):
            return MemberPaths(self.of, self.numbers[place])
        number = int(self.numbers[place])
        text = self.of.text(number)
        if len(_made) >= _REMEMBERED:
            _made.clear()
        _made[text] = (self.of, number)
        return Path(text)

    def __iter__(self) -> Iterator[Path]:
        return (self[place] for place in range(len(self)))

    @property
    def shards(self) -> NDArray[np.uint32]:
        """The number of the shard of each."""
        return self.of.shards_of(self.numbers)

    def __reduce__(self) -> tuple[Any, ...]:
        return _again, (self.of.root, np.asarray(self.numbers).tobytes())


def _again(root: Path, numbers: bytes) -> MemberPaths:
    """In another process."""
    index = index_at(root)
    if index is None:
        raise DataError(f"{root}: its index is gone.")
    return MemberPaths(index, np.frombuffer(numbers, np.uint32))
