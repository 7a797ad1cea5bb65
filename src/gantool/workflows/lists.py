"""What comes on standard input or in a list: the bytes of an image, or the paths of many."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import BinaryIO, TextIO

from gantool.data.images import ImageBytes, is_image
from gantool.errors import DataError, UsageError

__all__ = ["listed_paths", "read_standard_input"]

_MOST_BYTES = 2**30  # an image without compression of as many pixels as are read has about half of that
_LINE_ENDS = re.compile(r"\r\n|\n|\r")


def read_standard_input(stdin: TextIO | None) -> ImageBytes | list[str]:
    """An image if the first bytes are those of one, else paths, one per line.

    Raises:
        UsageError: it is closed, or empty, or neither of the two.
        DataError: it holds more than any image has.
    """
    data = _all_of(stdin, "-")
    if is_image(data[:128]):
        return ImageBytes("standard input", data)
    if not data.strip():
        raise UsageError("-: standard input is empty.", "Expected an image, or one path per line.")
    if b"\0" in data:
        raise UsageError(
            "-: expected an image or one path per line on standard input, found zero bytes.",
            "For paths that end in zero bytes (find -print0): --files-from - -0",
        )
    return _lines(data)


def listed_paths(name: str, stdin: TextIO | None, *, null: bool) -> list[str]:
    """The paths in a file, or on standard input for ``-``.

    Args:
        null: they end in zero bytes, not in lines.

    Raises:
        UsageError: the list is closed, or empty, or no list.
        DataError: the file cannot be read.
    """
    data = _all_of(stdin, "--files-from -") if name == "-" else _file(name)
    if is_image(data[:128]):
        remedy = "Name images without --files-from." if name != "-" else "An image itself: - alone."
        raise UsageError(f"--files-from {name}: expected paths, found an image.", remedy)
    if null:
        paths = [os.fsdecode(part) for part in data.split(b"\0") if part]
    elif b"\0" in data:
        raise UsageError(f"--files-from {name}: expected one path per line, found zero bytes.", "Add -0.")
    else:
        paths = _lines(data)
    if not paths:
        raise UsageError(f"--files-from {name}: names no images.")
    return paths


def _lines(data: bytes) -> list[str]:
    text = os.fsdecode(data.removeprefix(b"\xef\xbb\xbf"))
    return [line for line in _LINE_ENDS.split(text) if line.strip()]


def _file(name: str) -> bytes:
    try:
        with Path(name).open("rb") as file:
            return _bounded(file, f"--files-from {name}")
    except FileNotFoundError:
        raise DataError(f"--files-from {name}: there is no such file.") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"--files-from {name}: cannot be read ({reason}).") from None


def _all_of(stdin: TextIO | None, where: str) -> bytes:
    if stdin is None or stdin.closed:
        raise UsageError(f"{where}: standard input is closed.", "Name files, folders or globs.")
    buffer = getattr(stdin, "buffer", None)
    try:
        return _bounded(buffer, where) if buffer is not None else os.fsencode(stdin.read())
    except OSError as error:
        raise DataError(f"{where}: standard input cannot be read ({error.strerror or error}).") from None


def _bounded(file: BinaryIO, where: str) -> bytes:
    data = file.read(_MOST_BYTES + 1)
    if len(data) > _MOST_BYTES:
        raise DataError(f"{where}: holds more than {_MOST_BYTES // 2**30} GiB, which is more than any image has.")
    return data
