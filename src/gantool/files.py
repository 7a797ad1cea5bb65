"""Writing files so that nothing is ever half there, and naming them so that every system can hold them."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from gantool.errors import OutputError

__all__ = ["atomic", "safe_name"]

LONGEST_NAME = 200
"""Bytes of a file name; systems allow 255, and tiles and temporary files add to it."""

_RESERVED = {"con", "prn", "aux", "nul", *(f"{kind}{n}" for kind in ("com", "lpt") for n in range(1, 10))}


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; on success it replaces ``path``, on failure it is removed.

    The data is flushed to the disk before the replacement, so that a power cut leaves the old file or the new one.

    Raises:
        OutputError: the disk is full, or the folder cannot be written to.
    """
    temporary = path.with_name(f".{secrets.token_hex(4)}.{path.name[-60:]}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.touch()
        mode = temporary.stat().st_mode
        yield temporary
        temporary.chmod(mode)  # some libraries write files that nobody else may read
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        remedy = "Free some space and run the command again." if error.errno in (28, 122) else ""
        raise OutputError(f"{path}: cannot be written ({error.strerror or error}).", remedy) from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def safe_name(name: str) -> str:
    """Return ``name`` as a file name that Windows accepts too.

    >>> safe_name("2011-06-26 18:49:32.jpg")
    '2011-06-26 18_49_32.jpg'
    """
    clean = re.sub(r'[<>:"/\\|?*\x00-\x1f]', "_", name).rstrip(" .") or "_"
    if len(clean.encode()) > LONGEST_NAME:
        # Shortened, with a part of its hash so that two long names stay two.
        suffix = Path(clean).suffix if len(Path(clean).suffix) <= 8 else ""
        mark = hashlib.sha256(clean.encode()).hexdigest()[:8]
        clean = clean.encode()[: LONGEST_NAME - 20].decode(errors="ignore").rstrip(" .") + f"-{mark}{suffix}"
    if clean.split(".")[0].lower() in _RESERVED:
        clean = f"_{clean}"
    return clean
