"""Translations against real images and truths, with generators that do nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from gantool.cards import LabelClass
from gantool.data.augment import Preparation
from gantool.data.datasets import ArrayImages
from gantool.methods.cyclegan.settings import CycleGanSettings
from gantool.methods.domains import UnpairedData, build_data, preview_batch
from gantool.methods.registry import load_settings
from gantool.methods.scores import SlicedDistances, on_label_maps
from gantool.metrics.sliced import PatchSet, sliced_distance

CPU = torch.device("cpu")
BASE: dict[str, Any] = {"data.size": 32, "data.load_size": 32, "data.scenes": 1, "data.test_scenes": 1}


class Brighter(nn.Module):
    """By ten levels."""

    def forward(self, x: Tensor) -> Tensor:
        return x + 20 / 255


def settings(**changes: Any) -> CycleGanSettings:
    found = load_settings("cyclegan-sample", base=BASE | changes)
    assert isinstance(found, CycleGanSettings)
    return found


def noise(count: int, low: int, side: int = 32) -> list[np.ndarray]:
    rng = np.random.default_rng(low)
    return [rng.integers(low, low + 60, (side, side, 3)).astype(np.uint8) for _ in range(count)]


def unpaired(a: list[np.ndarray], b: list[np.ndarray]) -> UnpairedData:
    whole = Preparation("none", 32, 32, False)
    data = build_data(settings())
    return replace(data, names=("day", "night"), test=(ArrayImages(a), ArrayImages(b)), preparations=(whole, whole))


def patches(images: list[np.ndarray]) -> PatchSet:
    found = PatchSet(32)
    for image in images:
        found.add(image)
    return found


def test_distances_to_the_real_images_of_the_target() -> None:
    a, b = noise(3, 0), noise(4, 100)
    measure = SlicedDistances(unpaired(a, b), 3, CPU)
    found = measure({"to_night": Brighter(), "to_day": nn.Identity()})
    used = [b[n * 4 // 3] for n in range(3)]  # evenly spread
    to_night = sliced_distance(patches(used), patches([x + 10 for x in a])).overall.value
    to_day = sliced_distance(patches(a), patches(used)).overall.value
    expected = {"swd": (to_night + to_day) / 2, "swd_to_night": to_night, "swd_to_day": to_day}
    assert found.values == pytest.approx(expected, rel=1e-6)
    assert found.best == found.values["swd"]
    assert found.gallery is not None
    shown = found.gallery.images()
    assert {round(image.value) for image in shown} == {10}, "there and back again is ten levels off"
    assert {tuple(image.pictures) for image in shown} == {
        ("day", "day to night", "day cycled"), ("night", "night to day", "night cycled")
    }  # fmt: skip
    again = measure({"to_night": Brighter(), "to_day": nn.Identity()})
    assert again.values == found.values


def test_both_directions_between_label_maps_and_photos() -> None:
    """Label maps that are right but for a quarter, and photos that are ten levels off."""
    classes = (LabelClass(name="sky", color=(0, 0, 250)), LabelClass(name="land", color=(0, 200, 0)))
    labels = np.full((32, 32, 3), classes[0].color, np.uint8)
    labels[16:] = classes[1].color
    seen = labels.copy()
    seen[:8] = classes[1].color
    data = replace(unpaired([labels], [seen]), classes=(classes, ()))
    pairs = ArrayImages([labels, labels]), ArrayImages([seen, seen])
    nets = {"to_night": Brighter(), "to_day": nn.Identity()}
    found = on_label_maps(nets, data, pairs, CPU, 1)
    sky, land = 8 / 16, 16 / 24
    assert found.values["mean_iou"] == pytest.approx((sky + land) / 2)
    assert found.values["accuracy"] == 0.75
    brighter = np.clip(labels.astype(int) + 10, 0, 255)
    assert found.values["l1"] == pytest.approx(np.abs(brighter - seen).mean(), abs=0.01)
    assert found.best == 1 - found.values["mean_iou"]
    assert found.gallery is not None
    assert [image.value for image in found.gallery.images()] == [0.75], "as many as were asked for"


def test_previews_are_of_one_size() -> None:
    images = [np.full((side, side, 3), n, np.uint8) for n, side in enumerate((32, 40, 32, 32))]
    batch = preview_batch(settings(), unpaired(images, images[2:]))
    levels = [[round((float(one.mean()) + 1) * 127.5) for one in batch[side]] for side in "ab"]
    assert levels == [[0, 2], [2, 3]], "as many of both"


@pytest.mark.parametrize(
    ("preprocess", "expected"), [("resize_and_crop", 72), ("scale_width", 72), ("crop", 64), ("none", 64)]
)
def test_images_are_loaded_a_little_larger_where_they_are_scaled(preprocess: str, expected: int) -> None:
    changes = {"data.size": 64, "data.load_size": None, "augment.preprocess": preprocess, "train.batch_size": 1}
    assert build_data(settings(**changes)).preparations[0].load_size == expected, "64 * 286 / 256 is 71.5"
