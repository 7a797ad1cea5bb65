"""How good are translations: against real images of the target, and against truths where there are any?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from gantool.arrays import Mask, Pixels, as_color
from gantool.cards import LabelClass
from gantool.data.label_pictures import nearest_classes
from gantool.data.tiles import photograph_of
from gantool.devices import choose_device
from gantool.errors import DataError, ModelError, UsageError, closest
from gantool.metrics.estimates import Estimate
from gantool.metrics.paired import l1_of
from gantool.metrics.segmentation import Confusion
from gantool.metrics.sets import ImageSet, Instruments, PairScores, compare_sets, make_instruments
from gantool.metrics.sliced import common_size
from gantool.metrics.table import worst_first
from gantool.models.find import FoundModel, find_model
from gantool.predict.segmenter import LoadedSegmenter
from gantool.predict.translator import Translator
from gantool.workflows.evaluate.gallery import chosen_images
from gantool.workflows.evaluate.labels import match_classes
from gantool.workflows.evaluate.names import distinct_names
from gantool.workflows.evaluate.options import EvaluateOptions
from gantool.workflows.evaluate.results import Evaluation, Progress, Result, ShownRow, compared
from gantool.workflows.evaluate.translation_images import TranslationImages, find_images_for
from gantool.workflows.segment import SegmentOptions, load_segmentation
from gantool.workflows.shares.gather import Counted, Entries, Gather
from gantool.workflows.translate import TranslateOptions, load_translator

__all__ = ["evaluate_pictures"]


def evaluate_pictures(options: EvaluateOptions, on_progress: Progress, gather: Gather) -> Evaluation | None:
    """Measure translation models on the same images.

    Returns:
        None for a share that only measures.
    """
    models = [find_model(name, options.runs) for name in options.models]
    named = list(zip(distinct_names(models), options.models, models, strict=True))
    images = find_images_for(models[0], options.data, options.split, options.size)
    _require_same_domains(models, images)
    targets = _targets(models, options.to)
    segmenter = None
    if options.segmenter is not None:
        segmenter = load_segmentation(
            SegmentOptions(options.segmenter, options.runs, options.device, trust=options.trust), live=True
        )
    instruments = make_instruments(
        inception_weights=options.inception_weights, resize=options.fid_mode, paired=images.paired,
        device=choose_device(options.device),
    )  # fmt: skip
    files = [side.name(n) for side in images.sides.values() for n in range(len(side))]
    gather.question([*(model.path for model in models), *files])
    results: list[Result] = []
    gallery: dict[str, Sequence[ShownRow]] = {}
    for target in targets:
        able = [(name, typed) for name, typed, model in named if target in model.card.targets]
        translators = [(name, typed, _loaded(target, typed, options)) for name, typed in able]
        source = translators[0][2].source.name
        direction = _Direction(images, source, target, instruments, segmenter, on_progress, gather)
        measured = [
            direction.measured(name, translator, _way_back(translator, typed, options))
            for name, typed, translator in translators
        ]
        several = [one for one in measured if one is not None]
        if gather.is_looking:
            continue
        results += compared(several)
        if options.output is not None:
            gallery[target] = direction.gallery([(name, one) for name, _, one in translators], several[0])
    return None if gather.is_looking else Evaluation(images.about, tuple(results), gallery)


def _require_same_domains(models: Sequence[FoundModel], images: TranslationImages) -> None:
    for model in models[1:]:
        if {domain.name for domain in model.card.domains} != set(images.sides):
            raise ModelError(
                f"{model.label}: translates between {' and '.join(d.name for d in model.card.domains)}, "
                f"{models[0].label} between {' and '.join(images.sides)}.",
                "Evaluate them one after the other.",
            )


def _targets(models: Sequence[FoundModel], to: str | None) -> list[str]:
    targets = list(dict.fromkeys(target for model in models for target in model.card.targets))
    if to is not None and to not in targets:
        raise UsageError(f"--to {to}: no model translates to it.", closest(to, targets))
    return [target for target in targets if to in (None, target)]


def _loaded(target: str, typed: str, options: EvaluateOptions) -> Translator:
    return load_translator(
        TranslateOptions(target, typed, options.runs, options.device, options.precision, trust=options.trust),
        live=True,
    )


def _way_back(translator: Translator, typed: str, options: EvaluateOptions) -> Translator | None:
    """The direction that undoes the other one, for the cycle error; None where the model has none."""
    card = translator.model.card
    back = card.way_back(card.direction(translator.target.name))
    return _loaded(back.target, typed, options) if back is not None else None


class _Direction:
    """The images of one direction: what translations are made of, and what they are held against."""

    def __init__(
        self,
        images: TranslationImages,
        source: str,
        target: str,
        instruments: Instruments,
        segmenter: LoadedSegmenter | None,
        on_progress: Progress,
        gather: Gather,
    ) -> None:
        self.images, self.source, self.target = images, source, target
        self.instruments, self.segmenter = instruments, segmenter
        self.on_progress, self.gather = on_progress, gather
        self.labels = images.classes.get(source, ())
        first = next(iter(images.sides.values()))[0]
        self.size = common_size(first.shape[1], first.shape[0])
        self.failed = Entries[str]()
        self.reals = ImageSet(self.size, instruments)
        for n, name, pixels, _ in self._images(target, f"real {target}", self.failed):
            self.reals.add(pixels, photograph_of(name), place=n)
        gather.whole(f"real {target}", self.reals)
        gather.whole(f"unreadable real {target}", self.failed)
        self.untranslated = {} if self.labels else self._untranslated()

    def _images(
        self, domain: str, what: str, failed: Entries[str], truths: str | None = None
    ) -> Iterator[tuple[int, str, Pixels, Pixels | None]]:
        """Place, name, picture and truth of all images of a domain, or of a share, that can be read."""
        side = self.images.sides[domain]
        for n in self.gather.places(len(side), self.instruments.block):
            self.on_progress(what, n + 1, len(side))
            try:
                read = n, side.name(n), side[n], None if truths is None else self.images.sides[truths][n]
            except DataError as error:
                failed.add(n, error.message)
                continue
            yield read

    def _sources(self, what: str, failed: Entries[str]) -> Iterator[tuple[int, str, Pixels, Pixels | None]]:
        return self._images(self.source, what, failed, self.target if self.images.paired else None)

    def _untranslated(self) -> dict[str, Estimate]:
        """What a model that does nothing would reach."""
        plain, pairs = ImageSet(self.size, self.instruments), PairScores(Instruments())
        for n, name, pixels, truth in self._sources(f"untranslated {self.source}", Entries()):
            plain.add(pixels, photograph_of(name), place=n)
            if truth is not None and pixels.shape == truth.shape:
                pairs.add(name, pixels, truth, photograph_of(name), n)
        self.gather.whole(f"untranslated {self.source}", plain)
        self.gather.whole(f"untranslated {self.source} pairs", pairs)
        if self.gather.is_looking or not plain.count:
            return {}
        return {**compare_sets(self.reals, plain, self.instruments).values, **pairs.measured().values}

    def measured(self, name: str, translator: Translator, back: Translator | None) -> Result | None:
        """Everything about one model, None for a share that only measures; ``back`` undoes what it does."""
        made, pairs = ImageSet(self.size, self.instruments), PairScores(self.instruments)
        content = None
        if self.segmenter is not None and self.target not in self.images.classes:
            content = _Content(self.segmenter, self.labels)
        cycles, failed = Entries[tuple[float, str]](), Entries[str]()
        for n, image, pixels, truth in self._sources(f"{name} to {self.target}", failed):
            photograph = photograph_of(image)
            result = translator(pixels)
            made.add(result, photograph, made_of=pixels, place=n)
            if truth is not None:
                pairs.add(image, result, truth, photograph, n)
            if back is not None:
                cycles.add(n, (l1_of(_alike(back(as_color(result)), pixels), pixels), photograph))
            if content is not None:
                content.add(pixels, result, photograph, n)
        counted: dict[str, Counted] = {"made": made, "pairs": pairs, "cycles": cycles, "unreadable": failed}
        for what, one in (counted if content is None else counted | {"content": content.confusion}).items():
            self.gather.whole(f"{name} to {self.target}: {what}", one)
        if self.gather.is_looking:
            return None
        if not made.count:
            raise DataError(
                f"{self.images.about}: no image could be used.", failed.values[0] if failed.values else ""
            )
        sets, paired = compare_sets(self.reals, made, self.instruments), pairs.measured()
        values = {**sets.values, **paired.values}
        if cycles.values:
            values["cycle_l1"] = Estimate.mean(*zip(*cycles.values, strict=True))
        if content is not None:
            values |= content.values()
        return Result(
            name, made.count, values, self.source, self.target, self.reals.count, self.untranslated,
            left_out={**sets.left_out, **paired.left_out}, warnings=sets.warnings, swd_levels=sets.swd_levels,
            fid_mode=self.instruments.fid_mode, per_image=worst_first(pairs.images, "l1"),
            failed=(*failed.values, *self.failed.values),
        )  # fmt: skip

    def gallery(self, translators: Sequence[tuple[str, Translator]], first: Result) -> list[ShownRow]:
        """The worst and the best images of the first model where there is a truth, else some evenly spread ones."""
        side = self.images.sides[self.source]
        rows = []
        for n, caption, group in chosen_images(first, "l1", [side.name(n) for n in range(len(side))]):
            try:
                pixels = side[n]
                truth = [("truth", self.images.sides[self.target][n])] if self.images.paired else []
            except DataError:
                continue
            made = [(name, translator(pixels)) for name, translator in translators]
            rows.append(ShownRow(caption, [(self.source, pixels), *made, *truth], group))
        return rows


class _Content:
    """Whether a segmenter sees in translations what they should show.

    That is their source's own label map, or, if the source is a photo, what the segmenter sees there.
    """

    def __init__(self, segmenter: LoadedSegmenter, labels: Sequence[LabelClass]) -> None:
        self.segmenter = segmenter
        self.colors = [entry.color for entry in labels]
        names = [entry.name for entry in labels or segmenter.classes]
        self.order, self.confusion = match_classes(segmenter, names), Confusion(names)

    def add(self, pixels: Pixels, result: Pixels, photograph: str, place: int) -> None:
        expected = nearest_classes(pixels, self.colors) if self.colors else self._seen(pixels)
        self.confusion.add(expected, self._seen(result), photograph, place)

    def _seen(self, pixels: Pixels) -> Mask:
        return np.asarray(self.order[self.segmenter(as_color(pixels)).mask])

    def values(self) -> dict[str, Estimate]:
        prefix = "segmenter" if self.colors else "consistency"
        found = self.confusion.estimates()
        return {f"{prefix}_{key}": found[key] for key in ("mean_iou", "accuracy")}


def _alike(result: Pixels, wanted: Pixels) -> Pixels:
    """A gray result as color where the input was color."""
    return as_color(result) if wanted.shape[2] == 3 else result
