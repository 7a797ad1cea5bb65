"""The page about a data set: what was found, in tables and pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from gantool._version import __version__
from gantool.arrays import IGNORE, Color, Mask, Pixels, color_table, hex_color
from gantool.data.images import as_rgb, open_image
from gantool.data.sources.contents import Contents, SourceImage
from gantool.report.pages import picture, shares_of, write_page
from gantool.workflows.prepare.findings import LabelFacts
from gantool.workflows.prepare.result import Prepared

__all__ = ["write_data_page"]

_PICTURES = 12
_LARGEST = 320  # pixels of a picture's longer side
_ROOM = 900_000  # characters of the page for all pictures
_LISTED = 200  # findings of a kind


def write_data_page(
    path: Path, name: str, result: Prepared, label_facts: LabelFacts, images: Sequence[SourceImage]
) -> None:
    """Write the page.

    Args:
        name: of the data set.
        images: those that can be used, as they are split.

    Raises:
        OutputError: it cannot be written.
    """
    found = result.source
    kinds = dict.fromkeys(finding.kind for finding in result.findings)
    grouped = []
    for kind in kinds:
        texts = [finding.text for finding in result.findings if finding.kind == kind]
        serious = any(finding.serious for finding in result.findings if finding.kind == kind)
        grouped.append((kind, serious, texts[:_LISTED], max(len(texts) - _LISTED, 0)))
    write_page(
        path,
        "data.html",
        {
            "version": __version__,
            "title": f"Data set {name}",
            "about": found.about,
            "remarks": result.remarks,
            "findings": grouped,
            "serious": any(serious for _, serious, _, _ in grouped),
            "domains": found.domains,
            "counts": [
                (split, [counts.get(name, 0) for name in found.domains]) for split, counts in result.counts.items()
            ],
            "sizes": result.sizes,
            "statistics": [(name, list(channels.values())) for name, channels in result.statistics.items()],
            "classes": _classes(found, result.classes, label_facts),
            "largest": max([*result.classes.values(), 1e-9]),
            "pictures": [_pictures(found, image) for image in _chosen(images)],
        },
    )


def _classes(
    found: Contents, fractions: Mapping[str, float], label_facts: LabelFacts
) -> list[tuple[str, str, int, float]]:
    if found.labels is None:
        return []
    often = [0] * len(fractions)
    for seen in label_facts.seen.values():
        for index in seen:
            often[index] += 1
    colors = found.labels.palette
    return [
        (name, hex_color(colors[index]), often[index], fraction)
        for index, (name, fraction) in enumerate(fractions.items())
    ]


def _chosen(images: Sequence[SourceImage]) -> list[SourceImage]:
    count = min(_PICTURES, len(images))
    return [images[n * len(images) // count] for n in range(count)]


def _pictures(found: Contents, image: SourceImage) -> tuple[list[dict[str, Any]], str]:
    """An image, with its partner or with its mask laid over it to compare it with; and its name."""
    first, second = found.domains if image.partner is not None else (image.domain or "image", "")
    parts = [(first, _small(as_rgb(open_image(image.path))))]
    if image.partner is not None:
        parts.append((second, _small(as_rgb(open_image(image.partner)))))
    labels = found.labels
    if labels is not None:
        mask = next(one for one in labels.images if one.image == image.path).mask()
        parts.append(("labels", _overlay(parts[0][1], mask, labels.palette)))
    room = shares_of(_ROOM, range(2 * _PICTURES))
    where = f"{image.split}, {image.domain}" if image.domain else image.split
    return [picture(name, pixels, at_most=room) for name, pixels in parts], f"{image.path.name} ({where})"


def _small(image: Image.Image) -> Pixels:
    shrink = max(max(image.size) / _LARGEST, 1)
    size = max(round(image.width / shrink), 1), max(round(image.height / shrink), 1)
    return np.asarray(image.resize(size, Image.Resampling.BOX) if shrink > 1 else image)


def _overlay(pixels: Pixels, mask: Mask, colors: Sequence[Color]) -> Pixels:
    small = np.asarray(Image.fromarray(mask).resize((pixels.shape[1], pixels.shape[0]), Image.Resampling.NEAREST))
    table = color_table(colors)
    mixed = np.where((small == IGNORE)[..., None], pixels * 0.3, pixels * 0.35 + table[small] * 0.65)
    return np.asarray(np.rint(mixed).astype(np.uint8))
