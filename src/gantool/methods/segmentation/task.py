"""Semantic segmentation: one network, one optimizer, a weighted sum of losses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from gantool.arrays import IGNORE, color_table
from gantool.cards import Card
from gantool.engine.loss_terms import LossTerm
from gantool.engine.task import Batch, Player, Update
from gantool.losses.segmentation import Mode, SegmentationLoss

__all__ = ["Segmentation", "classes_of"]


def classes_of(logits: Tensor, mode: Mode) -> Tensor:
    """Turn logits ``(N, C, H, W)`` into class indices ``(N, H, W)`` uint8.

    With one output, class 1 is where it is above 0; with several labels per pixel the strongest is taken.
    """
    if mode == "binary":
        return (logits[:, 0] > 0).to(torch.uint8)
    return logits.argmax(1).to(torch.uint8)


class Segmentation:
    """A segmenter on batches ``{"image": (N, 3, H, W) in [-1, 1], "mask": (N, H, W) uint8}``.

    Args:
        card: names the classes and describes the network.
        player: with the net ``segment``.
        frozen: parts whose weights and running statistics stay as they are.
    """

    def __init__(
        self, card: Card, player: Player, loss: SegmentationLoss, *, frozen: Sequence[nn.Module] = ()
    ) -> None:
        self.players = (player,)
        self.player, self.loss, self.frozen = player, loss, tuple(frozen)
        self.losses = {name: LossTerm(name) for name in loss.terms}
        self._card = card

    def step(self, batch: Batch, update: Update) -> dict[str, Tensor]:
        for part in self.frozen:
            part.eval()  # also after the loop has put the whole network back into training
        logits = self.player.nets["segment"](batch["image"])
        # Region losses and softmax over many classes lose too much in half precision.
        with torch.autocast(logits.device.type, enabled=False):
            # They go over classes and over pixels, which is faster class by class, however the network stores them.
            logits = logits.to(torch.float32, memory_format=torch.contiguous_format).contiguous()
            losses = self.loss(logits, batch["mask"].long())
            update(self.player, torch.stack(list(losses.values())).sum())
        return {name: loss.detach() for name, loss in losses.items()}

    def nets(self) -> dict[str, nn.Module]:
        return dict(self.player.nets)

    def preview(self, batch: Batch, nets: Mapping[str, nn.Module]) -> dict[str, Tensor]:
        truth = batch["mask"]
        predicted = classes_of(nets["segment"](batch["image"]).float(), self.loss.mode)
        wrong = (predicted != truth) & (truth != IGNORE)
        dim = batch["image"].float().mean(1, keepdim=True).expand(-1, 3, -1, -1) * 0.5 - 0.4
        red = torch.tensor([1.0, -0.6, -0.6], device=truth.device).view(1, 3, 1, 1)
        return {
            "image": batch["image"],
            "truth": self._painted(truth),
            "prediction": self._painted(predicted),
            "errors": torch.where(wrong.unsqueeze(1), red, dim),
        }

    def _painted(self, indices: Tensor) -> Tensor:
        colors = color_table([entry.color for entry in self._card.classes])
        table = torch.from_numpy(colors).to(indices.device, torch.float32)
        return table[indices.long()].permute(0, 3, 1, 2) / 127.5 - 1

    def card(self) -> Card:
        return self._card

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        pass
