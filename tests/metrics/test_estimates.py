from __future__ import annotations

import numpy as np
import pytest

from gantool.metrics.boundary import BoundaryIou
from gantool.metrics.distribution import FeatureSet
from gantool.metrics.estimates import Estimate, differences_of, draws, shown
from gantool.metrics.segmentation import Confusion
from gantool.metrics.sliced import PatchSet, sliced_distance


def test_intervals_by_hand() -> None:
    found = Estimate.around(3.0, [1.0, 2.0, 3.0])
    assert (found.low, found.high) == (pytest.approx(3 - 1.96), pytest.approx(3 + 1.96))
    assert Estimate.around(3.0, [1.0]) == Estimate(3.0)
    assert Estimate.around(3.0, [1.0, float("nan")]) == Estimate(3.0)
    # 2 and 4 above replicates that lie 1 apart: the difference does not vary at all.
    difference = Estimate.around(7.0, [3.0, 4.0, 5.0]).minus(found)
    assert difference == Estimate(4.0, 4.0, 4.0)
    assert Estimate(7.0).minus(found) == Estimate(4.0)
    assert shown(Estimate(float("nan"))) == shown(None) == "n/a"
    assert shown(difference, sign=True) == "+4 (+4 to +4)"
    both = differences_of({"l1": found, "psnr": Estimate(float("inf")), "swd": found}, {"psnr": found, "l1": found})
    assert both == {"l1": Estimate(0.0, 0.0, 0.0)}


def test_the_interval_of_a_mean_is_that_of_the_textbook() -> None:
    values = np.random.default_rng(0).normal(5, 2, 400)
    found = Estimate.mean(values)
    assert found.value == pytest.approx(values.mean())
    assert found.high is not None
    assert found.high - found.value == pytest.approx(1.96 * values.std() / 20, rel=0.15)
    assert Estimate.mean([2.0]) == Estimate(2.0)
    assert Estimate.mean([2.0, 4.0]).low is not None
    assert [one.tolist() for one in draws(range(50), 3)] == [one.tolist() for one in draws(range(50), 3)]


def test_tiles_of_one_photograph_are_drawn_together() -> None:
    names = ["a", "b", "a", "c", "c", "c"]
    for chosen in draws(names, 20):
        counts = np.bincount(chosen, minlength=6)
        assert counts[0] == counts[2]
        assert counts[3] == counts[4] == counts[5]
        assert counts[[0, 1, 3]].sum() == 3, "as many photographs as there are"
    # Twenty photographs in ten equal tiles each: the interval is that of twenty values, not of two hundred.
    photographs = np.random.default_rng(0).normal(0, 1, 20)
    tiles = np.repeat(photographs, 10)
    clusters = [str(n) for n in range(20) for _ in range(10)]
    assert Estimate.mean(tiles, clusters).high == pytest.approx(Estimate.mean(photographs).high)
    alone = Estimate.mean(tiles)
    assert alone.high is not None
    together = Estimate.mean(tiles, clusters)
    assert together.high is not None
    assert together.high - together.value > 2.5 * (alone.high - alone.value)
    assert Estimate.mean(tiles[:10], clusters[:10]).low is None, "of one photograph nothing is known"


def test_all_intervals_know_of_tiles() -> None:
    clusters = [f"photograph {n // 5}" for n in range(40)]

    def widths(names: list[str] | None) -> dict[str, float]:
        confusion, boundary = Confusion(("a", "b")), BoundaryIou(("a", "b"))
        sets = [(PatchSet(32), FeatureSet()) for _ in range(2)]
        rng = np.random.default_rng(0)
        for n in range(40):
            share = np.random.default_rng(n // 5).uniform(0, 0.6)  # alike within a photograph
            truth = rng.integers(0, 2, (12, 12)).astype(np.uint8)
            guess = np.where(rng.random(truth.shape) < share, 1 - truth, truth).astype(np.uint8)
            cluster = None if names is None else names[n]
            confusion.add(truth, guess, cluster)
            boundary.add(truth, guess, cluster)
            for number, (patches, features) in enumerate(sets):
                level = 255 * share * number
                patches.add(np.clip(rng.normal(level, 20, (32, 32, 3)), 0, 255).astype(np.uint8), cluster)
                vector = rng.normal(share * number * 4, 0.1, (1, 64))
                features.add(vector, np.array([n / 40]), None if cluster is None else [cluster])
        (real, real_features), (made, made_features) = sets
        found = {
            "mean_iou": confusion.estimates()["mean_iou"],
            "boundary_iou": boundary.mean(),
            "swd": sliced_distance(real, made).overall,
            "fid": made_features.frechet(real_features),
            "kid": made_features.kernel(real_features),
        }
        return {key: one.high - one.value for key, one in found.items() if one.high is not None}

    alone, together = widths(None), widths(clusters)
    assert len(alone) == len(together) == 5
    for key, width in alone.items():
        assert together[key] > 1.4 * width, key


def maps(seed: int, wrong: float) -> tuple[Confusion, BoundaryIou]:
    """60 maps of three classes; of some images more is wrong than of others, in the same way for every seed."""
    confusion, boundary = Confusion(("a", "b", "c")), BoundaryIou(("a", "b", "c"))
    truths, chance = np.random.default_rng(1), np.random.default_rng(seed)
    for _ in range(60):
        truth = np.kron(truths.integers(0, 3, (4, 4)), np.ones((4, 4), int)).astype(np.uint8)
        share = wrong * truths.uniform(0, 2)
        guess = np.where(chance.random(truth.shape) < share, (truth + 1) % 3, truth).astype(np.uint8)
        confusion.add(truth, guess)
        boundary.add(truth, guess)
    return confusion, boundary


def test_intervals_of_a_segmentation_are_as_wide_as_chance_makes_them() -> None:
    (first, edges), (second, _) = maps(0, 0.2), maps(1, 0.22)
    one, other = first.estimates(), second.estimates()
    assert {key: value.value for key, value in one.items()} == first.scores().overall()
    spread = []
    for seed in range(40):  # other images each time
        confusion = Confusion(("a", "b", "c"))
        rng = np.random.default_rng(100 + seed)
        for _ in range(60):
            truth = np.kron(rng.integers(0, 3, (4, 4)), np.ones((4, 4), int)).astype(np.uint8)
            share = 0.2 * rng.uniform(0, 2)
            confusion.add(truth, np.where(rng.random(truth.shape) < share, (truth + 1) % 3, truth).astype(np.uint8))
        spread.append(confusion.scores().mean_iou)
    assert one["mean_iou"].high is not None
    assert one["mean_iou"].high - one["mean_iou"].value == pytest.approx(1.96 * np.std(spread), rel=0.35)
    # The two hardly differ, and on the same images that can be seen.
    difference = differences_of(other, one)["mean_iou"]
    assert difference.high is not None
    assert difference.high < 0
    assert other["mean_iou"].high is not None
    assert one["mean_iou"].low is not None
    assert other["mean_iou"].high > one["mean_iou"].low, "which the intervals themselves do not tell"
    assert edges.mean().low is not None


def test_nothing_measured_has_no_interval() -> None:
    assert Confusion(("a", "b")).estimates()["mean_iou"].low is None
    assert np.isnan(BoundaryIou(("a", "b")).mean().value)
