"""One image of a copy, with its mask: as it was, or scaled, halved or cut into tiles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from gantool.arrays import IGNORE, Color
from gantool.data.images import as_rgb, open_image
from gantool.data.sources.contents import SourceImage
from gantool.data.sources.labels import LabelledImage
from gantool.data.tiles import tile_corners
from gantool.workflows.prepare.copying import stays_as_it_is
from gantool.workflows.prepare.options import PrepareOptions
from gantool.workflows.prepare.places import Place
from gantool.workflows.prepare.plan import WritingPlan

__all__ = ["LabelStyle", "write_image", "write_labelled"]


def write_image(options: PrepareOptions, domains: Sequence[str], image: SourceImage, name: str, place: Place) -> None:
    """Write an image, or both of a pair, under one name."""
    stem, whole = Path(name).stem, options.size is None
    if image.partner is not None:
        for domain, path in zip(domains, (image.path, image.partner), strict=True):
            keep = whole and stays_as_it_is(path)
            _write_whole(options, path, f"{image.split}/{domain}/{stem}", place, keep=keep)
        return
    if image.domain:
        keep = whole and stays_as_it_is(image.path, plain=False)
        _write_whole(options, image.path, f"{image.split}/{image.domain}/{stem}", place, keep=keep)
        return
    targets = [f"{image.split}/{part}/{stem}.{options.image_format}" for part in domains]
    if all(place.has(target) for target in targets):
        return
    opened = as_rgb(open_image(image.path))
    half = opened.width // 2
    for n, target in enumerate(targets):
        piece = opened.crop((n * half, 0, (n + 1) * half, opened.height))
        place.picture(np.asarray(_scaled(piece, options)), target)


def _write_whole(options: PrepareOptions, path: Path, name: str, place: Place, *, keep: bool) -> None:
    """Write one whole image under a name that lacks its suffix."""
    if keep:
        place.copy(path, f"{name}{path.suffix.lower()}")
        return
    target = f"{name}.{options.image_format}"
    if not place.has(target):
        place.picture(np.asarray(_scaled(as_rgb(open_image(path)), options)), target)


@dataclass(frozen=True)
class LabelStyle:
    """How images with label maps are written, and with which classes and colors."""

    options: PrepareOptions
    classes: Sequence[str]
    colors: tuple[Color, ...]

    @classmethod
    def of(cls, plan: WritingPlan) -> LabelStyle:
        labels = plan.source.labels
        return cls(plan.options, plan.classes, labels.palette if labels is not None else ())


def write_labelled(style: LabelStyle, labelled: LabelledImage, split: str, name: str, place: Place) -> int:
    """Write an image and its mask, or their tiles, under one name in ``images`` and ``masks``; returns how many."""
    stem = Path(name).stem
    images, masks = f"{split}/images", f"{split}/masks"
    options, colors = style.options, style.colors
    if options.size is None and options.tile is None and stays_as_it_is(labelled.image):
        place.copy(labelled.image, f"{images}/{stem}{labelled.image.suffix.lower()}")
        place.mask(labelled.mask(), colors, f"{masks}/{stem}.png")
        return 1
    opened = _scaled(as_rgb(open_image(labelled.image)), options)
    label = Image.fromarray(labelled.mask()).resize(opened.size, Image.Resampling.NEAREST)
    pixels, mask = np.asarray(opened), np.asarray(label)
    height, width = mask.shape
    count = 0
    tile = options.tile or max(height, width)
    empty = np.zeros(256, dtype=np.uint8)  # 1 for what makes a tile no more interesting
    empty[[IGNORE, *(n for n, name in enumerate(style.classes) if name.strip("_") == "background")]] = 1
    for top, left in tile_corners(height, width, tile, options.stride):
        part = f"{stem}_{top:05d}_{left:05d}" if options.tile else stem
        if options.drop_empty and not (empty[mask[top : top + tile, left : left + tile]] == 0).any():
            continue
        cut = np.ascontiguousarray(pixels[top : top + tile, left : left + tile])
        place.picture(cut, f"{images}/{part}.{options.image_format}")
        count += 1
        labels = np.ascontiguousarray(mask[top : top + tile, left : left + tile])
        place.mask(labels, colors, f"{masks}/{part}.png")
    return count


def _scaled(image: Image.Image, options: PrepareOptions) -> Image.Image:
    size = options.scaled(*image.size)
    return image if size == image.size else image.resize(size, Image.Resampling.LANCZOS)
