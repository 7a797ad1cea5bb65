"""Regions of many images as one COCO file (https://cocodataset.org/#format-data)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco_mask

from gantool.arrays import Mask
from gantool.data.regions.outlines import Points
from gantool.data.regions.places import path_from
from gantool.data.regions.regions import Regions, find_regions
from gantool.data.regions.simplify import MOST_CHANGED, simplified_outline
from gantool.data.sources.labels.tables import BACKGROUND_NAMES
from gantool.errors import OutputError
from gantool.files import atomic

__all__ = ["Add", "merge_coco", "open_coco"]

Add = Callable[[Path, Mask], None]
"""Takes an image's file and its label map ``(H, W)`` uint8."""


@contextmanager
def open_coco(
    path: Path, classes: Sequence[str], *, simplify: float = 0.0, seen_from: Path | str | None = None
) -> Iterator[Add]:
    """Yield what writes an image's regions; of the images, only names and sizes stay in memory.

    Category ids are those of the classes plus one; the background has none. Regions are run lengths, which are exact;
    with ``simplify``, those that have no holes and are not too small for it are polygons. Without images there is no
    file.

    Args:
        path: where it will lie.
        classes: names by index.
        simplify: how many pixels away an outline may come to lie.
        seen_from: the folder that images are named from, or its address; default the file's own.

    Raises:
        OutputError: it cannot be written, or could not be for one of the images.
    """
    with ExitStack() as opened:
        categories = {n: name for n, name in enumerate(classes) if name not in BACKGROUND_NAMES}
        file = _CocoFile(path, categories, simplify, seen_from or path.parent, opened)
        yield file.add
        file.finish()


def merge_coco(
    path: Path, parts: Sequence[Path], images: Sequence[Path | str], *, seen_from: Path | str | None = None
) -> None:
    """Make one file of several that `open_coco` wrote of parts of the images: the one it would have written of all.

    Args:
        parts: their images are named from there, too.
        images: in their order.
        seen_from: see `open_coco`.

    Raises:
        OutputError: it cannot be written, or a part is damaged.
    """
    order = {path_from(seen_from or path.parent, image): n for n, image in enumerate(images)}
    found: list[tuple[dict[str, Any], list[dict[str, Any]]]] = []
    categories: dict[int, str] = {}
    for part in parts:
        try:
            content = json.loads(part.read_text("utf-8"))
            regions: dict[int, list[dict[str, Any]]] = {}
            for region in content["annotations"]:
                regions.setdefault(region.pop("image_id"), []).append(region)
            found += [(image, regions.get(image["id"], [])) for image in content["images"]]
            categories = {entry["id"] - 1: entry["name"] for entry in content["categories"]}
        except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
            raise OutputError(f"{part}: is damaged ({error}).", "Delete it and run its share again.") from None
    found.sort(key=lambda pair: order.get(pair[0]["file_name"], len(order)))
    with ExitStack() as opened:
        file = _CocoFile(path, categories, 0.0, path.parent, opened)
        for image, some in found:
            file.write(image["file_name"], image["height"], image["width"], some)
        file.finish()


class _CocoFile:
    def __init__(
        self, path: Path, categories: Mapping[int, str], simplify: float, seen_from: Path | str, opened: ExitStack
    ) -> None:
        self._path, self._simplify, self._seen_from, self._opened = path, simplify, seen_from, opened
        self._categories = categories
        self._images: list[dict[str, Any]] = []
        self._count = 0  # of the regions
        self._file: TextIO | None = None
        self._incomplete = False

    def add(self, image: Path, mask: Mask) -> None:
        height, width = mask.shape
        self.write(path_from(self._seen_from, image), height, width, self._regions(mask))

    def write(self, name: str, height: int, width: int, regions: Iterable[Mapping[str, Any]]) -> None:
        try:
            self._file = self._file or self._begin()
            number = len(self._images) + 1
            for region in regions:
                self._count += 1
                comma, here = "," if self._count > 1 else "", {"id": self._count, "image_id": number}
                self._file.write(f"{comma}\n{json.dumps({**here, **region, **here})}")
        except OSError as error:
            self._incomplete = True
            raise OutputError(f"{self._path}: cannot be written ({error.strerror or error}).") from error
        self._images.append({"id": number, "file_name": name, "width": width, "height": height})

    def finish(self) -> None:
        if self._incomplete:
            raise OutputError(f"{self._path}: could not be written for all images, so it was not kept.")
        if self._file is not None:
            self._file.write(f'\n],\n"images": {json.dumps(self._images)}}}\n')

    def _begin(self) -> TextIO:
        temporary = self._opened.enter_context(atomic(self._path))
        file = self._opened.enter_context(temporary.open("w", encoding="utf-8"))
        categories = [{"id": n + 1, "name": name, "supercategory": ""} for n, name in self._categories.items()]
        head = {"info": {"description": "Regions labelled by gantool"}, "licenses": [], "categories": categories}
        file.write(json.dumps(head).removesuffix("}") + ',\n"annotations": [')
        return file

    def _regions(self, mask: Mask) -> Iterator[dict[str, Any]]:
        found = find_regions(mask)
        for place, region in enumerate(found.listed):
            if region.index in self._categories:
                left, top, right, bottom = region.box
                yield {
                    "category_id": region.index + 1,
                    "segmentation": self._segmentation(found, place),
                    "area": region.area,
                    "bbox": [left, top, right - left, bottom - top],
                    "iscrowd": 0,
                }

    def _segmentation(self, regions: Regions, place: int) -> list[list[float]] | dict[str, Any]:
        pixels, (left, top, *_) = regions.pixels(place), regions.listed[place].box
        if self._simplify and not regions.has_holes(place):
            outline = simplified_outline(regions, place, self._simplify)
            if (_painted(outline - (left, top), *pixels.shape) != pixels).sum() <= MOST_CHANGED * pixels.sum():
                return [outline.ravel().tolist()]
        return _run_lengths(pixels, left, top, *regions.owners.shape)


def _painted(outline: Points, height: int, width: int) -> NDArray[np.bool_]:
    """What COCO's own code, which paints otherwise than Pillow, makes of a polygon."""
    (runs,) = coco_mask.frPyObjects([outline.ravel().tolist()], height, width)
    return np.asarray(coco_mask.decode(runs), dtype=bool)


def _run_lengths(pixels: NDArray[np.bool_], left: int, top: int, height: int, width: int) -> dict[str, Any]:
    """COCO's packed run lengths, down the columns of the whole image, of ``(h, w)`` at a corner."""
    columns = np.pad(pixels, ((1, 1), (0, 0))).T.astype(np.int8)
    changes = np.diff(columns, axis=1)
    starts, ends = ((left + x) * height + top + y for x, y in (np.nonzero(changes == turn) for turn in (1, -1)))
    # A run down to the last row and one from the first row of the next column are one.
    apart = np.append(starts[1:] != ends[:-1], True)
    starts, ends = starts[np.append(True, apart[:-1])], ends[apart]
    counts = np.diff(np.concatenate([[0], np.stack([starts, ends], axis=1).ravel(), [height * width]]))
    packed = coco_mask.frPyObjects({"size": [height, width], "counts": counts.tolist()}, height, width)
    return {"size": [height, width], "counts": packed["counts"].decode("ascii")}
