"""Which files a data set consists of, cheap to note and to compare: names, sizes and times, contents on request."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from gantool.documents import load_json
from gantool.errors import DataError
from gantool.files import atomic
from gantool.shards.index import INDEX
from gantool.shards.members import shard_at

__all__ = ["Changes", "FileFacts", "Files", "compare_files", "digest_of", "note_files", "read_files", "write_files"]

_SAME_TIME = 2 * 10**9  # ns; the coarsest clock that a file system has is FAT's


@dataclass(frozen=True, slots=True)
class FileFacts:
    """Of one file.

    Attributes:
        size: bytes.
        time: of its last change, in ns since 1970.
        sha256: of its contents; empty where they were not read.
    """

    size: int
    time: int
    sha256: str = ""


Files = Mapping[str, FileFacts]
"""By name, relative to the data set's folder."""


@dataclass(frozen=True)
class Changes:
    """How a data set differs from what was noted.

    Attributes:
        added, removed, changed: names of files, sorted.
        copied: all files have other times than before, and nothing else tells whether they are the same.
    """

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    copied: bool = False

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed)


def note_files(
    folders: Mapping[str, Path], paths: Iterable[Path], *, contents: bool, known: Files | None = None
) -> dict[str, FileFacts]:
    """Look at files.

    Args:
        folders: that names are relative to, by what names begin with (nothing for a single one).
        contents: read every file, but for those that have the size and the time of a ``known`` one.

    Raises:
        DataError: one is gone, or cannot be read.
    """
    known = known or {}
    found = {}
    try:
        for path in dict.fromkeys(paths):
            name, shard = _name(folders, path), shard_at(path)
            if shard is not None and not path.is_file():  # it lies elsewhere
                found[name] = FileFacts(shard.size, 0, shard.sha256)
                continue
            facts, before = path.stat(), known.get(name)
            sha256 = ""
            if contents and before is not None and (before.size, before.time) == (facts.st_size, facts.st_mtime_ns):
                sha256 = before.sha256
            # What a shard holds is told by the index, against which every image is checked when it is read.
            noted = shard.sha256 if shard is not None and not contents else ""
            if contents or path.name == INDEX:
                noted = sha256 or _hash(path)
            found[name] = FileFacts(facts.st_size, facts.st_mtime_ns, noted)
    except OSError as error:
        raise DataError(f"{error.filename}: cannot be read ({error.strerror}).") from None
    return dict(sorted(found.items()))


def _name(folders: Mapping[str, Path], path: Path) -> str:
    for name, folder in folders.items():
        if path.is_relative_to(folder):
            return "/".join(part for part in (name, path.relative_to(folder).as_posix()) if part)
    return Path(os.path.relpath(path, next(iter(folders.values())))).as_posix()


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def compare_files(before: Files, now: Files) -> Changes:
    """Tell what has changed.

    Contents decide where both were noted, sizes where they differ, and else times. A set none of whose files has the
    time that was noted is a copy, whose times mean nothing; where some have it, the others were written since.
    """
    common = before.keys() & now.keys()
    by_content = {name for name in common if before[name].sha256 and now[name].sha256}
    changed = {name for name in by_content if before[name].sha256 != now[name].sha256}
    changed |= {name for name in common if before[name].size != now[name].size}
    by_time = common - by_content - changed
    later = {name for name in by_time if abs(before[name].time - now[name].time) > _SAME_TIME}
    copied = bool(later) and all(before[name].time != now[name].time for name in by_time)
    return Changes(
        tuple(sorted(now.keys() - common)),
        tuple(sorted(before.keys() - common)),
        tuple(sorted(changed if copied else changed | later)),
        copied,
    )


def write_files(path: Path, files: Files) -> None:
    """Write a list, one line of JSON per file: name, size, time and, where it is known, hash."""
    with atomic(path) as temporary:
        temporary.write_text(_text(files), "ascii")


def digest_of(files: Files) -> str:
    """SHA-256 of what `write_files` writes."""
    return hashlib.sha256(_text(files).encode()).hexdigest()


def _text(files: Files) -> str:
    return "".join(
        json.dumps([name, facts.size, facts.time, *([facts.sha256] if facts.sha256 else [])]) + "\n"
        for name, facts in files.items()
    )


def read_files(path: Path) -> dict[str, FileFacts] | None:
    """What `write_files` wrote; None where there is no such file or another one."""
    try:
        found = {}
        for line in path.read_text("ascii").splitlines():
            name, size, time, *rest = load_json(line)
            found[str(name)] = FileFacts(int(size), int(time), str(rest[0]) if rest else "")
    except (OSError, ValueError, TypeError, OverflowError):
        return None
    return found
