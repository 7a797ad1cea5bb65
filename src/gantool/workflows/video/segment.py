"""Clips as classes: overlays, colors, and masks without loss."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from gantool.arrays import IGNORE, Floats, Pixels, color_table
from gantool.data.masks import write_mask
from gantool.errors import UsageError, closest
from gantool.predict.labels import LabelPredictor
from gantool.predict.segmenter import LabelMap, LoadedSegmenter
from gantool.video.encoding import LOSSLESS, FfmpegSink, Recipe
from gantool.video.frames import Clip, Cut, Frame, Sink
from gantool.video.names import has_number
from gantool.video.numbered import NumberedSink
from gantool.video.open import open_sink
from gantool.workflows.image_jobs import FileOptions
from gantool.workflows.label_outputs import OUTPUTS, RegionOptions
from gantool.workflows.video.options import ClipOptions
from gantool.workflows.video.plan import ClipJob, clip_stem, clip_suffix, plan_clips
from gantool.workflows.video.work import ClipOutcome, Made, Progress, work_through_clips

__all__ = ["CLIP_OUTPUTS", "plan_clip_labels", "segment_clips"]

CLIP_OUTPUTS = ("mask", "overlay", "color")
"""Of `OUTPUTS`, what can be written of a clip."""


def plan_clip_labels(files: FileOptions, outputs: Sequence[str]) -> tuple[list[ClipJob], list[Path]]:
    """Find clips and decide outputs; see `plan_clips`.

    Raises:
        UsageError: an output that a clip does not have, or a mask in a file with losses.
    """
    for name in outputs:
        if name not in OUTPUTS:
            raise UsageError(f"--outputs: there is no output {name!r}.", closest(name, OUTPUTS))
        if name not in CLIP_OUTPUTS:
            raise UsageError(f"--outputs {name}: is of pictures.", f"Of clips there are {', '.join(CLIP_OUTPUTS)}.")

    def names(source: str) -> Mapping[str, str]:
        stem, suffix = clip_stem(source), clip_suffix(source)
        return {kind: f"{stem}.{kind}{LOSSLESS if kind == 'mask' else suffix}" for kind in outputs}

    jobs, skipped = plan_clips(files, names)
    for job in jobs:
        mask = job.outputs.get("mask", LOSSLESS)
        if not mask.lower().endswith(LOSSLESS) and not (has_number(mask) and mask.lower().endswith(".png")):
            raise UsageError(f"-o {mask}: would not keep masks as they are.", "Name a .mkv file, or masks/%04d.png.")
    return jobs, skipped


def segment_clips(
    segmenter: LoadedSegmenter,
    jobs: Sequence[ClipJob],
    regions: RegionOptions | None = None,
    clips: ClipOptions | None = None,
    watch: Callable[[Progress], None] = lambda _: None,
    *,
    dry_run: bool = False,
) -> Iterator[ClipOutcome]:
    """Segment clips; see `work_through_clips`."""
    clips = clips or ClipOptions()
    for job in jobs:
        yield from work_through_clips(
            [job],
            _Segmentation(segmenter, regions or RegionOptions(), clips, tuple(job.outputs)),
            clips,
            None,
            watch,
            dry_run=dry_run,
        )


class _Segmentation:
    """See `Way`. What is averaged are the probabilities, at the scale that the network sees."""

    on_pictures = False

    def __init__(
        self, segmenter: LoadedSegmenter, regions: RegionOptions, clips: ClipOptions, kinds: Sequence[str]
    ) -> None:
        self._segmenter, self._regions, self._clips, self._kinds = segmenter, regions, clips, kinds
        self._colors = color_table([entry.color for entry in segmenter.classes])

    def at_once(self, height: int, width: int) -> int:
        return self._segmenter.predictor.at_once(height, width)

    def steadies(self) -> str:
        return "" if self._labels is not None else "a translation to label maps has no probabilities"

    @property
    def _labels(self) -> LabelPredictor | None:
        predictor = self._segmenter.predictor
        return predictor if isinstance(predictor, LabelPredictor) else None

    def open(self, kind: str, output: str, clip: Clip, source: Path, cut: Cut) -> Sink:
        if kind != "mask":
            return open_sink(output, clip, quality=self._clips.quality, source=source, cut=cut)
        if has_number(output):
            return NumberedSink(output, partial(_write_mask, colors=self._colors[:IGNORE]))
        names = ",".join(entry.name for entry in self._segmenter.classes)
        return FfmpegSink(Path(output), clip, Recipe(lossless=True, tags=(("classes", names),)))

    def whole(self, frame: Frame) -> Made:
        return self._made(frame, self._segmenter(frame.pixels))

    def values(self, frame: Frame) -> Floats:
        assert self._labels is not None
        return np.ascontiguousarray(self._labels.probabilities(frame.pixels).transpose(1, 2, 0))

    def shown(self, frame: Frame, values: Floats) -> Made:
        assert self._labels is not None
        planes = np.ascontiguousarray(values.transpose(2, 0, 1))
        return self._made(frame, self._segmenter.label_map(self._labels.from_probabilities(planes, frame.pixels)))

    def _made(self, frame: Frame, result: LabelMap) -> Made:
        result = self._regions.applied(result)
        return Made(
            {kind: replace(frame, pixels=_picture(kind, result, frame)) for kind in self._kinds}, result.shares
        )


def _picture(kind: str, result: LabelMap, frame: Frame) -> Pixels:
    if kind == "mask":
        return result.mask[:, :, None]
    return result.color() if kind == "color" else result.overlay(frame.pixels)


def _write_mask(path: Path, pixels: Pixels, *, colors: Pixels) -> None:
    write_mask(path, pixels[:, :, 0], colors)
