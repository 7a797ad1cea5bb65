"""What writing ONNX, TorchScript and ``torch.export`` files has in common.

Files take ``(N, C, H, W)`` float32 in [-1, 1] and give pictures in [-1, 1] or logits, N free, H and W free multiples
of what the network needs. What cannot be had at free sizes is written at one size, and for one image.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import Dim

from gantool.cards import Card
from gantool.errors import ModelError
from gantool.quiet import quiet

__all__ = [
    "LARGEST_SIDE",
    "HalfInside",
    "PixelClasses",
    "PixelPictures",
    "exporting",
    "free_sizes",
    "with_fixed_padding",
]

LARGEST_SIDE = 8192
"""Of images that files take, in pixels; the exporter wants a bound for free sizes."""


class HalfInside(nn.Module):
    """A network that computes in float16 and takes and gives float32."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net.half()

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.net(x.half())
        return out.float()


class PixelPictures(nn.Module):
    """``(N, H, W, C)`` uint8 pictures to ``(N, H, W, C')`` uint8 pictures."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, pixels: Tensor) -> Tensor:
        made: Tensor = self.net(_values(pixels)).clamp(-1, 1)
        return ((made + 1) * 127.5).round().to(torch.uint8).permute(0, 2, 3, 1)


class PixelClasses(nn.Module):
    """``(N, H, W, 3)`` uint8 pictures to ``(N, H, W)`` uint8 class indices."""

    def __init__(self, net: nn.Module, mode: str) -> None:
        super().__init__()
        self.net, self.mode = net, mode

    def forward(self, pixels: Tensor) -> Tensor:
        logits: Tensor = self.net(_values(pixels))
        if self.mode == "binary":
            return (logits[:, 0] > 0).to(torch.uint8)
        return logits.argmax(1).to(torch.uint8)


def with_fixed_padding(net: nn.Module, multiple_of: int) -> nn.Module:
    """A network that pads by numbers where this one works out from a picture's size how far.

    TensorFlow pads a convolution of stride s so that a side of n pixels becomes one of n / s, rounded up, which timm
    does for its encoders (``tf_efficientnet_lite0``). For sides that are multiples of s that is always the same
    number, and the graph of a file needs no arithmetic with sizes.

    Args:
        multiple_of: of the sides that the file takes; where that does not settle the padding, ``net`` comes back.
    """
    places = [
        (name, one) for name, one in net.named_modules() if type(one).__name__ == "Conv2dSame" and one is not net
    ]
    if not places or multiple_of % math.prod(int(conv.stride[0]) for _, conv in places):
        return net
    changed = copy.deepcopy(net)
    for name, _ in places:
        parent, _, own = name.rpartition(".")
        changed.get_submodule(parent).register_module(own, _padded_by_numbers(changed.get_submodule(name)))
    return changed


def _padded_by_numbers(conv: Any) -> nn.Module:
    below, right = (
        max((kernel - 1) * dilation + 1 - stride, 0)
        for kernel, dilation, stride in zip(conv.kernel_size, conv.dilation, conv.stride, strict=True)
    )
    fixed = nn.Conv2d(
        conv.in_channels, conv.out_channels, conv.kernel_size, conv.stride, 0, conv.dilation, conv.groups,
        conv.bias is not None,
    )  # fmt: skip
    fixed.weight, fixed.bias = conv.weight, conv.bias
    pad = nn.ZeroPad2d((right // 2, right - right // 2, below // 2, below - below // 2))
    return nn.Sequential(pad, fixed).train(conv.training)


def _values(pixels: Tensor) -> Tensor:
    return pixels.permute(0, 3, 1, 2).float() / 127.5 - 1


def free_sizes(card: Card, example: Tensor) -> Any:
    """What the exporters may take for free of ``example``'s shape: batch, height and width; None where nothing is.

    Args:
        card: of the file; tells the multiple that sizes are of, and whether one size is meant.
        example: two images, as an exporter takes 1 for a constant; uint8 pixels have their channels last.
    """
    if _is_static(card):
        return None
    height, width = (1, 2) if example.dtype == torch.uint8 else (2, 3)
    free = {height: _sizes("h", card.multiple_of), width: _sizes("w", card.multiple_of)}
    return ({0: Dim("n", min=1, max=1024), **free},)


def _sizes(name: str, multiple_of: int) -> Any:
    if multiple_of == 1:
        return Dim(name, min=16, max=LARGEST_SIDE)
    return multiple_of * Dim(name, min=1, max=LARGEST_SIDE // multiple_of)


def _is_static(card: Card) -> bool:
    return card.exported is not None and card.exported.static_size is not None


@contextmanager
def exporting(format: str, card: Card) -> Iterator[None]:
    """Quiet, without gradients, and with one sentence where the exporter refuses the network.

    Raises:
        ModelError: it does.
    """
    try:
        with quiet(), torch.no_grad():
            yield
    except (RuntimeError, ValueError, TypeError, NotImplementedError, torch.onnx.OnnxExporterError) as error:
        first = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise ModelError(
            f"{format}: the exporter cannot write this network ({first.strip()[:200]}).",
            "Try another --format." if _is_static(card) else "Try another --format, or --static-size.",
        ) from error
