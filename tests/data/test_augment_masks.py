from __future__ import annotations

import numpy as np
import pytest
import torch

from gantool.arrays import IGNORE
from gantool.data.augment_masks import PRESETS, LabelledPreparation, RandomChange
from gantool.data.labelled import ArrayLabels, LabelledDataset
from gantool.data.sample import CLASS_COLORS


def painted(mask: np.ndarray) -> np.ndarray:
    """A picture in which the color of every pixel is that of its class."""
    return np.array(CLASS_COLORS, np.uint8)[mask]


def blocks(height: int = 48, width: int = 64) -> np.ndarray:
    return (np.arange(height)[:, None] // 12 + np.arange(width)[None] // 16).astype(np.uint8)


@pytest.mark.parametrize("preset", ["none", "light", "strong"])
def test_image_and_mask_stay_together(preset: str) -> None:
    """Where the mask says class 3, the image still has its color, whatever was turned, scaled or cut."""
    change = PRESETS[preset]
    still = RandomChange(flip=change.flip, scale=change.scale, rotate=change.rotate)
    preparation = LabelledPreparation(128, 160, still)
    mask = np.kron(blocks(), np.ones((4, 4), np.uint8))
    for n in range(12):
        image, label = preparation.training(painted(mask), mask, np.random.default_rng(n))
        assert (image.shape, image.dtype) == ((3, 128, 128), torch.float32)
        assert (label.shape, label.dtype) == ((128, 128), torch.uint8)
        seen = label != IGNORE
        expected = torch.tensor(CLASS_COLORS, dtype=torch.float32)[label[seen].long()] / 127.5 - 1
        # Only at the borders of two classes do colors mix.
        off = (image.permute(1, 2, 0)[seen] - expected).abs().amax(-1)
        assert (off < 0.06).float().mean() > 0.8
        assert off.median() < 0.05
        assert (image[:, ~seen] < -0.3).float().mean() > 0.8 if (~seen).any() else True


def test_the_same_place_gives_the_same_sample() -> None:
    images = ArrayLabels([(painted(blocks()), blocks())] * 5)
    dataset = LabelledDataset(images, LabelledPreparation(32, 32, PRESETS["strong"]), seed=3)
    again = LabelledDataset(images, LabelledPreparation(32, 32, PRESETS["strong"]), seed=3)
    torch.manual_seed(99)
    first, second = dataset[(2, 4)], again[(2, 4)]
    assert torch.equal(first["image"], second["image"])
    assert torch.equal(first["mask"], second["mask"])
    assert not torch.equal(dataset[(3, 4)]["image"], first["image"])
    assert (len(dataset), float(first["image"].min()) >= -1, float(first["image"].max()) <= 1) == (5, True, True)


def test_colors_blur_and_noise_leave_the_mask_alone() -> None:
    mask = blocks()
    plain = LabelledPreparation(48, 48, RandomChange())
    loud = LabelledPreparation(48, 48, RandomChange(color=0.5, blur=1.0, noise=0.1))
    _, label = plain.training(painted(mask), mask, np.random.default_rng(0))
    image, changed = loud.training(painted(mask), mask, np.random.default_rng(0))
    assert torch.equal(label, changed)
    assert float((image - plain.training(painted(mask), mask, np.random.default_rng(0))[0]).abs().mean()) > 0.02


def test_bending_moves_the_image_and_its_mask_alike() -> None:
    mask = np.kron(blocks(), np.ones((4, 4), np.uint8))
    preparation = LabelledPreparation(192, 0, RandomChange(elastic=0.08))
    image, label = preparation.training(painted(mask), mask, np.random.default_rng(3))
    seen = label != IGNORE
    expected = torch.tensor(CLASS_COLORS, dtype=torch.float32)[label[seen].long()] / 127.5 - 1
    off = (image.permute(1, 2, 0)[seen] - expected).abs().amax(-1)
    assert (off < 0.06).float().mean() > 0.9
    _, straight = LabelledPreparation(192, 0, RandomChange()).training(painted(mask), mask, np.random.default_rng(3))
    moved = (label != straight)[seen].float().mean()
    assert 0.1 < moved < 0.6
    # A point moves by no more than what was asked for (bicubic knots overshoot a little).
    bars = np.zeros((192, 192), np.uint8)
    bars[96:] = 1
    _, bent = LabelledPreparation(192, 0, RandomChange(elastic=0.08)).training(
        painted(bars), bars, np.random.default_rng(1)
    )
    rows = torch.arange(192)[:, None].expand(-1, 192)
    assert rows[bent == 1].min() > 96 - 1.3 * 0.08 * 192
    assert rows[bent == 0].max() < 96 + 1.3 * 0.08 * 192


def test_crops_that_look_for_rare_classes() -> None:
    """One pixel in a hundred thousand: found by every focused crop of the class's turn, and by hardly any other."""
    mask = np.zeros((300, 400), np.uint8)
    mask[290, 7] = 1
    share = {}
    for focus in (0.0, 1.0):
        preparation = LabelledPreparation(40, 0, RandomChange(focus=focus))
        labels = [preparation.training(painted(mask), mask, np.random.default_rng(n))[1] for n in range(60)]
        assert all(label.shape == (40, 40) and not (label == IGNORE).any() for label in labels)
        share[focus] = np.mean([bool((label == 1).any()) for label in labels])
    assert share[0.0] < 0.1
    assert 0.3 < share[1.0] < 0.7  # the class is drawn every other time
    unlabelled = np.full((60, 60), IGNORE, np.uint8)
    preparation = LabelledPreparation(32, 0, RandomChange(focus=1.0))
    assert preparation.training(painted(unlabelled * 0), unlabelled, np.random.default_rng(0))[1].shape == (32, 32)


def test_small_images_are_surrounded_by_what_is_ignored() -> None:
    mask = np.full((10, 20), 2, np.uint8)
    image, label = LabelledPreparation(32, 0, RandomChange()).training(painted(mask), mask, np.random.default_rng(0))
    assert int((label == 2).sum()) == 200
    assert int((label == IGNORE).sum()) == 32 * 32 - 200
    assert image.shape == (3, 32, 32)


def test_views_without_chance() -> None:
    mask = blocks()
    preparation = LabelledPreparation(24, 24, PRESETS["strong"])
    whole = preparation.testing(painted(mask))
    assert whole.shape == (3, 24, 32)
    image, label = preparation.preview(painted(mask), mask)
    again, _ = preparation.preview(painted(mask), mask)
    assert torch.equal(image, again)
    assert label.shape == (24, 24)
    assert LabelledPreparation(24, 0, RandomChange()).testing(painted(mask)).shape == (3, 48, 64)


def test_a_smaller_mask_has_the_pixels_in_the_middle() -> None:
    """Each pixel of the result is the middle one of three: the image beside it is not half a pixel off."""
    across, down = np.broadcast_to(np.arange(48, dtype=np.uint8), (48, 48)), np.arange(48, dtype=np.uint8)[:, None]
    for mask in (np.array(across), np.array(np.broadcast_to(down, (48, 48)))):
        picture = np.repeat(mask[..., None] * 4, 3, axis=2)
        image, label = LabelledPreparation(16, 16, RandomChange()).training(picture, mask, np.random.default_rng(0))
        line = label[0] if (mask[0] != mask[0, 0]).any() else label[:, 0]
        assert line.tolist() == list(range(1, 48, 3))
        # Within the picture, whose border the filter of the downscaling mirrors, the two agree.
        assert ((image[0] + 1) * 127.5 / 4 - label)[2:-2, 2:-2].abs().max() < 0.26
