"""Halving and doubling without aliasing: a picture moved by a pixel gives features moved by half a pixel.

Zhang, "Making Convolutional Networks Shift-Invariant Again", 2019 (https://arxiv.org/abs/1904.11486), section 3: a
convolution of stride 1 first, then a binomial filter where pixels are dropped or put in between. Contrastive unpaired
translation uses them in generator and discriminator.
"""

from __future__ import annotations

from torch import nn

__all__ = ["blur_down", "blur_up"]


def blur_down() -> nn.Sequential:
    """Halve ``(N, C, H, W)`` by the filter (1, 2, 1) / 4 along each side, on a border of one reflected pixel.

    Two means of 2x2 pixels are that filter, and cost less than a convolution of every channel by itself. Odd sides
    are rounded up.
    """
    return nn.Sequential(nn.ReflectionPad2d(1), nn.AvgPool2d(2, stride=1), nn.AvgPool2d(2, stride=2))


def blur_up() -> nn.Upsample:
    """Double ``(N, C, H, W)`` by the filter (1, 3, 3, 1) / 4 between zeros, which is linear interpolation."""
    return nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False)
