"""Bounds of an evaluation, over all and of single classes; and what was left out is said once."""

from __future__ import annotations

import numpy as np
import pytest

from gantool.errors import UsageError
from gantool.metrics.estimates import Estimate
from gantool.metrics.labels import LabelScores
from gantool.workflows.evaluate.gates import Gate, parse_gates, require_classes
from gantool.workflows.evaluate.results import Evaluation, Result

CLASSES = ["sky", "leaf tree", "a=b", "never/seen"]


def measured() -> Evaluation:
    """Sky: 2 of 3 pixels; leaf tree: 1 of 2; a=b: all; the last is not there."""
    scores = LabelScores(CLASSES)
    scores.add("one", np.array([[0, 0, 0, 1, 2]], np.uint8), np.array([[0, 0, 1, 1, 2]], np.uint8))
    return Evaluation("by hand", (Result("unet-1", 1, scores.values(), classes=scores.classes()),))


@pytest.mark.parametrize(
    ("under", "over", "missed"),
    [
        (["iou/sky=0.6"], [], []),
        (["iou/sky=0.7"], [], ["unet-1: iou/sky is 0.667, below 0.7."]),
        (["iou/leaf tree=0.5", "recall/leaf tree=1"], [], []),
        (["precision/leaf tree=0.6"], [], ["unet-1: precision/leaf tree is 0.500, below 0.6."]),
        (["iou/a=b=1"], ["iou/a=b=1"], []),
        ([], ["iou/sky=0.5"], ["unet-1: iou/sky is 0.667, above 0.5."]),
        (["iou/sky=0.6667"], [], ["unet-1: iou/sky is 0.66667, below 0.6667."]),
        (["f1/never/seen=0"], [], ["unet-1: f1/never/seen was not measured."]),
        (["accuracy=0.8"], ["accuracy=0.8"], []),
        (["fid=3"], [], ["unet-1: fid was not measured."]),
        (["boundary_iou/sky=0"], [], []),
    ],
)
def test_gates(under: list[str], over: list[str], missed: list[str]) -> None:
    assert [text for gate in parse_gates(under, over) for text in gate.missed(measured())] == missed


def test_what_is_read() -> None:
    assert parse_gates(["iou / leaf tree =0.5"], ["swd=1e-1"]) == [
        Gate("iou", "leaf tree", 0.5, above=False), Gate("swd", "", 0.1, above=True)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("iou=0.5", "every class has its own iou"),
        ("iou/=0.5", "every class has its own iou"),
        ("swd/sky=0.5", "swd has no values of classes. Those are iou, precision, recall, f1 and boundary_iou"),
        ("iuo/sky=0.5", 'Did you mean "iou"?'),
        ("men_iou=0.5", 'Did you mean "mean_iou"?'),
        ("iou/sky", "expected NAME=VALUE"),
        ("iou/sky=", "expected NAME=VALUE"),
        ("=0.5", "there is no metric"),
        ("iou/sky=nan", "expected NAME=VALUE"),
    ],
)
def test_mistakes(text: str, words: str) -> None:
    with pytest.raises(UsageError, match=words.replace("?", r"\?")):
        parse_gates([text], [])


def test_classes_that_are_not_there() -> None:
    require_classes(["leaf tree"], CLASSES)
    with pytest.raises(UsageError, match='no class "leaf_tree"; the data has sky, .*Did you mean "leaf tree"'):
        require_classes(["sky", "leaf_tree"], CLASSES)
    with pytest.raises(UsageError, match="the data has sky, leaf tree, a=b, never/seen"):
        require_classes(["house"], CLASSES)


def test_what_was_left_out_is_said_once() -> None:
    def result(name: str, target: str, **left_out: str) -> Result:
        return Result(name, 1, {"swd": Estimate(0.1)}, "a", target, left_out=left_out)

    both = Evaluation("x", (result("m", "b", fid="no weights."), result("m", "a", fid="no weights.")))
    assert both.left_out() == ["FID: no weights"]
    one = Evaluation("x", (result("m", "b", fid="no weights", ssim="too small"), result("m", "a", fid="no weights")))
    assert one.left_out() == ["FID: no weights", "SSIM of m to b: too small"]
