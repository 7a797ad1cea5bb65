"""Slots that processes fill and read together."""

from __future__ import annotations

import multiprocessing
import os
import pickle
from pathlib import Path

import numpy as np
import pytest

from gantool.store import slots as module
from gantool.store.slots import Arrays, Bound, Heap, SlotFile, shared_memory

AMPLE = Bound(2**24, 0)
needs_files = pytest.mark.skipif(not hasattr(os, "pread"), reason="the system cannot share open files")
needs_memory = pytest.mark.skipif(not shared_memory(), reason="the system has no files in memory")


def picture(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def same(left: Arrays | None, right: Arrays) -> bool:
    return left is not None and len(left) == len(right) and all(map(np.array_equal, left, right))


def make(kind: str, folder: Path, bound: Bound = AMPLE, count: int = 8) -> SlotFile | Heap:
    if kind == "heap":
        return Heap(bound)
    if kind == "disk":
        folder.mkdir(exist_ok=True)
    return SlotFile(count, bound, folder if kind == "disk" else None)


KINDS = [
    pytest.param("memory", marks=needs_memory),
    pytest.param("disk", marks=needs_files),
    "heap",
]


@pytest.mark.parametrize("kind", KINDS)
def test_arrays_come_back_as_they_were(kind: str, tmp_path: Path) -> None:
    slots = make(kind, tmp_path)
    given: list[Arrays] = [
        (picture(0, 5, 7, 3),),
        (picture(1, 4, 4, 1),),
        (picture(2, 6, 3, 3), picture(2, 6, 3)),
        (picture(3, 9, 9, 3)[2:7, ::-1],),  # a view that is not contiguous
    ]
    assert all(slots.get(slot) is None for slot in range(8))
    for slot, arrays in enumerate(given):
        assert slots.put(slot, arrays)
    for slot, arrays in enumerate(given):
        assert same(slots.get(slot), arrays)
    assert slots.get(7) is None


@pytest.mark.parametrize("kind", KINDS)
def test_no_more_is_kept_than_allowed(kind: str, tmp_path: Path) -> None:
    one = (picture(0, 10, 10, 3),)
    slots = make(kind, tmp_path, Bound(1300, 0))  # with the index and headers of a file there is room for three
    kept = [slots.put(slot, one) for slot in range(8)]
    assert kept == [True] * sum(kept) + [False] * (8 - sum(kept))
    assert 3 <= sum(kept) <= 4
    assert [slots.get(slot) is not None for slot in range(8)] == kept


@pytest.mark.parametrize("kind", KINDS)
def test_room_is_left_to_others(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slots = make(kind, tmp_path, Bound(2**24, 1000))
    for name in ("available_memory", "free_disk"):
        monkeypatch.setattr(module, name, lambda *_: 1299)
    assert not slots.put(0, (picture(0, 10, 10, 3),))
    assert slots.get(0) is None
    for name in ("available_memory", "free_disk"):
        monkeypatch.setattr(module, name, lambda *_: 1400)
    assert slots.put(0, (picture(0, 10, 10, 3),))


@needs_files
@pytest.mark.parametrize("kind", KINDS[:2])
def test_a_disk_that_is_full_ends_it_quietly(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slots = make(kind, tmp_path)
    arrays = (picture(0, 4, 4, 3),)
    assert slots.put(0, arrays)
    written = os.writev
    monkeypatch.setattr(os, "writev", lambda file, parts: written(file, parts[:1]))  # it took a part only
    assert not slots.put(1, arrays)
    monkeypatch.setattr(os, "writev", written)
    assert not slots.put(2, arrays), "it is not tried again"
    assert same(slots.get(0), arrays)
    assert slots.get(1) is None


@needs_files
@pytest.mark.parametrize("damage", ["index", "record"])
def test_what_is_no_record_of_a_slot_is_not_there(damage: str, tmp_path: Path) -> None:
    slots = SlotFile(8, AMPLE, tmp_path)
    assert slots.put(3, (picture(0, 4, 4, 3),))
    entry = os.pread(slots._file, 16, 16 + 3 * 16)
    offset = int.from_bytes(entry[:8], "little")
    if damage == "index":
        os.pwrite(slots._file, entry, 16 + 4 * 16)  # another slot's record
        assert slots.get(4) is None
        assert slots.get(3) is not None
    else:
        os.pwrite(slots._file, b"\xff" * 64, offset)
        assert slots.get(3) is None


def _fill(slots: SlotFile, first: int, count: int) -> None:
    for turn in range(count):
        slot = (first + turn) % count
        slots.put(slot, (picture(slot, 3 + slot, 5, 3), picture(slot, 3 + slot, 5)))


@needs_memory
@pytest.mark.parametrize(("kind", "way"), [("memory", "fork"), ("disk", "fork"), ("memory", "spawn")])
def test_processes_fill_and_read_it_together(kind: str, way: str, tmp_path: Path) -> None:
    slots = make(kind, tmp_path, count=60)
    assert isinstance(slots, SlotFile)
    assert slots.put(0, (picture(0, 3, 5, 3), picture(0, 3, 5)))  # opened for appending before the fork
    context = multiprocessing.get_context(way)
    processes = [context.Process(target=_fill, args=(slots, 7 * n, 60)) for n in range(3 if way == "fork" else 1)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
        assert process.exitcode == 0
    for slot in range(60):
        assert same(slots.get(slot), (picture(slot, 3 + slot, 5, 3), picture(slot, 3 + slot, 5)))


@needs_memory
def test_elsewhere_all_slots_are_empty() -> None:
    slots = SlotFile(8, AMPLE)
    arrays = (picture(0, 4, 4, 3),)
    assert slots.put(0, arrays)
    state = slots.__getstate__()
    again = pickle.loads(pickle.dumps(slots))
    assert same(again.get(0), arrays)
    assert again.put(1, arrays)
    assert same(slots.get(1), arrays)
    for wrong in ({"host": "another machine"}, {"token": bytes(16)}, {"path": "/proc/self/fd/99999"}):
        other = SlotFile.__new__(SlotFile)
        other.__setstate__(state | wrong)
        assert other.get(0) is None
        assert not other.put(0, arrays)


@needs_files
def test_nothing_is_left_open_or_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = Path("/proc/self/fd")
    before = len(list(opened.iterdir())) if opened.is_dir() else 0
    for named in (False, True):
        if named:  # as on a system that cannot open a file without a name once more
            monkeypatch.setattr(module, "shared_memory", lambda: False)
        slots = SlotFile(8, AMPLE, tmp_path)
        assert len(list(tmp_path.iterdir())) == (1 if named or not shared_memory() else 0)
        assert slots.put(0, (picture(0, 4, 4, 3),))
        copy = pickle.loads(pickle.dumps(slots))
        assert same(copy.get(0), (picture(0, 4, 4, 3),))
        del copy
        assert same(slots.get(0), (picture(0, 4, 4, 3),)), "a copy does not take the file with it"
        del slots
        assert list(tmp_path.iterdir()) == []
    assert not opened.is_dir() or len(list(opened.iterdir())) == before


@needs_files
def test_what_a_killed_process_left_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from gantool.files import temporary

    monkeypatch.setattr(module, "shared_memory", lambda: False)
    left = tmp_path / f"{temporary._prefix(2**22 + 1)}0123abcd.images"
    other = tmp_path / "mine.txt"
    left.touch()
    other.touch()
    slots = SlotFile(8, AMPLE, tmp_path)
    assert not left.exists()
    assert other.exists()
    del slots
