"""From what a person types to a folder: a path, a name, an archive, or a data set to download.

A name is looked for in this order: an existing path, ``./data/NAME``, ``data/NAME`` in the cache, and the catalog.
Training and evaluation take what is there (`resolve_data`); ``gantool prepare`` also unpacks archives and downloads
what the catalog has (`opened`).
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

from filelock import FileLock

from gantool.data.images import find_folders
from gantool.data.sources.catalog import CATALOG, how_to_get
from gantool.errors import DataError, closest
from gantool.fetch.archives import is_archive, unpack
from gantool.fetch.cache import cache_folder
from gantool.fetch.download import download
from gantool.fetch.remote.addresses import is_address
from gantool.shards.remote import mounted

__all__ = ["Kind", "Opened", "name_of", "opened", "resolve_data"]

Kind = Literal["unpaired", "paired", "segmentation"]
Progress = Callable[[str, int, int], None]


def resolve_data(data: str) -> Path:
    """An existing folder, the folder of that name under ``./data``, or the one in the cache.

    For an address it is a folder that stands for the shards there.

    Raises:
        DataError: none exists; says how to get a named data set, or which name is nearest.
    """
    if is_address(data):
        return mounted(data)
    for candidate in (Path(data), Path("data") / data):
        if candidate.is_dir():
            return candidate
    if Path(data).is_file():
        raise DataError(f"{data}: is a file, expected a folder with a data set.")
    cached = cache_folder() / "data" / data
    if cached.is_dir():
        return cached
    if data in CATALOG:
        raise DataError(f"{data}: is not here yet.", how_to_get(CATALOG[data]))
    near = [entry.name for entry in find_folders(Path("data"))]
    raise DataError(
        f"{data}: there is no such folder, neither here nor under data/.", closest(data, [*near, *CATALOG])
    )


@dataclass(frozen=True)
class Opened:
    """A source that is here: a folder, an annotation file, or two folders by domain name.

    Attributes:
        domains, kind: where the catalog says.
    """

    data: Path | Mapping[str, str]
    name: str
    domains: tuple[str, str] | None = None
    kind: Kind | None = None

    def folders(self) -> list[Path]:
        """Where the source lies; nothing may be written there."""
        return [self.data] if isinstance(self.data, Path) else [Path(folder) for folder in self.data.values()]


def name_of(source: str | Path) -> str:
    """What a source is called: a folder or an archive by its name, a named data set by its own."""
    path = Path(source)
    if path.is_file():
        return path.name.split(".")[0] if is_archive(path) else path.stem
    return path.resolve().name if path.is_dir() else str(source)


@contextmanager
def opened(source: str | Path, on_progress: Progress, *, keep: bool) -> Iterator[Opened]:
    """Yield the folder of a source: itself, an unpacked archive, or a named data set.

    Args:
        keep: leave what was unpacked in the cache for another look; else it goes when all is done.

    Raises:
        DataError: nothing of that name, or it cannot be had; says what to do.
    """
    if is_address(str(source)):
        yield Opened(mounted(str(source)), str(source).rstrip("/").rsplit("/", 1)[-1])
        return
    path = Path(source)
    if path.is_file() and is_archive(path):
        facts = path.stat()
        key = hashlib.sha256(f"{path.resolve()}:{facts.st_size}:{facts.st_mtime_ns}".encode()).hexdigest()[:12]
        name = name_of(path)
        with _unpacked([path], f"{name}-{key}", on_progress, keep) as folder:
            yield Opened(_innermost(folder), name)
        return
    if path.exists() or str(source) not in CATALOG:
        if not path.exists():
            raise DataError(
                f"{source}: there is no such folder, archive or named data set.", closest(str(source), CATALOG)
            )
        yield Opened(path, name_of(path))
        return
    entry = CATALOG[str(source)]
    if not entry.urls:
        raise DataError(f"{entry.name}: cannot be downloaded without you.", f"{how_to_get(entry)}")
    archives = []
    for url in entry.urls:
        target = cache_folder() / "downloads" / entry.name / url.rsplit("/", 1)[-1]
        archives.append(download(url, target, on_progress=partial(on_progress, f"downloading {target.name}")))
    with _unpacked(archives, entry.name, on_progress, keep) as folder:
        inner = folder / entry.folder
        if not inner.exists():
            inner = _innermost(folder)
        yield Opened(inner, entry.name, entry.domains, entry.kind)


@contextmanager
def _unpacked(archives: list[Path], name: str, on_progress: Progress, keep: bool) -> Iterator[Path]:
    """All archives in one folder of the cache; one process at a time works with it."""
    folder = cache_folder() / "unpacked" / name
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_name(f"{name}.lock")):
        if not folder.exists():
            building = folder.with_name(f"{name}.building")
            for number, archive in enumerate(archives):
                part = building / f"part{number}"
                unpack(archive, part, partial(on_progress, f"unpacking {archive.name}"))
            whole = building / "part0"
            for number in range(1, len(archives)):
                _merge(building / f"part{number}", whole)
            whole.rename(folder)
            shutil.rmtree(building)
        yield folder
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)


def _merge(source: Path, target: Path) -> None:
    """Move what is in one folder into another; folders of the same name become one."""
    for entry in list(source.iterdir()):
        place = target / entry.name
        if entry.is_dir() and place.is_dir():
            _merge(entry, place)
        elif not place.exists():
            entry.rename(place)


def _innermost(folder: Path) -> Path:
    """Step into folders that hold nothing but one folder."""
    while True:
        entries = [entry for entry in folder.iterdir() if not entry.name.startswith(".")]
        if len(entries) != 1 or not entries[0].is_dir():
            return folder
        folder = entries[0]
