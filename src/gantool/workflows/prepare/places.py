"""Where the files of a copy go: into a folder, or into memory on their way into a shard."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from gantool.arrays import Color, Mask, Pixels
from gantool.data.images import encode_picture, write_picture
from gantool.data.masks import encode_mask, write_mask
from gantool.shards.members import read_bytes
from gantool.workflows.prepare.copying import copy_file

__all__ = ["Folder", "Memory", "Place"]


class Place(Protocol):
    """Takes files by their names relative to the data set, such as ``train/summer/0001.jpg``."""

    def has(self, name: str) -> bool:
        """Whether an interrupted call left the file, so that it needs not be made again."""
        ...

    def copy(self, source: Path, name: str) -> None: ...

    def picture(self, pixels: Pixels, name: str) -> None: ...

    def mask(self, mask: Mask, colors: tuple[Color, ...], name: str) -> None: ...


class Folder:
    """Files in a folder.

    Args:
        link: give files that are copied a second name instead.
    """

    def __init__(self, root: Path, *, link: bool = False) -> None:
        self.root, self.link = root, link

    def has(self, name: str) -> bool:
        return (self.root / name).exists()

    def copy(self, source: Path, name: str) -> None:
        copy_file(source, self.root / name, link=self.link)

    def picture(self, pixels: Pixels, name: str) -> None:
        write_picture(self.root / name, pixels)

    def mask(self, mask: Mask, colors: tuple[Color, ...], name: str) -> None:
        write_mask(self.root / name, mask, colors)


class Memory:
    """Files of one image.

    Attributes:
        files: contents in the order of their coming.
    """

    def __init__(self) -> None:
        self.files: list[tuple[str, bytes]] = []

    def has(self, name: str) -> bool:
        return False

    def copy(self, source: Path, name: str) -> None:
        self.files.append((name, read_bytes(source)))

    def picture(self, pixels: Pixels, name: str) -> None:
        self.files.append((name, encode_picture(pixels, name)))

    def mask(self, mask: Mask, colors: tuple[Color, ...], name: str) -> None:
        self.files.append((name, encode_mask(mask, colors)))
