"""Which TorchScript and ``.pt2`` files did this user export here?

Such files can hold code, and the card within them can be forged. So the SHA-256 of every export is written down in a
file of the user's own, and only files that stand there are loaded unasked.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
from pathlib import Path

from gantool.errors import ModelError, OutputError
from gantool.files import atomic

__all__ = ["remember_export", "require_own_export", "state_folder"]

_MOST = 4096  # exports that are remembered; when there are more, the older half is forgotten
_LARGEST = 4 * 2**20  # bytes of the list that are looked at
_DIGEST = re.compile(r"[0-9a-f]{64}(?= )")

_log = logging.getLogger("gantool")


def state_folder() -> Path:
    """``GANTOOL_STATE``, or the platform's folder for what programs remember; not made here."""
    chosen = os.environ.get("GANTOOL_STATE")
    if chosen:
        return Path(chosen)
    import platformdirs

    return platformdirs.user_state_path("gantool", appauthor=False)


def remember_export(path: Path) -> None:
    """Write down that this user made the file; it has to have its final content.

    What cannot be written is logged: the export is there, it only has to be used with ``--trust``.
    """
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    lines = [line for line in _lines() if not line.startswith(digest)]
    name = path.name.encode("ascii", "replace").decode()
    try:
        _append(f"{digest} {name}")
        if len(lines) >= _MOST:
            with atomic(_list()) as temporary:
                temporary.write_text("".join(f"{line}\n" for line in [*lines[-_MOST // 2 :], f"{digest} {name}"]))
    except (OSError, OutputError) as error:
        _log.warning("%s: cannot be written (%s), so %s runs with --trust only.", _list(), error, path)


def require_own_export(path: Path, content: bytes) -> None:
    """Refuse a file that this user did not export here.

    Args:
        path: names the file in the message.
        content: all its bytes.

    Raises:
        ModelError: it is not known.
    """
    digest = hashlib.sha256(content).hexdigest()
    if not any(line.startswith(digest) for line in _lines()):
        raise ModelError(
            f"{path}: can hold code, and is not known as an export of yours.",
            "Export it here again, use its ONNX form, or add --trust if you trust who made it.",
        )


def _list() -> Path:
    return state_folder() / "exports.txt"


def _lines() -> list[str]:
    """What is written down, the oldest first; damaged lines are left out."""
    try:
        with _list().open("rb") as file:
            file.seek(max(file.seek(0, os.SEEK_END) - _LARGEST, 0))
            text = file.read(_LARGEST).decode("ascii", "replace")
    except OSError:
        return []
    return [line for line in text.splitlines() if _DIGEST.match(line)]


def _append(line: str) -> None:
    """One write at the end of the file, so that several processes do not mix."""
    _list().parent.mkdir(parents=True, exist_ok=True)
    with _list().open("ab", buffering=0) as file:
        file.write(f"\n{line}\n".encode())  # a line that was cut off stays on its own
