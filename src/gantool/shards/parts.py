"""What shards and the files in them are to an index."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Packed", "Shard"]


@dataclass(frozen=True, slots=True)
class Packed:
    """A file in a tar file.

    Attributes:
        offset, size: of its content, in bytes.
        crc: CRC-32 of its content; 0 where nobody has read it.
    """

    name: str
    offset: int
    size: int
    crc: int = 0


@dataclass(frozen=True)
class Shard:
    """A tar file.

    Attributes:
        name: its path below the data set's folder.
        size: bytes.
        sha256: of all of it; empty where nobody has read it.
        time: of its last change in ns, where that is all that is known of its content; else 0.
    """

    name: str
    size: int
    sha256: str = ""
    time: int = 0
