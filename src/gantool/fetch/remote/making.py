"""Making files at an address so that none is ever half there, nor replaces another one by accident."""

from __future__ import annotations

import secrets
from contextlib import suppress
from typing import Any

__all__ = ["Making", "has_buckets"]

_BUCKETS = frozenset({"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "oss"})
_WHOLE = _BUCKETS | {"memory"}
"""Schemes of storages where a file is there as a whole or not at all; elsewhere it gets its name at the end."""


def has_buckets(scheme: str) -> bool:
    """Whether addresses begin with the name of something that has to be there.

    >>> has_buckets("s3"), has_buckets("file")
    (True, False)
    """
    return scheme in _BUCKETS


class Making:
    """How files are made at addresses of a scheme."""

    def __init__(self, scheme: str) -> None:
        self._whole, self._exclusive = scheme in _WHOLE, True

    def make(self, system: Any, path: str, content: bytes, *, replace: bool) -> None:
        """Make a file, whole or not at all.

        Args:
            system: of fsspec.
            replace: what is there.

        Raises:
            FileExistsError: something is there that is not to be replaced.
            Exception: whatever the file system raises.
        """
        if not self._whole:
            _make_beside(system, path, content, replace=replace)
        elif not replace and self._exclusive:
            try:
                system.pipe_file(path, content, mode="create")
            except Exception as error:
                if not _means_unknown(error):
                    raise
                self._exclusive = False  # it cannot look and write at once
                self.make(system, path, content, replace=replace)
        else:
            _require_free(system, path, replace=replace)
            system.pipe_file(path, content)


def _make_beside(system: Any, path: str, content: bytes, *, replace: bool) -> None:
    folder, _, last = path.rpartition("/")
    temporary = f"{folder}/.{secrets.token_hex(4)}.{last[-60:]}.part"
    system.makedirs(folder, exist_ok=True)
    try:
        system.pipe_file(temporary, content)
        _require_free(system, path, replace=replace)
        system.mv(temporary, path)
    except BaseException:
        with suppress(Exception):
            system.rm_file(temporary)
        raise


def _require_free(system: Any, path: str, *, replace: bool) -> None:
    if not replace:
        system.invalidate_cache()
        if system.exists(path):
            raise FileExistsError(path)


def _means_unknown(error: Exception) -> bool:
    """Whether a storage, or its file system, does not know what it was asked for."""
    if isinstance(error, (TypeError, NotImplementedError)):
        return True
    answer = getattr(error.__cause__, "response", None) or {}
    return bool(answer.get("Error", {}).get("Code") == "NotImplemented")
