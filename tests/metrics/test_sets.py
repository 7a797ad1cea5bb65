"""Sets of images and pairs, with an Inception that tells their mean colors."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gantool.errors import ModelError
from gantool.metrics import sets
from gantool.metrics.distribution import FeatureSet
from gantool.metrics.inception import content_key
from gantool.metrics.sets import ImageSet, Instruments, PairScores, compare_sets, make_instruments


class Colors:
    """Features of an image: its mean color; and how many images came at a time."""

    resize = "clean"

    def __init__(self) -> None:
        self.calls: list[int] = []

    def __call__(self, images: Any) -> np.ndarray:
        self.calls.append(len(images))
        return np.array([image.mean((0, 1)) for image in images])


def noise(count: int, low: int = 0, seed: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.integers(low, low + 100, (32, 32, 3)).astype(np.uint8) for _ in range(count)]


def filled(images: list[np.ndarray], instruments: Instruments, clusters: list[str] | None = None) -> ImageSet:
    made = ImageSet(32, instruments)
    for n, image in enumerate(images):
        made.add(image, None if clusters is None else clusters[n])
    return made


def test_sets_are_compared_by_features_and_patches() -> None:
    colors = Colors()
    instruments = Instruments(colors, None, {"fid, kid": "no", "lpips": "no"})  # type: ignore[arg-type]
    first, second = noise(20), noise(18, 50, 1)
    real, made = filled(first, instruments), filled(second, instruments)
    assert (real.count, made.count, instruments.fid_mode) == (20, 18, "clean")
    found = compare_sets(real, made, instruments)
    assert colors.calls == [16, 16, 4, 2], "in batches"
    expected = []
    for images in (first, second):
        features = FeatureSet()
        features.add(np.array([image.mean((0, 1)) for image in images]), np.array([content_key(x) for x in images]))
        expected.append(features)
    assert found.values["fid"].value == pytest.approx(expected[1].frechet(expected[0]).value)
    assert found.values["kid"].value == pytest.approx(expected[1].kernel(expected[0]).value)
    assert found.values["swd"].low is not None
    assert set(found.swd_levels) == {32, 16}
    assert found.left_out == {"fid, kid": "no"}, "what is of pairs is not left out of sets"
    assert [said[:19] for said in found.warnings] == ["FID of 18 images is"]


def test_few_images_and_no_inception() -> None:
    found = compare_sets(*(filled(noise(9, seed=seed), Instruments()) for seed in (0, 1)), Instruments())
    assert set(found.values) == {"swd"}
    assert found.warnings == ("9 images are too few for a distance between sets",)
    assert compare_sets(*(filled(noise(10), Instruments()) for _ in range(2)), Instruments()).warnings == ()
    instruments = Instruments(Colors())  # type: ignore[arg-type]
    one = compare_sets(filled(noise(5), instruments), filled(noise(1), instruments), instruments)
    assert one.left_out == {"fid, kid": "at least two images are needed"}
    assert set(one.values) == {"swd"}
    two = compare_sets(filled(noise(5), instruments), filled(noise(2), instruments), instruments)
    assert {"fid", "kid"} < set(two.values)


def test_parts_of_one_image_are_one_cluster() -> None:
    instruments = Instruments(Colors())  # type: ignore[arg-type]
    for clusters, count in ((None, 6), (["a", "a", "b", "b", "c", "c"], 3)):
        found = filled(noise(6), instruments, clusters)
        found.flush()
        assert found.patches.clusters == count
        assert found.features is not None
        assert len(found.features._groups()) == count


def test_results_are_drawn_by_their_sources() -> None:
    instruments = Instruments(Colors())  # type: ignore[arg-type]
    source, result = noise(2)
    made = ImageSet(32, instruments)
    made.add(result, made_of=source)
    made.flush()
    assert made.features is not None
    assert made.features._keys[0].tolist() == [content_key(source)]


def test_pairs_by_hand() -> None:
    scores = PairScores(Instruments(None, None, {"lpips": "no weights", "fid, kid": "no"}))
    truth = np.full((20, 20, 3), 100, np.uint8)
    for name, level in (("a", 104), ("b", 100), ("c", 110)):
        scores.add(name, np.full((20, 20, 3), level, np.uint8), truth)
    scores.add("gray", np.full((20, 20, 1), 102, np.uint8), truth)
    found = scores.measured()
    assert found.values["l1"].value == 4
    assert found.values["l1"].low is not None
    psnrs = [20 * math.log10(255 / gap) for gap in (4, 10, 2)]
    assert found.values["psnr"].value == pytest.approx(sum(psnrs) / 3), "of those that are finite"
    assert found.left_out == {"lpips": "no weights", "ms_ssim": "needs images of at least 176 pixels"}
    assert [name for name, _ in scores.images] == ["a", "b", "c", "gray"]
    small = PairScores(Instruments())
    small.add("x", truth[:10], truth[:10])
    assert set(small.measured().values) == {"l1", "psnr"}
    assert small.measured().values["psnr"].value == math.inf
    exact = PairScores(Instruments())
    exact.add("x", truth[:11], truth[:11])
    assert exact.measured().values["ssim"].value == pytest.approx(1)
    assert PairScores(Instruments()).measured().values == {}


def test_intervals_of_pairs_know_of_tiles() -> None:
    truth = np.full((4, 4, 3), 100, np.uint8)
    widths = []
    for clusters in (None, "one", "two"):
        scores = PairScores(Instruments())
        for n in range(8):
            own = {"one": "a", "two": n % 2}.get(clusters or "")
            scores.add(str(n), truth + np.uint8(n % 2 * 10), truth, own)
        found = scores.measured().values["l1"]
        widths.append(None if found.high is None else found.high - found.value)
    assert widths[1] is None, "of one photograph nothing is known"
    assert widths[0] is not None
    assert widths[2] is not None
    assert widths[2] > 1.5 * widths[0]


def test_a_named_file_must_be_usable_and_a_missing_one_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nothing(*_: object) -> Path:
        raise ModelError("none is here", "Get one.")

    monkeypatch.setattr(sets, "find_inception_weights", nothing)
    monkeypatch.setattr(sets, "Lpips", nothing)
    found = make_instruments(inception_weights=None, resize="clean", paired=True, device="cpu")
    assert (found.inception, found.lpips, found.fid_mode) == (None, None, None)
    assert found.left_out == {"fid, kid": "none is here.\nGet one.", "lpips": "none is here.\nGet one."}
    assert set(make_instruments(inception_weights=None, resize="clean", paired=False, device="cpu").left_out) == {
        "fid, kid"
    }
    with pytest.raises(ModelError, match="none is here"):
        make_instruments(inception_weights=tmp_path, resize="clean", paired=False, device="cpu")
    monkeypatch.setattr(sets, "find_inception_weights", lambda given: given)
    monkeypatch.setattr(sets, "load_inception", lambda path: path)
    monkeypatch.setattr(sets, "InceptionFeatures", lambda *given: given)
    made = make_instruments(inception_weights=tmp_path, resize="legacy", paired=False, device="meta")
    assert made.inception == (tmp_path, "legacy", "meta")  # type: ignore[comparison-overlap]
