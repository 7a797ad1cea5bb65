"""``gantool segment``: which class is every pixel of a picture?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from gantool.arrays import Pixels
from gantool.data.images import Picture, read_picture
from gantool.errors import ModelError
from gantool.models.advice import how_to_train
from gantool.models.find import FoundModel, find_model, find_segmenter
from gantool.predict.load import open_segmenter
from gantool.predict.segmenter import LabelMap, LoadedSegmenter
from gantool.predict.tiling import parse_tiling
from gantool.workflows.image_files import ImageOutcome, Work, look_at, work_through
from gantool.workflows.image_jobs import FileOptions, ImageJob
from gantool.workflows.label_outputs import LabelPlan, RegionOptions, label_writer
from gantool.workflows.one_picture import keep_loaded, picture_of

__all__ = ["SegmentOptions", "find_model_of", "load_segmentation", "segment", "segment_files"]


@dataclass(frozen=True)
class SegmentOptions:
    """How pictures are segmented.

    Attributes:
        model: a path, a run's name or kind such as ``unet-resnet50``; None for the newest run that segments.
        tile: ``auto``, ``off`` or the side of windows in pixels.
        size: shorter side to scale to before segmenting, or ``native``; None for that of the training.
        tta: average over mirrored and differently scaled views.
        outputs: what is written, of `OUTPUTS`.
        rank: what images are ranked by; see `ranking`.
        top: how many of the first images are copied with labels.
        regions: what is done to the label maps before anything is written.
        trust: also run TorchScript and ``.pt2`` files that were not exported here.
    """

    model: str | None = None
    runs: Path = Path("runs")
    device: str = "auto"
    precision: str = "auto"
    tile: str = "auto"
    size: str | None = None
    tta: bool = False
    files: FileOptions = field(default_factory=FileOptions)
    outputs: tuple[str, ...] = ("mask", "overlay")
    trust: bool = False
    rank: str | None = None
    top: int = 0
    regions: RegionOptions = field(default_factory=RegionOptions)


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
    min_area: int = 0,
    fill_holes: bool = False,
) -> LabelMap:
    """Segment one picture; nothing is written.

    Args:
        image: a file, a PIL image, or an array ``(H, W, 3)`` or ``(H, W)`` of uint8.
        model: a path, a run's name or kind such as ``unet-resnet50``; default the newest run that segments, else
            the built-in ``landscape``.
        tile: ``auto``, ``off`` or the side of windows in pixels.
        size: shorter side to scale to before segmenting, or ``native``; default as in training.
        tta: average over mirrored and differently scaled views.
        probabilities: also return the class probabilities.
        trust: also run TorchScript and ``.pt2`` files that were not exported here.
        min_area: smaller regions, in pixels, become part of the class around them.
        fill_holes: everything inside a region becomes part of it.

    Raises:
        GantoolError: the image or the model cannot be used.
    """
    wanted = str(size) if size is not None else None
    regions = RegionOptions(min_area, fill_holes)
    options = SegmentOptions(model, Path(runs).resolve(), device, precision, str(tile), wanted, tta, trust=trust)
    path = find_model_of(options).path
    loaded = keep_loaded(load_segmentation, replace(options, model=str(path)), path)
    if isinstance(image, np.ndarray) and image.ndim == 3:
        image = image[:, :, :3]  # how transparent a pixel is says nothing about its class
    return regions.applied(loaded(picture_of(image).pixels, probabilities=probabilities))


def load_segmentation(options: SegmentOptions, *, live: bool = False) -> LoadedSegmenter:
    """Find a segmenter, or a translation to label maps, and load it.

    Args:
        live: a built-in model as a network, never as its ONNX form.

    Raises:
        ModelError, SettingsError, UsageError: with the remedy.
    """
    tiling, model = parse_tiling(options.tile), find_model_of(options)
    return open_segmenter(
        model,
        device=options.device,
        precision=options.precision,
        tiling=tiling,
        size=options.size,
        tta=options.tta,
        trust=options.trust,
        live=live,
    )


def find_model_of(options: SegmentOptions) -> FoundModel:
    """The model that is named, or one that segments; nothing is loaded.

    Raises:
        ModelError: there is none, or it does not segment.
    """
    name = options.model
    if name is None:
        return find_segmenter(options.runs)
    try:
        resolved = find_model(name, options.runs)
    except ModelError as error:
        advice = None if Path(name).exists() else how_to_train(name)
        if advice is None:
            raise
        raise ModelError(error.message, advice) from None
    card = resolved.card
    if not card.is_segmenter and card.to_labels is None:
        raise ModelError(
            f"--model {name}: is a translation model without label maps.",
            f"Use gantool translate --to {' or '.join(card.targets)}.",
        )
    return resolved


def segment_files(
    segmenter: LoadedSegmenter, plan: LabelPlan, regions: RegionOptions | None = None
) -> Iterator[ImageOutcome]:
    """Segment files; see `work_through`.

    Raises:
        OutputError: the file of all images cannot be written.
    """
    jobs, classes = plan.jobs, [entry.name for entry in segmenter.classes]

    def run(pairs: Sequence[tuple[ImageJob, Picture]]) -> list[LabelMap]:
        return [segmenter(picture.pixels, probabilities="probabilities" in job.outputs) for job, picture in pairs]

    # Probabilities are large: those of few images at a time, and of one where they come from all cores.
    large = any("probabilities" in job.outputs for job in jobs)
    look = partial(look_at, copies=1 + len(classes) / 4 if large else 1)
    with label_writer(plan, classes, regions or RegionOptions()) as write:
        yield from work_through(
            jobs,
            Work(
                look, lambda job: read_picture(job.source), run, write, segmenter.predictor.at_once,
                behind=0 if large else 1,
            ),
        )  # fmt: skip
