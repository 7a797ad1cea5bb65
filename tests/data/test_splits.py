from __future__ import annotations

from collections import Counter

from gantool.data.splits import draw_splits

NAMES = [f"image {n}" for n in range(200)]


def test_shares_are_met_and_depend_on_content_alone() -> None:
    drawn = dict(zip(NAMES, draw_splits(NAMES, (0.7, 0.2, 0.1), 0), strict=True))
    assert Counter(drawn.values()) == {"train": 140, "val": 40, "test": 20}
    other = NAMES[::-1]
    assert dict(zip(other, draw_splits(other, (0.7, 0.2, 0.1), 0), strict=True)) == drawn
    assert draw_splits(NAMES, (0.7, 0.2, 0.1), 1) != list(drawn.values())
    twice = draw_splits([*NAMES, *NAMES], (0.7, 0.2, 0.1), 0)
    assert twice[:200] == twice[200:], "the same image is never in two splits"


def test_stratified_by_class() -> None:
    """100 images have class 0, 20 have class 1, 4 have class 2; every split gets its share of each."""
    classes = [frozenset({0} | ({1} if n % 10 == 0 else set()) | ({2} if n % 50 == 0 else set())) for n in range(200)]
    drawn = draw_splits(NAMES, (0.5, 0.25, 0.25), 0, classes)
    assert Counter(drawn) == {"train": 100, "val": 50, "test": 50}
    for index, count in ((1, 20), (2, 4)):
        with_class = Counter(split for split, seen in zip(drawn, classes, strict=True) if index in seen)
        assert with_class == {"train": count / 2, "val": count / 4, "test": count / 4}
    assert drawn == draw_splits(NAMES, (0.5, 0.25, 0.25), 0, classes)
    assert "val" not in draw_splits(NAMES, (0.9, 0, 0.1), 0, classes)
    assert draw_splits(NAMES[:3], (0.9, 0, 0.1), 0, [frozenset()] * 3).count("train") == 3
