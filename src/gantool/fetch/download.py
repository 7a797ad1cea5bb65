"""Downloads that go on where they stopped, are tried again, and are checked before they get their name."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import re
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from filelock import FileLock

from gantool.errors import DataError, GantoolError, OutputError

__all__ = ["download", "mirrored", "why_not"]

ATTEMPTS = 5
PATIENCE = 1.0  # seconds before the second attempt; doubled each time
_TIMEOUT = 30.0
_CHUNK = 1 << 18
_FINAL = frozenset({400, 401, 403, 404, 410})  # asking again changes nothing

Progress = Callable[[int, int], None]


class _TryAgainError(Exception):
    """Something that may be gone in a moment."""


class _TooLongError(Exception):
    """More bytes came than the file has."""


def mirrored(url: str) -> str:
    """The address to ask: with ``GANTOOL_MIRROR`` set, ``MIRROR/host/path`` instead of the original."""
    mirror = os.environ.get("GANTOOL_MIRROR", "").rstrip("/")
    parts = urllib.parse.urlsplit(url)
    return f"{mirror}/{parts.netloc}{parts.path}" if mirror else url


def download(
    url: str,
    target: Path,
    *,
    size: int | None = None,
    sha256: str | None = None,
    recognize: Callable[[Path], object] | None = None,
    remember: bool = False,
    on_progress: Progress = lambda done, total: None,
) -> Path:
    """Download a file once; two processes that want the same one share the work.

    Args:
        size, sha256: what the file must have, where that is known; of the hash the beginning is enough.
        recognize: raises a `GantoolError` if the file is not what is wanted, where its publisher gives no hash.
        remember: write the hash down beside the file, and tell later if the file has changed.
        on_progress: called with the bytes so far and all of them (0 if the server does not say).

    Returns:
        ``target``.

    Raises:
        DataError: not to be had, with what to do by hand; or not what was expected.
        OutputError: the disk is full.
    """
    if target.is_file():
        if remember:
            _compare_with_remembered(target)
        return target
    part = target.with_name(f"{target.name}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(target.with_name(f"{target.name}.lock")):
            if not target.is_file():
                _fetch(mirrored(url), part, target, size, on_progress)
                _verify(url, part, size, sha256, recognize)
                if remember:
                    _remembered(target).write_text(_digest(part), "ascii")
                part.replace(target)
                with suppress(OSError):
                    _state_file(part).unlink()
    except OSError as error:
        raise OutputError(f"{target}: cannot be written ({error.strerror or error}).") from error
    return target


def why_not(error: GantoolError) -> str:
    """Why a download failed, in few words: without the address, and without the system's own words for it.

    >>> why_not(DataError("http://x/y: cannot be downloaded, there is no connection ([Errno -2])."))
    'there is no connection'
    """
    said = re.sub(r"^https?://\S+: ", "", error.message).removeprefix("cannot be downloaded, ")
    return said.partition(" ([")[0].rstrip(".")


def _fetch(url: str, part: Path, target: Path, size: int | None, on_progress: Progress) -> None:
    by_hand = f"Or get {url} in another way and put it at {target}."
    problem = ""
    for attempt in range(ATTEMPTS):
        if attempt:
            time.sleep(PATIENCE * 2 ** (attempt - 1))
        before = part.stat().st_size if part.is_file() else 0
        try:
            return _fetch_once(url, part, size, on_progress)
        except urllib.error.HTTPError as error:
            problem = f"the server answered {error.code} {error.reason}"
            if error.code in _FINAL:
                raise DataError(f"{url}: {problem}.", by_hand) from None
        except urllib.error.URLError as error:
            problem = f"there is no connection ({error.reason})"
            if not before and attempt >= 1:
                break  # nothing has ever come: no network, most likely
        except _TooLongError:
            part.unlink()
            raise DataError(
                f"{url}: has more than the expected {size} bytes; the file on the server has changed."
            ) from None
        except (_TryAgainError, http.client.HTTPException, TimeoutError, ConnectionError) as error:
            problem = str(error) or type(error).__name__
    raise DataError(f"{url}: cannot be downloaded, {problem}.", f"Run the command again to resume. {by_hand}")


def _fetch_once(url: str, part: Path, size: int | None, on_progress: Progress) -> None:
    done = part.stat().st_size if part.is_file() else 0
    known = _read_state(part)
    headers = {"User-Agent": "gantool", "Accept-Encoding": "identity"}
    if done and known:
        headers |= {"Range": f"bytes={done}-", "If-Range": known}
    request = urllib.request.Request(url, headers=headers)
    try:
        response = urllib.request.urlopen(request, timeout=_TIMEOUT)
    except urllib.error.HTTPError as error:
        if error.code == 416:  # all is there, or the file has shrunk: begin anew, the check follows
            part.unlink(missing_ok=True)
            raise _TryAgainError("the server has no more of the file") from None
        raise
    with response:
        goes_on = response.status == 206 and done > 0
        length = int(response.headers.get("Content-Length") or 0)
        total = (done if goes_on else 0) + length if length else (size or 0)
        _write_state(part, response.headers.get("ETag") or response.headers.get("Last-Modified") or "")
        with part.open("ab" if goes_on else "wb") as file:
            done = file.tell()
            while chunk := response.read(_CHUNK):
                if size is not None and done + len(chunk) > size:
                    raise _TooLongError
                file.write(chunk)
                done += len(chunk)
                on_progress(done, total)
    if total and done < total:
        raise _TryAgainError(f"only {done} of {total} bytes came")


def _verify(
    url: str, part: Path, size: int | None, sha256: str | None, recognize: Callable[[Path], object] | None
) -> None:
    """Remove what came if it is not what was wanted, and say so."""
    problem, remedy = "", ""
    if size is not None and (got := part.stat().st_size) != size:
        problem = f"has {got} bytes, expected {size}; the file on the server has changed."
    elif sha256 is not None and not (digest := _digest(part)).startswith(sha256):
        problem = f"is not the expected file (its SHA-256 is {digest})."
    elif recognize is not None:
        try:
            recognize(part)
        except GantoolError as error:
            problem, remedy = f"is not what was expected; {error.message}", "Try again later."
    if problem:
        part.unlink()
        raise DataError(f"{url}: {problem}", remedy)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _remembered(target: Path) -> Path:
    return target.with_suffix(".sha256")


def _compare_with_remembered(target: Path) -> None:
    known = _remembered(target)
    if known.is_file() and known.read_text("ascii").strip() != _digest(target):
        raise DataError(f"{target}: has changed since it was downloaded.", "Remove it to download it again.")


def _state_file(part: Path) -> Path:
    return part.with_name(f"{part.name}.json")


def _read_state(part: Path) -> str:
    """What tells this version of the file from another; without it a download cannot be gone on with."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        return str(json.loads(_state_file(part).read_text("utf-8"))["version"])
    return ""


def _write_state(part: Path, version: str) -> None:
    _state_file(part).write_text(json.dumps({"version": version}), "utf-8")
