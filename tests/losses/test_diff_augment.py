from __future__ import annotations

import pytest
import torch

from gantool.losses.diff_augment import diff_augment


def test_nothing_is_nothing() -> None:
    images = torch.rand(2, 3, 16, 16)
    assert diff_augment(images, ()) is images


def test_color_is_the_papers() -> None:
    images = torch.rand(5, 3, 8, 8) * 2 - 1
    torch.manual_seed(3)
    made = diff_augment(images, ("color",))
    torch.manual_seed(3)
    brightness, saturation, contrast = torch.rand(3, 5, 1, 1, 1)
    for n in range(5):
        x = images[n] + brightness[n] - 0.5
        x = x.mean(0) + (x - x.mean(0)) * saturation[n] * 2
        x = x.mean() + (x - x.mean()) * (contrast[n] + 0.5)
        assert (made[n] - x).abs().max() < 1e-5
    gray = torch.rand(1, 1, 8, 8)
    assert diff_augment(gray, ("color",)).shape == gray.shape


def test_pictures_on_one_another_are_recolored_each_by_itself_and_alike() -> None:
    first, second = torch.rand(4, 3, 8, 8), torch.rand(4, 1, 8, 8) - 1
    torch.manual_seed(3)
    made = diff_augment(torch.cat([first, second], 1), ("color",), (3, 1))
    for images, changed in ((first, made[:, :3]), (second, made[:, 3:])):
        torch.manual_seed(3)
        assert torch.equal(changed, diff_augment(images, ("color",)))


def test_translation_shifts_by_whole_pixels_and_lets_black_in() -> None:
    images = torch.rand(40, 3, 16, 24)
    made = diff_augment(images, ("translation",))
    shifts = set()
    for before, after in zip(images, made, strict=True):
        inside = after[0] > -1
        rows, columns = inside.any(1).nonzero()[:, 0], inside.any(0).nonzero()[:, 0]
        candidates = [
            (y, x) for y in range(-2, 3) for x in range(-3, 4)
            if torch.equal(after[:, max(y, 0) : 16 + min(y, 0), max(x, 0) : 24 + min(x, 0)],
                           before[:, max(-y, 0) : 16 + min(-y, 0), max(-x, 0) : 24 + min(-x, 0)])
        ]  # fmt: skip
        assert len(candidates) == 1
        shifts.add(candidates[0])
        assert len(rows) == 16 - abs(candidates[0][0])
        assert len(columns) == 24 - abs(candidates[0][1])
    assert len(shifts) > 15


def test_cutout_grays_a_rectangle_of_half_the_sides_at_most() -> None:
    made = diff_augment(torch.ones(60, 3, 16, 24), ("cutout",))
    areas = (made[:, 0] == 0).flatten(1).sum(1)
    assert areas.max() == 8 * 12
    assert areas.min() >= 4 * 6
    assert len(areas.unique()) > 5
    assert ((made == 0) | (made == 1)).all()


@pytest.mark.parametrize(("height", "width", "down", "across"), [(40, 60, 5, 8), (60, 40, 8, 5)])
def test_translation_goes_up_to_an_eighth_of_the_sides_as_far_as_is_drawn(
    height: int, width: int, down: int, across: int
) -> None:
    """60 / 8 is 7.5, and 8 is even."""
    images = torch.rand(30, 1, height, width)
    torch.manual_seed(4)
    made = diff_augment(images, ("translation",))
    torch.manual_seed(4)
    shifts = zip(*(torch.randint(-reach, reach + 1, (30,)).tolist() for reach in (down, across)), strict=True)
    for before, after, (y, x) in zip(images, made, shifts, strict=True):
        shifted = torch.full_like(before, -1.0)
        shifted[:, max(y, 0) : height + min(y, 0), max(x, 0) : width + min(x, 0)] = before[
            :, max(-y, 0) : height + min(-y, 0), max(-x, 0) : width + min(-x, 0)
        ]
        assert torch.equal(after, shifted)


def test_cutout_is_around_the_pixel_that_is_drawn() -> None:
    torch.manual_seed(5)
    made = diff_augment(torch.ones(40, 1, 16, 24), ("cutout",))
    torch.manual_seed(5)
    rows, columns = torch.randint(0, 16, (40,)), torch.randint(0, 24, (40,))
    for one, y, x in zip(made, rows.tolist(), columns.tolist(), strict=True):
        expected = torch.ones(16, 24)
        expected[max(y - 4, 0) : y + 4, max(x - 6, 0) : x + 6] = 0
        assert torch.equal(one[0], expected)


def test_gradients_flow_through_all_of_it() -> None:
    images = (torch.rand(2, 3, 16, 16) * 2 - 1).requires_grad_(True)
    diff_augment(images, ("color", "translation", "cutout")).square().sum().backward()
    assert images.grad is not None
    assert (images.grad != 0).float().mean() > 0.3
