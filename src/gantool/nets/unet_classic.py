"""The classic U-Net, with padded convolutions and batch norm, so that the output has the input's size.

Ronneberger et al., "U-Net: Convolutional Networks for Biomedical Image Segmentation", 2015
(https://arxiv.org/abs/1505.04597).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gantool.nets.convolutions import Convolution, TransposedConvolution

__all__ = ["ClassicUnet"]


class ClassicUnet(nn.Module):
    """``(N, in_channels, H, W) -> (N, classes, H, W)`` logits, H and W multiples of ``2 ** depth``.

    Each level is two 3x3 convolutions; 2x2 max pooling leads down, a 2x2 transposed convolution up, and the features
    of the same level are put beside it (figure 1 of the paper).
    """

    def __init__(self, classes: int, *, in_channels: int = 3, width: int = 64, depth: int = 4) -> None:
        super().__init__()
        widths = [width * 2**level for level in range(depth + 1)]
        self.down = nn.ModuleList(
            _double(before, after) for before, after in zip([in_channels, *widths[:-1]], widths, strict=True)
        )
        self.pool = nn.MaxPool2d(2)
        pairs = list(zip(widths[:0:-1], widths[-2::-1], strict=True))
        self.grow = nn.ModuleList(TransposedConvolution(low, high, 2, stride=2) for low, high in pairs)
        self.up = nn.ModuleList(_double(2 * high, high) for _, high in pairs)
        self.head = Convolution(width, classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        skips = []
        for level, block in enumerate(self.down):
            x = block(x if level == 0 else self.pool(x))
            skips.append(x)
        for grow, block, skip in zip(self.grow, self.up, skips[-2::-1], strict=True):
            x = block(torch.cat([skip, grow(x)], dim=1))
        logits: Tensor = self.head(x)
        return logits


def _double(before: int, after: int) -> nn.Sequential:
    return nn.Sequential(
        Convolution(before, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU(inplace=True),
        Convolution(after, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU(inplace=True),
    )  # fmt: skip
