from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch

from gantool.data.augment import Preparation, to_tensor
from gantool.data.datasets import WINDOW, ArrayImages, ByShards, PositionBatches, UnpairedDataset, shuffled

PLAIN = Preparation("resize_and_crop", 8, 8, False)


def flat(count: int, offset: int = 0) -> ArrayImages:
    return ArrayImages([np.full((8, 8, 3), offset + n, np.uint8) for n in range(count)])


def shade(tensor: torch.Tensor) -> int:
    return round((float(tensor.mean()) + 1) * 127.5)


def test_an_epoch_shows_the_larger_domain_once_and_the_smaller_evenly() -> None:
    data = UnpairedDataset(flat(10), flat(4, 100), PLAIN)
    items = [data[(0, place)] for place in range(len(data))]
    assert sorted(shade(item["a"]) for item in items) == list(range(10))
    counts = Counter(shade(item["b"]) for item in items)
    assert set(counts) == {100, 101, 102, 103}
    assert set(counts.values()) <= {2, 3}


def test_one_side_alone_is_as_it_is_with_the_other() -> None:
    both = UnpairedDataset(flat(4), flat(10, 100), PLAIN, seed=2)
    for name, count in (("a", 4), ("b", 10)):
        alone = UnpairedDataset(flat(4), flat(10, 100), PLAIN, seed=2, sides=name)
        assert len(alone) == count
        for place in range(count):
            item = alone[(1, place)]
            assert list(item) == [name] and torch.equal(item[name], both[(1, place)][name])


def test_an_order_by_shards_stays_near_each_shard() -> None:
    shards = np.repeat(np.arange(40), 25)
    order = ByShards(shards)
    turns = [[order(1, 2, 0, 1000, turn * 1000 + place) for place in range(1000)] for turn in range(2)]
    assert all(sorted(turn) == list(range(1000)) for turn in turns) and turns[0] != turns[1]
    again = ByShards(shards + 7)
    assert [again(1, 2, 0, 1000, place) for place in range(1000)] == turns[0], "a function of seed, epoch and place"
    places = np.empty(1000, int)
    places[turns[0]] = np.arange(1000)
    spans = [np.ptp(places[shards == n]) for n in range(40)]
    assert max(spans) < 25 * (WINDOW + 4) and np.median(spans) > 25 * (WINDOW - 3)
    begun = np.argsort([places[shards == n].min() for n in range(40)])
    assert list(begun) != sorted(begun), "shards come in any order"


def test_few_shards_come_in_the_order_of_all_other_data() -> None:
    order = ByShards(np.repeat(np.arange(WINDOW), 5))
    assert [order(0, 3, 1, 40, n) for n in range(80)] == [shuffled(0, 3, 1, 40, n) for n in range(80)]


def test_domains_come_in_orders_of_their_own_unless_aligned() -> None:
    for align in (False, True):
        data = UnpairedDataset(flat(12), flat(12, 100), PLAIN, align=align)
        items = [data[(0, place)] for place in range(12)]
        orders = [[shade(item[side]) % 100 for item in items] for side in ("a", "b")]
        assert sorted(orders[0]) == sorted(orders[1]) == list(range(12))
        assert (orders[0] == orders[1]) is align


def test_items_depend_on_seed_epoch_and_place_only() -> None:
    preparation = Preparation("resize_and_crop", 12, 8, True)
    pictures = ArrayImages(list(np.random.default_rng(0).integers(0, 256, (6, 8, 8, 3)).astype(np.uint8)))
    one, two = (UnpairedDataset(pictures, pictures, preparation, seed=4) for _ in range(2))
    for place in (5, 0, 3):
        assert torch.equal(one[(2, place)]["a"], two[(2, place)]["a"])
    assert not torch.equal(one[(2, 0)]["a"], one[(3, 0)]["a"])
    other = UnpairedDataset(pictures, pictures, preparation, seed=5)
    assert not all(torch.equal(one[(0, place)]["a"], other[(0, place)]["a"]) for place in range(6))


def test_align_keeps_pairs_with_one_crop_and_flip() -> None:
    pictures = list(np.random.default_rng(1).integers(0, 128, (5, 20, 20, 3)).astype(np.uint8))
    brighter = [picture + 100 for picture in pictures]
    data = UnpairedDataset(ArrayImages(pictures), ArrayImages(brighter), Preparation("crop", 20, 8, True), align=True)
    for place in range(5):
        item = data[(0, place)]
        assert torch.allclose(item["b"] - item["a"], torch.full_like(item["a"], 100 / 127.5), atol=1e-5)


def test_batches_are_full_and_ranks_share_them() -> None:
    whole = list(PositionBatches(10, 4))
    assert [len(batch) for batch in whole] == [4, 4, 4]
    assert [place for batch in whole for _, place in batch] == list(range(12))
    parts = [list(PositionBatches(10, 4, rank=rank, world_size=2)) for rank in range(2)]
    assert [left + right for left, right in zip(*parts, strict=True)] == whole


def test_batches_go_on_in_the_middle() -> None:
    batches = PositionBatches(10, 2)
    batches.epoch, batches.first_step = 3, 2
    assert list(batches) == [[(3, 4), (3, 5)], [(3, 6), (3, 7)], [(3, 8), (3, 9)]]
    assert len(batches) == 3


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    ("preprocess", "shape", "expected"),
    [
        ("resize_and_crop", (30, 50), (16, 16)),
        ("crop", (30, 50), (16, 16)),
        ("crop", (10, 50), (16, 16)),
        ("scale_width", (30, 60), (8, 20)),
        ("scale_width", (29, 50), (8, 20)),  # 11.6 rows are 11, as in the reference
        ("scale_width_and_crop", (10, 60), (16, 16)),
        ("none", (30, 50), (28, 48)),
    ],
)
def test_preparation_sizes(preprocess: str, shape: tuple[int, int], expected: tuple[int, int], channels: int) -> None:
    preparation = Preparation(preprocess, 20, 16, True)  # type: ignore[arg-type]
    pixels = np.random.default_rng(0).integers(0, 256, (*shape, channels)).astype(np.uint8)
    assert preparation.training(pixels, np.random.default_rng(0)).shape == (*expected, channels)
    once, twice = preparation.testing(pixels), preparation.testing(pixels)
    assert once.shape == (*expected, channels)
    assert np.array_equal(once, twice)


def test_crops_reach_every_corner() -> None:
    pixels = np.zeros((10, 10, 1), np.uint8)
    pixels[0, 0], pixels[-1, -1] = 1, 2
    preparation = Preparation("crop", 10, 8, False)
    rng = np.random.default_rng(0)
    seen = {int(preparation.training(pixels, rng).max()) for _ in range(200)}
    assert seen == {0, 1, 2}


def test_half_of_the_images_are_flipped() -> None:
    pixels = np.zeros((8, 8, 1), np.uint8)
    pixels[:, 0] = 1
    preparation = Preparation("none", 8, 8, True)
    rng = np.random.default_rng(0)
    flipped = sum(int(preparation.training(pixels, rng)[0, -1, 0]) for _ in range(400))
    assert 160 < flipped < 240


def test_tensor_range() -> None:
    tensor = to_tensor(np.array([[[0, 255, 51]]], np.uint8))
    assert tensor.shape == (3, 1, 1)
    assert tensor.flatten().tolist() == pytest.approx([-1, 1, -0.6])


def test_gray_from_color() -> None:
    images = ArrayImages([np.array([[[255, 0, 0], [255, 255, 255]]], np.uint8)], channels=1)
    assert images[0][0, :, 0].tolist() == [76, 255]
