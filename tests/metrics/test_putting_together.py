"""Shares that are put together give what one process gives, to the bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gantool.arrays import IGNORE, Pixels
from gantool.metrics.distribution import FeatureSet
from gantool.metrics.labels import LabelScores
from gantool.metrics.sets import ImageSet, Instruments, PairScores, compare_sets
from gantool.workflows.shares.gather import Entries, Gather
from gantool.workflows.shares.share import Share
from gantool.workflows.shares.trees import load_tree, save_tree

_COUNT = 23


class _FakeInception:
    """Features that are a function of the pixels, as those of the network."""

    resize = "clean"

    def __call__(self, images: list[Pixels]) -> np.ndarray[Any, Any]:
        return np.stack([np.resize(one.astype(np.float32).mean(axis=2), (6, 6)).ravel() for one in images])


def _pictures(seed: int) -> list[Pixels]:
    rng = np.random.default_rng(seed)
    pictures = [rng.integers(0, 256, (40, 48, 3), dtype=np.uint8) for _ in range(_COUNT)]
    pictures[17] = pictures[2]  # equal ones, which may not change their order
    return pictures


def _cluster(n: int) -> str | None:
    return f"photograph {n // 3}" if n % 2 else None


def _stored(tree: Any, folder: Path, n: int) -> Any:
    save_tree(folder / f"{n}.npz", tree)
    return load_tree(folder / f"{n}.npz")


@pytest.mark.parametrize("count", [2, 4])
def test_sets_and_pairs(count: int, tmp_path: Path) -> None:
    instruments = Instruments(_FakeInception())  # type: ignore[arg-type]
    real, made = _pictures(0), _pictures(1)

    def counted(gather: Gather) -> tuple[ImageSet, ImageSet, PairScores, Entries[float]]:
        sets = ImageSet(32, instruments), ImageSet(32, instruments)
        pairs, values = PairScores(Instruments()), Entries[float]()
        for n in gather.places(_COUNT, 4):
            sets[0].add(real[n], _cluster(n), place=n)
            sets[1].add(made[n], _cluster(n), made_of=real[n], place=n)
            if n % 5:  # not all have a partner
                pairs.add(f"image {n}", made[n], real[n], _cluster(n), n)
            values.add(n, n / 7)
        for name, one in (("real", sets[0]), ("made", sets[1]), ("pairs", pairs), ("values", values)):
            gather.whole(name, one)
        return *sets, pairs, values

    shares = [Gather(Share(place, count)) for place in range(count)]
    for gather in shares:
        counted(gather)
        assert gather.is_looking
    stored = [_stored(gather.part, tmp_path, n) for n, gather in enumerate(shares)]
    whole, together = counted(Gather()), counted(Gather(Share(0, count), parts=stored))
    one, other = (compare_sets(some[0], some[1], instruments) for some in (whole, together))
    assert other == one
    assert {key: value.replicates for key, value in other.values.items()} == {
        key: value.replicates for key, value in one.values.items()
    }
    assert set(one.values) == {"fid", "kid", "swd"}
    assert together[2].images == whole[2].images
    assert together[2].measured() == whole[2].measured()
    assert together[3].values == whole[3].values == [n / 7 for n in range(_COUNT)]


def test_moments_of_more_features_than_are_kept() -> None:
    rng = np.random.default_rng(0)
    features, keys = rng.normal(size=(300, 5)).astype(np.float32), rng.random(300)
    whole, together = FeatureSet(keep=20), FeatureSet(keep=20)
    whole.add(features, keys)
    states = []
    for place in range(3):
        share = FeatureSet(keep=20)
        own = list(Share(place, 3).places(300, 7))
        share.add(features[own], keys[own], places=own)
        states.append(share.state())
    together.include(states)
    for one, other in zip(whole.moments(), together.moments(), strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-12)
    assert (whole.sample() == together.sample()).all()


@pytest.mark.parametrize("count", [2, 3])
def test_label_maps(count: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    truths = rng.integers(0, 4, (9, 20, 24), dtype=np.uint8)
    guesses = np.where(rng.random(truths.shape) < 0.8, truths, 1).astype(np.uint8)
    truths[:, :2] = IGNORE
    truths[1::2] %= 3  # the last class is only seen by some
    guesses[1::2] %= 3

    def scores(places: range | list[int], classes: int) -> LabelScores:
        found = LabelScores([f"class_{n}" for n in range(classes)])
        for n in places:
            found.add(f"image {n}", truths[n], guesses[n], _cluster(n), n)
        return found

    whole = scores(range(9), 4)
    own = [list(Share(place, count).places(9)) for place in range(count)]
    states = [
        _stored(scores(some, 4 if 0 in some else 3 if count == 2 else 4).state(), tmp_path, n)
        for n, some in enumerate(own)
    ]
    together = LabelScores([f"class_{n}" for n in range(4)])
    together.include(states)
    assert together.values() == whole.values()
    assert together.images == whole.images
    assert (together.classes().confusion == whole.classes().confusion).all()
    assert together.classes().per_class() == whole.classes().per_class()
