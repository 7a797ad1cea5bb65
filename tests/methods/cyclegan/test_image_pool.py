from __future__ import annotations

import pytest
import torch

from gantool.methods.cyclegan.image_pool import ImagePool


def images(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float32)[:, None, None, None]


def test_without_a_pool_images_pass_through() -> None:
    batch = images(1, 2).requires_grad_()
    out = ImagePool(0).exchange(batch)
    assert torch.equal(out, batch) and not out.requires_grad


def test_a_filling_pool_returns_its_input() -> None:
    pool = ImagePool(2)
    assert pool.exchange(images(1, 2)).flatten().tolist() == [1, 2]


def test_a_full_pool_exchanges_about_half() -> None:
    pool = ImagePool(50, seed=3)
    for n in range(50):
        pool.exchange(images(n))
    swapped = sum(pool.exchange(images(1000 + n)).item() < 1000 + n for n in range(1000))
    assert 430 < swapped < 570


def test_nothing_is_lost_or_doubled() -> None:
    pool = ImagePool(4, seed=1)
    given, returned = [], []
    for n in range(40):
        given.append(float(n))
        returned.append(pool.exchange(images(n)).item())
    kept = [image.item() for image in pool.state_dict()["images"]]
    # While the pool fills, an image is both returned and kept; later each is in one place.
    assert sorted(set(returned + kept)) == given


@pytest.mark.parametrize("shapes", [((1, 4, 4), (1, 1, 4, 4)), ((1, 4, 4), (1, 4, 5)), ((4, 4), (4, 4))])
def test_images_that_cannot_stand_in_one_batch_are_refused(shapes: tuple[tuple[int, ...], ...]) -> None:
    state = ImagePool(3).state_dict() | {"images": [torch.zeros(shape) for shape in shapes]}
    with pytest.raises(ValueError, match="one shape"):
        ImagePool(3).load_state_dict(state)


def test_state_brings_back_images_and_chances() -> None:
    pool = ImagePool(3, seed=5)
    for n in range(7):
        pool.exchange(images(n))
    twin = ImagePool(3, seed=99)
    twin.load_state_dict(pool.state_dict())
    for n in range(20):
        assert pool.exchange(images(100 + n)).item() == twin.exchange(images(100 + n)).item()
