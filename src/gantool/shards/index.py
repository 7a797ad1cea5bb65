"""The index of a set of shards: where every file lies in them, which belong together, and what the set is.

One file: eight bytes that say what it is, the length of its header, the header (JSON: kind, domains or classes,
shards with sizes and SHA-256, splits) and arrays that are mapped, not loaded: offset, size, shard and CRC-32 of every
file, its name, the order of the names, and for every sample the number of its image and of its mask or partner. A
million images open in a fraction of a second, and nothing is made of Python's for any of them before it is asked for.
"""

from __future__ import annotations

import itertools
import json
import mmap
import zlib
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gantool.arrays import IGNORE
from gantool.errors import DataError
from gantool.files import atomic
from gantool.shards.mark import MARK_SIZE, refuse_mark
from gantool.shards.parts import Packed, Shard
from gantool.shards.places import address_at
from gantool.shards.ranges import LocalFiles, Ranges, RemoteShards

__all__ = ["INDEX", "NONE", "Group", "IndexBuilder", "Seen", "ShardIndex", "open_index"]

INDEX = "shards.index"
"""Its name, beside the shards."""

NONE = 2**32 - 1
"""In place of the number of a mask or partner that a sample lacks."""

_MAGIC, _FORMAT, _ALIGNED = b"GTSHARDS", 1, 64
_MEMBER = np.dtype([("offset", "<u8"), ("size", "<u8"), ("shard", "<u4"), ("crc", "<u4")])
_ARRAYS = {
    "members": _MEMBER,
    "ends": np.dtype("<u8"),
    "by_name": np.dtype("<u4"),
    "first": np.dtype("<u4"),
    "second": np.dtype("<u4"),
    "names": np.dtype("u1"),
    "seen": np.dtype("u1"),
}
_AGAIN = "Make the set again with gantool prepare --shards, or fetch it again."
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Group:
    """Samples of one split and domain, which follow each other.

    Attributes:
        domain: empty where every sample is a pair or an image with its mask.
    """

    split: str
    domain: str
    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start


@dataclass(frozen=True)
class Seen:
    """What has to be known of all images with labels before a training begins.

    Attributes:
        content: SHA-256 of the image's pixels.
        counts: pixels of each value of its label map, ``(256,)``.
    """

    content: str
    counts: NDArray[np.int64]

    def row(self) -> bytes:
        """As it stands in the index: the hash, pixels to ignore, and those of every class up to the last one."""
        classes = np.trim_zeros(self.counts[:IGNORE], "b")
        return bytes.fromhex(self.content) + np.concatenate([self.counts[IGNORE:], classes]).astype("<u4").tobytes()

    @classmethod
    def of(cls, row: bytes) -> Seen:
        """The reverse of `row`, which may be longer by zeros."""
        ignored, *classes = np.frombuffer(row[32:], "<u4").tolist()
        counts = np.zeros(256, np.int64)
        counts[: len(classes)], counts[IGNORE] = classes, ignored
        return cls(row[:32].hex(), counts)


class ShardIndex:
    """An open index; may travel to other processes, which open it themselves.

    Attributes:
        root: the folder of the set; the files in the shards are called ``ROOT/SHARD/NAME``.
        path: the index's own file.
        facts: what the header says about the set: kind, domains or classes, tile, remarks.
        checked: whether every image was decoded when the set was made, and its checksum noted.
        remote: whether they lie elsewhere than on this machine's disks.
        where: the folder or address of the shards.
        ranges: reads them.
    """

    def __init__(self, path: Path, root: Path, address: str | None = None) -> None:
        self.path, self.root = path, root
        self.remote, self.where = address is not None, address or str(root)
        header, arrays = _mapped(path)
        try:
            self.shards = tuple(Shard(**entry) for entry in header["shards"])
            self.groups = tuple(Group(**entry) for entry in header["groups"])
            self.checked = bool(header["checked"])
            counts = [int(count) for count in header["counts"]]
            self.facts: Mapping[str, Any] = dict(header["facts"])
        except (KeyError, TypeError, ValueError):
            raise _damaged(path) from None
        self.ranges: Ranges = RemoteShards(address, self.shards) if address is not None else LocalFiles(root)
        self._members: NDArray[Any] = arrays["members"]
        self._ends, self._names = arrays["ends"], arrays["names"]
        self._by_name = arrays["by_name"]
        self.first, self.second = arrays["first"], arrays["second"]
        self._seen = arrays["seen"].reshape(len(self.first), -1) if len(self.first) else arrays["seen"]
        self._starts = np.concatenate([[0], np.cumsum(counts)])
        self._numbers = {shard.name: number for number, shard in enumerate(self.shards)}
        lengths = {len(self._members), len(self._ends), len(self._by_name), int(self._starts[-1])}
        whole = len(self.shards) == len(counts) and len(lengths) == 1 and len(self.first) == len(self.second)
        if not whole or any(not 0 <= one.start <= one.stop <= len(self.first) for one in self.groups):
            raise _damaged(path)

    def __len__(self) -> int:
        """Files in all shards that are used."""
        return len(self._members)

    @property
    def kind(self) -> str:
        """``unpaired``, ``paired``, ``segmentation``, or ``images`` of one kind."""
        return str(self.facts.get("kind", "images"))

    @property
    def size(self) -> int:
        """Bytes of all shards."""
        return sum(shard.size for shard in self.shards)

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that hold everything."""
        own = (self.path,) if self.path.parent == self.root else ()
        return (*own, *(self.root / shard.name for shard in self.shards))

    def name(self, number: int) -> str:
        """The name of a file in its shard."""
        return bytes(self._name(number)).decode("utf-8", "surrogateescape")

    def text(self, number: int) -> str:
        """Its path."""
        return f"{self.root}/{self.shards[self.shard(number)].name}/{self.name(number)}"

    def shard(self, number: int) -> int:
        """The number of the shard that a file is in."""
        return int(self._members["shard"][number])

    def shard_named(self, name: str) -> Shard | None:
        """What is said of a shard; None if there is none of that name."""
        number = self._numbers.get(name)
        return None if number is None else self.shards[number]

    def shards_of(self, numbers: NDArray[np.uint32] | Sequence[int]) -> NDArray[np.uint32]:
        """The shards of many files."""
        return np.asarray(self._members["shard"][np.asarray(numbers)], dtype=np.uint32)

    def version(self, number: int) -> tuple[int, int]:
        """The size of a file, and its checksum; where nobody has read it, the time of its shard."""
        _, size, place, crc = self._members[number].tolist()
        return size, crc if self.checked else self.shards[place].time

    def find(self, shard: str, name: str) -> int | None:
        """The number of a file by its name; None if the index has none."""
        place = self._numbers.get(shard)
        if place is None:
            return None
        wanted = name.encode("utf-8", "surrogateescape")
        low, high = int(self._starts[place]), int(self._starts[place + 1])
        while low < high:
            middle = (low + high) // 2
            number = int(self._by_name[middle])
            found = bytes(self._name(number))
            if found == wanted:
                return number
            low, high = (middle + 1, high) if found < wanted else (low, middle)
        return None

    def read(self, number: int) -> bytes:
        """The content of a file.

        Raises:
            DataError: the shard is not there, is cut off, or holds something else than the index says.
        """
        offset, size, place, crc = self._members[number].tolist()
        shard = self.shards[place]
        content = self.ranges.read(shard.name, offset, size)
        if self.remote and not self._is_right(content, size, crc):
            self.ranges.forget(shard.name, offset, size)  # the way here is long
            content = self.ranges.read(shard.name, offset, size)
        if len(content) < size:
            raise DataError(
                f"{self.where}/{shard.name}: ends before {self.name(number)} does; it is cut off.", _AGAIN
            )
        if not self._is_right(content, size, crc):
            raise DataError(
                f"{self.where}/{shard.name}/{self.name(number)}: is not what the index says (another checksum), so "
                "the shard was changed or damaged.",
                _AGAIN,
            )
        return content

    def _is_right(self, content: bytes, size: int, crc: int) -> bool:
        return len(content) == size and (not self.checked or zlib.crc32(content) == crc)

    def seen(self, sample: int) -> Seen | None:
        """What was seen in an image with labels when the set was made; None where that was not noted."""
        return Seen.of(self._seen[sample].tobytes()) if self._seen.ndim == 2 and self._seen.shape[1] else None

    def require_shards(self) -> None:
        """Look whether all shards are there, as long as the index says.

        Raises:
            DataError: one is not.
        """
        for shard in self.shards:
            size = self.ranges.size(shard.name)
            if size is None:
                raise DataError(f"{self.where}/{shard.name}: is not there, but the index names it.", _AGAIN)
            if size != shard.size:
                what = "it is cut off" if size < shard.size else "it does not belong to this index"
                raise DataError(
                    f"{self.where}/{shard.name}: has {size} bytes, the index says {shard.size}; {what}.", _AGAIN
                )

    def group(self, split: str, domain: str = "") -> Group:
        """The samples of a split; an empty group if there are none."""
        for one in self.groups:
            if (one.split, one.domain) == (split, domain):
                return one
        return Group(split, domain, 0, 0)

    def _name(self, number: int) -> NDArray[np.uint8]:
        start = int(self._ends[number - 1]) if number else 0
        return np.asarray(self._names[start : int(self._ends[number])])


def open_index(path: Path, root: Path) -> ShardIndex:
    """Open an index of the shards in ``root``, or at the address that it stands for.

    Raises:
        DataError: it is damaged, or of a newer gantool.
    """
    return ShardIndex(path, root, address_at(root))


def _damaged(path: Path) -> DataError:
    return DataError(f"{path}: is damaged or no index of shards.", _AGAIN)


def _mapped(path: Path) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """The header, and the arrays on the pages of the file, once their checksum is found right."""
    try:
        with path.open("rb") as file:
            refuse_mark(file.read(MARK_SIZE), path)
            file.seek(0)
            start = file.read(16)
            length = int.from_bytes(start[8:], "little")
            if start[:8] != _MAGIC or length > path.stat().st_size:
                raise _damaged(path)
            header = json.loads(file.read(length))
            if header["format"] > _FORMAT:
                raise DataError(f"{path}: was written by a newer gantool.", "Update gantool.")
            base = _aligned(16 + length)
            file.seek(base)
            crc, read = 0, 0
            while chunk := file.read(_CHUNK):
                crc, read = zlib.crc32(chunk, crc), read + len(chunk)
            if (crc, read) != (header["crc"], header["bytes"]):
                raise _damaged(path)
            pages = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        arrays = {
            name: np.frombuffer(pages, kind, header["arrays"][name][1], base + header["arrays"][name][0])
            for name, kind in _ARRAYS.items()
        }
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error}).") from None
    except (KeyError, TypeError, ValueError, IndexError, RecursionError):
        raise _damaged(path) from None
    return header, arrays


def _aligned(offset: int) -> int:
    return offset + -offset % _ALIGNED


class IndexBuilder:
    """Collects what an index says, file by file."""

    def __init__(self) -> None:
        self.shards: list[Shard] = []
        self._columns = {name: array("Q") for name in ("offset", "size", "shard", "crc")}
        self._names: list[bytes] = []
        self._samples: dict[tuple[str, str], list[tuple[str, int, int, bytes]]] = {}

    def __len__(self) -> int:
        return len(self._names)

    def add(self, shard: int, packed: Packed) -> int:
        """Note a file of a shard; returns its number."""
        for name, value in zip(self._columns, (packed.offset, packed.size, shard, packed.crc), strict=True):
            self._columns[name].append(value)
        self._names.append(packed.name.encode("utf-8", "surrogateescape"))
        return len(self._names) - 1

    def sample(
        self, split: str, domain: str, place: str, first: int, second: int = NONE, seen: Seen | None = None
    ) -> None:
        """Note an image, with its mask or partner.

        Args:
            place: samples of a group are numbered in the order of these.
            seen: what was seen in it; of all samples or of none.
        """
        row = seen.row() if seen is not None else b""
        self._samples.setdefault((split, domain), []).append((place, first, second, row))

    def write(self, path: Path, facts: Mapping[str, Any], *, checked: bool) -> None:
        """Write the index, atomically.

        Raises:
            DataError: a shard has two files of one name.
            OutputError: it cannot be written.
        """
        members = np.empty(len(self), _MEMBER)
        for name, column in self._columns.items():
            members[name] = np.frombuffer(column, np.uint64) if column else 0
        places, groups, start = [], [], 0
        for (split, domain), samples in self._samples.items():
            places += sorted(samples)
            groups.append(asdict(Group(split, domain, start, len(places))))
            start = len(places)
        shards = members["shard"].tolist()
        order = sorted(range(len(self)), key=lambda number: (shards[number], self._names[number]))
        for one, next_ in itertools.pairwise(order):
            if shards[one] == shards[next_] and self._names[one] == self._names[next_]:
                name = self._names[one].decode(errors="backslashreplace")
                raise DataError(f"{self.shards[shards[one]].name}: has two files of the name {name}.")
        arrays: dict[str, NDArray[Any]] = {
            "members": members,
            "ends": np.cumsum([len(name) for name in self._names], dtype="<u8"),
            "by_name": np.asarray(order, "<u4"),
            "first": np.asarray([first for _, first, _, _ in places], "<u4"),
            "second": np.asarray([second for _, _, second, _ in places], "<u4"),
            "names": np.frombuffer(b"".join(self._names), "u1"),
        }
        longest = max((len(row) for *_, row in places), default=0)
        arrays["seen"] = np.frombuffer(b"".join(row.ljust(longest, b"\0") for *_, row in places), "u1")
        counts = np.bincount(members["shard"], minlength=len(self.shards)).tolist()
        header = {
            "format": _FORMAT, "checked": checked, "facts": dict(facts),
            "shards": [asdict(shard) for shard in self.shards], "counts": counts, "groups": groups,
        }  # fmt: skip
        _write(path, header, arrays)


def _write(path: Path, header: dict[str, Any], arrays: Mapping[str, NDArray[Any]]) -> None:
    body = bytearray()
    table = {}
    for name, values in arrays.items():
        body += bytes(-len(body) % _ALIGNED)
        table[name] = [len(body), len(values)]
        body += values.tobytes()
    header = {**header, "arrays": table, "bytes": len(body), "crc": zlib.crc32(body)}
    text = json.dumps(header).encode()
    with atomic(path) as temporary, temporary.open("wb") as file:
        file.write(_MAGIC + len(text).to_bytes(8, "little") + text)
        file.write(bytes(-file.tell() % _ALIGNED))
        file.write(body)
