"""Which images are for training, validation and test: as folders and names say, or drawn by content and class."""

from __future__ import annotations

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

from gantool.data.images import find_folders

__all__ = ["SPLITS", "SPLIT_WORDS", "draw_splits", "split_folders", "split_of"]

SPLITS = ("train", "val", "test")

SPLIT_WORDS = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}
"""What data sets call their splits, in lower case."""


def split_of(name: str) -> str | None:
    """The split that a file or folder name speaks of (``instances_val2017`` is ``val``), or None."""
    words = re.split(r"[^a-z]+", name.lower())
    return next((SPLIT_WORDS[word] for word in words if word in SPLIT_WORDS), None)


def split_folders(root: Path) -> dict[str, Path]:
    """The folders of the splits by our names, or the root itself as training."""
    named = {SPLIT_WORDS.get(entry.name.lower()): entry for entry in find_folders(root)}
    return {split: entry for split, entry in named.items() if split is not None} or {"train": root}


def draw_splits(
    contents: Sequence[str],
    fractions: tuple[float, float, float],
    seed: int,
    classes: Sequence[frozenset[int]] | None = None,
) -> list[str]:
    """Assign a split to every image: the same images always get the same split, equal ones never two.

    With classes the split is stratified (Sechidis, Tsoumakas, Vlahavas: On the Stratification of Multi-Label Data,
    2011): the images of the rarest class are handed out first, each to the split that still lacks most of them.

    Args:
        contents: a hash of every image's pixels.
        fractions: of train, val and test; they add up to 1.
        seed: changes which images are drawn.
        classes: those that are seen in every image.

    Returns:
        ``train``, ``val`` or ``test`` for every image.
    """
    groups: dict[str, list[int]] = defaultdict(list)
    for place, content in enumerate(contents):
        groups[hashlib.sha256(f"{seed}:{content}".encode()).hexdigest()].append(place)
    keys = sorted(groups)
    if classes is None:
        chosen = _in_order(keys, groups, fractions, len(contents))
    else:
        seen = {key: frozenset().union(*(classes[place] for place in groups[key])) for key in keys}
        chosen = _stratified(keys, {key: len(groups[key]) for key in keys}, seen, fractions)
    out = [""] * len(contents)
    for key, split in chosen.items():
        for place in groups[key]:
            out[place] = split
    return out


def _in_order(
    keys: Sequence[str], groups: dict[str, list[int]], fractions: tuple[float, float, float], count: int
) -> dict[str, str]:
    ends = [
        round(count * sum(fractions[n:]) / sum(fractions)) for n in (2, 1)
    ]  # test first, then val, train is the rest
    chosen, done = {}, 0
    for key in keys:
        chosen[key] = "test" if done < ends[0] else "val" if done < ends[1] else "train"
        done += len(groups[key])
    return chosen


def _stratified(
    keys: Sequence[str],
    sizes: dict[str, int],
    seen: dict[str, frozenset[int]],
    fractions: tuple[float, float, float],
) -> dict[str, str]:
    total = sum(sizes.values())
    often = Counter(index for key in keys for index in seen[key])
    room = [total * fraction for fraction in fractions]
    lacking = [{index: count * fraction for index, count in often.items()} for fraction in fractions]
    left = dict.fromkeys(keys)  # a set that keeps its order
    chosen: dict[str, str] = {}

    def hand_out(key: str, index: int | None) -> None:
        wanted = [
            ((lacking[n].get(index, 0.0) if index is not None else 0.0), room[n], -n)
            if fractions[n]
            else (-1e9, -1e9, -n)
            for n in range(3)
        ]
        best = max(range(3), key=lambda n: wanted[n])
        chosen[key] = SPLITS[best]
        room[best] -= sizes[key]
        for one in seen[key]:
            lacking[best][one] -= 1
            often[one] -= 1
        del left[key]

    while True:
        rare = min(
            (index for index, count in often.items() if count > 0), key=lambda one: (often[one], one), default=None
        )
        if rare is None:
            break
        for key in [key for key in left if rare in seen[key]]:
            hand_out(key, rare)
    for key in list(left):
        hand_out(key, None)
    return chosen
