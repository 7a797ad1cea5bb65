"""How much memory and disk there is."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

__all__ = ["available_memory", "free_disk"]

_UNKNOWN = 2**31
"""Bytes of memory that a system that does not tell is taken to have available."""


def available_memory(root: Path = Path("/")) -> int:
    """Bytes that this process may still take: of the machine, or of the control group it runs in if that is less.

    Args:
        root: where ``proc`` and ``sys`` are.
    """
    rooms = [*_of_machine(root), *_of_groups(root)]
    return max(min(rooms), 0) if rooms else _UNKNOWN


def free_disk(folder: Path) -> int:
    """Bytes that may be written to the disk of a folder that exists.

    Raises:
        OSError: the folder is gone.
    """
    return shutil.disk_usage(folder).free


def _of_machine(root: Path) -> Iterator[int]:
    try:
        lines = (root / "proc/meminfo").read_text("ascii").splitlines()
        yield from (int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, ValueError, IndexError):
        # No Linux. Half of the memory is a guess on the safe side for systems that say how much there is at all.
        try:
            yield os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
        except (AttributeError, ValueError, OSError):
            return


def _of_groups(root: Path) -> Iterator[int]:
    """What is left of every limit on this process's control group and those that it is in (cgroup v2 and v1)."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, own = line.split(":", 2)
        if controllers not in ("", "memory"):
            continue
        top = root / "sys/fs/cgroup" / controllers
        # A container sees its own group as the topmost one, whatever its path is outside.
        for folder in dict.fromkeys((top / own.lstrip("/"), *(top / own.lstrip("/")).parents)):
            if folder.is_relative_to(top):
                yield from _left(folder, *_NAMES[controllers])


_NAMES = {
    "": ("memory.max", "memory.current", "inactive_file"),
    "memory": ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
}


def _left(group: Path, limit: str, usage: str, reclaimed: str) -> Iterator[int]:
    """Nothing for a group without a limit. Pages of files that nobody uses count as used, but make way."""
    try:
        most, used = (int((group / name).read_text("ascii")) for name in (limit, usage))
        stat = dict(line.split() for line in (group / "memory.stat").read_text("ascii").splitlines())
        yield most - used + int(stat.get(reclaimed, 0))
    except (OSError, ValueError):
        return
