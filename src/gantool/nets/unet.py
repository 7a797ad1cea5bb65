"""U-Net generators: downsample to one pixel, upsample again, with skip connections between the levels.

Isola et al., "Image-to-Image Translation with Conditional Adversarial Networks", 2017
(https://arxiv.org/abs/1611.07004), section 6.1.1.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gantool.nets.convolutions import Convolution, TransposedConvolution
from gantool.nets.layers import Norm, needs_bias, norm_layer

__all__ = ["UnetGenerator", "UnetLevel"]


class UnetLevel(nn.Module):
    """One level of the U-Net, with everything below it as a child.

    ``(N, outer, H, W)`` becomes ``(N, 2 * outer, H, W)``: the input concatenated with the output of the levels below;
    the outermost level returns only the image.
    """

    def __init__(
        self,
        outer: int,
        inner: int,
        *,
        norm: Norm,
        child: UnetLevel | None = None,
        in_channels: int | None = None,
        outermost: bool = False,
        dropout: bool = False,
    ) -> None:
        super().__init__()
        self.outermost = outermost
        bias = needs_bias(norm)
        down = Convolution(outer if in_channels is None else in_channels, inner, 4, stride=2, padding=1, bias=bias)
        # The activation in front of `down` works in place in the reference, which also changes what the skip
        # connection carries; the ReLU that follows the concatenation makes both forms equal.
        activate_down, activate_up = nn.LeakyReLU(0.2), nn.ReLU()
        up_channels = inner if child is None else inner * 2
        up = TransposedConvolution(up_channels, outer, 4, stride=2, padding=1, bias=bias or outermost)
        layers: list[nn.Module]
        if outermost:
            assert child is not None
            layers = [down, child, activate_up, up, nn.Tanh()]
        elif child is None:
            layers = [activate_down, down, activate_up, up, norm_layer(norm, outer)]
        else:
            layers = [activate_down, down, norm_layer(norm, inner), child, activate_up, up, norm_layer(norm, outer)]
            if dropout:
                layers.append(nn.Dropout(0.5))
        self.model = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        if self.outermost:
            image: Tensor = self.model(x)
            return image
        return torch.cat([x, self.model(x)], dim=1)


class UnetGenerator(nn.Module):
    """Translate ``(N, in_channels, H, W)`` into ``(N, out_channels, H, W)``, both in [-1, 1].

    H and W must be multiples of ``2 ** levels`` (256 for ``unet_256``).

    Args:
        levels: how often the image is downsampled; ``unet_256`` has 8.
        width: channels after the first level (``ngf``); at most ``8 * width`` further down.
        dropout: drop half of the activations of the ``levels - 5`` widest inner levels; the paper's source of noise.
    """

    def __init__(
        self,
        in_channels: int = 3,
        out_channels: int = 3,
        *,
        levels: int = 8,
        width: int = 64,
        norm: Norm = "batch",
        dropout: bool = False,
    ) -> None:
        super().__init__()
        if levels < 5:
            raise ValueError(f"a U-Net generator has at least 5 levels, got {levels}")
        self.multiple_of = 2**levels
        level = UnetLevel(width * 8, width * 8, norm=norm)
        for _ in range(levels - 5):
            level = UnetLevel(width * 8, width * 8, norm=norm, child=level, dropout=dropout)
        for factor in (4, 2, 1):
            level = UnetLevel(width * factor, width * factor * 2, norm=norm, child=level)
        self.model = UnetLevel(out_channels, width, norm=norm, child=level, in_channels=in_channels, outermost=True)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.model(x)
        return out
