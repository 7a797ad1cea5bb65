"""What a discriminator sees of real and generated images: randomly changed ones, through which gradients flow.

Zhao et al., "Differentiable Augmentation for Data-Efficient GAN Training", 2020 (https://arxiv.org/abs/2006.10738):
with few images a discriminator learns them by heart. Changing real and generated images alike, whenever it looks,
keeps it from that without the generator learning the changes. Ranges are those of the paper, for values in [-1, 1].
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

Policy = Literal["color", "translation", "cutout"]

__all__ = ["Policy", "diff_augment"]


def diff_augment(images: Tensor, policies: Sequence[Policy], pictures: Sequence[int] = ()) -> Tensor:
    """Change ``(N, C, H, W)`` in [-1, 1] at random, each image by itself; the shape stays.

    Args:
        policies: ``color`` changes brightness by up to 0.5, saturation by a factor in 0..2 and contrast by one in
            0.5..1.5; ``translation`` shifts by up to an eighth of the sides, black coming in; ``cutout`` makes a
            rectangle of half the sides gray (0), partly outside at times. No policies leave the images alone.
        pictures: channels of the pictures that an image is made of, if several lie on one another: each keeps its own
            gray and mean, and all are changed by the same factors. Empty for one picture.
    """
    for policy in policies:
        images = _color(images, pictures) if policy == "color" else _PLACES[policy](images)
    return images


def _color(images: Tensor, pictures: Sequence[int]) -> Tensor:
    factors = torch.rand(3, len(images), 1, 1, 1, device=images.device)
    if len(pictures) < 2:
        return _recolored(images, factors)
    return torch.cat([_recolored(picture, factors) for picture in torch.split(images, list(pictures), 1)], 1)


def _recolored(images: Tensor, factors: Tensor) -> Tensor:
    brightness, saturation, contrast = factors
    images = images + (brightness - 0.5)
    gray = images.mean(1, keepdim=True)
    images = (images - gray) * (2 * saturation) + gray
    middle = images.mean((1, 2, 3), keepdim=True)
    out: Tensor = (images - middle) * (contrast + 0.5) + middle
    return out


def _translation(images: Tensor) -> Tensor:
    count, _, height, width = images.shape
    reach = [round(side / 8) for side in (height, width)]
    down, across = (torch.randint(-r, r + 1, (count,)).tolist() for r in reach)
    padded = F.pad(images, (reach[1], reach[1], reach[0], reach[0]), value=-1.0)
    starts = [(reach[0] - y, reach[1] - x) for y, x in zip(down, across, strict=True)]
    return torch.stack(
        [one[:, top : top + height, left : left + width] for one, (top, left) in zip(padded, starts, strict=True)]
    )


def _cutout(images: Tensor) -> Tensor:
    count, _, height, width = images.shape
    mask = torch.ones(count, 1, height, width, device=images.device, dtype=images.dtype)
    for n, (y, x) in enumerate(
        zip(*(torch.randint(0, side, (count,)).tolist() for side in (height, width)), strict=True)
    ):
        top, left = y - height // 4, x - width // 4
        mask[n, :, max(top, 0) : max(top + height // 2, 0), max(left, 0) : max(left + width // 2, 0)] = 0
    return images * mask


_PLACES: dict[Policy, Callable[[Tensor], Tensor]] = {"translation": _translation, "cutout": _cutout}
