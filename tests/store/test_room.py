"""How much memory there is, by made-up systems."""

from __future__ import annotations

from pathlib import Path

import pytest

from gantool.store.room import available_memory, free_disk

MACHINE = "MemTotal:       9000 kB\nMemFree:         100 kB\nMemAvailable:    5000 kB\n"


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([("proc/meminfo", MACHINE)], 5000 * 1024),
        (  # a limit of a group above the own one, which has none
            [
                ("proc/meminfo", MACHINE),
                ("proc/self/cgroup", "0::/job/step\n"),
                ("sys/fs/cgroup/job/step/memory.max", "max\n"),
                ("sys/fs/cgroup/job/step/memory.current", "10\n"),
                ("sys/fs/cgroup/job/memory.max", "100000\n"),
                ("sys/fs/cgroup/job/memory.current", "70000\n"),
                ("sys/fs/cgroup/job/memory.stat", "anon 5\ninactive_file 20000\n"),
            ],
            50000,
        ),
        (  # in a container, where the own path is that of the outside
            [
                ("proc/meminfo", MACHINE),
                ("proc/self/cgroup", "0::/docker/0123\n"),
                ("sys/fs/cgroup/memory.max", "100000\n"),
                ("sys/fs/cgroup/memory.current", "70000\n"),
                ("sys/fs/cgroup/memory.stat", "inactive_file 0\n"),
            ],
            30000,
        ),
        (
            [
                ("proc/meminfo", MACHINE),
                ("proc/self/cgroup", "8:pids:/\n4:memory:/job\n0::/\n"),
                ("sys/fs/cgroup/memory/job/memory.limit_in_bytes", "90000\n"),
                ("sys/fs/cgroup/memory/job/memory.usage_in_bytes", "100000\n"),
                ("sys/fs/cgroup/memory/job/memory.stat", "inactive_file 1\ntotal_inactive_file 5000\n"),
            ],
            0,
        ),
        ([("proc/meminfo", MACHINE), ("proc/self/cgroup", "0::/gone\n")], 5000 * 1024),
    ],
)
def test_memory(rows: list[tuple[str, str]], expected: int, tmp_path: Path) -> None:
    for name, text in rows:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert available_memory(tmp_path) == expected


def test_a_system_that_tells_nothing(tmp_path: Path) -> None:
    assert available_memory(tmp_path) > 2**28


def test_this_machine(tmp_path: Path) -> None:
    assert available_memory() > 0
    assert free_disk(tmp_path) > 0
    with pytest.raises(OSError, match="gone"):
        free_disk(tmp_path / "gone")
