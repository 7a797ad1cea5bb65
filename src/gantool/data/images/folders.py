"""Which images a folder holds."""

from __future__ import annotations

import os
from pathlib import Path

from gantool.data.images.formats import SUFFIXES

__all__ = ["find_folders", "find_images", "images_within"]


def _is_image_file(entry: os.DirEntry[str]) -> bool:
    if entry.name.startswith(".") or Path(entry.name).suffix.lower() not in SUFFIXES:
        return False
    return Path(entry.path).is_file() if entry.is_symlink() else entry.is_file()


def find_images(folder: Path, *, recursive: bool = False) -> list[Path]:
    """All images directly in ``folder`` (or below it), sorted by name; what is hidden is left out."""
    if not recursive:  # quickly: a folder can hold a million, and is looked at several times
        with os.scandir(folder) as found:
            names = [entry.name for entry in found if _is_image_file(entry)]
        return [folder / name for name in sorted(names)]
    return sorted(
        entry
        for entry in folder.rglob("*")
        if entry.suffix.lower() in SUFFIXES
        and not any(part.startswith(".") for part in entry.relative_to(folder).parts)
        and entry.is_file()
    )


def images_within(folder: Path) -> list[Path]:
    """The images of a folder, or those of the folders within it where it has none itself."""
    return find_images(folder) or find_images(folder, recursive=True)


def find_folders(parent: Path) -> list[Path]:
    """All folders directly in ``parent``, sorted by name; hidden ones are never data. None if it is no folder."""
    entries = parent.iterdir() if parent.is_dir() else ()
    return sorted(entry for entry in entries if entry.is_dir() and not entry.name.startswith("."))
