"""Halving and doubling without aliasing: a picture moved by a pixel gives features moved by half a pixel.

Zhang, "Making Convolutional Networks Shift-Invariant Again", 2019 (https://arxiv.org/abs/1904.11486), section 3: a
convolution of stride 1 first, then a binomial filter where pixels are dropped or put in between. Contrastive unpaired
translation uses them in generator and discriminator.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["BlurDown", "blur_up"]


class BlurDown(nn.Module):
    """Halve ``(N, C, H, W)`` by the filter (1, 2, 1) / 4 along each side, on a border of one reflected pixel.

    Odd sides are rounded up. Sums of every other row and column are the same as a convolution of every channel by
    itself, and take a fifth of its time there and back in bf16 on a CPU.
    """

    def forward(self, x: Tensor) -> Tensor:
        if not (torch.is_grad_enabled() and x.requires_grad) or torch.compiler.is_compiling():
            return _halved(_halved(x, 2), 3) * (1 / 16)
        rows: Tensor = _Halved.apply(_Halved.apply(x, 2), 3)
        return rows * (1 / 16)

    @staticmethod
    def of_padded(x: Tensor) -> Tensor:
        """The same of ``(N, C, 2 h + 1, 2 w + 1)`` that has its border already."""
        rows = x[:, :, :-2:2] + 2 * x[:, :, 1:-1:2] + x[:, :, 2::2]
        return (rows[..., :-2:2] + 2 * rows[..., 1:-1:2] + rows[..., 2::2]) * (1 / 16)


def _halved(x: Tensor, dim: int) -> Tensor:
    """Sums of three neighbors, the middle one twice, around every other place."""
    places = [slice(None)] * dim
    middle, between = x[(*places, slice(0, None, 2))], x[(*places, slice(1, None, 2))]
    first, last = (between[(*places, place)] for place in (slice(1), slice(-1, None)))
    if x.shape[dim] % 2:
        before, after = torch.cat([first, between], dim), torch.cat([between, last], dim)
    else:
        before, after = torch.cat([first, between[(*places, slice(-1))]], dim), between
    return before + 2 * middle + after


class _Halved(torch.autograd.Function):
    """`_halved` with a gradient that writes every value once; that of slices fills, copies and adds five times."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, dim: int) -> Tensor:
        ctx.dim, ctx.length = dim, x.shape[dim]
        return _halved(x, dim)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        return _Spread.apply(gradients[0], ctx.dim, ctx.length), None


class _Spread(torch.autograd.Function):
    """The transpose of `_halved`, whose own gradient is `_halved` again."""

    @staticmethod
    def forward(ctx: Any, gradient: Tensor, dim: int, length: int) -> Tensor:
        ctx.dim = dim
        return _spread(gradient, dim, length)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        return _Halved.apply(gradients[0], ctx.dim), None, None


def _spread(gradient: Tensor, dim: int, length: int) -> Tensor:
    """To each of ``length`` places what it was added to: the middle of one sum, or a neighbor of two."""
    out = gradient.new_empty((*gradient.shape[:dim], length, *gradient.shape[dim + 1 :]))
    places = [slice(None)] * dim
    middle, between = out[(*places, slice(0, None, 2))], out[(*places, slice(1, None, 2))]
    torch.mul(gradient, 2, out=middle)
    before, after = gradient[(*places, slice(-1))], gradient[(*places, slice(1, None))]
    ends = gradient[(*places, slice(1))], gradient[(*places, slice(-1, None))]
    if length % 2:
        torch.add(before, after, out=between)
        between[(*places, slice(-1, None))].add_(ends[1])  # the reflected border
    else:
        torch.add(before, after, out=between[(*places, slice(-1))])
        between[(*places, slice(-1, None))].copy_(ends[1])
    between[(*places, slice(1))].add_(ends[0])
    return out


def blur_up() -> nn.Upsample:
    """Double ``(N, C, H, W)`` by the filter (1, 3, 3, 1) / 4 between zeros, which is linear interpolation."""
    return nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False)
