"""How far translations are from the truth, where there is one, and how far guesses without a network are."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence

import numpy as np
import torch
from torch import nn

from gantool.arrays import Pixels
from gantool.cards import LabelClass
from gantool.data.augment import Preparation
from gantool.data.label_pictures import nearest_classes
from gantool.engine.measurement import Measurement
from gantool.methods.domains import PairedTruth, UnpairedData
from gantool.methods.pairs import Sides
from gantool.metrics.paired import histogram_matcher, l1, l1_ratio, median_image
from gantool.metrics.segmentation import Confusion
from gantool.metrics.sliced import PatchSet, common_size, sliced_distance
from gantool.predict.live import LiveRunner
from gantool.predict.pictures import as_pictures
from gantool.report.confusion import ConfusionMatrix
from gantool.report.gallery import Gallery

__all__ = [
    "SlicedDistances",
    "baseline_ratios",
    "distance_to_teacher",
    "on_label_maps",
    "ratios_to_truth",
    "scores_on_pairs",
]


class SlicedDistances:
    """How far translations of test images are from real ones; those are looked at once, when first needed.

    The gallery has the images by how well they cycle; of a model without a way back, by how much it changes them.

    Args:
        count: at most so many images per domain.
    """

    def __init__(self, data: UnpairedData, count: int, device: torch.device) -> None:
        self.data, self.count, self.device = data, count, device
        self._images = [test if len(test) else train for test, train in zip(data.test, data.train, strict=True)]
        self._real: list[PatchSet] = []

    def __call__(self, nets: Mapping[str, nn.Module]) -> Measurement:
        gallery = Gallery("cycle error" if len(nets) > 1 else "change")
        views = [self._views(side) for side in (0, 1)]
        if not self._real:
            self._real = [_patches(list(side.values())) for side in views]
        distances = {}
        for side, (source, target) in enumerate((self.data.names, self.data.names[::-1])):
            if f"to_{target}" not in nets:
                continue
            made = _translated(nets[f"to_{target}"], list(views[side].values()), self.device)
            distance = sliced_distance(self._real[1 - side], _patches(made), intervals=False).overall.value
            distances[f"swd_to_{target}"] = distance
            self._show(gallery, views[side], made, source, target, nets.get(f"to_{source}"))
        mean = sum(distances.values()) / len(distances)
        return Measurement({"swd": mean, **distances}, mean, gallery=gallery)

    def _show(
        self,
        gallery: Gallery,
        views: Mapping[str, Pixels],
        made: Sequence[Pixels],
        source: str,
        target: str,
        back: nn.Module | None,
    ) -> None:
        cycled = _translated(back, made, self.device) if back is not None else []
        for n, (name, before) in enumerate(views.items()):
            pictures = {source: before, f"{source} to {target}": made[n]}
            if cycled:
                pictures[f"{source} cycled"] = cycled[n]
            gallery.add(name, l1([cycled[n] if cycled else made[n]], [before]), pictures)

    def _views(self, side: int) -> dict[str, Pixels]:
        """Some images of a domain, evenly spread, by name."""
        images, preparation = self._images[side], self.data.preparations[side]
        count = min(len(images), self.count)
        places = [n * len(images) // count for n in range(count)]
        return {f"{images.name(n)} ({self.data.names[side]})": preparation.testing(images[n]) for n in places}


def _patches(images: Sequence[Pixels]) -> PatchSet:
    patches = PatchSet(common_size(images[0].shape[1], images[0].shape[0]))
    for pixels in images:
        patches.add(pixels)
    return patches


def ratios_to_truth(
    nets: Mapping[str, nn.Module],
    names: tuple[str, str],
    truth: PairedTruth,
    device: torch.device,
    gallery: Gallery,
) -> dict[str, float]:
    """L1(translated, truth) / L1(untranslated, truth) in the directions that there are networks for."""
    ratios = {}
    for source, target, inputs, truths in ((*names, truth.a, truth.b), (*names[::-1], truth.b, truth.a)):
        if f"to_{target}" not in nets:
            continue
        made = _translated(nets[f"to_{target}"], inputs, device)
        ratios[f"l1_ratio_to_{target}"] = l1_ratio(made, inputs, truths)
        for n, (before, after, true) in enumerate(zip(inputs, made, truths, strict=True)):
            pictures = {source: before, f"{source} to {target}": after, f"true {target}": true}
            gallery.add(f"scene {n + 1} ({source})", l1([after], [true]), pictures)
    return ratios


def distance_to_teacher(
    student: nn.Module, teacher: nn.Module, data: UnpairedData, device: torch.device, count: int | None
) -> float:
    """L1 between what both make of test pictures of the first domain, in levels of 255.

    Args:
        count: at most so many pictures.
    """
    images, preparation = data.test[0] if len(data.test[0]) else data.train[0], data.preparations[0]
    views = [preparation.testing(images[n]) for n in range(min(len(images), count or len(images)))]
    return l1(_translated(student, views, device), _translated(teacher, views, device))


def scores_on_pairs(
    net: nn.Module,
    sides: Sides,
    preparations: tuple[Preparation, Preparation],
    classes: Sequence[LabelClass],
    device: torch.device,
    gallery: Gallery | None = None,
    count: int | None = None,
) -> tuple[dict[str, float], ConfusionMatrix | None]:
    """L1 of translations to their truth in levels of 255; for label maps first the mean IoU of the nearest classes.

    Args:
        sides: sources and truths that belong together.
        classes: of the truths; empty where they are no label maps.
        gallery: takes every image, with its accuracy for label maps and its L1 otherwise.
        count: at most so many pairs.

    Returns:
        The values, and for label maps the confusion matrix.
    """
    confusion = Confusion([entry.name for entry in classes])
    colors = [entry.color for entry in classes]
    distances = []
    for n in range(min(len(sides[0]), count or len(sides[0]))):
        inputs, truth = (p.testing(images[n]) for p, images in zip(preparations, sides, strict=True))
        (made,) = _translated(net, [inputs], device)
        distances.append(l1([made], [truth]))
        value = distances[-1]
        if colors:
            wanted, found = nearest_classes(truth, colors), nearest_classes(made, colors)
            confusion.add(wanted, found)
            value = float((wanted == found).mean())
        if gallery is not None:
            pictures = {"source": inputs, "translated": made, "truth": truth}
            gallery.add(sides[0].name(n), value, pictures)
    metrics = {"l1": float(np.mean(distances))}
    if not colors:
        return metrics, None
    scores = confusion.scores()
    values = {"mean_iou": scores.mean_iou, "accuracy": scores.accuracy, **metrics}
    return values, ConfusionMatrix(confusion.names, colors, confusion.counts)


def on_label_maps(
    nets: Mapping[str, nn.Module], data: UnpairedData, pairs: Sides, device: torch.device, count: int | None = None
) -> Measurement:
    """Both directions of a CycleGAN between label maps (first) and photos: mean IoU and accuracy, L1 of photos.

    Args:
        count: at most so many pairs.
    """
    gallery = Gallery("accuracy", higher_is_better=True)
    labels, photos = data.names
    to_photos, _ = scores_on_pairs(
        nets[f"to_{photos}"], pairs, data.preparations, data.classes[1], device, None, count
    )
    back, turned = (pairs[1], pairs[0]), (data.preparations[1], data.preparations[0])
    to_labels, confusion = scores_on_pairs(
        nets[f"to_{labels}"], back, turned, data.classes[0], device, gallery, count
    )
    values = {"mean_iou": to_labels["mean_iou"], "accuracy": to_labels["accuracy"], "l1": to_photos["l1"]}
    return Measurement(values, 1 - values["mean_iou"], gallery=gallery, confusion=confusion)


def baseline_ratios(data: UnpairedData, wanted: Container[str]) -> dict[str, dict[str, float]]:
    """The same ratios for the median training image and for per-channel histogram matching.

    Args:
        wanted: names of ratios.
    """
    assert data.truth is not None
    out: dict[str, dict[str, float]] = {}
    sides = ((data.truth.a, data.truth.b, 1), (data.truth.b, data.truth.a, 0))
    for inputs, truths, side in sides:
        key = f"l1_ratio_to_{data.names[side]}"
        if key not in wanted:
            continue
        training = [data.preparations[side].testing(data.train[side][n]) for n in range(len(data.train[side]))]
        constant = median_image(training)
        matcher = histogram_matcher(training)
        out.setdefault("median training image", {})[key] = l1_ratio([constant] * len(truths), inputs, truths)
        out.setdefault("histogram matching", {})[key] = l1_ratio([matcher(x) for x in inputs], inputs, truths)
    return out


def _translated(net: nn.Module, images: Sequence[Pixels], device: torch.device) -> list[Pixels]:
    """Images of any size, one at a time, in the precision of the training around."""
    runner = LiveRunner(net, device=device, precision="ambient")
    return [as_pictures(runner(image[None]))[0] for image in images]
