"""Decoded images that all processes of a training share."""

from __future__ import annotations

import socket
from typing import Protocol, runtime_checkable

from gantool.engine.runtime import Runtime
from gantool.errors import OutputError
from gantool.fetch.cache import cache_folder
from gantool.store.places import CacheMode, Store, make_store

__all__ = ["KeepsImages", "share_images"]


@runtime_checkable
class KeepsImages(Protocol):
    """A training set that asks a store for its images.

    Attributes:
        store: None reads every image every time.
    """

    store: Store | None

    @property
    def slots(self) -> int:
        """How many images it may ask for; 0 for a set that is in memory anyway."""
        ...

    @property
    def most_bytes(self) -> int | None:
        """Bytes that all of them may take; None where the sizes are not known."""
        ...


def share_images(dataset: KeepsImages, mode: CacheMode, runtime: Runtime, workers: int) -> None:
    """Give a set the store that it shares with worker processes and with the ranks of this machine.

    The first rank of every machine makes it. All ranks must call this together.

    Raises:
        OutputError: see `make_store`.
    """
    machines = runtime.gather(socket.gethostname())
    first = machines.index(machines[runtime.rank])
    made: Store | OutputError | None = None
    if first == runtime.rank:
        folder = cache_folder() / "training"
        processes = machines.count(machines[first]) * max(workers, 1)
        try:
            made = make_store(mode, dataset.slots, folder, most=dataset.most_bytes, processes=processes)
        except OutputError as error:
            made = error
    stores = runtime.gather(made)
    failure = next((one for one in stores if isinstance(one, OutputError)), None)
    if failure is not None:
        raise failure
    store = made if first == runtime.rank else stores[first]
    assert not isinstance(store, OutputError)
    dataset.store = store
