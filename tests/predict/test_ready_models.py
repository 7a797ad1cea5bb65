"""Models from their files to results: what is made of pixels before and after the network."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from gantool.cards import Architecture, Card, Direction, Domain, LabelClass
from gantool.errors import DataError, UsageError
from gantool.models.find import FoundModel
from gantool.models.formats.native import save_model
from gantool.nets.layers import initialize
from gantool.nets.registry import build_generator
from gantool.nets.segmenters import build_segmenter
from gantool.predict.bands import Segmented
from gantool.predict.load import open_segmenter, open_translator
from gantool.predict.segmenter import LoadedSegmenter
from gantool.predict.translator import Translator

CLASSES = (LabelClass(name="sky", color=(0, 0, 250)), LabelClass(name="land", color=(0, 200, 0)))
LABELS, GRAY, PHOTO = Domain(name="labels", classes=CLASSES), Domain(name="gray", channels=1), Domain(name="photo")


def translator(source: Domain, target: Domain, seen: list[np.ndarray] | None = None) -> Translator:
    """One that gives back what it gets."""

    def batch(images: Sequence[np.ndarray]) -> list[np.ndarray]:
        if seen is not None:
            seen.extend(images)
        return list(images)

    card = SimpleNamespace(origin=SimpleNamespace(data="sample"))
    predictor: Any = SimpleNamespace(batch=batch, runner=SimpleNamespace(device="cpu", precision="fp32"))
    model: Any = SimpleNamespace(card=card)
    return Translator(predictor, model, source, target)


def test_label_maps_get_and_give_the_colors_of_classes() -> None:
    near = np.array([[[10, 0, 240], [5, 190, 9]]], np.uint8)
    exact = np.array([[[0, 0, 250], [0, 200, 0]]], np.uint8)
    assert np.array_equal(translator(PHOTO, LABELS)(near), exact)
    seen: list[np.ndarray] = []
    assert np.array_equal(translator(LABELS, PHOTO, seen)(near), exact)
    indices = np.array([[[0, 0, 0], [1, 1, 1]]], np.uint8)
    assert np.array_equal(translator(LABELS, PHOTO)(indices), exact)
    assert np.array_equal(translator(PHOTO, PHOTO)(near), near)
    ready = translator(GRAY, PHOTO)
    assert ready(np.full((2, 3, 3), 77, np.uint8)).tolist() == [[[77]] * 3] * 2
    assert (ready.device, ready.precision, ready.trained_on_sample) == ("cpu", "fp32", True)


def test_what_is_no_label_map_is_doubted() -> None:
    def far(count: int) -> np.ndarray:
        """Ten pixels, of which so many are red."""
        pixels = np.full((1, 10, 3), (0, 0, 250), np.uint8)
        pixels[0, :count] = 255, 0, 0
        return pixels

    ready = translator(LABELS, PHOTO)
    assert ready.doubts(far(2), "x.png") == []
    (said,) = ready.doubts(far(3), "x.png")
    assert said.startswith("30% of its pixels are far")
    with pytest.raises(DataError, match=r"x\.png: 40% of its pixels.*sky \(0, 0, 250\)"):
        ready.doubts(far(4), "x.png")
    assert translator(PHOTO, LABELS).doubts(far(10), "x.png") == []


def segmenter(masks: np.ndarray) -> LoadedSegmenter:
    def predict(pixels: np.ndarray, *, probabilities: bool = False, watch: object = None) -> Segmented:
        return Segmented(masks, np.zeros((*masks.shape, 2), np.float16) if probabilities else None)

    predictor: Any = predict
    return LoadedSegmenter(predictor, None, CLASSES)  # type: ignore[arg-type]


def test_a_label_map_has_shares_colors_and_an_overlay() -> None:
    made = segmenter(np.array([[0, 0, 0, 1]], np.uint8))(np.zeros((1, 4, 3), np.uint8))
    assert made.shares == {"sky": 0.75, "land": 0.25}
    assert made.color().tolist() == [[[0, 0, 250]] * 3 + [[0, 200, 0]]]
    over = made.overlay(np.full((1, 4, 3), 100, np.uint8))
    assert over.tolist() == [[[45, 45, round(45 + 137.5)]] * 3 + [[45, 45 + 110, 45]]], "0.45 and 0.55"
    assert made.probabilities is None


def test_probabilities_up_to_two_gigabytes(monkeypatch: pytest.MonkeyPatch) -> None:
    made = segmenter(np.zeros((4, 4), np.uint8))(np.zeros((4, 4, 3), np.uint8), probabilities=True)
    assert made.probabilities is not None
    tall = np.broadcast_to(np.zeros(3, np.uint8), (2**15, 2**14 + 1, 3))
    with pytest.raises(DataError, match="Probabilities of 16385x32768 pixels and 2 classes take 2.0 GiB"):
        segmenter(np.zeros((1, 1), np.uint8))(tall, probabilities=True)


def test_a_translation_is_opened_from_its_file(tmp_path: Path) -> None:
    options = {"width": 2, "norm": "none"}
    net = build_generator("resnet_light", **options)
    initialize(net, gain=0.2)
    direction = Direction(source="photo", target="labels", net="g",
                          architecture=Architecture(name="resnet_light", options=options))  # fmt: skip
    card = Card(task="pix2pix", domains=(PHOTO, LABELS), directions=(direction,), norm="none")
    save_model(tmp_path / "m.safetensors", {"g": net}, card)
    model = FoundModel(tmp_path / "m.safetensors", card, "m")
    pixels = np.random.default_rng(0).integers(0, 256, (20, 24, 3), np.uint8)
    ready = open_translator(model, "labels", device="cpu")
    made = ready(pixels)
    assert {tuple(color) for color in made.reshape(-1, 3).tolist()} <= {entry.color for entry in CLASSES}
    assert (ready.source, ready.target) == (PHOTO, LABELS)
    as_segmenter = open_segmenter(model, device="cpu")
    assert np.array_equal(as_segmenter(pixels).color(), made)
    assert as_segmenter.parameters == sum(parameter.numel() for parameter in net.parameters())
    with pytest.raises(DataError, match="has no probabilities"):
        as_segmenter(pixels, probabilities=True)
    for wrong in ({"tta": True}, {"size": "native"}):
        with pytest.raises(UsageError, match="it takes neither --tta nor --shorter-side"):
            open_segmenter(model, device="cpu", **wrong)  # type: ignore[arg-type]
    changed = card.model_copy(update={"change_size": 16, "change_blur": 1.0})
    assert open_translator(FoundModel(model.path, changed, "m"), "labels", device="cpu")(pixels).shape == pixels.shape


def test_a_segmenter_is_opened_from_its_file(tmp_path: Path) -> None:
    options = {"classes": 2, "encoder": None, "width": 2, "depth": 1}
    torch.manual_seed(1)
    net = build_segmenter("unet", **options).eval()  # type: ignore[arg-type]
    card = Card(task="segmentation", classes=CLASSES, architecture=Architecture(name="unet", options=options),
                multiple_of=2, smallest=2, load_size=40)  # fmt: skip
    save_model(tmp_path / "s.safetensors", {"segment": net}, card)
    model = FoundModel(tmp_path / "s.safetensors", card, "s")
    pixels = np.random.default_rng(0).integers(0, 256, (20, 24, 3), np.uint8)
    ready = open_segmenter(model, device="cpu", size="native")
    with torch.no_grad():
        expected = net(torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 127.5 - 1).argmax(1)[0].numpy()
    assert np.array_equal(ready(pixels).mask, expected)
    assert ready.card == card
    sizes = {size: open_segmenter(model, device="cpu", size=size).predictor for size in (None, "native", "32", "640")}
    assert [one.load_size for one in sizes.values()] == [40, 0, 32, 640]  # type: ignore[union-attr]
    for wrong in ("31", "natiev", "-40"):
        with pytest.raises(UsageError, match=f"--shorter-side {wrong}: expected a number of pixels, at least 32"):
            open_segmenter(model, device="cpu", size=wrong)
