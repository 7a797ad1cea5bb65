"""Where results go: to files, to the next program, or to an address."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gantool.files.temporary import atomic

__all__ = ["ByteStream", "Target", "folder_of", "put"]


@dataclass(frozen=True)
class ByteStream:
    """Where the bytes of one result go that gets no file here: the next program's pipe, or an address.

    Attributes:
        name: what messages call it.
        suffix: of a file that would hold the same, such as ``.png``.
        write: takes all the bytes at once; raises an `OutputError` where they cannot be written.
    """

    name: str
    suffix: str
    write: Callable[[bytes], None]

    def __str__(self) -> str:
        return self.name


Target = Path | ByteStream
"""Where a result goes."""


def folder_of(target: Target) -> Path | str:
    """The folder of a result, or the address of that."""
    return target.parent if isinstance(target, Path) else target.name.rpartition("/")[0]


def put(target: Target, data: bytes) -> None:
    """Write a whole result: into its file, atomically, or to its stream.

    Raises:
        OutputError: it cannot be written.
    """
    if isinstance(target, ByteStream):
        target.write(data)
        return
    with atomic(target) as temporary:
        temporary.write_bytes(data)
