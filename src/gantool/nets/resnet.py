"""ResNet generators: downsample twice, residual blocks, upsample twice.

Zhu et al., "Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks", 2017
(https://arxiv.org/abs/1703.10593), section 7.2, after Johnson et al. 2016.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from gantool.nets.antialias import BlurDown, blur_up
from gantool.nets.convolutions import Convolution, TransposedConvolution
from gantool.nets.layers import Activation, Norm, Padding, activation_layer, needs_bias, norm_layer, pad

__all__ = ["PictureSkip", "ResnetBlock", "ResnetGenerator", "recompute_blocks"]

Upsampling = Literal["transpose", "resize", "blur"]
Downsampling = Literal["stride", "blur"]


class ResnetBlock(nn.Module):
    """``x + conv_block(x)``: two 3x3 convolutions with norm; the shape stays ``(N, channels, H, W)``.

    Attributes:
        recomputed: gradient checkpointing: keep only the input and recompute the rest in the backward pass.
    """

    recomputed = False

    def __init__(
        self,
        channels: int,
        *,
        norm: Norm,
        padding: Padding = "reflect",
        activation: Activation = "relu",
        dropout: bool = False,
    ) -> None:
        super().__init__()
        bias = needs_bias(norm)
        border, own_padding = pad(padding, 1)
        layers: list[nn.Module] = [
            *border,
            Convolution(channels, channels, 3, padding=own_padding, bias=bias),
            norm_layer(norm, channels),
            activation_layer(activation),
        ]
        if dropout:
            layers.append(nn.Dropout(0.5))
        border, own_padding = pad(padding, 1)
        layers += [
            *border,
            Convolution(channels, channels, 3, padding=own_padding, bias=bias),
            norm_layer(norm, channels),
        ]
        self.conv_block = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        if self.recomputed and torch.is_grad_enabled():
            out: Tensor = x + checkpoint(self.conv_block, x, use_reentrant=False)
        else:
            out = x + self.conv_block(x)
        return out


def recompute_blocks(net: nn.Module) -> None:
    """Set `ResnetBlock.recomputed` (gradient checkpointing) for all residual blocks of a network."""
    for module in net.modules():
        if isinstance(module, ResnetBlock):
            module.recomputed = True


class PictureSkip(nn.Module):
    """``tanh(atanh(0.95 x) + body(x))``: the picture itself, changed by what the body adds to it.

    A body whose output is zero gives the picture back (at 0.95 of its contrast), so detail need not pass through the
    bottleneck of the network. Input and output are ``(N, C, H, W)`` in [-1, 1].
    """

    scale = 0.95  # keeps atanh finite where the picture is black or white

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body

    def forward(self, x: Tensor) -> Tensor:
        return self.combine(x, self.body(x))

    def combine(self, x: Tensor, change: Tensor) -> Tensor:
        """Apply a change ``(N, C', H, W)`` to the picture ``(N, C, H, W)``; color becomes gray by its mean."""
        if x.shape[1] != change.shape[1]:
            x = x.mean(1, keepdim=True).expand_as(change)
        return torch.tanh(torch.atanh(self.scale * x.float().clamp(-1, 1)) + change.float())


class ResnetGenerator(nn.Module):
    """Translate ``(N, in_channels, H, W)`` into ``(N, out_channels, H, W)``, both in [-1, 1].

    H and W must be multiples of 4 and at least 16. ``model`` numbers its layers like the reference, so that the
    reference's state dicts load unchanged (only with ``upsampling="transpose"``), and with "blur" for both samplings
    like the generators of contrastive unpaired translation
    (https://github.com/taesungp/contrastive-unpaired-translation).

    Args:
        width: channels after the first layer (``ngf``); the blocks have four times as many.
        blocks: number of residual blocks; the paper uses 6 below 256 px, 9 from 256 px on.
        upsampling: ``transpose`` is the paper's transposed convolution; ``resize`` repeats pixels and then
            convolves, which leaves no checkerboard (Odena et al. 2016, https://doi.org/10.23915/distill.00003);
            ``blur`` interpolates and convolves; see `gantool.nets.antialias`.
        downsampling: ``stride`` is the paper's strided convolution; ``blur`` convolves at full size, then blurs and
            halves.
        picture_skip: change the picture instead of generating a new one; see `PictureSkip`.
    """

    multiple_of = 4

    def __init__(
        self,
        in_channels: int = 3,
        out_channels: int = 3,
        *,
        width: int = 64,
        blocks: int = 9,
        norm: Norm = "instance",
        padding: Padding = "reflect",
        activation: Activation = "relu",
        dropout: bool = False,
        upsampling: Upsampling = "transpose",
        downsampling: Downsampling = "stride",
        picture_skip: bool = False,
    ) -> None:
        super().__init__()
        bias = needs_bias(norm)
        border, own_padding = pad(padding, 3)
        layers: list[nn.Module] = [
            *border,
            Convolution(in_channels, width, 7, padding=own_padding, bias=bias),
            norm_layer(norm, width),
            activation_layer(activation),
        ]
        for channels in (width, width * 2):
            layers += [
                Convolution(
                    channels, channels * 2, 3, stride=2 if downsampling == "stride" else 1, padding=1, bias=bias
                ),
                norm_layer(norm, channels * 2),
                activation_layer(activation),
            ]
            if downsampling == "blur":
                layers.append(BlurDown())
        layers += [
            ResnetBlock(width * 4, norm=norm, padding=padding, activation=activation, dropout=dropout)
            for _ in range(blocks)
        ]
        for channels in (width * 4, width * 2):
            layers += [
                *_upsample(channels, channels // 2, upsampling, padding, bias),
                norm_layer(norm, channels // 2),
                activation_layer(activation),
            ]
        border, own_padding = pad(padding, 3)
        layers += [*border, Convolution(width, out_channels, 7, padding=own_padding)]
        if picture_skip:
            layers = [PictureSkip(nn.Sequential(*layers))]
        else:
            layers.append(nn.Tanh())
        self.model = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.model(x)
        return out


def _upsample(in_channels: int, out_channels: int, how: Upsampling, padding: Padding, bias: bool) -> list[nn.Module]:
    if how == "transpose":
        return [TransposedConvolution(in_channels, out_channels, 3, stride=2, padding=1, output_padding=1, bias=bias)]
    if how == "blur":
        return [blur_up(), Convolution(in_channels, out_channels, 3, padding=1, bias=bias)]
    border, own_padding = pad(padding, 1)
    return [
        nn.Upsample(scale_factor=2, mode="nearest"),
        *border,
        Convolution(in_channels, out_channels, 3, padding=own_padding, bias=bias),
    ]
