"""How good are translations: against real images of the target, and against truths where there are any?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from gantool.arrays import Pixels
from gantool.data.label_pictures import nearest_classes
from gantool.devices import choose_device
from gantool.errors import DataError, ModelError, UsageError, closest
from gantool.metrics.estimates import Estimate, differences_of
from gantool.metrics.inception import Resize
from gantool.metrics.paired import l1
from gantool.metrics.segmentation import Confusion
from gantool.metrics.sliced import common_size
from gantool.models.find import find_model
from gantool.workflows.evaluate_segmentation import match_classes
from gantool.workflows.evaluation_results import (
    ImageResult,
    ShownRow,
    TranslationEvaluation,
    write_evaluation,
)
from gantool.workflows.image_scores import ImageSet, Instruments, PairScores, compare_sets, make_instruments
from gantool.workflows.segment import LoadedSegmenter, load_segmentation
from gantool.workflows.translate import Translator, load_translator
from gantool.workflows.translation_images import Side, TranslationImages, find_images_for

__all__ = ["evaluate_translations"]

Progress = Callable[[str, int, int], None]

_SHOWN_WORST, _SHOWN_BEST, _SHOWN_SPREAD = 5, 3, 8


def evaluate_translations(
    names: Sequence[str],
    *,
    data: str | None = None,
    split: str = "test",
    to: str | None = None,
    size: int | None = None,
    segmenter: str | None = None,
    inception_weights: Path | None = None,
    resize: Resize = "clean",
    runs: Path = Path("runs"),
    device: str = "auto",
    precision: str = "auto",
    trust: bool = False,
    output: Path | None = None,
    on_progress: Progress = lambda what, done, total: None,
) -> TranslationEvaluation:
    """Measure translation models on the same images; see `gantool.evaluate`."""
    models = [find_model(name, runs) for name in names]
    images = find_images_for(models[0], data, split, size)
    for model in models[1:]:
        if {domain.name for domain in model.card.domains} != set(images.sides):
            raise ModelError(
                f"{model.label}: translates between {' and '.join(d.name for d in model.card.domains)}, "
                f"{models[0].label} between {' and '.join(images.sides)}.",
                "Evaluate them one after the other.",
            )
    targets = list(dict.fromkeys(d.target for model in models for d in model.card.directions))
    if to is not None and to not in targets:
        raise UsageError(f"--to {to}: no model translates to it.", closest(to, targets))
    targets = [target for target in targets if to in (None, target)]
    loading: dict[str, Any] = {"runs": runs, "device": device, "trust": trust}
    judge = load_segmentation(segmenter, **loading) if segmenter is not None else None
    loading["precision"] = precision
    instruments = make_instruments(
        inception_weights=inception_weights, resize=resize, paired=images.paired, device=choose_device(device)
    )
    first = next(iter(images.sides.values()))[0]
    side = common_size(first.shape[1], first.shape[0])
    results: list[ImageResult] = []
    rows: dict[str, Sequence[ShownRow]] = {}
    for target in targets:
        source = next(d.source for model in models for d in model.card.directions if d.target == target)
        reals = ImageSet(side, instruments)
        failed = _collect(images.sides[target], reals, partial(on_progress, f"real {target}"))
        translators = []
        for name, model in zip(names, models, strict=True):
            if target not in [d.target for d in model.card.directions]:
                continue
            translator = load_translator(target, model=name, **loading)
            back = _way_back(translator, source, name, loading)
            measured = _Direction(images, source, target, reals, instruments, judge)
            result = measured.run(name, translator, back, on_progress)
            first_of = next((one for one in results if one.target == target), None)
            results.append(replace(_compared(result, first_of), failed=(*result.failed, *failed)))
            translators.append((name, translator))
        rows[target] = _rows(images, source, target, translators, results)
    evaluation = TranslationEvaluation(images.about, tuple(results), rows)
    return evaluation if output is None else write_evaluation(evaluation, output)


def _compared(result: ImageResult, first: ImageResult | None) -> ImageResult:
    """With the differences to the untranslated images and to the first model of the direction."""
    others = {"untranslated": result.untranslated, **({first.name: first.values} if first is not None else {})}
    differences = {name: differences_of(result.values, values) for name, values in others.items() if values}
    return replace(result, differences=differences)


def _way_back(translator: Translator, source: str, name: str, loading: Mapping[str, Any]) -> Translator | None:
    """The other direction of a CycleGAN, for its cycle error."""
    card = translator.model.card
    if card.task != "cyclegan" or source not in [direction.target for direction in card.directions]:
        return None
    return load_translator(source, model=name, **loading)


def _collect(side: Side, into: ImageSet, on_progress: Callable[[int, int], None]) -> list[str]:
    failed = []
    for n in range(len(side)):
        try:
            into.add(side[n])
        except DataError as error:
            failed.append(error.message)
        on_progress(n + 1, len(side))
    return failed


class _Direction:
    """Everything about one direction on the images."""

    def __init__(
        self,
        images: TranslationImages,
        source: str,
        target: str,
        reals: ImageSet,
        instruments: Instruments,
        judge: LoadedSegmenter | None,
    ) -> None:
        self.images, self.source, self.target = images, source, target
        self.reals, self.instruments, self.judge = reals, instruments, judge
        self.labels = images.classes.get(source, ())
        self.order = None
        if judge is not None and target not in images.classes:
            names = [entry.name for entry in (self.labels or judge.classes)]
            self.names = names
            self.order = match_classes(judge, names)

    def run(self, name: str, translator: Translator, back: Translator | None, on_progress: Progress) -> ImageResult:
        made, plain = (ImageSet(self.reals.patches.size, self.instruments) for _ in range(2))
        pairs, plain_pairs = PairScores(self.instruments), PairScores(Instruments())
        confusion = Confusion(self.names) if self.order is not None else None
        cycles: list[float] = []
        failed: list[str] = []
        side, truths = self.images.sides[self.source], self.images.sides[self.target]
        for n in range(len(side)):
            on_progress(f"{name} to {self.target}", n + 1, len(side))
            try:
                pixels = side[n]
                truth = truths[n] if self.images.paired else None
            except DataError as error:
                failed.append(error.message)
                continue
            result = translator(pixels)
            made.add(result, pixels)
            if not self.labels:
                plain.add(pixels)
            if truth is not None:
                pairs.add(side.name(n), result, truth)
                if not self.labels and pixels.shape == truth.shape:
                    plain_pairs.add(side.name(n), pixels, truth)
            if back is not None:
                cycles.append(l1([_alike(back(_color(result)), pixels)], [pixels]))
            if confusion is not None and self.judge is not None and self.order is not None:
                seen = self.order[self.judge(_color(result)).mask]
                confusion.add(self._expected(pixels), seen)
        if not made.count:
            raise DataError(f"{self.images.about}: no image could be used.", failed[0] if failed else "")
        sets = compare_sets(self.reals, made, self.instruments)
        paired = pairs.scores() if pairs.images else None
        values = {**sets.values, **(paired.values if paired else {})}
        if cycles:
            values["cycle_l1"] = Estimate.mean(cycles)
        if confusion is not None:
            prefix = "segmenter" if self.labels else "consistency"
            seen_as = confusion.estimates()
            values |= {f"{prefix}_{key}": seen_as[key] for key in ("mean_iou", "accuracy")}
        untranslated: dict[str, Estimate] = {}
        if plain.count:
            untranslated = dict(compare_sets(self.reals, plain, self.instruments).values)
            untranslated |= plain_pairs.scores().values if plain_pairs.images else {}
        return ImageResult(
            name, self.source, self.target, made.count, self.reals.count, values, untranslated,
            {**sets.left_out, **(paired.left_out if paired else {})}, tuple(sets.warnings), sets.swd_levels,
            self.instruments.fid_mode,
            tuple(sorted(pairs.images, key=lambda entry: -entry[1]["l1"])), tuple(failed),
        )  # fmt: skip

    def _expected(self, pixels: Pixels) -> Pixels:
        """The label map that the generated photo should have: the source's own, or what is seen in the source."""
        if self.labels:
            return nearest_classes(pixels, [entry.color for entry in self.labels])
        assert self.judge is not None
        assert self.order is not None
        return np.asarray(self.order[self.judge(_color(pixels)).mask])


def _color(pixels: Pixels) -> Pixels:
    return np.repeat(pixels, 3, axis=2) if pixels.shape[2] == 1 else pixels


def _alike(result: Pixels, wanted: Pixels) -> Pixels:
    """A gray result as color where the input was color."""
    return _color(result) if wanted.shape[2] == 3 else result


def _rows(
    images: TranslationImages,
    source: str,
    target: str,
    translators: Sequence[tuple[str, Translator]],
    results: Sequence[ImageResult],
) -> list[ShownRow]:
    """The worst and the best images of the first model where there is a truth, else some evenly spread ones."""
    side = images.sides[source]
    first = next(one for one in results if one.target == target)
    chosen: list[tuple[int, str]] = []
    if first.per_image:
        places = {side.name(n): n for n in range(len(side))}
        ranked = [(places[name], f"L1 {values['l1']:.1f}") for name, values in first.per_image]
        best = ranked[_SHOWN_WORST:][-_SHOWN_BEST:]
        chosen = [(n, f"worst, {text}") for n, text in ranked[:_SHOWN_WORST]]
        chosen += [(n, f"best, {text}") for n, text in reversed(best)]
    else:
        count = min(_SHOWN_SPREAD, len(side))
        chosen = [(n * len(side) // count, "") for n in range(count)]
    rows = []
    for n, text in chosen:
        try:
            pixels = side[n]
            truth = images.sides[target][n] if images.paired else None
        except DataError:
            continue
        pictures = [(source, pixels), *((name, translator(pixels)) for name, translator in translators)]
        if truth is not None:
            pictures.append(("truth", truth))
        rows.append(ShownRow(": ".join(filter(None, (text, Path(side.name(n)).name))), pictures))
    return rows
