"""What holds for every split and every cut into tiles, on cases drawn at random."""

from __future__ import annotations

import random
from collections import Counter

import numpy as np

from gantool.data.splits import SPLITS, draw_splits
from gantool.data.tiles import cut_tiles, stitch_tiles, tile_corners


def draw_case(rng: random.Random) -> tuple[list[str], tuple[float, float, float], list[frozenset[int]]]:
    """Contents, some of them several times, shares of which some are nothing, and the classes of each content."""
    contents = [f"{rng.randrange(10**6)}" for _ in range(rng.randint(1, 80))]
    contents += rng.choices(contents, k=rng.choice((0, 0, 5, 30)))
    rng.shuffle(contents)
    weights = [rng.choice((0, 1, 1, 2, 7)) for _ in SPLITS]
    total = sum(weights) or 1
    train, val, test = (weight / total for weight in (weights if sum(weights) else (1, 0, 0)))
    seen = {one: frozenset(rng.sample(range(6), rng.randint(0, 4))) for one in dict.fromkeys(contents)}
    return contents, (train, val, test), [seen[one] for one in contents]


def test_shares_are_met_to_the_size_of_what_cannot_be_parted() -> None:
    rng = random.Random(0)
    for seed in range(300):
        contents, fractions, _ = draw_case(rng)
        counts = Counter(draw_splits(contents, fractions, seed))
        largest = max(Counter(contents).values())
        for split, fraction in zip(SPLITS, fractions, strict=True):
            assert abs(counts[split] - fraction * len(contents)) <= largest, (contents, fractions, seed)


def test_one_content_is_in_one_split_whatever_the_order() -> None:
    rng = random.Random(1)
    for seed in range(200):
        contents, fractions, classes = draw_case(rng)
        for known in (None, classes):
            drawn = draw_splits(contents, fractions, seed, known)
            by_content = dict(zip(contents, drawn, strict=True))
            assert [by_content[one] for one in contents] == drawn
            empty = {split for split, fraction in zip(SPLITS, fractions, strict=True) if fraction == 0}
            assert not empty & {*drawn}, "a share of nothing gets nothing"
            order = rng.sample(range(len(contents)), len(contents))
            again = draw_splits(
                [contents[n] for n in order], fractions, seed, None if known is None else [known[n] for n in order]
            )
            assert again == [drawn[n] for n in order]


def test_tiles_cover_every_pixel() -> None:
    rng = random.Random(2)
    for _ in range(300):
        height, width, tile = rng.randint(1, 120), rng.randint(1, 120), rng.randint(1, 60)
        stride = rng.choice((None, rng.randint(1, tile)))
        covered = np.zeros((height, width), bool)
        for top, left in tile_corners(height, width, tile, stride):
            assert min(top, left) >= 0
            part = covered[top : top + tile, left : left + tile]
            assert part.shape == (min(tile, height), min(tile, width)), "all tiles are of one size"
            part[:] = True
        assert covered.all(), f"{width}x{height} in tiles of {tile} every {stride}"
        pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
        assert np.array_equal(stitch_tiles(cut_tiles(pixels, tile, stride), height, width), pixels)
