from __future__ import annotations

import numpy as np
import torch

from gantool.arrays import IGNORE
from gantool.data.augment_masks import LabelledPreparation, RandomChange
from gantool.data.labelled import ArrayLabels, LabelledDataset
from gantool.data.paste import Pasting, pasted


def counts(*rows: dict[int, int]) -> np.ndarray:
    out = np.zeros((len(rows), 256), np.int64)
    for n, row in enumerate(rows):
        for kind, pixels in row.items():
            out[n, kind] = pixels
    return out


def test_what_is_rare_and_where_it_is_found() -> None:
    """Of three classes the last two have less than a third of the pixels; a trace is not worth cutting out."""
    pasting = Pasting.of(counts({0: 88, 1: 12}, {0: 92, 2: 8}, {0: 999, 1: 1, IGNORE: 500}), 1.0)
    assert [(kind, list(images)) for kind, images in pasting.donors] == [(1, [0]), (2, [1])]
    drawn = [pasting.draw(np.random.default_rng(n)) for n in range(200)]
    assert set(drawn) == {(1, 0), (2, 1)}
    assert 70 < drawn.count((1, 0)) < 130
    seldom = [Pasting(0.25, pasting.donors).draw(np.random.default_rng(n)) for n in range(400)]
    assert 70 < len([one for one in seldom if one is not None]) < 130
    assert Pasting.of(counts({0: 5}, {0: 7}), 1.0).draw(np.random.default_rng(0)) is None


def test_a_region_lies_where_it_lay() -> None:
    image, other = torch.zeros(3, 2, 3), torch.ones(3, 2, 3)
    label, theirs = torch.tensor([[0, 0, 255], [0, 0, 0]]), torch.tensor([[2, 1, 2], [0, 2, 1]])
    made, mask = pasted(image, label, other, theirs, 2)
    assert mask.tolist() == [[2, 0, 2], [0, 2, 0]]
    assert made[0].tolist() == [[1, 0, 1], [0, 1, 0]]


def test_samples_of_a_data_set() -> None:
    """White has class 1 and stands in one of four black pictures of class 0."""
    black, white = np.zeros((32, 32, 3), np.uint8), np.zeros((32, 32, 3), np.uint8)
    white[8:16, 8:16] = 255
    empty, filled = np.zeros((32, 32), np.uint8), (white[..., 0] == 255).astype(np.uint8)
    images = ArrayLabels([(black, empty)] * 3 + [(white, filled)])
    seen = np.stack([np.bincount(mask.ravel(), minlength=256) for _, mask in images.pairs])

    def samples(share: float) -> list[dict[str, torch.Tensor]]:
        preparation = LabelledPreparation(32, 32, RandomChange(paste=share))
        dataset = LabelledDataset(images, preparation, seed=0, counts=seen)
        return [dataset[(epoch, place)] for epoch in range(10) for place in range(4)]

    def holding(found: list[dict[str, torch.Tensor]]) -> int:
        return sum(bool((one["mask"] == 1).any()) for one in found)

    assert (holding(samples(0.0)), holding(samples(1.0))) == (10, 40)
    assert 15 < holding(samples(0.5)) < 35
    for one in samples(1.0):
        assert torch.equal(one["image"][0] == 1, one["mask"] == 1)
    assert all(torch.equal(a["image"], b["image"]) for a, b in zip(samples(0.5), samples(0.5), strict=True))
