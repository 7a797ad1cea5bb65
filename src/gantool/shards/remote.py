"""From the address of a set of shards to a folder that stands for it."""

from __future__ import annotations

from pathlib import Path

from gantool.errors import DataError
from gantool.fetch.remote.addresses import NotThereError, Server
from gantool.files import atomic
from gantool.shards.index import INDEX, ShardIndex
from gantool.shards.places import folder_for, note_address, noted_facts

__all__ = ["mounted"]

_TIMES = 3  # that an index is fetched before it is called damaged


def mounted(address: str) -> Path:
    """The folder that stands for an address, with the index as it is there now.

    Raises:
        DataError: nothing is there, it may not be read, or the server does not answer.
        UsageError: no address that can be read.
        OutputError: the cache cannot be written to.
    """
    server, folder = Server(address), folder_for(address)
    facts: dict[str, str] = {}
    try:
        facts = server.facts(INDEX)
        if not facts or facts != noted_facts(folder) or not (folder / INDEX).is_file():
            _fetch(server, folder)
    except NotThereError:  # it may be a set from elsewhere, which has none
        (folder / INDEX).unlink(missing_ok=True)
    note_address(folder, address, facts)
    return folder


def _fetch(server: Server, folder: Path) -> None:
    for left in reversed(range(_TIMES)):
        content = server.read(INDEX)
        with atomic(folder / INDEX) as temporary:
            temporary.write_bytes(content)
        try:
            ShardIndex(folder / INDEX, folder)
            return
        except DataError:
            (folder / INDEX).unlink()
            if not left:
                raise DataError(f"{server.address}/{INDEX}: is damaged or no index of shards.") from None
