"""The images that a measurement found worst and best, in one picture file that a page can take apart again."""

from __future__ import annotations

import bisect
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from gantool.arrays import Pixels
from gantool.documents import load_json
from gantool.files import atomic
from gantool.report.pages import thumbnail

__all__ = ["Gallery", "GalleryImage", "read_gallery", "write_gallery"]


_KEPT = 3  # worst and as many best images
_LARGEST = 240  # pixels of a kept picture's longer side
_KEY = "gantool"


@dataclass(frozen=True)
class GalleryImage:
    """One image of a measurement.

    Attributes:
        name: file or number.
        value: of the metric by which the images are ordered.
        worst: whether it is among the worst; otherwise it is among the best.
        pictures: small ``(H, W, 3)`` pictures by title: source, result, truth if there is one.
    """

    name: str
    value: float
    worst: bool
    pictures: Mapping[str, Pixels]


class Gallery:
    """Keeps the worst and the best images of a measurement, however many there are.

    Args:
        metric: name of the values.
        higher_is_better: which end of the values is good.
    """

    def __init__(self, metric: str, *, higher_is_better: bool = False) -> None:
        self.metric, self.higher_is_better = metric, higher_is_better
        self._count = 0
        # From bad to good; the middle falls out. The count keeps the order among equals.
        self._kept: list[tuple[float, int, str, float, Mapping[str, Pixels]]] = []

    def add(self, name: str, value: float, pictures: Mapping[str, Pixels]) -> None:
        """Look at one image; of its pictures ``(H, W, C)`` small copies are kept while it may be shown."""
        badness = -value if self.higher_is_better else value
        self._count += 1
        place = bisect.bisect(self._kept, (-badness, self._count), key=lambda entry: entry[:2])
        if len(self._kept) == 2 * _KEPT and place == _KEPT:
            return
        small = {title: thumbnail(pixels, _LARGEST) for title, pixels in pictures.items()}
        self._kept.insert(place, (-badness, self._count, name, value, small))
        if len(self._kept) > 2 * _KEPT:
            del self._kept[_KEPT]

    def images(self) -> list[GalleryImage]:
        """The worst images, the very worst first, then the best, the very best first."""
        half = min((len(self._kept) + 1) // 2, _KEPT)
        worst, best = self._kept[:half], self._kept[half:][::-1]
        return [
            GalleryImage(name, value, bad, small)
            for entries, bad in ((worst, True), (best, False))
            for _, _, name, value, small in entries
        ]


def write_gallery(path: Path, gallery: Gallery) -> None:
    """Write the images as PNG, one row each; nothing is written where there are none."""
    images = gallery.images()
    if not images:
        return
    heights = [max(picture.shape[0] for picture in one.pictures.values()) for one in images]
    widths = [sum(picture.shape[1] for picture in one.pictures.values()) for one in images]
    sheet = Image.new("RGB", (max(widths), sum(heights)), (24, 26, 30))
    rows = []
    top = 0
    for one, height in zip(images, heights, strict=True):
        boxes, left = {}, 0
        for title, picture in one.pictures.items():
            sheet.paste(Image.fromarray(picture), (left, top))
            boxes[title] = (left, top, left + picture.shape[1], top + picture.shape[0])
            left += picture.shape[1]
        rows.append({"name": one.name, "value": one.value, "worst": one.worst, "boxes": boxes})
        top += height
    about = PngInfo()
    about.add_text(_KEY, json.dumps({"metric": gallery.metric, "rows": rows}))
    with atomic(path) as temporary:
        sheet.save(temporary, format="PNG", pnginfo=about)


def read_gallery(path: Path) -> tuple[str, list[GalleryImage]]:
    """The metric and the images of such a file; none if there is no file or it does not say where they are."""
    if not path.exists():
        return "", []
    try:
        with Image.open(path) as opened:
            about, sheet = load_json(str(opened.info[_KEY])), opened.convert("RGB")
        return str(about["metric"]), [
            GalleryImage(
                str(row["name"]),
                float(row["value"]),
                bool(row["worst"]),
                {title: np.asarray(sheet.crop(_box(box, sheet))) for title, box in row["boxes"].items()},
            )
            for row in about["rows"]
        ]
    except (OSError, SyntaxError, LookupError, TypeError, ValueError, AttributeError):  # changed by somebody else
        return "", []


def _box(box: Sequence[int], sheet: Image.Image) -> tuple[int, int, int, int]:
    left, top, right, bottom = map(int, box)
    if not (0 <= left < right <= sheet.width and 0 <= top < bottom <= sheet.height):
        raise ValueError("outside of the picture")
    return left, top, right, bottom
