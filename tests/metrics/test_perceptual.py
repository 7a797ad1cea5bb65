"""PSNR, SSIM, LPIPS, Inception features and boundary IoU against second implementations."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from gantool.data.sample import draw_scene
from gantool.errors import ModelError
from gantool.metrics.boundary import BoundaryIou, outlines
from gantool.metrics.distribution import FeatureSet
from gantool.metrics.inception import (
    Inception,
    InceptionFeatures,
    content_key,
    find_inception_weights,
    load_inception,
)
from gantool.metrics.perceptual import Lpips, ms_ssim, psnr, ssim
from gantool.metrics.segmentation import Confusion
from gantool.metrics.table import METRICS


def pair(size: tuple[int, int] = (80, 64)) -> tuple[np.ndarray, np.ndarray]:
    scene = draw_scene(3, size=size)
    rng = np.random.default_rng(0)
    noisy = np.clip(scene.summer.astype(int) + rng.integers(-30, 31, scene.summer.shape), 0, 255)
    return noisy.astype(np.uint8), scene.summer


def test_psnr_and_ssim_equal_scikit_image() -> None:
    skimage = pytest.importorskip("skimage.metrics")
    image, truth = pair()
    assert psnr(image, truth) == pytest.approx(
        skimage.peak_signal_noise_ratio(truth, image, data_range=255), rel=1e-6
    )
    expected = skimage.structural_similarity(
        truth, image, data_range=255, channel_axis=2, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
    )
    assert ssim(image, truth) == pytest.approx(expected, abs=1e-6)
    assert psnr(truth, truth) == float("inf")
    assert ssim(truth, truth) == pytest.approx(1)
    gray = image[:, :, :1]
    assert ssim(gray, gray) == pytest.approx(1)
    large = pair((192, 176))
    assert 0 < ms_ssim(*large) < 1
    assert ms_ssim(large[0], large[0]) == pytest.approx(1)


def valid_ms_ssim(image: np.ndarray, truth: np.ndarray) -> float:
    """By its definition: window inside the image on all scales, written down anew with scipy."""
    convolve2d = pytest.importorskip("scipy.signal").convolve2d
    gaussian = np.exp(-(np.arange(-5, 6) ** 2) / (2 * 1.5**2))
    window = np.outer(gaussian, gaussian) / gaussian.sum() ** 2
    x, y = image.astype(float), truth.astype(float)
    product = 1.0
    for scale, weight in enumerate((0.0448, 0.2856, 0.3001, 0.2363, 0.1333)):

        def mean(values: np.ndarray) -> np.ndarray:
            return np.stack([convolve2d(values[..., n], window, mode="valid") for n in range(3)], axis=-1)

        of_x, of_y = mean(x), mean(y)
        covariance = mean(x * y) - of_x * of_y
        variances = mean(x * x) - of_x**2 + mean(y * y) - of_y**2
        part = (2 * covariance + 58.5225) / (variances + 58.5225)
        if scale == 4:
            part = part * (2 * of_x * of_y + 6.5025) / (of_x**2 + of_y**2 + 6.5025)
        product *= part.mean() ** weight
        x, y = (one.reshape(one.shape[0] // 2, 2, one.shape[1] // 2, 2, 3).mean(axis=(1, 3)) for one in (x, y))
    return float(product)


def test_ms_ssim_counts_where_the_window_is_inside_the_image() -> None:
    image, truth = pair((192, 224))
    image[:, :12] = 255 - image[:, :12]  # a border that differs
    assert ms_ssim(image, truth) == pytest.approx(valid_ms_ssim(image, truth), abs=1e-6)
    assert ms_ssim(255 - truth, truth) == 0
    least = METRICS["ms_ssim"].smallest
    smallest = truth[:least, :least]
    assert ms_ssim(smallest, smallest) == pytest.approx(1)
    assert least == 11 * 2**4


@pytest.mark.slow
def test_lpips_equals_the_lpips_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lpips = pytest.importorskip("lpips")
    import torchvision

    torch.manual_seed(0)
    alexnet = torchvision.models.alexnet(weights=None)
    (tmp_path / "checkpoints").mkdir()
    torch.save(alexnet.state_dict(), tmp_path / "checkpoints/alexnet-owt-7be5be79.pth")
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    image, truth = pair()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        measure = Lpips()
        reference = lpips.LPIPS(net="alex", verbose=False)

    def tensor(pixels: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].float() / 127.5 - 1

    with torch.no_grad():
        expected = float(reference(tensor(image), tensor(truth)))
    assert expected > 1e-4
    assert measure(image, truth) == pytest.approx(expected, rel=1e-4)
    assert measure(truth, truth) == pytest.approx(0, abs=1e-6)


@pytest.fixture(scope="module")
def inception_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights that keep the signal alive through 94 layers."""
    torch.manual_seed(0)
    net = Inception()
    for module in net.modules():
        if isinstance(module, torch.nn.Conv2d):
            torch.nn.init.kaiming_normal_(module.weight)
        elif isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.8, 1.2)
            torch.nn.init.normal_(module.bias, 0, 0.1)
            torch.nn.init.normal_(module.running_mean, 0, 0.1)
            torch.nn.init.uniform_(module.running_var, 0.8, 1.2)
    path = tmp_path_factory.mktemp("inception") / "weights.pth"
    torch.save(net.state_dict(), path)
    return path


@pytest.mark.slow
def test_inception_features_equal_pytorch_fid(inception_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reference_module = pytest.importorskip("pytorch_fid.inception")
    # Its own distance asks for a form of sqrtm that SciPy 1.18 no longer has.
    linalg = pytest.importorskip("scipy.linalg")

    weights = torch.load(inception_file, weights_only=True)
    monkeypatch.setattr(reference_module, "load_state_dict_from_url", lambda *args, **options: weights)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        reference = reference_module.InceptionV3([3]).eval()
    measure = InceptionFeatures(load_inception(inception_file), "legacy")
    sets = []
    for first, count in ((0, 4), (50, 4)):
        images = [draw_scene(first + n, size=(64, 48)).summer for n in range(count)]
        with torch.no_grad():
            batch = torch.stack([torch.from_numpy(image.copy()).permute(2, 0, 1).float() / 255 for image in images])
            expected = reference(batch)[0].flatten(1).double().numpy()
        found = measure(images)
        scale = np.abs(expected).max()
        assert np.ptp(expected, axis=0).max() > 0.01 * scale, "the features tell images apart"
        assert np.abs(found - expected).max() < 1e-4 * scale
        assert np.abs(measure(images[:1]) - found[:1]).max() < 1e-5 * scale, "whatever else is in the batch"
        collected = FeatureSet()
        collected.add(found, np.array([content_key(image) for image in images]))
        sets.append((expected, collected))
    (x, ours_x), (y, ours_y) = sets
    # Only the means and the traces are comparable to 1e-4 with four images: the root of a singular product is not.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        gap = x.mean(0)[:64] - y.mean(0)[:64]
        first_c, second_c = (np.cov(each[:, :64], rowvar=False) for each in (x, y))
        root = linalg.sqrtm(first_c @ second_c).real
        reference_fid = float(gap @ gap + np.trace(first_c + second_c - 2 * root))
    first, second = FeatureSet(), FeatureSet()
    first.add(x[:, :64], np.arange(4) / 4)
    second.add(y[:, :64], np.arange(4) / 4)
    assert first.frechet(second).value == pytest.approx(reference_fid, rel=1e-2)
    assert ours_x.frechet(ours_y).value > 0


def test_clean_and_legacy_scale_differently(inception_file: Path) -> None:
    net = load_inception(inception_file)
    image = draw_scene(1, size=(400, 320)).summer
    clean, legacy = (InceptionFeatures(net, mode)([image]) for mode in ("clean", "legacy"))
    assert np.abs(clean - legacy).max() > 1e-3 * np.abs(clean).max()
    gray = image[:, :, :1]
    assert np.allclose(InceptionFeatures(net)([gray]), InceptionFeatures(net)([np.repeat(gray, 3, axis=2)]))


@pytest.mark.parametrize(
    ("resize", "expected"),
    [("clean", ((10 - 128) / 128, (128 - 128) / 128, (250 - 128) / 128)),
     ("legacy", (20 / 255 - 1, 256 / 255 - 1, 500 / 255 - 1))],
)  # fmt: skip
def test_what_inception_gets_is_rgb_in_the_range_of_its_own(resize: Any, expected: tuple[float, ...]) -> None:
    seen: list[torch.Tensor] = []

    class Spy(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            seen.append(x)
            return x.mean((2, 3))

    image = np.tile(np.array([10, 128, 250], np.uint8), (40, 30, 1))
    features = InceptionFeatures(Spy(), resize)([image, image])  # type: ignore[arg-type]
    assert seen[0].shape == (2, 3, 299, 299)
    assert features[0] == pytest.approx(expected, abs=1e-6)


def test_weights_that_are_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = tmp_path / "wrong.pth"
    torch.save({"weight": torch.zeros(1)}, wrong)
    with pytest.raises(ModelError, match="not the weights of FID's Inception"):
        load_inception(wrong)
    wrong.write_bytes(b"nothing")
    with pytest.raises(ModelError, match="cannot be read|more than data"):
        load_inception(wrong)
    with pytest.raises(ModelError, match="no such file"):
        find_inception_weights(tmp_path / "none.pth")
    monkeypatch.setenv("GANTOOL_MIRROR", "http://127.0.0.1:9")
    with pytest.raises(ModelError, match="cannot be downloaded") as caught:
        find_inception_weights()
    assert "--inception-weights FILE" in caught.value.remedy


def test_boundary_by_hand() -> None:
    truth = np.zeros((9, 9), np.uint8)
    truth[2:7, 2:7] = 1

    def ring(labels: np.ndarray) -> np.ndarray:
        """Pixels of class 1 that touch one outside, by shifting the mask."""
        inside = np.pad(labels == 1, 1)
        shifts = [np.roll(inside, (down, right), (0, 1)) for down in (-1, 0, 1) for right in (-1, 0, 1)]
        return (inside & ~np.all(shifts, axis=0))[1:-1, 1:-1]

    assert np.array_equal(outlines(truth, 1) & (truth == 1), ring(truth))
    assert ring(truth).sum() == 25 - 9, "the ring, without the 3x3 within"
    assert outlines(np.ones((5, 5), np.uint8), 1).sum() == 16, "the border of the image is outside"
    assert not outlines(np.full((9, 9), 7, np.uint8), 2)[2:-2, 2:-2].any()
    shifted = np.roll(truth, 1, axis=1)
    found = BoundaryIou(("ground", "thing"))
    found.add(truth, shifted)
    both, either = (ring(truth) & ring(shifted)).sum(), (ring(truth) | ring(shifted)).sum()
    assert found.per_class()[1] == pytest.approx(both / either)
    same = BoundaryIou(("ground", "thing", "absent"))
    same.add(truth, truth)
    assert same.per_class()[:2] == (1.0, 1.0)
    assert np.isnan(same.per_class()[2])
    assert same.mean().value == 1.0
    ignored = BoundaryIou(("ground", "thing"))
    ignored.add(np.where(truth == 1, 255, truth).astype(np.uint8), truth)
    assert np.isnan(ignored.per_class()[1])


def test_ignored_pixels_have_no_outline() -> None:
    """A 7x7 map of two halves, rows 0 to 2 and 3 to 6, of which the middle column is ignored; d = 1."""
    truth = np.zeros((7, 7), np.uint8)
    truth[3:] = 1
    truth[:, 3] = 255
    known = truth != 255
    # The outer ring touches the border; within it, rows 2 and 3 touch each other, columns 2 and 4 nothing known.
    expected = np.zeros((7, 7), bool)
    expected[[0, 6]] = expected[:, [0, 6]] = expected[2:4] = True
    assert np.array_equal(outlines(truth, 1), expected & known)

    # Whatever a prediction says where the truth ignores: it is perfect where it counts.
    for hidden in (0, 1, 2, 255):
        perfect = BoundaryIou(("ground", "sky", "rest"))
        perfect.add(truth, np.where(known, truth, hidden).astype(np.uint8))
        assert perfect.per_class()[:2] == (1.0, 1.0)
        assert np.isnan(perfect.per_class()[2])

    # Row 2 is taken for class 1, so that the outline runs between rows 1 and 2.
    wrong = truth.copy()
    wrong[2] = 1
    found = BoundaryIou(("ground", "sky"))
    found.add(truth, wrong)
    true_0, wrong_0, both_0 = 6 + 2 + 6, 6 + 6, 6 + 2  # rows 0, 1 and 2; of row 1 once its ends, once all
    true_1, wrong_1, both_1 = (
        6 + 2 + 2 + 6,
        6 + 2 + 2 + 2 + 6,
        2 + 2 + 2 + 6,
    )  # rows 3 to 6; 2 to 6; of row 3 its ends
    assert found.per_class() == pytest.approx(
        (both_0 / (true_0 + wrong_0 - both_0), both_1 / (true_1 + wrong_1 - both_1))
    )


def test_confusion_equals_scikit_learn() -> None:
    sklearn = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(0)
    truth, guess = rng.integers(0, 4, (2, 40, 30)).astype(np.uint8)
    confusion = Confusion(("a", "b", "c", "d"))
    confusion.add(truth, guess)
    scores = confusion.scores()
    t, g = truth.ravel(), guess.ravel()
    assert confusion.counts.tolist() == sklearn.confusion_matrix(t, g).tolist()
    assert scores.accuracy == pytest.approx(sklearn.accuracy_score(t, g))
    assert scores.iou == pytest.approx(sklearn.jaccard_score(t, g, average=None))
    assert scores.f1 == pytest.approx(sklearn.f1_score(t, g, average=None))
    assert scores.precision == pytest.approx(sklearn.precision_score(t, g, average=None))
    assert scores.recall == pytest.approx(sklearn.recall_score(t, g, average=None))
