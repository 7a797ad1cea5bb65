"""``gantool translate``: pictures from one domain to another."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gantool.arrays import Pixels
from gantool.cards import Domain
from gantool.data.images import Picture, open_image, picture_from, read_picture, write_picture
from gantool.data.label_pictures import as_label_picture, far_share, nearest_classes
from gantool.errors import DataError, GantoolError
from gantool.models.find import FoundModel, find_model, find_model_for
from gantool.predict.tiling import parse_tiling
from gantool.workflows.image_jobs import ImageJob, collect_inputs, plan_jobs
from gantool.workflows.load_model import PicturePredictor, load_picture_predictor

__all__ = ["Translated", "Translator", "load_translator", "translate", "translate_files"]


# Photos have more such pixels, label maps saved as JPEG have fewer; see `far_share`.
_FAR_DOUBTFUL, _FAR_WRONG = 0.2, 1 / 3


@dataclass(frozen=True)
class Translated:
    """What became of one image: written to ``output``, or failed with ``error``."""

    source: Path
    output: Path
    seconds: float = 0.0
    size: tuple[int, int] = (0, 0)
    notes: tuple[str, ...] = ()
    error: str = ""


@dataclass(frozen=True)
class Translator:
    """A loaded direction of a model.

    Attributes:
        target: the domain it translates to.
        marks: all domain names of the model, which mark results of earlier calls.
    """

    predictor: PicturePredictor
    model: FoundModel
    source: Domain
    target: Domain
    device: str
    precision: str
    marks: tuple[str, ...] = field(default=())

    @property
    def trained_on_sample(self) -> bool:
        return self.model.card.origin.data == "sample"

    def __call__(self, pixels: Pixels) -> Pixels:
        """Translate ``(H, W, 3)`` uint8 RGB into ``(H, W, C)`` uint8."""
        return self.batch([pixels])[0]

    def batch(self, images: Sequence[Pixels]) -> list[Pixels]:
        """Translate images of one size together; label maps come out in the exact colors of their classes."""
        results = self.predictor.batch([_as_domain(pixels, self.source) for pixels in images])
        if not self.target.classes:
            return results
        colors = [entry.color for entry in self.target.classes]
        return [np.asarray(np.array(colors, dtype=np.uint8)[nearest_classes(made, colors)]) for made in results]


def translate(
    image: str | Path | Image.Image | Pixels,
    *,
    to: str,
    model: str | None = None,
    runs: str | Path = "runs",
    device: str = "auto",
    precision: str = "auto",
    tile: str | int = "auto",
    size: tuple[int, int] | None = None,
    trust: bool = False,
) -> Image.Image | Pixels:
    """Translate one picture and return it; nothing is written.

    Args:
        image: a file, a PIL image, or an array ``(H, W, 3)`` or ``(H, W)`` of uint8.
        to: name of the domain to translate to.
        model: a path, a run's name or kind; default the newest run that reaches the domain.
        tile: ``auto``, ``off`` or the side of tiles in pixels.
        size: ``(width, height)`` to scale to first.
        trust: also run a TorchScript or ``.pt2`` file that was not exported here.

    Returns:
        An array for an array, otherwise a PIL image, of the input's size (or ``size``).

    Raises:
        GantoolError: the image or the model cannot be used.
    """
    translator = _cached_translator(to, model, str(Path(runs).resolve()), device, precision, str(tile), trust)
    if isinstance(image, np.ndarray):
        pixels = _checked(image)
        _doubts(pixels, translator.source, "The array")
        return translator(_resized(pixels, size))
    # A picture that is open already was turned by whoever opened it, or not on purpose.
    picture = picture_from(image) if isinstance(image, Image.Image) else picture_from(open_image(Path(image)))
    _doubts(picture.pixels, translator.source, "The image" if isinstance(image, Image.Image) else str(image))
    result = translator(_resized(picture.pixels, size))
    out = Image.fromarray(result[:, :, 0] if result.shape[2] == 1 else result)
    if picture.alpha is not None:
        out.putalpha(Image.fromarray(_resized(picture.alpha[:, :, None], size)[:, :, 0]))
    return out


def load_translator(
    to: str,
    *,
    model: str | None = None,
    runs: Path = Path("runs"),
    device: str = "auto",
    precision: str = "auto",
    tile: str = "auto",
    trust: bool = False,
) -> Translator:
    """Find a model that reaches the domain and load that direction.

    Args:
        trust: also a TorchScript or ``.pt2`` file that this user did not export here.

    Raises:
        ModelError, SettingsError, UsageError: with the remedy.
    """
    tiling = parse_tiling(tile)
    resolved = find_model(model, runs) if model is not None else find_model_for(to, runs)
    resolved = resolved.named(to)
    card = resolved.card
    direction = card.direction(to)
    predictor, chosen, kind = load_picture_predictor(
        resolved.path, card, to, device=device, precision=precision, tiling=tiling, trust=trust
    )
    names = tuple(domain.name for domain in card.domains)
    return Translator(predictor, resolved, card.domain(direction.source), card.domain(to), chosen, kind, names)


def plan_translation(
    translator: Translator,
    inputs: Sequence[str],
    output: str | None,
    *,
    recursive: bool = False,
    overwrite: bool = False,
    skip_existing: bool = False,
    stdin: Iterable[str] = (),
) -> tuple[list[ImageJob], list[Path]]:
    """Resolve inputs and outputs; see `collect_inputs` and `plan_jobs`."""
    found = collect_inputs(inputs, recursive=recursive, marks=translator.marks, stdin=stdin)
    return plan_jobs(found, output, translator.target.name, overwrite=overwrite, skip_existing=skip_existing)


def translate_files(
    translator: Translator,
    jobs: Sequence[ImageJob],
    *,
    size: tuple[int, int] | None = None,
    batch_size: int = 1,
    side_by_side: bool = False,
) -> Iterator[Translated]:
    """Translate files and yield what became of each, in order; one that fails does not stop the others.

    The next images are read and the last ones written while one is computed.
    """
    with ThreadPoolExecutor(2) as reader, ThreadPoolExecutor(1) as writer:
        written: list[Future[Translated]] = []
        for batch in _batches(_read_ahead(reader, jobs, size, translator.source), batch_size):
            written += _translate_batch(translator, batch, writer, side_by_side)
            while len(written) > 2 * batch_size:
                yield written.pop(0).result()
        for future in written:
            yield future.result()


@dataclass(frozen=True)
class _Loaded:
    job: ImageJob
    picture: Picture | None
    error: str = ""


def _read_ahead(
    reader: ThreadPoolExecutor, jobs: Sequence[ImageJob], size: tuple[int, int] | None, domain: Domain
) -> Iterator[_Loaded]:
    waiting: list[Future[_Loaded]] = []
    for job in jobs:
        waiting.append(reader.submit(_load, job, size, domain))
        if len(waiting) > 2:
            yield waiting.pop(0).result()
    for future in waiting:
        yield future.result()


def _load(job: ImageJob, size: tuple[int, int] | None, domain: Domain) -> _Loaded:
    try:
        picture = read_picture(job.source)
        picture = replace(picture, notes=(*picture.notes, *_doubts(picture.pixels, domain, str(job.source))))
    except GantoolError as error:
        return _Loaded(job, None, str(error))
    if size is not None:
        alpha = None if picture.alpha is None else _resized(picture.alpha[:, :, None], size)[:, :, 0]
        picture = Picture(_resized(picture.pixels, size), alpha, picture.extra, picture.notes)
    return _Loaded(job, picture)


def _batches(loaded: Iterable[_Loaded], batch_size: int) -> Iterator[list[_Loaded]]:
    """Group neighbors of one size; what failed to load comes alone."""
    group: list[_Loaded] = []
    for item in loaded:
        shape = item.picture.pixels.shape if item.picture is not None else None
        first = group[0].picture.pixels.shape if group and group[0].picture is not None else None
        if group and (shape != first or shape is None or len(group) == batch_size):
            yield group
            group = []
        group.append(item)
    if group:
        yield group


def _translate_batch(
    translator: Translator, batch: Sequence[_Loaded], writer: ThreadPoolExecutor, side_by_side: bool
) -> list[Future[Translated]]:
    pictures = [item.picture for item in batch if item.picture is not None]
    started = time.perf_counter()
    failure = ""
    results: list[Pixels] = []
    if pictures:
        try:
            results = translator.batch([picture.pixels for picture in pictures])
        except (RuntimeError, MemoryError) as error:
            failure = f"{batch[0].job.source}: {_first_line(error)} (a smaller --size or --tile may help)"
    seconds = (time.perf_counter() - started) / max(len(batch), 1)
    out = []
    for place, item in enumerate(batch):
        problem = item.error or failure
        if problem or item.picture is None:
            out.append(writer.submit(Translated, item.job.source, item.job.output, error=problem))
        else:
            out.append(writer.submit(_write, item.job, item.picture, results[place], seconds, side_by_side))
    return out


def _write(job: ImageJob, picture: Picture, result: Pixels, seconds: float, side_by_side: bool) -> Translated:
    size = (result.shape[1], result.shape[0])
    try:
        if side_by_side:
            both = np.concatenate([picture.pixels, np.broadcast_to(result, picture.pixels.shape)], axis=1)
            notes = write_picture(job.output, both, Picture(both, None, picture.extra))
        else:
            notes = write_picture(job.output, result, picture)
    except GantoolError as error:
        return Translated(job.source, job.output, error=str(error))
    return Translated(job.source, job.output, seconds, size, (*picture.notes, *notes))


def _doubts(pixels: Pixels, domain: Domain, name: str) -> list[str]:
    """What looks wrong with a label map.

    Raises:
        DataError: it is none.
    """
    far = far_share(pixels, [entry.color for entry in domain.classes]) if domain.classes else 0.0
    if far <= _FAR_DOUBTFUL:
        return []
    found = f"{far:.0%} of its pixels are far from the color of every class of {domain.name}"
    if far > _FAR_WRONG:
        classes = ", ".join(f"{entry.name} {entry.color}" for entry in domain.classes[:3])
        raise DataError(f"{name}: {found}.", f"Expected a label map: class indices, or the colors {classes} ...")
    return [f"{found}; each is taken for the nearest"]


def _as_domain(pixels: Pixels, domain: Domain) -> Pixels:
    if domain.classes:
        return as_label_picture(pixels, [entry.color for entry in domain.classes])
    if domain.channels == 1:
        return np.asarray(Image.fromarray(pixels).convert("L"))[:, :, None]
    return pixels


def _checked(array: NDArray[Any]) -> Pixels:
    if array.dtype != np.uint8:
        raise DataError(f"The array has type {array.dtype}, expected uint8 in 0..255.")
    if array.ndim == 2:
        array = array[:, :, None]
    if array.ndim != 3 or array.shape[2] not in (1, 3) or 0 in array.shape:
        raise DataError(f"The array has shape {array.shape}, expected (height, width, 3) or (height, width).")
    return np.repeat(array, 3, axis=2) if array.shape[2] == 1 else array


def _resized(pixels: Pixels, size: tuple[int, int] | None) -> Pixels:
    if size is None or (pixels.shape[1], pixels.shape[0]) == size:
        return pixels
    gray = pixels.shape[2] == 1
    image = Image.fromarray(pixels[:, :, 0] if gray else pixels).resize(size, Image.Resampling.LANCZOS)
    return np.asarray(image)[:, :, None] if gray else np.asarray(image)


@lru_cache(maxsize=4)
def _loaded_translator(
    path: str, changed: int, to: str, runs: str, device: str, precision: str, tile: str, trust: bool
) -> Translator:
    return load_translator(
        to, model=path, runs=Path(runs), device=device, precision=precision, tile=tile, trust=trust
    )


def _cached_translator(
    to: str, model: str | None, runs: str, device: str, precision: str, tile: str, trust: bool
) -> Translator:
    """A loaded model, kept for the next picture as long as its file does not change."""
    folder = Path(runs)
    resolved = find_model(model, folder) if model is not None else find_model_for(to, folder)
    changed = resolved.path.stat().st_mtime_ns
    return _loaded_translator(str(resolved.path), changed, to, runs, device, precision, tile, trust)


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
