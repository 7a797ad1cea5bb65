"""Clips from one domain to another."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from gantool.arrays import Floats, Pixels
from gantool.predict.translator import Translator
from gantool.video.frames import Clip, Cut, Frame, Sink
from gantool.video.open import open_sink
from gantool.workflows.image_jobs import FileOptions
from gantool.workflows.translate import TranslateOptions
from gantool.workflows.video.options import ClipOptions
from gantool.workflows.video.plan import ClipJob, clip_stem, clip_suffix, plan_clips
from gantool.workflows.video.work import ClipOutcome, Made, Progress, work_through_clips

__all__ = ["plan_clip_translation", "translate_clips"]


def plan_clip_translation(translator: Translator, files: FileOptions) -> tuple[list[ClipJob], list[Path]]:
    """Find clips and decide outputs; see `plan_clips`."""
    target = translator.target.name

    def names(source: str) -> Mapping[str, str]:
        return {target: f"{clip_stem(source)}.{target}{clip_suffix(source)}"}

    return plan_clips(files, names)


def translate_clips(
    translator: Translator,
    jobs: Sequence[ClipJob],
    options: TranslateOptions,
    clips: ClipOptions | None = None,
    watch: Callable[[Progress], None] = lambda _: None,
    *,
    dry_run: bool = False,
) -> Iterator[ClipOutcome]:
    """Translate clips; see `work_through_clips`."""
    clips = clips or ClipOptions()
    way = _Translation(translator, clips, side_by_side=options.side_by_side)
    return work_through_clips(jobs, way, clips, options.size, watch, dry_run=dry_run)


class _Translation:
    """See `Way`. What is averaged is the change of tones where the model finds one, else that of the pixels."""

    on_pictures = True

    def __init__(self, translator: Translator, clips: ClipOptions, *, side_by_side: bool) -> None:
        self._translator, self._clips, self._side_by_side = translator, clips, side_by_side
        self._kind = translator.target.name

    def at_once(self, height: int, width: int) -> int:
        return self._translator.predictor.at_once(height, width)

    def steadies(self) -> str:
        labels = self._translator.target.classes or self._translator.source.classes
        return "label maps have no colors between two classes" if labels else ""

    def open(self, kind: str, output: str, clip: Clip, source: Path, cut: Cut) -> Sink:
        clear = clip.alpha and not self._side_by_side
        return open_sink(output, replace(clip, alpha=clear), quality=self._clips.quality, source=source, cut=cut)

    def whole(self, frame: Frame) -> Made:
        predictor = self._translator.predictor
        if predictor.change is None or self.steadies():
            return self._made(frame, self._translator(frame.pixels))
        return self._made(frame, predictor.change.put(predictor.found(frame.pixels), frame.pixels))

    def values(self, frame: Frame) -> Floats:
        predictor = self._translator.predictor
        if predictor.change is not None:
            return predictor.found(frame.pixels)
        values: Floats = self._translator(frame.pixels).astype(np.float32) - frame.pixels
        return values

    def shown(self, frame: Frame, values: Floats) -> Made:
        change = self._translator.predictor.change
        if change is not None:
            return self._made(frame, change.put(values, frame.pixels))
        return self._made(frame, np.clip(np.rint(frame.pixels + values), 0, 255).astype(np.uint8))

    def _made(self, frame: Frame, result: Pixels) -> Made:
        result = np.broadcast_to(result, frame.pixels.shape)
        if self._side_by_side:
            return Made({self._kind: replace(frame, pixels=np.concatenate([frame.pixels, result], 1), alpha=None)})
        return Made({self._kind: replace(frame, pixels=result)})
