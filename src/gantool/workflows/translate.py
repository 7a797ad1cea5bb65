"""``gantool translate``: pictures from one domain to another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TextIO

import numpy as np
from PIL import Image

from gantool.arrays import Pixels, resized
from gantool.data.images import Picture, read_picture, write_picture
from gantool.files import Target
from gantool.models.find import FoundModel, find_model, find_model_for
from gantool.predict.load import open_translator
from gantool.predict.sizes import require_size
from gantool.predict.tiling import parse_tiling
from gantool.predict.translator import Translator
from gantool.workflows.image_files import ImageOutcome, Sight, Work, Written, look_at, work_through
from gantool.workflows.image_jobs import FileOptions, ImageJob, marked_name, plan_jobs
from gantool.workflows.one_picture import keep_loaded, picture_of

__all__ = [
    "TranslateOptions",
    "find_model_of",
    "load_translator",
    "plan_translation",
    "translate",
    "translate_files",
]


@dataclass(frozen=True)
class TranslateOptions:
    """How pictures are translated.

    Attributes:
        to: name of the domain to translate to.
        model: a path, a run's name or kind; None for the newest run that translates to the domain.
        tile: ``auto``, ``off`` or the side of tiles in pixels.
        size: ``(width, height)`` to scale to first.
        batch_size: images of one size that run together.
        side_by_side: input and result in one picture.
        trust: also run TorchScript and ``.pt2`` files that were not exported here.

    Raises:
        UsageError: a size that no picture has.
    """

    to: str
    model: str | None = None
    runs: Path = Path("runs")
    device: str = "auto"
    precision: str = "auto"
    tile: str = "auto"
    size: tuple[int, int] | None = None
    files: FileOptions = field(default_factory=FileOptions)
    batch_size: int = 1
    side_by_side: bool = False
    trust: bool = False

    def __post_init__(self) -> None:
        if self.size is not None:
            require_size(f"--size {self.size[0]}x{self.size[1]}", *self.size)


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
        model: a path, a run's name or kind; default the newest run that translates to the domain.
        tile: ``auto``, ``off`` or the side of tiles in pixels.
        size: ``(width, height)`` to scale to first.
        trust: also run TorchScript and ``.pt2`` files that were not exported here.

    Returns:
        An array if the input is an array, otherwise a PIL image; of the input's size (or ``size``).

    Raises:
        GantoolError: the image or the model cannot be used.
    """
    options = TranslateOptions(to, model, Path(runs).resolve(), device, precision, str(tile), size, trust=trust)
    path = find_model_of(options).path
    translator = keep_loaded(load_translator, replace(options, model=str(path), size=None), path)
    name = "The array" if isinstance(image, np.ndarray) else "The image" if isinstance(image, Image.Image) else image
    picture = picture_of(image)
    translator.doubts(picture.pixels, str(name))
    picture = _resized(picture, size)
    result = translator(picture.pixels)
    if isinstance(image, np.ndarray):
        return result
    out = Image.fromarray(result[:, :, 0] if result.shape[2] == 1 else result)
    if picture.alpha is not None:
        out.putalpha(Image.fromarray(picture.alpha))
    return out


def load_translator(options: TranslateOptions, *, live: bool = False) -> Translator:
    """Find a model that reaches the domain and load that direction.

    Args:
        live: a built-in model as a network, never as its ONNX form.

    Raises:
        ModelError, SettingsError, UsageError: with the remedy.
    """
    tiling, model = parse_tiling(options.tile), find_model_of(options).named(options.to)
    return open_translator(
        model, options.to, device=options.device, precision=options.precision, tiling=tiling, trust=options.trust,
        live=live,
    )  # fmt: skip


def find_model_of(options: TranslateOptions) -> FoundModel:
    """The model that is named, or one that translates to the domain; nothing is loaded.

    Raises:
        ModelError: there is none.
    """
    if options.model is None:
        return find_model_for(options.to, options.runs)
    return find_model(options.model, options.runs)


def plan_translation(
    translator: Translator, files: FileOptions, stdin: TextIO | None = None
) -> tuple[list[ImageJob], list[Target]]:
    """Find inputs and decide outputs; see `plan_jobs`."""
    target = translator.target.name
    marks = [domain.name for domain in translator.model.card.domains]
    return plan_jobs(files, lambda path: {target: marked_name(path, target, files.format)}, marks=marks, stdin=stdin)


def translate_files(
    translator: Translator, jobs: Sequence[ImageJob], options: TranslateOptions
) -> Iterator[ImageOutcome]:
    """Translate files; see `work_through`."""

    def look(job: ImageJob) -> Sight:
        return look_at(job, options.size)

    def read(job: ImageJob) -> Picture:
        picture = read_picture(job.source)
        doubts = translator.doubts(picture.pixels, str(job.source))
        return _resized(replace(picture, notes=(*picture.notes, *doubts)), options.size)

    def run(pairs: Sequence[tuple[ImageJob, Picture]]) -> list[Pixels]:
        return translator.batch([picture.pixels for _, picture in pairs])

    write = partial(_write, side_by_side=options.side_by_side)
    return work_through(jobs, Work(look, read, run, write, translator.predictor.at_once, options.batch_size))


def _write(job: ImageJob, picture: Picture, result: Pixels, *, side_by_side: bool) -> Written:
    (output,) = job.outputs.values()
    size = (result.shape[1], result.shape[0])
    if side_by_side:
        result = np.concatenate([picture.pixels, np.broadcast_to(result, picture.pixels.shape)], axis=1)
    notes = write_picture(output, result, replace(picture, alpha=None) if side_by_side else picture)
    return Written(size, (*picture.notes, *notes))


def _resized(picture: Picture, size: tuple[int, int] | None) -> Picture:
    if size is None:
        return picture
    alpha = None if picture.alpha is None else resized(picture.alpha[:, :, None], size)[:, :, 0]
    return replace(picture, pixels=resized(picture.pixels, size), alpha=alpha)
