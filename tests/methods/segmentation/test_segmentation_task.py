from __future__ import annotations

import pytest
import torch
from torch import nn

from gantool.cards import Card, LabelClass
from gantool.engine.task import Player
from gantool.losses.segmentation import SegmentationLoss
from gantool.methods.segmentation.task import Segmentation, classes_of

CARD = Card(
    task="segmentation", classes=(LabelClass(name="a", color=(255, 0, 0)), LabelClass(name="b", color=(0, 0, 255)))
)


def make(net: nn.Module, **options: object) -> Segmentation:
    player = Player("segmenter", {"segment": net}, torch.optim.SGD(net.parameters(), lr=0.5))
    return Segmentation(CARD, player, SegmentationLoss("multiclass", {"cross_entropy": 1.0, "dice": 1.0}), **options)  # type: ignore[arg-type]


def test_it_learns_which_pixels_are_bright() -> None:
    task = make(nn.Conv2d(3, 2, 1))
    image = torch.rand(2, 3, 8, 8) * 2 - 1
    batch = {"image": image, "mask": (image.mean(1) > 0).to(torch.uint8)}

    def update(player: Player, loss: torch.Tensor) -> None:
        player.optimizer.zero_grad()
        loss.backward()
        player.optimizer.step()

    first = task.step(batch, update)
    assert list(first) == ["cross_entropy", "dice"]
    for _ in range(200):
        last = task.step(batch, update)
    assert float(last["cross_entropy"]) < 0.4 * float(first["cross_entropy"])
    predicted = classes_of(task.nets()["segment"](image), "multiclass")
    assert (predicted == batch["mask"]).float().mean() > 0.9
    with torch.no_grad():
        pictures = task.preview(batch, task.nets())
    assert list(pictures) == ["image", "truth", "prediction", "errors"]
    assert all(picture.shape == (2, 3, 8, 8) for picture in pictures.values())
    assert pictures["truth"][0, :, 0, 0].tolist() in ([1, -1, -1], [-1, -1, 1])
    assert task.state_dict() == {}


def test_frozen_parts_keep_their_statistics() -> None:
    frozen = nn.BatchNorm2d(3)
    net = nn.Sequential(frozen, nn.Conv2d(3, 2, 1)).train()
    task = make(net, frozen=[frozen])
    task.step(
        {"image": torch.rand(2, 3, 4, 4), "mask": torch.zeros(2, 4, 4, dtype=torch.uint8)}, lambda p, loss: None
    )
    assert frozen.running_mean is not None
    assert not frozen.running_mean.any()
    assert classes_of(torch.tensor([[[[1.0, -1.0]]]]), "binary").tolist() == [[[1, 0]]]


def test_errors_are_red_on_a_dim_picture() -> None:
    class Right(nn.Module):
        """Says b of the right half."""

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            out = torch.zeros(len(x), 2, *x.shape[2:])
            out[:, 1, :, x.shape[3] // 2 :] = 1
            return out

    task = make(nn.Conv2d(3, 2, 1))
    image = torch.tensor([0.2, 0.4, 0.6]).view(1, 3, 1, 1).expand(1, 3, 1, 4)
    truth = torch.tensor([[[0, 1, 255, 1]]], dtype=torch.uint8)
    shown = task.preview({"image": image, "mask": truth}, {"segment": Right()})
    assert shown["errors"][0, :, 0].T.tolist() == [
        pytest.approx(color) for color in ([-0.2] * 3, [1.0, -0.6, -0.6], [-0.2] * 3, [-0.2] * 3)
    ]
    assert shown["prediction"][0, :, 0].T.tolist() == [[1, -1, -1]] * 2 + [[-1, -1, 1]] * 2
    gray = pytest.approx([224 / 127.5 - 1] * 3)
    assert shown["truth"][0, :, 0].T.tolist() == [[1, -1, -1], [-1, -1, 1], gray, [-1, -1, 1]]
