"""From image to image: what `translate` and `segment` share in working through files, and in taking one picture."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
from PIL import Image

from gantool.arrays import Pixels, as_color
from gantool.data.images import Picture, open_image, picture_from
from gantool.errors import DataError, GantoolError
from gantool.workflows.image_jobs import ImageJob

__all__ = ["ImageOutcome", "Work", "Written", "keep_loaded", "picture_of", "work_through"]

Made = TypeVar("Made")
Loaded = TypeVar("Loaded")
Options = TypeVar("Options", bound=Hashable)

_READ_AHEAD = 2


@dataclass(frozen=True)
class Written:
    """What was written for one image: ``size`` as (width, height), and class shares of label maps."""

    size: tuple[int, int]
    notes: tuple[str, ...] = ()
    shares: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class ImageOutcome:
    """What became of one image: written to ``outputs``, or failed with ``error``."""

    source: Path
    outputs: Mapping[str, Path]
    seconds: float = 0.0
    written: Written = Written((0, 0))
    error: str = ""


@dataclass(frozen=True)
class Work(Generic[Made]):
    """What is done with an image.

    Attributes:
        read: may raise a `GantoolError`, as the others may; it concerns that image alone.
        run: images of one size, with their jobs, to what is made of each.
        batch_size: how many images run together.
        behind: how many batches may wait to be written while the next one is computed.
    """

    read: Callable[[ImageJob], Picture]
    run: Callable[[Sequence[tuple[ImageJob, Picture]]], Sequence[Made]]
    write: Callable[[ImageJob, Picture, Made], Written]
    batch_size: int = 1
    behind: int = 1


def work_through(jobs: Sequence[ImageJob], work: Work[Any]) -> Iterator[ImageOutcome]:
    """Yield what became of each image, in order; one that fails does not stop the others.

    The next images are read and the last ones written while one is computed.
    """
    with ThreadPoolExecutor(_READ_AHEAD) as reader, ThreadPoolExecutor(1) as writer:
        written: list[Future[ImageOutcome]] = []
        for batch in _batches(_read_ahead(reader, jobs, work), work.batch_size):
            written += _run(batch, work, writer)
            while len(written) > work.behind * work.batch_size:
                yield written.pop(0).result()
        for future in written:
            yield future.result()


_Read = tuple[ImageJob, Picture | None, str]
"""A job with its picture, or with what is wrong with it."""


def _read_ahead(reader: ThreadPoolExecutor, jobs: Sequence[ImageJob], work: Work[Any]) -> Iterator[_Read]:
    waiting: list[Future[_Read]] = []
    for job in jobs:
        waiting.append(reader.submit(_read, job, work))
        if len(waiting) > _READ_AHEAD:
            yield waiting.pop(0).result()
    for future in waiting:
        yield future.result()


def _read(job: ImageJob, work: Work[Any]) -> _Read:
    try:
        return job, work.read(job), ""
    except GantoolError as error:
        return job, None, _about(job, error)


def _batches(items: Iterable[_Read], batch_size: int) -> Iterator[list[_Read]]:
    """Group neighbors of one size; what failed to load comes alone."""
    group: list[_Read] = []
    for item in items:
        shapes = [one[1].pixels.shape if one[1] is not None else None for one in (item, *group[:1])]
        if group and (shapes[0] is None or shapes[0] != shapes[1] or len(group) == batch_size):
            yield group
            group = []
        group.append(item)
    if group:
        yield group


def _run(batch: Sequence[_Read], work: Work[Any], writer: ThreadPoolExecutor) -> list[Future[ImageOutcome]]:
    pairs = [(job, picture) for job, picture, _ in batch if picture is not None]
    if not pairs:
        return [writer.submit(ImageOutcome, job.source, {}, error=error) for job, _, error in batch]
    started = time.perf_counter()
    try:
        results = work.run(pairs)
    except (GantoolError, RuntimeError, MemoryError) as error:
        return [writer.submit(ImageOutcome, job.source, {}, error=_about(job, error)) for job, _ in pairs]
    seconds = (time.perf_counter() - started) / len(pairs)
    return [
        writer.submit(_write, job, picture, made, seconds, work)
        for (job, picture), made in zip(pairs, results, strict=True)
    ]


def _write(job: ImageJob, picture: Picture, made: Any, seconds: float, work: Work[Any]) -> ImageOutcome:
    try:
        return ImageOutcome(job.source, job.outputs, seconds, work.write(job, picture, made))
    except GantoolError as error:
        return ImageOutcome(job.source, {}, error=_about(job, error))


def _about(job: ImageJob, error: Exception) -> str:
    if isinstance(error, GantoolError):
        named = any(str(path) in str(error) for path in (job.source, *job.outputs.values()))
        return str(error) if named else f"{job.source}: {error}"
    line = (str(error).splitlines() or [type(error).__name__])[0]
    return f"{job.source}: {line} (a smaller --size or --tile may help)"


def picture_of(image: str | Path | Image.Image | Pixels) -> Picture:
    """One picture as people hand it over: a file, a PIL image, or an array ``(H, W, 3)`` or ``(H, W)`` of uint8.

    Raises:
        DataError: the file cannot be read, or the array is no picture.
    """
    if not isinstance(image, np.ndarray):
        # A picture that is open already was turned by whoever opened it, or not on purpose.
        return picture_from(image if isinstance(image, Image.Image) else open_image(Path(image)))
    if image.dtype != np.uint8:
        raise DataError(f"The array has type {image.dtype}, expected uint8 in 0..255.")
    array = image[:, :, None] if image.ndim == 2 else image
    if array.ndim != 3 or array.shape[2] not in (1, 3) or 0 in array.shape:
        raise DataError(f"The array has shape {array.shape}, expected (height, width, 3) or (height, width).")
    return Picture(as_color(array))


def keep_loaded(load: Callable[[Options], Loaded], options: Options, path: Path) -> Loaded:
    """``load(options)``, kept for the next picture as long as the model's file ``path`` does not change."""
    loaded: Loaded = _kept(load, options, path.stat().st_mtime_ns)
    return loaded


@lru_cache(maxsize=4)
def _kept(load: Callable[[Any], Any], options: Hashable, changed: int) -> Any:
    return load(options)
