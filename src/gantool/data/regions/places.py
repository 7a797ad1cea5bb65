"""How annotation files name their images."""

from __future__ import annotations

import os
import posixpath
from pathlib import Path
from urllib.parse import urlsplit

from gantool.fetch.remote.addresses import is_address
from gantool.shards.members import said

__all__ = ["path_from"]


def path_from(folder: Path | str, file: Path | str) -> str:
    """The path of a file as seen from a folder, with slashes; the whole path, or address, where it is elsewhere.

    >>> path_from("s3://bucket/masks", "s3://bucket/photos/1.jpg"), path_from("s3://bucket/masks", "gs://other/1.jpg")
    ('../photos/1.jpg', 'gs://other/1.jpg')

    Args:
        folder: a path, or an address as text.
        file: a path, or a path or an address as text.
    """
    name = said(file) if isinstance(file, Path) else file
    if is_address(name):
        return _below(str(folder), name)
    resolved = Path(name).resolve()
    if isinstance(folder, str):
        return resolved.as_posix()
    try:
        return Path(os.path.relpath(resolved, folder.resolve())).as_posix()
    except ValueError:
        return resolved.as_posix()


def _below(folder: str, address: str) -> str:
    """An address as seen from another one of the same storage."""
    here, there = urlsplit(folder), urlsplit(address)
    if here[:2] != there[:2]:
        return address
    return posixpath.relpath(there.path or "/", here.path or "/")
