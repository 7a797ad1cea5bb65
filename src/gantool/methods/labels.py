"""Are label maps fit for training?"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gantool.arrays import IGNORE
from gantool.data.inspect import inspect_images
from gantool.data.sources.labels import LabelledImage
from gantool.data.sources.sharded import noted_labels
from gantool.errors import DataError, counted

__all__ = ["check_labels", "unusable"]


def check_labels(
    images: Sequence[LabelledImage], classes: int
) -> tuple[dict[Path, NDArray[np.int64]], dict[Path, str]]:
    """Read every image and every mask once; return the counts of values and the content hashes.

    Those of prepared shards were read when they were packed.

    Raises:
        DataError: names every file that cannot be used.
    """
    noted = noted_labels(images)
    if noted is not None:
        return noted
    problems: list[str] = []
    counts: dict[Path, NDArray[np.int64]] = {}
    facts = {one.path: one for one in inspect_images([image.image for image in images])}

    def count(one: LabelledImage) -> NDArray[np.int64] | str:
        known = facts[one.image]
        if known.problem:
            return known.problem
        try:
            mask = one.mask()
        except DataError as error:
            return str(error)
        if mask.shape != (known.height, known.width):
            return f"{one.image}: has {known.width}x{known.height} pixels, its mask {mask.shape[1]}x{mask.shape[0]}."
        values = np.bincount(mask.ravel(), minlength=256)
        if values[classes:IGNORE].any():
            wrong = classes + int(np.flatnonzero(values[classes:IGNORE])[0])
            return f"{one.image}: its mask has the index {wrong}, there are {classes} classes."
        return values

    with ThreadPoolExecutor(4) as pool:
        for one, result in zip(images, pool.map(count, images), strict=True):
            if isinstance(result, str):
                problems.append(result)
            else:
                counts[one.image] = result
    if problems:
        raise unusable(problems)
    if not any(values[:IGNORE].any() for values in counts.values()):
        raise DataError(f"{images[0].image.parent}: every pixel of every mask is to be ignored.")
    return counts, {path: one.content for path, one in facts.items()}


def unusable(problems: Sequence[str]) -> DataError:
    """The error that lists images with what is wrong with each."""
    listed = "\n  ".join(problems[:20])
    more = f"\n  and {len(problems) - 20} more" if len(problems) > 20 else ""
    return DataError(
        f"{counted(len(problems), 'image')} cannot be used:\n  {listed}{more}\n",
        "Repair or remove them, or let gantool prepare leave them out.",
    )
