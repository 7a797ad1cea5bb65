from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torchmetrics.classification import (
    MulticlassAccuracy,
    MulticlassConfusionMatrix,
    MulticlassF1Score,
    MulticlassJaccardIndex,
    MulticlassPrecision,
    MulticlassRecall,
)

from gantool.metrics.segmentation import Confusion


def test_by_hand() -> None:
    """Truth 0 0 1 1 1 (255), prediction 0 1 1 1 0: class 2 is nowhere."""
    confusion = Confusion(("sky", "tree", "sea"))
    confusion.add(np.array([[0, 0, 1, 1, 1, 255]], np.uint8), np.array([[0, 1, 1, 1, 0, 2]], np.uint8))
    scores = confusion.scores()
    assert scores.accuracy == pytest.approx(3 / 5)
    assert scores.iou[:2] == pytest.approx((1 / 3, 2 / 4))
    assert math.isnan(scores.iou[2])
    assert scores.mean_iou == pytest.approx((1 / 3 + 1 / 2) / 2)
    assert scores.precision[:2] == pytest.approx((1 / 2, 2 / 3))
    assert scores.recall[:2] == pytest.approx((1 / 2, 2 / 3))
    assert scores.f1[:2] == pytest.approx((1 / 2, 2 / 3))
    assert scores.frequency_weighted_iou == pytest.approx(2 / 5 / 3 + 3 / 5 / 2)
    assert scores.mean_accuracy == pytest.approx((1 / 2 + 2 / 3) / 2)
    assert scores.per_class()["sea"] == {"iou": None, "precision": None, "recall": None, "f1": None}
    assert scores.pixels == (2, 3, 0)


def test_a_class_that_is_only_predicted_counts() -> None:
    confusion = Confusion(("a", "b"))
    confusion.add(np.zeros((2, 2), np.uint8), np.array([[0, 0], [0, 1]], np.uint8))
    assert confusion.scores().iou == pytest.approx((3 / 4, 0))


def test_against_torchmetrics_on_random_maps() -> None:
    rng = np.random.default_rng(1)
    truth = rng.integers(0, 6, (4, 40, 50)).astype(np.uint8)  # of 7 classes, one is nowhere
    guess = np.where(rng.random(truth.shape) < 0.6, truth, rng.integers(0, 6, truth.shape)).astype(np.uint8)
    truth[rng.random(truth.shape) < 0.1] = 255
    confusion = Confusion([str(n) for n in range(7)])
    for one, two in zip(truth, guess, strict=True):
        confusion.add(one, two)
    scores = confusion.scores()
    a, b = torch.from_numpy(guess.astype(np.int64)), torch.from_numpy(truth.astype(np.int64))

    def theirs(kind: type, **options: object) -> list[float]:
        result = kind(num_classes=7, ignore_index=255, **options)(a, b)
        return result.tolist()

    assert confusion.counts.tolist() == theirs(MulticlassConfusionMatrix)
    for values, kind in ((scores.iou, MulticlassJaccardIndex), (scores.precision, MulticlassPrecision),
                         (scores.recall, MulticlassRecall), (scores.f1, MulticlassF1Score)):  # fmt: skip
        assert values[:6] == pytest.approx(theirs(kind, average=None)[:6], abs=1e-6)
    assert scores.accuracy == pytest.approx(theirs(MulticlassAccuracy, average="micro"), abs=1e-6)


def test_mistakes() -> None:
    confusion = Confusion(("a", "b"))
    with pytest.raises(ValueError, match="an index of 2, there are 2 classes"):
        confusion.add(np.full((1, 1), 2, np.uint8), np.zeros((1, 1), np.uint8))
    with pytest.raises(ValueError, match="shape"):
        confusion.add(np.zeros((1, 2), np.uint8), np.zeros((1, 1), np.uint8))
    assert math.isnan(confusion.scores().accuracy)
