"""Generators that hand out what their layers make of a picture."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from gantool.nets.patchgan import MultiScaleDiscriminator
from gantool.nets.resnet import PictureSkip, ResnetBlock

__all__ = ["LayeredGenerator", "critic_layers"]


class LayeredGenerator(nn.Module):
    """A ResNet generator whose layers can be looked at; it shares the generator's weights.

    Args:
        net: a `gantool.nets.resnet.ResnetGenerator`.
        layers: places in its sequence, in rising order. None takes those of the CUT paper (section 4.1, "RGB pixels,
            the first and second downsampling convolution, and the first and the fifth residual block" of nine): the
            picture, every halving, and the first and the middle block.

    Raises:
        ValueError: the network is no sequence of layers, or has no such place.
    """

    def __init__(self, net: nn.Module, layers: Sequence[int] | None = None) -> None:
        super().__init__()
        self.net = net
        stack = getattr(net, "model", None)
        if not isinstance(stack, nn.Sequential):
            raise ValueError("only ResNet generators hand out their layers")
        self._skip = stack[0] if len(stack) == 1 and isinstance(stack[0], PictureSkip) else None
        body = stack if self._skip is None else self._skip.body
        assert isinstance(body, nn.Sequential)
        self.layers = usual_layers(body) if layers is None else tuple(layers)
        if (
            not self.layers
            or list(self.layers) != sorted({*self.layers})
            or not (self.layers[0] >= 0 and self.layers[-1] < len(body))
        ):
            raise ValueError(f"layers must be rising numbers from 0 to {len(body) - 1}")

    def forward(self, x: Tensor, whole: bool = True) -> tuple[Tensor, list[Tensor]]:
        """What the generator makes of ``(N, C, H, W)``, and its layers' outputs on the way.

        Args:
            whole: False stops at the last of the layers, whose output then is the first result.
        """
        stack = self.net.model if self._skip is None else self._skip.body
        value, found = x, []
        for place, layer in enumerate(stack):  # type: ignore[arg-type]
            value = layer(value)
            if place in self.layers:
                found.append(value)
                if not whole and place == self.layers[-1]:
                    return value, found
        return (value if self._skip is None else self._skip.combine(x, value)), found

    def channels(self) -> list[int]:
        """Channels of the layers, in their order."""
        first = next(module for module in self.net.modules() if isinstance(module, nn.Conv2d))
        training = self.net.training
        self.net.eval()  # no chance is used up
        with torch.no_grad():
            _, found = self(torch.zeros(1, first.in_channels, 32, 32, device=first.weight.device), False)
        self.net.train(training)
        return [features.shape[1] for features in found]


def critic_layers(net: nn.Module, x: Tensor) -> list[Tensor]:
    """What the activations of a discriminator make of ``(N, C, H, W)``; of several scales one after the other.

    Raises:
        TypeError: it is no sequence of layers.
    """
    if isinstance(net, MultiScaleDiscriminator):
        return [
            layer for part, view in zip(net.scales, net.views(x), strict=True) for layer in critic_layers(part, view)
        ]
    stack = getattr(net, "model", None) or getattr(net, "net", None)
    if not isinstance(stack, nn.Sequential):
        raise TypeError(f"{type(net).__name__} has no sequence of layers")
    found = []
    for layer in stack:
        x = layer(x)
        if isinstance(layer, nn.LeakyReLU):
            found.append(x)
    return found


def usual_layers(body: nn.Sequential) -> tuple[int, ...]:
    """See `LayeredGenerator`."""
    blocks = [place for place, layer in enumerate(body) if isinstance(layer, ResnetBlock)]
    convolutions = [place for place, layer in enumerate(body) if isinstance(layer, nn.Conv2d) and place < blocks[0]]
    return tuple(sorted({0, *convolutions[1:], blocks[0], blocks[len(blocks) // 2]}))
