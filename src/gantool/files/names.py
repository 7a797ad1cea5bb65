"""Names of files that every system accepts, and numbers of bytes as people write them."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

__all__ = ["LONGEST_NAME", "parse_bytes", "safe_name"]

LONGEST_NAME = 200
"""Bytes of a file name; systems allow 255, and tiles and temporary files add to it."""

_RESERVED = {"con", "prn", "aux", "nul", *(f"{kind}{n}" for kind in ("com", "lpt") for n in range(1, 10))}


def parse_bytes(text: str) -> int | None:
    """A number of bytes with its unit, as people write it; None for anything else.

    >>> parse_bytes("256MB"), parse_bytes("1.5 g"), parse_bytes("0KB"), parse_bytes("10000")
    (256000000, 1500000000, 0, None)
    """
    found = re.fullmatch(r"(\d{1,9}(?:\.\d+)?) ?([KMGT])B?", text.strip(), re.IGNORECASE | re.ASCII)
    return int(float(found[1]) * 1000 ** ("KMGT".index(found[2].upper()) + 1)) if found else None


def safe_name(name: str) -> str:
    """Return ``name`` as a file name that Windows accepts too.

    >>> safe_name("2011-06-26 18:49:32.jpg")
    '2011-06-26 18_49_32.jpg'
    """
    # Surrogates stand for bytes of a name that are no UTF-8.
    clean = re.sub(r'[<>:"/\\|?*\x00-\x1f\ud800-\udfff]', "_", name).rstrip(" .") or "_"
    if len(clean.encode()) > LONGEST_NAME:
        # Shortened, with a part of its hash so that two long names stay two.
        suffix = Path(clean).suffix if len(Path(clean).suffix) <= 8 else ""
        mark = hashlib.sha256(clean.encode()).hexdigest()[:8]
        clean = clean.encode()[: LONGEST_NAME - 20].decode(errors="ignore").rstrip(" .") + f"-{mark}{suffix}"
    if clean.split(".")[0].lower() in _RESERVED:
        clean = f"_{clean}"
    return clean
