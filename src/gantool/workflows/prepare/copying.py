"""Image files of the copy: the source's own where nothing about it must change, newly encoded elsewhere."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path

from gantool.data.images import is_plain
from gantool.files import atomic
from gantool.shards.members import is_member, read_bytes

__all__ = ["copy_file", "stays_as_it_is"]

_COPIED = frozenset({".jpg", ".jpeg", ".png", ".webp"})


def stays_as_it_is(path: Path, *, plain: bool = True) -> bool:
    """Whether the file itself can be the copy's: of a usual format and, with ``plain``, upright RGB or gray."""
    return path.suffix.lower() in _COPIED and (not plain or is_plain(path))


def copy_file(source: Path, target: Path, *, link: bool) -> None:
    """Copy a file that is not there yet, or give it a second name where the disk can do that."""
    if target.exists():
        return
    if link and not is_member(source):
        target.parent.mkdir(parents=True, exist_ok=True)
        with suppress(OSError):  # another disk, or one without links: a copy does as well
            os.link(source.resolve(), target)
            return
    with atomic(target) as temporary:
        if is_member(source):
            temporary.write_bytes(read_bytes(source))
        else:
            shutil.copyfile(source, temporary)
