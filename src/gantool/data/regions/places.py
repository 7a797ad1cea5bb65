"""How annotation files name their images."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["path_from"]


def path_from(folder: Path, file: Path) -> str:
    """The path of a file as seen from a folder, with slashes; the whole path where it is on another disk."""
    try:
        return Path(os.path.relpath(file.resolve(), folder.resolve())).as_posix()
    except ValueError:
        return file.resolve().as_posix()
