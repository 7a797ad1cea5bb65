"""``gantool segment``: which class is every pixel of a picture?"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gantool.arrays import IGNORE, Mask, Pixels, color_table
from gantool.cards import Card, LabelClass
from gantool.data.images import Picture, open_image, picture_from, read_picture, write_picture
from gantool.data.masks import write_mask
from gantool.errors import DataError, GantoolError, ModelError, UsageError, closest
from gantool.files import atomic
from gantool.models.advice import how_to_train
from gantool.models.find import FoundModel, find_model, find_segmenter
from gantool.predict.tiling import parse_tiling
from gantool.workflows.image_jobs import OutputJob, collect_inputs, plan_outputs
from gantool.workflows.load_model import LabelPredictor, load_picture_predictor, load_segment_predictor
from gantool.workflows.segment_by_translation import ColorSegmenter, direction_to_labels

__all__ = ["OUTPUTS", "LoadedSegmenter", "Segmentation", "Segmented", "load_segmentation", "segment", "segment_files"]

OUTPUTS: Mapping[str, str] = {
    "mask": "mask.png",
    "overlay": "overlay.png",
    "color": "color.png",
    "probabilities": "probabilities.npz",
    "classes": "classes.json",
}
"""What can be written, and what its file is called."""

_STRENGTH = 0.55  # of the class color in an overlay
_LARGEST_PROBABILITIES = 2 * 2**30  # bytes


@dataclass(frozen=True)
class Segmentation:
    """The label map of one picture.

    Attributes:
        mask: ``(H, W)`` uint8 class indices.
        shares: of the pixels, by class; all classes are listed.
        colors: of the classes, ``(C, 3)`` uint8.
        probabilities: ``(H, W, C)`` float16, where they were asked for.
    """

    mask: Mask
    classes: tuple[str, ...]
    shares: Mapping[str, float]
    colors: NDArray[np.uint8]
    probabilities: NDArray[np.float16] | None = None

    def color(self) -> Pixels:
        """The label map as ``(H, W, 3)`` uint8."""
        return np.asarray(self.colors[self.mask])

    def overlay(self, pixels: Pixels) -> Pixels:
        """The label map's colors laid over the picture ``(H, W, 3)``."""
        out = np.empty_like(pixels)
        for top in range(0, len(pixels), 256):  # in bands, so that a large picture needs no large floats
            rows = slice(top, top + 256)
            mixed = pixels[rows] * (1 - _STRENGTH) + self.colors[self.mask[rows]] * np.float32(_STRENGTH)
            out[rows] = np.rint(mixed)
        return out


@dataclass(frozen=True)
class Segmented:
    """What became of one image: written to ``outputs``, or failed with ``error``."""

    source: Path
    outputs: Mapping[str, Path]
    seconds: float = 0.0
    size: tuple[int, int] = (0, 0)
    shares: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    error: str = ""


@dataclass(frozen=True)
class LoadedSegmenter:
    """A segmenter that is ready.

    Attributes:
        device, precision: what it runs on.
    """

    predictor: LabelPredictor
    model: FoundModel
    classes: tuple[LabelClass, ...]
    device: str
    precision: str

    @property
    def card(self) -> Card:
        return self.model.card

    @property
    def parameters(self) -> int:
        """Weights of the network; 0 for an exported file."""
        return (
            0
            if self.predictor.net is None
            else sum(parameter.numel() for parameter in self.predictor.net.parameters())
        )

    def __call__(self, pixels: Pixels, *, probabilities: bool = False) -> Segmentation:
        """Segment ``(H, W, 3)`` uint8 RGB."""
        names = tuple(entry.name for entry in self.classes)
        wanted = pixels.shape[0] * pixels.shape[1] * len(names) * 2
        if probabilities and wanted > _LARGEST_PROBABILITIES:
            raise DataError(
                f"Probabilities of {pixels.shape[1]}x{pixels.shape[0]} pixels and {len(names)} classes take "
                f"{wanted / 2**30:.1f} GiB.",
                "Leave probabilities out of --outputs.",
            )
        result = self.predictor(pixels, probabilities=probabilities)
        counts = np.bincount(result.mask.ravel(), minlength=len(names))
        shares = {name: float(counts[n]) / result.mask.size for n, name in enumerate(names)}
        colors = color_table([entry.color for entry in self.classes])
        return Segmentation(result.mask, names, shares, colors, result.probabilities)


def segment(
    image: str | Path | Image.Image | Pixels,
    *,
    model: str | None = None,
    runs: str | Path = "runs",
    device: str = "auto",
    precision: str = "auto",
    tile: str | int = "auto",
    size: int | str | None = None,
    tta: bool = False,
    probabilities: bool = False,
    trust: bool = False,
) -> Segmentation:
    """Segment one picture; nothing is written.

    Args:
        image: a file, a PIL image, or an array ``(H, W, 3)`` or ``(H, W)`` of uint8.
        model: a path, a run's name or kind such as ``unet-resnet50``; default the newest run that segments.
        tile: ``auto``, ``off`` or the side of windows in pixels.
        size: shorter side to scale to before segmenting, or ``native``; default as in training.
        tta: average over mirrored and differently scaled views.
        probabilities: also return those.
        trust: also run a TorchScript or ``.pt2`` file that was not exported here.

    Raises:
        GantoolError: the image or the model cannot be used.
    """
    key = (
        model,
        str(Path(runs).resolve()),
        device,
        precision,
        str(tile),
        str(size) if size is not None else None,
        tta,
        trust,
    )
    resolved = _resolve(model, Path(key[1]))
    loaded = _loaded(str(resolved.path), resolved.path.stat().st_mtime_ns, *key[1:])
    if isinstance(image, np.ndarray):
        if image.dtype != np.uint8 or image.ndim not in (2, 3):
            raise DataError(f"The array has shape {image.shape} and type {image.dtype}, expected (H, W, 3) of uint8.")
        image = Image.fromarray(image[:, :, 0] if image.ndim == 3 and image.shape[2] == 1 else image)
    picture = picture_from(image if isinstance(image, Image.Image) else open_image(Path(image)))
    return loaded(picture.pixels, probabilities=probabilities)


def load_segmentation(
    model: str | None = None,
    *,
    runs: Path = Path("runs"),
    device: str = "auto",
    precision: str = "auto",
    tile: str = "auto",
    size: str | None = None,
    tta: bool = False,
    trust: bool = False,
) -> LoadedSegmenter:
    """Find a segmenter and load it.

    Args:
        size: shorter side to scale to, ``native``, or None as in training.
        trust: also a TorchScript or ``.pt2`` file that this user did not export here.

    Raises:
        ModelError, SettingsError, UsageError: with the remedy.
    """
    tiling = parse_tiling(tile)
    resolved = _resolve(model, runs)
    card = resolved.card
    direction = direction_to_labels(card)
    if direction is not None:
        if tta or size is not None:
            raise UsageError(f"{resolved.label}: is a translation to label maps, it takes neither --tta nor --size.")
        by_color, chosen, kind = load_picture_predictor(
            resolved.path, card, direction.target, device=device, precision=precision, tiling=tiling, trust=trust
        )
        classes = card.domain(direction.target).classes
        colors = [entry.color for entry in classes]
        return LoadedSegmenter(ColorSegmenter(by_color, colors), resolved, classes, chosen, kind)
    predictor, chosen, kind = load_segment_predictor(
        resolved.path, card, load_size=_load_size(size, card), device=device, precision=precision, tiling=tiling,
        tta=tta, trust=trust,
    )  # fmt: skip
    return LoadedSegmenter(predictor, resolved, card.classes, chosen, kind)


def _load_size(size: str | None, card: Card) -> int:
    if size is None:
        return card.load_size
    if size == "native":
        return 0
    if size.isdigit() and int(size) >= 32:
        return int(size)
    raise UsageError(f"--size {size}: expected the shorter side in pixels, at least 32, or native.")


def _resolve(model: str | None, runs: Path) -> FoundModel:
    if model is None:
        return find_segmenter(runs)
    try:
        resolved = find_model(model, runs)
    except ModelError as error:
        advice = None if Path(model).exists() else how_to_train(model)
        if advice is None:
            raise
        raise ModelError(error.message, advice) from None
    if resolved.card.task != "segmentation" and direction_to_labels(resolved.card) is None:
        known = " or ".join(direction.target for direction in resolved.card.directions)
        raise ModelError(
            f"--model {model}: is a translation model without label maps.", f"Use gantool translate --to {known}."
        )
    return resolved


@lru_cache(maxsize=4)
def _loaded(
    path: str,
    changed: int,
    runs: str,
    device: str,
    precision: str,
    tile: str,
    size: str | None,
    tta: bool,
    trust: bool,
) -> LoadedSegmenter:
    return load_segmentation(
        path, runs=Path(runs), device=device, precision=precision, tile=tile, size=size, tta=tta, trust=trust
    )


def plan_segmentation(
    inputs: Sequence[str],
    output: str | None,
    outputs: Sequence[str],
    *,
    recursive: bool = False,
    overwrite: bool = False,
    skip_existing: bool = False,
    stdin: Iterable[str] = (),
) -> tuple[list[OutputJob], list[Path]]:
    """Resolve inputs and outputs.

    Raises:
        UsageError, DataError, OutputError: with the remedy.
    """
    for name in outputs:
        if name not in OUTPUTS:
            raise UsageError(f"--outputs: there is no output {name!r}.", closest(name, OUTPUTS))
    found = collect_inputs(inputs, recursive=recursive, marks=("color", "mask", "overlay"), stdin=stdin)
    endings = {name: OUTPUTS[name] for name in dict.fromkeys(outputs)}
    return plan_outputs(found, output, endings, overwrite=overwrite, skip_existing=skip_existing)


def segment_files(segmenter: LoadedSegmenter, jobs: Sequence[OutputJob]) -> Iterator[Segmented]:
    """Segment files and yield what became of each, in order; one that fails does not stop the others.

    The next image is read while one is computed.
    """
    with ThreadPoolExecutor(1) as reader:
        waiting: list[tuple[OutputJob, Future[Picture]]] = []
        for job in jobs:
            waiting.append((job, reader.submit(read_picture, job.source)))
            if len(waiting) > 1:
                yield _segment_one(segmenter, *waiting.pop(0))
        for job, future in waiting:
            yield _segment_one(segmenter, job, future)


def _segment_one(segmenter: LoadedSegmenter, job: OutputJob, reading: Future[Picture]) -> Segmented:
    started = time.perf_counter()
    try:
        picture = reading.result()
        result = segmenter(picture.pixels, probabilities="probabilities" in job.outputs)
        seconds = time.perf_counter() - started
        _write(result, picture, job.outputs)
    except GantoolError as error:
        named = str(job.source) in str(error)
        return Segmented(job.source, {}, error=str(error) if named else f"{job.source}: {error}")
    except (RuntimeError, MemoryError) as error:
        line = (str(error).splitlines() or [type(error).__name__])[0]
        return Segmented(job.source, {}, error=f"{job.source}: {line} (a smaller --size or --tile may help)")
    size = (picture.pixels.shape[1], picture.pixels.shape[0])
    return Segmented(job.source, job.outputs, seconds, size, result.shares, picture.notes)


def _write(result: Segmentation, picture: Picture, outputs: Mapping[str, Path]) -> None:
    for kind, path in outputs.items():
        if kind == "mask":
            write_mask(path, result.mask, [(int(r), int(g), int(b)) for r, g, b in result.colors[:IGNORE]])
        elif kind == "overlay":
            write_picture(path, result.overlay(picture.pixels), Picture(picture.pixels, picture.alpha, picture.extra))
        elif kind == "color":
            write_picture(path, result.color())
        elif kind == "probabilities":
            assert result.probabilities is not None
            with atomic(path) as temporary, temporary.open("wb") as file:
                np.savez_compressed(file, probabilities=result.probabilities, classes=np.array(result.classes))
        else:
            content = {"classes": list(result.classes), "shares": dict(result.shares)}
            with atomic(path) as temporary:
                temporary.write_text(json.dumps(content, indent=2) + "\n", "utf-8")
