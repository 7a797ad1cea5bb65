"""Distances between sets: against the golden numbers, and against what must hold whatever the numbers."""

from __future__ import annotations

import numpy as np
import pytest
from support import golden

from gantool.data.sample import draw_scene
from gantool.metrics.distribution import FeatureSet, frechet_distance, kernel_distance
from gantool.metrics.sliced import PatchSet, common_size, sliced_distance


def features(x: np.ndarray, batch: int = 7, keep: int = 10_000) -> FeatureSet:
    keys = np.random.default_rng(3).random(len(x))
    found = FeatureSet(keep=keep)
    for start in range(0, len(x), batch):
        found.add(x[start : start + batch], keys[start : start + batch])
    return found


def test_golden_distances() -> None:
    numbers = np.load(golden("feature_distances.npz"))
    x, y = features(numbers["x"]), features(numbers["y"])
    assert frechet_distance(*x.moments(), *y.moments()) == pytest.approx(float(numbers["fid"]), rel=1e-6)
    assert x.frechet(y).value == pytest.approx(float(numbers["fid"]), rel=1e-6)
    assert kernel_distance(numbers["x"], numbers["y"]) == pytest.approx(float(numbers["kid"]), rel=1e-6)
    few = features(numbers["x_few"]), features(numbers["y_few"])
    assert few[0].frechet(few[1]).value == pytest.approx(float(numbers["fid_few"]), rel=1e-3)
    assert frechet_distance(*few[0].moments(), *few[1].moments()) == pytest.approx(
        float(numbers["fid_few"]), rel=1e-3
    )


def test_by_hand() -> None:
    # One feature: FID is the squared distance of the means plus that of the deviations.
    x, y = np.array([[0.0], [2.0]]), np.array([[5.0], [9.0]])
    expected = (7 - 1) ** 2 + (np.sqrt(8) - np.sqrt(2)) ** 2
    assert features(x).frechet(features(y)).value == pytest.approx(expected)
    # k(u, v) = (uv + 1)^3 for one feature: k(0, 1) = 1, k(2, 3) = 343, k(0, 2) = k(0, 3) = 1, k(1, 2) = 27, ...
    a, b = np.array([[0.0], [1.0]]), np.array([[2.0], [3.0]])
    assert kernel_distance(a, b) == pytest.approx(1 + 343 - 2 * (1 + 1 + 27 + 64) / 4)
    # Two features: the product of both is divided by 2. k(u, u*) = 8, k(v, v*) = 1, k(u, v) = 8, 1, 1, 1.
    two = np.array([[1.0, 1.0], [2.0, 0.0]]), np.array([[0.0, 2.0], [0.0, 0.0]])
    assert kernel_distance(*two) == pytest.approx(8 + 1 - 2 * (8 + 1 + 1 + 1) / 4)
    # Fewer images than features, only one of which differs: as with one.
    wide = [features(np.pad(one, ((0, 0), (1, 3)))) for one in (x, y)]
    assert wide[0].frechet(wide[1]).value == pytest.approx(expected)
    assert wide[0].frechet(wide[0]).value == pytest.approx(0, abs=1e-9)
    mean, covariance = features(y).moments()
    assert (mean.tolist(), covariance.tolist()) == ([7], [[8]])
    with pytest.raises(ValueError, match="at least two"):
        kernel_distance(a[:1], b)
    with pytest.raises(ValueError, match="at least two"):
        features(a[:1]).moments()


def test_singular_covariances_and_equal_sets() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 4)) @ rng.normal(size=(4, 32))  # of rank 4
    y = x + 1.5
    assert features(x).frechet(features(x)).value == pytest.approx(0, abs=1e-6)
    assert frechet_distance(*features(x).moments(), *features(y).moments()) == pytest.approx(32 * 1.5**2, rel=1e-6)


def test_order_batches_and_streaming_change_nothing() -> None:
    rng = np.random.default_rng(1)
    x, y, keys = rng.normal(size=(50, 8)), rng.normal(size=(40, 8)) + 0.3, rng.random(50)
    reference = features(y)
    values = []
    for order, batch in ((np.arange(50), 50), (rng.permutation(50), 3)):
        for keep in (10_000, 10):
            found = FeatureSet(keep=keep)
            for start in range(0, 50, batch):
                some = order[start : start + batch]
                found.add(x[some], keys[some])
            assert found.count == 50
            values.append((keep, found.frechet(reference).value, found.kernel(reference, intervals=False).value))
    for keep in (10_000, 10):
        (first, second) = [value[1:] for value in values if value[0] == keep]
        assert first == pytest.approx(second, rel=1e-9)
    # The moments are of all features, however few are kept.
    assert values[0][1] == pytest.approx(values[1][1], rel=1e-6)


def test_intervals_hold_the_value() -> None:
    rng = np.random.default_rng(2)
    x, y = features(rng.normal(size=(30, 64))), features(rng.normal(size=(30, 64)) + 0.2)
    for found in (x.frechet(y), x.kernel(y)):
        assert found.low is not None
        assert found.high is not None
        assert found.low < found.value < found.high
    assert x.frechet(y, intervals=False).low is x.kernel(y, intervals=False).low is None
    as_many = features(rng.normal(size=(16, 16)), keep=16)
    assert as_many.frechet(as_many).low is not None, "as many images as features and as are kept"
    more = features(rng.normal(size=(17, 16)))
    assert more.frechet(more).low is None, "each replicate would cost seconds"
    three = features(rng.normal(size=(3, 8)))
    assert three.kernel(three).low is None


def test_the_interval_of_the_kernel_distance_is_as_wide_as_chance_makes_it() -> None:
    rng = np.random.default_rng(3)
    values, halves = [], []
    for _ in range(150):
        found = features(rng.normal(size=(60, 4)) + 1).kernel(features(rng.normal(size=(80, 4))))
        assert found.high is not None
        values.append(found.value)
        halves.append(found.high - found.value)
    assert np.mean(halves) == pytest.approx(1.96 * np.std(values), rel=0.25)


def scenes(count: int, first: int = 0, *, winter: bool = False, size: int = 64) -> PatchSet:
    found = PatchSet(size)
    for n in range(count):
        scene = draw_scene(first + n, size=size)
        found.add(scene.winter if winter else scene.summer)
    return found


def test_sliced_distance() -> None:
    summer, again, winter = scenes(12), scenes(12, 100), scenes(12, 100, winter=True)
    same = sliced_distance(summer, scenes(12))
    assert same.overall.value == 0
    assert set(same.levels) == {64, 32, 16}
    near, far = sliced_distance(summer, again).overall, sliced_distance(summer, winter).overall
    assert 0 < near.value < 0.5 * far.value
    assert far.low is not None
    assert near.high is not None
    assert near.high < far.low
    # The same photographs, half way to winter: the resampled distances fall and rise together.
    half = PatchSet(64)
    for n in range(12):
        scene = draw_scene(100 + n, size=64)
        half.add(((scene.winter.astype(int) + scene.summer) // 2).astype(np.uint8))
    nearer, farther = (sliced_distance(summer, one).overall for one in (half, winter))
    difference = farther.minus(nearer)
    assert difference.low is not None
    assert farther.high is not None
    assert difference.value == farther.value - nearer.value
    assert difference.value - difference.low < 0.8 * (farther.high - farther.value)
    with pytest.raises(ValueError, match="cannot be compared"):
        sliced_distance(summer, scenes(2, size=32))
    with pytest.raises(ValueError, match="no images"):
        sliced_distance(summer, PatchSet(64))


def test_sliced_distance_does_not_depend_on_order_and_sees_a_color_cast() -> None:
    images = [draw_scene(n, size=32).summer for n in range(8)]
    forward, backward, tinted = PatchSet(32), PatchSet(32), PatchSet(32)
    for image in images:
        forward.add(image)
        tinted.add(np.minimum(image.astype(int) + np.array([40, 0, 0]), 255).astype(np.uint8))
    for image in reversed(images):
        backward.add(image)
    reference = scenes(5, 50, size=32)
    assert sliced_distance(reference, forward, intervals=False) == sliced_distance(
        reference, backward, intervals=False
    )
    assert sliced_distance(forward, tinted).levels[16] > 0.2


def test_sliced_distance_is_in_stds_of_the_real_set() -> None:
    """Noise, and the same at half its contrast: half a std of the one is a whole one of the other."""
    rng = np.random.default_rng(0)
    full, half = PatchSet(32, per_image=200), PatchSet(32, per_image=200)
    for _ in range(6):
        noise = rng.integers(0, 256, (32, 32, 3))
        full.add(noise.astype(np.uint8))
        half.add((64 + noise // 2).astype(np.uint8))
    narrow, wide = (sliced_distance(*sets, intervals=False).overall.value for sets in ((full, half), (half, full)))
    assert narrow == pytest.approx(wide / 2, rel=0.05)
    # Projections on one of 147 directions of length 1 have a std of about 1: E|z - z/2| = sqrt(2 / pi) / 2.
    assert narrow == pytest.approx(np.sqrt(2 / np.pi) / 2, rel=0.1)


def test_patches_are_bounded() -> None:
    found = PatchSet(32, per_image=16, keep=40)
    for n in range(20):
        found.add(draw_scene(n, size=32).summer)
        assert found._levels[32].total <= 2 * 40
    patches, images = found.patches(32)
    assert patches.shape == (40, 3 * 49)
    assert len(images) == 40
    assert found.count == 20


def test_common_size() -> None:
    assert [common_size(*s) for s in ((640, 480), (256, 300), (255, 300), (100, 90), (20, 20))] == [
        256,
        256,
        128,
        64,
        32,
    ]
    with pytest.raises(ValueError, match="power of two"):
        PatchSet(48)
