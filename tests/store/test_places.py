"""Where images are kept, and that a training sees the same ones whatever is kept."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from gantool.arrays import Mask, Pixels
from gantool.data.augment import Preparation
from gantool.data.augment_masks import PRESETS, LabelledPreparation
from gantool.data.datasets import ArrayImages, FileImages, LabelPictures, UnpairedDataset
from gantool.data.labelled import ArrayLabels, LabelledDataset
from gantool.engine.batches import EpochBatches
from gantool.errors import OutputError
from gantool.store import places as module
from gantool.store.places import CacheMode, Store, make_store
from gantool.store.slots import Bound, Heap, shared_memory

needs_memory = pytest.mark.skipif(not shared_memory(), reason="the system has no files in memory")


def places(store: Store | None) -> list[str]:
    assert store is not None
    kinds = []
    for place in store.places:
        kinds.append("heap" if isinstance(place, Heap) else "memory" if place._folder is None else "disk")  # type: ignore[attr-defined]
    return kinds


@needs_memory
@pytest.mark.parametrize(
    ("mode", "most", "expected"),
    [
        ("auto", 1000, ["memory"]),
        ("auto", 5001, ["memory", "disk"]),  # a third of 15000 is less
        ("auto", None, ["memory", "disk"]),
        ("memory", 5001, ["memory"]),
        ("disk", 1000, ["disk"]),
    ],
)
def test_places(
    mode: CacheMode, most: int | None, expected: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "cache"
    monkeypatch.setattr(module, "available_memory", lambda: 15000)
    assert places(make_store(mode, 4, cache, most=most)) == expected
    assert cache.exists() is ("disk" in expected)
    assert [path for path in cache.rglob("*") if path.is_file()] == []


def test_nothing_is_kept_if_off_or_if_there_is_nothing(tmp_path: Path) -> None:
    assert make_store("off", 4, tmp_path) is None
    assert make_store("auto", 0, tmp_path) is None


def test_memory_is_cut_into_parts_where_it_cannot_be_shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "shared_memory", lambda: False)
    monkeypatch.setattr(module, "available_memory", lambda: 12000)
    made = make_store("memory", 4, tmp_path, processes=2)
    assert places(made) == ["heap"]
    assert made is not None
    heap = made.places[0]
    assert isinstance(heap, Heap)
    assert (heap._bound.most, heap._bound.spare) == (2000, 3000)


def test_a_cache_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(OutputError, match=r"data\.cache: .*training cannot be written to"):
        make_store("disk", 4, tmp_path / "cache" / "training")
    assert "disk" not in places(make_store("auto", 4, tmp_path / "cache" / "training"))


def test_what_does_not_fit_goes_to_the_next_place_and_then_is_made_again() -> None:
    store, made = Store([Heap(Bound(10, 0)), Heap(Bound(25, 0))]), list[int]()

    def make(slot: int) -> tuple[Pixels]:
        made.append(slot)
        return (np.full((10,), slot, np.uint8),)

    for _ in range(2):
        for slot in range(4):
            assert store.take(slot, partial(make, slot))[0].tolist() == [slot] * 10
    assert made == [0, 1, 2, 3, 3], "one in the first place, two in the second, one in none"


# -- the same images ------------------------------------------------------------------------------------------------


def photos(folder: Path, count: int, seed: int) -> list[Path]:
    rng, paths = np.random.default_rng(seed), []
    folder.mkdir()
    for n in range(count):
        height, width = rng.integers(20, 60, 2)
        coarse = Image.fromarray(rng.integers(0, 256, (6, 6, 3), dtype=np.uint8))
        paths.append(folder / f"{n}.{'png' if n % 2 else 'jpg'}")
        coarse.resize((int(width), int(height))).save(paths[-1])
    return paths


class Labels:
    """Images with label maps that count how often they are read."""

    def __init__(self, count: int) -> None:
        rng = np.random.default_rng(5)
        sizes = [tuple(rng.integers(30, 50, 2)) for _ in range(count)]
        self.pairs = [
            (rng.integers(0, 256, (*size, 3), dtype=np.uint8), rng.integers(0, 3, size, dtype=np.uint8))
            for size in sizes
        ]
        self.read = 0

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: int) -> tuple[Pixels, Mask]:
        self.read += 1
        return self.pairs[index]

    def name(self, index: int) -> str:
        return str(index)


def two_epochs(dataset: Any, workers: int, first_step: int = 0) -> list[Mapping[str, Tensor]]:
    runtime: Any = SimpleNamespace(device=torch.device("cpu"), rank=0, world_size=1)
    batches = EpochBatches(dataset, len(dataset), 2, workers, runtime)
    return [batch for epoch in (0, 1) for batch in batches.epoch(epoch, first_step if epoch == 0 else 0)]


def equal(left: list[Mapping[str, Tensor]], right: list[Mapping[str, Tensor]]) -> bool:
    return len(left) == len(right) and all(
        one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)
        for one, two in zip(left, right, strict=True)
    )


@pytest.mark.parametrize("preprocess", ["resize_and_crop", "crop", "scale_width_and_crop", "scale_width", "none"])
def test_chance_comes_after_scaling(preprocess: Any) -> None:
    rng = np.random.default_rng(0)
    for nearest in (False, True):
        preparation = Preparation(preprocess, 30, 16, True, 4, nearest)
        for size in ((11, 40), (40, 11), (33, 33), (30, 90), (16, 17)):
            pixels = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
            scaled = preparation.scaled(pixels)
            assert np.array_equal(scaled, preparation.scaled(pixels))
            left = preparation.training(pixels, np.random.default_rng(7))
            assert np.array_equal(left, preparation.changed(scaled, np.random.default_rng(7)))
            if preparation.scaled_size is not None:
                assert scaled.shape[0] * scaled.shape[1] == preparation.scaled_size


@pytest.mark.parametrize(("mode", "workers"), [("auto", 2), ("disk", 0)])
def test_batches_of_two_domains_are_the_same(mode: CacheMode, workers: int, tmp_path: Path) -> None:
    a, b = FileImages(photos(tmp_path / "a", 5, 1), channels=1), FileImages(photos(tmp_path / "b", 3, 2), half=1)
    masks = [np.random.default_rng(n).integers(0, 3, (20, 24), dtype=np.uint8) for n in range(3)]
    maps = LabelPictures([lambda mask=mask: mask for mask in masks], [(1, 2, 3), (40, 50, 60), (255, 0, 9)])  # type: ignore[misc]
    plain = Preparation("resize_and_crop", 24, 16, True)
    for sides, align in (((a, b), False), ((maps, b), True)):
        preparations = (Preparation("resize_and_crop", 24, 16, True, nearest=sides[0] is maps), plain)
        dataset = UnpairedDataset(*sides, preparations, seed=3, align=align)
        wanted = two_epochs(dataset, 0)
        dataset.store = make_store(mode, dataset.slots, tmp_path, most=dataset.most_bytes)
        assert equal(two_epochs(dataset, workers), wanted)
        if workers == 0 or shared_memory():
            assert dataset.store is not None
            kept = [any(place.get(slot) for place in dataset.store.places) for slot in range(dataset.slots)]
            assert all(kept)
        # Going on in the middle, with images that are kept and with ones that are not.
        assert equal(two_epochs(dataset, workers, first_step=1), wanted[1:])
        dataset.store = make_store(mode, dataset.slots, tmp_path)
        assert equal(two_epochs(dataset, 0, first_step=1), wanted[1:])


def test_images_are_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = FileImages(photos(tmp_path / "a", 4, 1)), ArrayImages([np.zeros((24, 24, 3), np.uint8)] * 3)
    dataset = UnpairedDataset(a, b, Preparation("resize_and_crop", 24, 16, True))
    assert (dataset.slots, dataset.most_bytes) == (7, 7 * 24 * 24 * 3)
    dataset.store = make_store("memory", dataset.slots, tmp_path)
    two_epochs(dataset, 0)
    monkeypatch.setattr(FileImages, "__getitem__", None)
    two_epochs(dataset, 0)
    for sides, images in (("a", 4), ("b", 4)):  # one side alone has only its own slots
        first, second = (a, b) if sides == "a" else (b, a)
        alone = UnpairedDataset(first, second, Preparation("resize_and_crop", 24, 16, True), sides=sides)
        assert (alone.slots, alone.most_bytes, len(alone)) == (images, images * 24 * 24 * 3, images)
    sample = UnpairedDataset(b, b, Preparation("none", 24, 16, True))
    assert (sample.slots, sample.most_bytes) == (0, None)


@pytest.mark.parametrize("workers", [0, 2])
def test_batches_of_labelled_images_are_the_same(workers: int, tmp_path: Path) -> None:
    images = Labels(5)
    change = PRESETS["strong"].__class__(**{**vars(PRESETS["strong"]), "paste": 0.5, "focus": 0.5})
    counts = np.stack([np.bincount(mask.ravel(), minlength=256) for _, mask in images.pairs])
    dataset = LabelledDataset(images, LabelledPreparation(16, 24, change), seed=2, counts=counts)
    wanted = two_epochs(dataset, 0)
    images.read = 0
    dataset.store = make_store("auto", dataset.slots, tmp_path, most=dataset.most_bytes)
    assert equal(two_epochs(dataset, workers), wanted)
    if workers == 0 or shared_memory():
        before = images.read
        assert before == (5 if workers == 0 else 0)
        assert equal(two_epochs(dataset, 0), wanted)
        assert images.read == before
    assert LabelledDataset(ArrayLabels(images.pairs), dataset.preparation).slots == 0
