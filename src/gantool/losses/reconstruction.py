"""Distances between an image and what it should be."""

from __future__ import annotations

from typing import Literal

import torch.nn.functional as F
from torch import Tensor

Distance = Literal["l1", "mse"]

__all__ = ["Distance", "reconstruction_loss"]


def reconstruction_loss(image: Tensor, target: Tensor, distance: Distance = "l1") -> Tensor:
    """Mean absolute (``l1``, as in the CycleGAN paper, equation 2) or squared difference, a float32 scalar."""
    if distance == "l1":
        return F.l1_loss(image.float(), target.float())
    return F.mse_loss(image.float(), target.float())
