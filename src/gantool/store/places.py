"""Where the images of a training are kept once they are decoded and scaled."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Literal, Protocol

from gantool.errors import OutputError
from gantool.store.room import available_memory, free_disk
from gantool.store.slots import Arrays, Bound, Heap, SlotFile, shared_memory

__all__ = ["CacheMode", "Store", "make_store"]

CacheMode = Literal["auto", "off", "memory", "disk"]

_MEMORY, _SPARE_MEMORY = 1 / 3, 1 / 4
"""Shares of what is available at the start: kept at most, and left to others, also to trainings that start later."""
_DISK, _SPARE_DISK, _MOST_DISK = 1 / 4, 1 / 10, 64 * 2**30
"""Shares of what is free at the start, and bytes that no training's images exceed."""


class Slots(Protocol):
    """Arrays by number."""

    def get(self, slot: int) -> Arrays | None: ...

    def put(self, slot: int, arrays: Arrays) -> bool: ...


class Store:
    """Slots in several places: the first that has room keeps what is made, and what none keeps is made again.

    >>> store = Store([])
    >>> store.take(0, lambda: ())
    ()
    """

    def __init__(self, places: Sequence[Slots]) -> None:
        self.places = tuple(places)

    def take(self, slot: int, make: Callable[[], Arrays]) -> Arrays:
        """Return what ``make`` gives for a slot, from its second call on without making it, if there was room.

        The arrays are not to be written to.
        """
        for place in self.places:
            found = place.get(slot)
            if found is not None:
                return found
        made = make()
        for place in self.places:
            if place.put(slot, made):
                break
        return made


def make_store(
    mode: CacheMode, slots: int, folder: Path, *, most: int | None = None, processes: int = 1
) -> Store | None:
    """Make room for the images of a training; None if nothing is to be kept.

    Args:
        folder: where a file may be made; it is made itself, too.
        most: bytes of all slots together where they are known before: ``auto`` needs no file on the disk then if they
            fit into memory.
        processes: those that read images, for a system on which they share no memory.

    Raises:
        OutputError: ``disk``, but the folder cannot be written to.
    """
    if mode == "off" or not slots:
        return None
    places: list[Slots] = []
    if mode in ("auto", "memory"):
        free = available_memory()
        bound = Bound(int(free * _MEMORY), int(free * _SPARE_MEMORY))
        with suppress(OSError):
            places.append(_in_memory(slots, bound, processes))
        if mode == "memory" or (places and most is not None and most <= bound.most):
            return Store(places)
    try:
        places.append(_on_disk(slots, folder))
    except OSError as error:
        if mode == "disk":
            raise OutputError(
                f"data.cache: {folder} cannot be written to ({error.strerror or error}).",
                "Name another folder in GANTOOL_CACHE, or leave the setting at auto.",
            ) from None
    return Store(places)


def _in_memory(slots: int, bound: Bound, processes: int) -> Slots:
    if shared_memory():
        return SlotFile(slots, bound)
    return Heap(Bound(bound.most // processes, bound.spare))


def _on_disk(slots: int, folder: Path) -> Slots:
    folder.mkdir(parents=True, exist_ok=True)
    free = free_disk(folder)
    return SlotFile(slots, Bound(min(int(free * _DISK), _MOST_DISK), int(free * _SPARE_DISK)), folder)
