"""PatchGAN discriminators, which classify overlapping patches.

Isola et al. 2017 (https://arxiv.org/abs/1611.07004), section 3.2.2: a convolutional network in which each output
value sees one patch, 70x70 pixels with three layers of stride 2. There is no sigmoid at the end: the losses take
logits.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from gantool.nets.antialias import BlurDown
from gantool.nets.convolutions import Convolution
from gantool.nets.layers import LeakyRelu, Norm, needs_bias, norm_layer

__all__ = ["MultiScaleDiscriminator", "PatchDiscriminator", "PixelDiscriminator"]


class PatchDiscriminator(nn.Module):
    """Map ``(N, in_channels, H, W)`` in [-1, 1] to logits ``(N, 1, h, w)``, one per patch.

    With three layers a 256 px image gives 30x30 logits. Sides are at least ``4 * 2**layers``: two more 4x4
    convolutions of stride 1 follow the downsampling, each removing one pixel, and instance norm needs more than one.

    Args:
        layers: convolutions of stride 2; 3 is the reference's ``basic``.
        width: channels after the first (``ndf``); at most ``8 * width`` later.
        antialias: convolve with stride 1, then blur and halve; see `gantool.nets.antialias`.
    """

    def __init__(
        self,
        in_channels: int = 3,
        *,
        width: int = 64,
        layers: int = 3,
        norm: Norm = "instance",
        antialias: bool = False,
    ) -> None:
        super().__init__()
        if layers < 1:
            raise ValueError(f"a patch discriminator has at least 1 layer, got {layers}")
        bias = needs_bias(norm)
        halving = 1 if antialias else 2
        stack: list[nn.Module] = [
            Convolution(in_channels, width, 4, stride=halving, padding=1),
            LeakyRelu(),
        ]
        if antialias:
            stack.append(BlurDown())
        channels = width
        for n in range(1, layers + 1):
            wider = width * min(2**n, 8)
            stride = halving if n < layers else 1
            stack += [
                Convolution(channels, wider, 4, stride=stride, padding=1, bias=bias),
                norm_layer(norm, wider),
                LeakyRelu(),
            ]
            if antialias and n < layers:
                stack.append(BlurDown())
            channels = wider
        stack.append(Convolution(channels, 1, 4, stride=1, padding=1))
        self.model = nn.Sequential(*stack)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.model(x)
        return logits


class MultiScaleDiscriminator(nn.Module):
    """Discriminators of one kind, each on a picture of half the size of the one before; returns all their logits.

    Wang et al., "High-Resolution Image Synthesis and Semantic Manipulation with Conditional GANs", 2018
    (https://arxiv.org/abs/1711.11585), section 3.2: the coarser ones see the picture as a whole.
    """

    def __init__(self, nets: Sequence[nn.Module]) -> None:
        super().__init__()
        self.scales = nn.ModuleList(nets)

    def forward(self, x: Tensor) -> list[Tensor]:
        return [net(view) for net, view in zip(self.scales, self.views(x), strict=True)]

    def views(self, x: Tensor) -> list[Tensor]:
        """The picture at each discriminator's scale."""
        views = [x]
        for _ in range(len(self.scales) - 1):
            views.append(nn.functional.avg_pool2d(views[-1], 3, 2, 1, count_include_pad=False))
        return views


class PixelDiscriminator(nn.Module):
    """Map ``(N, in_channels, H, W)`` in [-1, 1] to one logit per pixel, ``(N, 1, H, W)``, from 1x1 convolutions."""

    def __init__(self, in_channels: int = 3, *, width: int = 64, norm: Norm = "instance") -> None:
        super().__init__()
        bias = needs_bias(norm)
        self.net = nn.Sequential(
            Convolution(in_channels, width, 1),
            LeakyRelu(),
            Convolution(width, width * 2, 1, bias=bias),
            norm_layer(norm, width * 2),
            LeakyRelu(),
            Convolution(width * 2, 1, 1, bias=bias),
        )

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.net(x)
        return logits
