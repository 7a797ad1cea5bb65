"""How large pictures may be asked for."""

from __future__ import annotations

import re

from gantool.errors import UsageError

__all__ = ["MOST_PIXELS", "parse_side", "require_size"]

MOST_PIXELS = 178_956_970
"""Of a picture that is made; Pillow takes a file with more of them for a decompression bomb, and so none is read."""


def parse_side(text: str) -> int | None:
    """The side in pixels that digits stand for; None for all else.

    >>> parse_side("640"), parse_side("64O")
    (640, None)
    """
    return int(text) if re.fullmatch(r"[0-9]{1,18}", text) else None


def require_size(option: str, width: int, height: int) -> None:
    """Refuse a size that no picture has.

    Args:
        option: names what asks for it.

    Raises:
        UsageError: no pixels, or more than `MOST_PIXELS`.
    """
    if width < 1 or height < 1:
        raise UsageError(f"{option}: a picture of {width}x{height} has no pixels.")
    if width * height > MOST_PIXELS:
        raise UsageError(
            f"{option}: a picture of {width}x{height} has more than {MOST_PIXELS // 10**6} million pixels, "
            "which is more than is read from a file."
        )
