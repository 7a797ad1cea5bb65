"""Where results go: into a folder or a file on a disk, or at an address; and what is there already."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from gantool.data.images import SUFFIXES
from gantool.errors import OutputError, UsageError
from gantool.fetch.remote.addresses import is_address, takes_files
from gantool.files import Target
from gantool.shards.members import said

if TYPE_CHECKING:
    from gantool.fetch.remote.outbox import Outbox

__all__ = ["AtAddress", "OnDisk", "Spot", "place_of"]


@dataclass(frozen=True)
class Spot:
    """Where one result goes.

    Attributes:
        same: equal for two spots that are one file.
        there: whether a file exists there.
        taken: whether anything does, or could.
    """

    target: Target
    same: Path | str
    there: bool
    taken: bool


class OnDisk:
    """A folder, or one file in it.

    Attributes:
        folder: of the results.
        file: the one result; None for a folder.
    """

    def __init__(self, folder: Path, file: Path | None = None) -> None:
        self.folder, self.file = folder, file
        self._resolved = cache(Path.resolve)

    def spot(self, name: str, tree: Path = Path(), beside: Path | None = None) -> Spot:
        """Where a result of that name goes.

        Args:
            tree: the folder within the folder.
            beside: another folder instead.
        """
        place = beside if beside is not None else self.folder / tree
        target = self.file if self.file is not None else place / name
        taken = os.path.lexists(target)
        # Thousands of results go into few folders, each of which is looked up once.
        same = target.resolve() if taken else self._resolved(target.parent) / target.name
        return Spot(target, same, taken and target.exists(), taken)

    def is_input(self, spot: Spot, path: Path) -> bool:
        """Whether a result would replace an input."""
        return spot.taken and spot.same == path.resolve()


class AtAddress:
    """A folder at an address, or one file in it; what is there is listed once per folder.

    Attributes:
        folder: what sends the results.
        file: the name of the one result; None for a folder.

    Args:
        replace: what is there, which then need not be listed.
        keep: what is there.
    """

    def __init__(self, address: str, *, replace: bool, keep: bool) -> None:
        from gantool.fetch.remote.outbox import Outbox

        top, _, name = address.rpartition("/")
        single = Path(name).suffix.lower() in SUFFIXES and not top.endswith(":/")
        self.folder: Outbox = Outbox(top if single else address, replace=replace, keep=keep)
        self.file = name if single else None
        self._replace = replace

    def spot(self, name: str, tree: Path = Path(), beside: Path | None = None) -> Spot:
        """See `OnDisk`; nothing lies beside its image."""
        target = self.folder.file(self.file or (tree / name).as_posix())
        return Spot(target, target.name, not self._replace and self.folder.has(target.path), taken=True)

    def is_input(self, spot: Spot, path: Path) -> bool:
        """Whether a result would replace an input."""
        return spot.same == said(path)


def place_of(output: str | None, *, replace: bool = False, keep: bool = False) -> OnDisk | AtAddress:
    """Where ``-o`` says that results go; the current folder for None.

    Raises:
        OutputError: a folder that is a file.
        UsageError, DataError: an address that takes no files.
    """
    if output is None:
        return OnDisk(Path())
    if is_address(output):
        if not takes_files(output):
            raise UsageError(f"-o {output}: such servers take no files.", "Name a folder, or an address as s3://.")
        return AtAddress(output, replace=replace, keep=keep)
    path = Path(output)
    if path.is_dir() or output.endswith(("/", "\\")) or path.suffix.lower() not in SUFFIXES:
        if path.exists() and not path.is_dir():
            raise OutputError(f"-o {output}: is a file, expected a folder or an image file.")
        return OnDisk(path)
    return OnDisk(path.parent, path)
