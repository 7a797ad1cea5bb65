"""Names, numbers and times as people read them."""

from __future__ import annotations

import math

__all__ = ["duration", "number", "title_of"]

_SPELLED = {
    "iou": "IoU", "l1": "L1", "swd": "SWD", "fid": "FID", "kid": "KID", "psnr": "PSNR", "ssim": "SSIM",
    "lpips": "LPIPS", "f1": "F1",
}  # fmt: skip


def title_of(name: str) -> str:
    """A metric's or loss's name in words; what it is of (``_to_winter``, ``/sky``) is a name of the user's and stays.

    >>> title_of("l1_ratio_to_winter"), title_of("mean_iou"), title_of("iou/my_class"), title_of("ms_ssim")
    ('L1 ratio to winter', 'mean IoU', 'IoU of my_class', 'MS-SSIM')
    """
    for separator, said in (("/", " of "), ("_to_", " to ")):
        what, found, of = name.partition(separator)
        if found:
            return f"{title_of(what)}{said}{of}"
    if name == "ms_ssim":
        return "MS-SSIM"
    return " ".join(_SPELLED.get(word, word) for word in name.split("_"))


def number(value: object) -> str:
    """Four digits; nothing for what is no finite number.

    >>> number(0.123456), number(12345.6), number(float("nan")), number(None)
    ('0.1235', '12346', '', '')
    """
    if not isinstance(value, int | float) or not math.isfinite(value):
        return ""
    return f"{value:.0f}" if 1e4 <= abs(value) < 1e9 else f"{value:.4g}"


def duration(seconds: float) -> str:
    """A time in words, in its two largest units.

    >>> duration(3.21), duration(41), duration(581), duration(3900), duration(200000)
    ('3.2 s', '41 s', '9 min 41 s', '1 h 05 min', '2 d 7 h')
    """
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    minutes = whole // 60
    if minutes < 1440:
        return f"{minutes // 60} h {minutes % 60:02d} min"
    return f"{minutes // 1440} d {minutes % 1440 // 60} h"
