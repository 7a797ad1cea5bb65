"""From the address of a set of shards to a folder that stands for it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from gantool.errors import DataError
from gantool.fetch.remote.addresses import Server
from gantool.fetch.remote.patience import NotThereError
from gantool.files import atomic
from gantool.shards.index import INDEX, ShardIndex
from gantool.shards.mark import refuse_mark
from gantool.shards.members import register_folder
from gantool.shards.parts import Shard
from gantool.shards.places import folder_for, note_address, noted_facts
from gantool.shards.ranges import RemoteFolder

__all__ = ["files_at", "mounted"]

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


def files_at(address: str, *, recursive: bool, wanted: Callable[[str], bool]) -> list[tuple[Path, str]]:
    """Files in a folder at an address, or the one that it is of, with the folders that they are in below it.

    The paths can be opened by `gantool.shards.members.readable`.

    Args:
        wanted: whether a file of that name is.

    Raises:
        DataError: nothing is there, or the server does not list what it has.
    """
    single = wanted(address)
    top, _, name = address.rpartition("/") if single else (address.rstrip("/"), "", "")
    server, folder = Server(top), folder_for(top)
    listing = server.listing(recursive=recursive) if not single else {name: (_size(server, name), 0)}
    if listing is None:
        raise DataError(f"{address}: such servers do not list what they have.", "Name images, or a set of shards.")
    chosen = sorted(
        one for one in listing if wanted(one) and not any(part.startswith(".") for part in one.split("/"))
    )
    note_address(folder, top, noted_facts(folder))
    shards = [Shard(one, listing[one][0], "", listing[one][1]) for one in chosen]
    register_folder(folder, RemoteFolder(top, shards))
    return [(folder / one, one.rpartition("/")[0]) for one in chosen]


def _size(server: Server, name: str) -> int:
    known = server.facts(name).get("size")
    return int(known) if known is not None else len(server.read(name))


def _fetch(server: Server, folder: Path) -> None:
    for left in reversed(range(_TIMES)):
        content = server.read(INDEX)
        refuse_mark(content, f"{server.address}/{INDEX}")
        with atomic(folder / INDEX) as temporary:
            temporary.write_bytes(content)
        try:
            ShardIndex(folder / INDEX, folder)
            _fetch_description(server, folder)
            return
        except DataError:
            (folder / INDEX).unlink()
            if not left:
                raise DataError(f"{server.address}/{INDEX}: is damaged or no index of shards.") from None


def _fetch_description(server: Server, folder: Path) -> None:
    """What ``prepare`` says of a set, for people and for what is cut into tiles; it may have been left behind."""
    with suppress(NotThereError):
        content = server.read("dataset.yaml")
        with atomic(folder / "dataset.yaml") as temporary:
            temporary.write_bytes(content)
