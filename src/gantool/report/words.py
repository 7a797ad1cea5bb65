"""Names, numbers and times as people read them."""

from __future__ import annotations

import math

__all__ = ["clock_time", "duration", "number", "roughly", "title_of", "titles_of"]

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


def titles_of(names: str) -> str:
    """Several names, separated by commas, in words.

    >>> titles_of("fid, kid")
    'FID, KID'
    """
    return ", ".join(title_of(name) for name in names.split(", "))


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


def roughly(seconds: float) -> str:
    """A time to wait, in words.

    >>> roughly(200_000), roughly(9000), roughly(3599), roughly(61), roughly(20)
    ('about 2.3 days', 'about 2.5 hours', 'about 1.0 hours', 'about 1 minute', 'less than a minute')
    """
    if seconds < 60:
        return "less than a minute"
    minutes, hours = round(seconds / 60), seconds / 3600
    if minutes < 60:
        return f"about {minutes} minute{'' if minutes == 1 else 's'}"
    return f"about {hours:.1f} hours" if hours < 48 else f"about {hours / 24:.1f} days"


def clock_time(seconds: float) -> str:
    """A time in at most six characters: minutes and seconds, hours and minutes, or days and hours.

    >>> clock_time(5), clock_time(754), clock_time(3720), clock_time(90_061), clock_time(400_000)
    ('0:05', '12:34', '1h02m', '25h01m', '4d15h')
    """
    whole = int(seconds)
    if whole < 3600:
        return f"{whole // 60}:{whole % 60:02d}"
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours}h{minutes:02d}m" if hours < 100 else f"{hours // 24}d{hours % 24:02d}h"
