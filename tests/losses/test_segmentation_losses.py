"""Hand-worked numbers; and the same from segmentation-models-pytorch, where it defines a loss alike."""

from __future__ import annotations

import math

import pytest
import segmentation_models_pytorch as smp
import torch
from torch import Tensor

from gantool.losses.segmentation import (
    SegmentationLoss,
    bce,
    cross_entropy,
    dice,
    focal,
    focal_tversky,
    lovasz,
    one_hot_planes,
    tversky,
)
from gantool.methods.segmentation.settings import LOSSES

# One row of four pixels and two classes; the softmax of (0, ln 3) is (1/4, 3/4), of (ln 3, 0) the reverse.
L3 = math.log(3)
LOGITS = torch.tensor([[[[0, L3, L3, 0]], [[L3, 0, 0, 0]]]])  # p(class 1) = 3/4, 1/4, 1/4, 1/2
TARGET = torch.tensor([[[1, 1, 0, 255]]])
ONE = torch.tensor([[[[L3, -L3, -L3, 7.0]]]])  # one output: the same three probabilities of class 1, and one ignored


def test_cross_entropy() -> None:
    expected = (-math.log(3 / 4) - math.log(1 / 4) - math.log(3 / 4)) / 3
    assert float(cross_entropy(LOGITS, TARGET, "multiclass")) == pytest.approx(expected, rel=1e-6)
    weight = torch.tensor([1.0, 3.0])
    weighted = (3 * -math.log(3 / 4) + 3 * -math.log(1 / 4) - math.log(3 / 4)) / 7
    assert float(cross_entropy(LOGITS, TARGET, "multiclass", weight=weight)) == pytest.approx(weighted, rel=1e-6)
    assert float(cross_entropy(ONE, TARGET, "binary")) == pytest.approx(expected, rel=1e-6)
    both = cross_entropy(LOGITS, TARGET, "multilabel")  # logits (0, ln 3), (ln 3, 0), (ln 3, 0); sigmoid(ln 3) = 3/4
    planes = [(0.5, 0), (0.75, 1), (0.75, 0), (0.5, 1), (0.75, 1), (0.5, 0)]
    by_hand = sum(-math.log(p if y else 1 - p) for p, y in planes) / 6
    assert float(both) == pytest.approx(by_hand, rel=1e-6)


def test_focal() -> None:
    expected = (2 * (1 / 16) * -math.log(3 / 4) + (9 / 16) * -math.log(1 / 4)) / 3
    assert float(focal(LOGITS, TARGET, "multiclass")) == pytest.approx(expected, rel=1e-5)
    assert float(focal(ONE, TARGET, "binary")) == pytest.approx(expected, rel=1e-5)
    assert float(focal(LOGITS, TARGET, "multiclass", gamma=0)) == pytest.approx(
        float(cross_entropy(LOGITS, TARGET, "multiclass")), rel=1e-5
    )


def test_class_weights_of_the_losses_that_count_pixels() -> None:
    """Classes 1, 1, 0 weigh 3, 3, 1; with several labels each output weighs what its class does."""
    weight = torch.tensor([1.0, 3.0])
    parts = [(3, 3 / 4), (3, 1 / 4), (1, 3 / 4)]  # weight and p of the true class
    by_hand = sum(-w * (1 - p) ** 2 * math.log(p) for w, p in parts) / 7
    assert float(focal(LOGITS, TARGET, "multiclass", weight=weight)) == pytest.approx(by_hand, rel=1e-5)
    assert float(focal(ONE, TARGET, "binary", weight=weight)) == pytest.approx(by_hand, rel=1e-5)
    entropy = sum(-w * math.log(p) for w, p in parts) / 7
    assert float(bce(ONE, TARGET, "binary", weight=weight)) == pytest.approx(entropy, rel=1e-6)
    # Class 0 has logits 0, ln 3, ln 3 and truth 0, 0, 1; class 1 has ln 3, 0, 0 and 1, 1, 0.
    planes = [(1, 1 / 2), (1, 1 / 4), (1, 3 / 4), (3, 3 / 4), (3, 1 / 2), (3, 1 / 2)]
    apart = sum(-w * math.log(p) for w, p in planes) / 12
    assert float(bce(LOGITS, TARGET, "multilabel", weight=weight)) == pytest.approx(apart, rel=1e-6)
    focused = sum(-w * (1 - p) ** 2 * math.log(p) for w, p in planes) / 12
    assert float(focal(LOGITS, TARGET, "multilabel", weight=weight)) == pytest.approx(focused, rel=1e-5)


def test_label_smoothing() -> None:
    """A tenth of the truth is spread over both classes: 0.95 of the right one and 0.05 of the other."""
    wrong = {3 / 4: 1 / 4, 1 / 4: 3 / 4}
    by_hand = sum(-0.95 * math.log(p) - 0.05 * math.log(wrong[p]) for p in (3 / 4, 1 / 4, 3 / 4)) / 3
    assert float(cross_entropy(LOGITS, TARGET, "multiclass", smoothing=0.1)) == pytest.approx(by_hand, rel=1e-6)


def test_a_sum_of_losses_hands_its_options_on() -> None:
    weight = torch.tensor([1.0, 3.0])
    names = ("cross_entropy", "bce", "dice", "focal", "tversky", "focal_tversky", "lovasz")
    found = SegmentationLoss(
        "multiclass", dict.fromkeys(names, 2.0), weight, smoothing=0.2, focal_gamma=1.5, tversky_alpha=0.6,
        tversky_gamma=0.5,
    )(LOGITS, TARGET)  # fmt: skip
    expected = {
        "cross_entropy": cross_entropy(LOGITS, TARGET, "multiclass", weight=weight, smoothing=0.2),
        "bce": bce(LOGITS, TARGET, "multiclass", weight=weight),
        "dice": dice(LOGITS, TARGET, "multiclass"),
        "focal": focal(LOGITS, TARGET, "multiclass", gamma=1.5, weight=weight),
        "tversky": tversky(LOGITS, TARGET, "multiclass", alpha=0.6),
        "focal_tversky": focal_tversky(LOGITS, TARGET, "multiclass", alpha=0.6, gamma=0.5),
        "lovasz": lovasz(LOGITS, TARGET, "multiclass"),
    }
    assert {name: float(value) for name, value in found.items()} == {
        name: float(2 * value) for name, value in expected.items()
    }
    plain = SegmentationLoss("multiclass", dict.fromkeys(names, 1.0))(LOGITS, TARGET)
    for function in (cross_entropy, focal, tversky, focal_tversky):
        assert float(plain[function.__name__]) == float(function(LOGITS, TARGET, "multiclass"))


def test_dice_and_tversky() -> None:
    # Class 1: TP = 3/4 + 1/4 = 1, FP = 1/4, FN = 1. Class 0: TP = 3/4, FP = 1/4 + 3/4 = 1, FN = 1/4.
    assert float(dice(LOGITS, TARGET, "multiclass")) == pytest.approx(
        ((1 - 2 / (2 + 1 / 4 + 1)) + (1 - 1.5 / (1.5 + 1 + 1 / 4))) / 2, rel=1e-6
    )
    index1, index0 = 1 / (1 + 0.3 / 4 + 0.7), 0.75 / (0.75 + 0.3 + 0.7 / 4)
    assert float(tversky(LOGITS, TARGET, "multiclass")) == pytest.approx(1 - (index0 + index1) / 2, rel=1e-6)
    by_hand = ((1 - index0) ** 0.75 + (1 - index1) ** 0.75) / 2
    assert float(focal_tversky(LOGITS, TARGET, "multiclass")) == pytest.approx(by_hand, rel=1e-6)
    assert float(dice(ONE, TARGET, "binary")) == pytest.approx(1 - 2 / (2 + 1 / 4 + 1), rel=1e-6)


def test_lovasz() -> None:
    # Class 1: errors .25, .75, .25 with truth 1, 1, 0. Sorted .75 (1), .25 (1), .25 (0):
    # Jaccard losses 1/2, 1, 1, so slopes 1/2, 1/2, 0: .375 + .125. Class 0 has truth 0, 0, 1 and the same errors:
    # sorted .75 (0), .25 (0), .25 (1): losses 1/2, 2/3, 1 and .375 + .25 (1/6 + 1/3) = .5.
    assert float(lovasz(LOGITS, TARGET, "multiclass")) == pytest.approx(0.5, rel=1e-6)
    with pytest.raises(ValueError, match="several labels"):
        lovasz(LOGITS, TARGET, "multilabel")


def test_lovasz_with_one_output() -> None:
    """Truth 1, 1, 0 and logits 1/2, -1, 2: hinges 1/2, 2, 3; sorted 3 (0), 2 (1), 1/2 (1): losses 1/3, 2/3, 1."""
    logits = torch.tensor([[[[0.5, -1.0, 2.0, 9.0]]]])
    assert float(lovasz(logits, TARGET, "binary")) == pytest.approx(5.5 / 3, rel=1e-6)
    right = torch.tensor([[[[5.0, 5.0, -5.0, 9.0]]]])
    assert float(lovasz(right, TARGET, "binary")) == 0


def random_case(classes: int = 5) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(3)
    logits = torch.randn(2, classes, 6, 7, generator=generator)
    target = torch.randint(0, classes - 1, (2, 6, 7), generator=generator)  # the last class is absent
    target[torch.rand(2, 6, 7, generator=generator) < 0.2] = 255
    return logits, target


def test_weighted_losses_pixel_by_pixel() -> None:
    logits, target = random_case()
    weight = torch.tensor([0.5, 1.0, 2.0, 4.0, 8.0])
    focused, crossed, total = 0.0, 0.0, 0.0
    for (n, y, x), label in [((n, y, x), int(target[n, y, x])) for n in range(2) for y in range(6) for x in range(7)]:
        if label == 255:
            continue
        p, w = float(logits[n, :, y, x].softmax(0)[label]), float(weight[label])
        focused, crossed, total = focused - w * (1 - p) ** 2 * math.log(p), crossed - w * math.log(p), total + w
    assert float(focal(logits, target, "multiclass", weight=weight)) == pytest.approx(focused / total, rel=1e-5)
    assert float(cross_entropy(logits, target, "multiclass", weight=weight)) == pytest.approx(
        crossed / total, rel=1e-5
    )


def test_against_segmentation_models_pytorch() -> None:
    logits, target = random_case()
    theirs = {
        "dice": smp.losses.DiceLoss("multiclass", ignore_index=255),
        "tversky": smp.losses.TverskyLoss("multiclass", ignore_index=255, alpha=0.3, beta=0.7),
        "lovasz": smp.losses.LovaszLoss("multiclass", ignore_index=255),
    }
    # smp averages over all classes, absent ones with 0; five of them, one absent.
    assert float(dice(logits, target, "multiclass")) == pytest.approx(
        float(theirs["dice"](logits, target)) * 5 / 4, rel=1e-4
    )
    assert float(tversky(logits, target, "multiclass")) == pytest.approx(
        float(theirs["tversky"](logits, target)) * 5 / 4, rel=1e-4
    )
    assert float(lovasz(logits, target, "multiclass")) == pytest.approx(
        float(theirs["lovasz"](logits, target)), rel=1e-4
    )


@pytest.mark.parametrize(
    ("name", "mode"),
    [
        (name, mode)
        for name in LOSSES
        for mode in ("multiclass", "binary", "multilabel")
        if (name, mode) != ("lovasz", "multilabel")
    ],
)
def test_nothing_to_learn_from_is_zero_and_half_precision_is_safe(name: str, mode: str) -> None:
    channels = 1 if mode == "binary" else 3
    loss = SegmentationLoss(mode, {name: 2.0}, torch.ones(2 if mode == "binary" else 3))  # type: ignore[arg-type]
    logits = torch.randn(2, channels, 4, 4, requires_grad=True)
    (value,) = loss(logits, torch.full((2, 4, 4), 255)).values()
    assert value.item() == 0
    value.backward()
    assert logits.grad is not None
    assert not logits.grad.any()
    target = torch.randint(0, 2, (2, 4, 4))
    full = loss(logits.detach() * 30, target)[name]
    half = loss((logits.detach() * 30).bfloat16(), target)[name]
    assert torch.isfinite(full)
    assert float(half) == pytest.approx(float(full), rel=0.05, abs=0.05)


def test_a_perfect_class_has_a_finite_gradient() -> None:
    logits = torch.tensor([[[[40.0]], [[-40.0]]]], requires_grad=True)
    focal_tversky(logits, torch.zeros(1, 1, 1, dtype=torch.long), "multiclass").backward()
    assert logits.grad is not None
    assert torch.isfinite(logits.grad).all()


def test_planes_and_sums() -> None:
    planes, valid = one_hot_planes(TARGET, 2, "multiclass")
    assert planes[0, :, 0].tolist() == [[0, 0, 1, 0], [1, 1, 0, 0]]
    assert valid[0, 0, 0].tolist() == [1, 1, 1, 0]
    assert one_hot_planes(TARGET, 1, "binary")[0][0, 0, 0].tolist() == [1, 1, 0, 0]
    parts = SegmentationLoss("multiclass", {"cross_entropy": 1.0, "dice": 0.5, "focal": 0.0})(LOGITS, TARGET)
    assert list(parts) == ["cross_entropy", "dice"]
    assert float(parts["dice"]) == pytest.approx(0.5 * float(dice(LOGITS, TARGET, "multiclass")))
    assert float(bce(ONE, TARGET, "binary")) == pytest.approx(float(cross_entropy(ONE, TARGET, "binary")))
