"""Sets of shards at an address: a folder in the cache stands for each, with its index and without its shards."""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from pathlib import Path

from gantool.fetch.cache import cache_folder
from gantool.files import atomic, safe_name

__all__ = ["address_at", "folder_for", "note_address", "noted_facts"]

_NOTE = "address.json"


def folder_for(address: str) -> Path:
    """The folder that stands for an address."""
    plain = address.rstrip("/")
    key = hashlib.sha256(plain.encode()).hexdigest()[:12]
    return cache_folder() / "remote" / f"{safe_name(plain.rsplit('/', 1)[-1])}-{key}"


def note_address(folder: Path, address: str, facts: dict[str, str]) -> None:
    """Write down what a folder stands for, and which version of its index it has.

    Raises:
        OutputError: the cache cannot be written to.
    """
    with atomic(folder / _NOTE) as temporary:
        temporary.write_text(json.dumps({"address": address.rstrip("/"), "index": facts}), "utf-8")


def noted_facts(folder: Path) -> dict[str, str]:
    """The version of the index that a folder has; nothing where that is not known."""
    found = _note(folder).get("index")
    return {str(key): str(value) for key, value in found.items()} if isinstance(found, dict) else {}


def address_at(folder: Path) -> str | None:
    """The address that a folder stands for; None for any other folder."""
    found = _note(folder).get("address")
    return str(found) if found else None


def _note(folder: Path) -> dict[str, object]:
    with suppress(OSError, ValueError):
        found = json.loads((folder / _NOTE).read_text("utf-8"))
        return found if isinstance(found, dict) else {}
    return {}
