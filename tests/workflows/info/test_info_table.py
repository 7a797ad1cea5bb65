"""What `gantool info` says of a run, a model and the rest, in words and units."""

from __future__ import annotations

import pytest

from gantool.workflows.info.table import bytes_in_words, rows_of


@pytest.mark.parametrize(
    ("count", "words"), [(1, "1 byte"), (999, "999 bytes"), (1500, "1.5 kB"), (2 * 10**9, "2.0 GB")]
)
def test_sizes(count: int, words: str) -> None:
    assert bytes_in_words(count) == words


def test_a_run() -> None:
    facts = {
        "run": "runs/unet-1", "kind": "unet", "created": "2026-11-08T09:05:59+00:00", "data": "mine",
        "classes": ["sky", "leaf tree"], "epochs": 12, "epochs_planned": 20, "seconds": 725.0, "best_epoch": 9,
        "best_metrics": {"mean_iou": 0.61234, "iou/sky": 0.9}, "metrics": {"mean_iou": 0.6, "iou/sky": 0.9,
        "iou/leaf tree": 0.3}, "unseen": True, "baselines": {}, "checkpoint": "none", "page": None,
        "compiled": {"on": True, "reason": "it pays"}, "environment": {"device": "cuda:0", "precision": "bf16"},
    }  # fmt: skip
    rows = rows_of(facts)
    for row in (
        ("begun", "8 November 2026, 09:05 UTC"),
        ("classes", "sky, leaf tree"),
        ("epochs", "12 of 20, in 12 min 05 s"),
        ("best epoch", "9"),
        ("  measured then", "mean IoU 0.6123 (higher is better)"),
        ("scores", "on images not seen in training"),
        ("  this model", "mean IoU 0.6 (higher is better)"),
        ("  IoU by class", "sky 0.900, leaf tree 0.300"),
        ("trained on", "cuda:0 in bf16"),
        ("compiled", "yes: it pays"),
        ("model", "none yet"),
        ("page", "none yet"),
    ):
        assert row in rows


def test_a_run_that_has_nothing_yet() -> None:
    rows = rows_of({"run": "r", "created": "?", "epochs": 0, "seconds": 0, "checkpoint": "none"})
    assert ("begun", "unknown") in rows
    assert ("epochs", "0") in rows


def test_everything_else() -> None:
    facts = {"image": "a.png", "width": 3, "alpha": False, "kept with results": [], "summer": {"train": 1}}
    assert rows_of(facts) == [
        ("image", "a.png"),
        ("width", "3 px"),
        ("alpha", "no"),
        ("kept with results", "none"),
        ("summer", "train 1 image"),
    ]
