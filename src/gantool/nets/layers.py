"""The layers that all networks share: normalization, padding, activation and weight initialization.

Layer positions follow the reference implementation of CycleGAN and pix2pix, so that its state dicts load by
name: https://github.com/junyanz/pytorch-CycleGAN-and-pix2pix (``models/networks.py``).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from torch import Tensor, nn
from torch.nn import init
from torch.nn.utils.parametrizations import spectral_norm

Norm = Literal["instance", "instance_affine", "batch", "none"]
Padding = Literal["reflect", "zeros", "replicate"]
Activation = Literal["relu", "leaky_relu"]
Initialization = Literal["normal", "xavier", "kaiming", "orthogonal"]

__all__ = [
    "Activation",
    "Initialization",
    "InstanceNorm",
    "Norm",
    "Padding",
    "activation_layer",
    "initialize",
    "norm_layer",
    "pad",
    "with_spectral_norm",
]


class InstanceNorm(nn.InstanceNorm2d):
    """Instance norm whose gradient is right in every layout.

    Torch (2.9 to 2.14 at least, on a CPU) computes a wrong one for a single image where the gradient comes in
    channels-last layout, as convolutions with such weights hand it on. Through a flat view it comes in the usual one.
    """

    def forward(self, x: Tensor) -> Tensor:
        out = super().forward(x)
        return out.flatten().view(out.shape) if self.training and out.shape[0] == 1 else out


def norm_layer(norm: Norm, channels: int) -> nn.Module:
    """Return the normalization for ``(N, channels, H, W)``.

    ``instance`` has no parameters and no running statistics, as in the reference; ``instance_affine`` adds a
    scale and a shift per channel (what a batch norm trained with batch size 1 becomes); ``none`` is the identity
    and keeps its place in the state dict's numbering.
    """
    if norm == "instance":
        return InstanceNorm(channels, affine=False, track_running_stats=False)
    if norm == "instance_affine":
        return InstanceNorm(channels, affine=True, track_running_stats=False)
    if norm == "batch":
        return nn.BatchNorm2d(channels)
    return nn.Identity()


def needs_bias(norm: Norm) -> bool:
    """Whether a convolution in front of this norm has a bias (batch norm brings its own shift)."""
    return norm in ("instance", "none")


def pad(padding: Padding, size: int) -> tuple[list[nn.Module], int]:
    """Return ``(layers in front of a convolution, the convolution's own padding)`` for a border of ``size``.

    Zero padding is the convolution's own, the other kinds are a layer, which shifts later layer numbers. That is
    how the reference numbers them.
    """
    if padding == "reflect":
        return [nn.ReflectionPad2d(size)], 0
    if padding == "replicate":
        return [nn.ReplicationPad2d(size)], 0
    return [], size


def activation_layer(activation: Activation) -> nn.Module:
    """Return the activation between layers; leaky ReLU has slope 0.2."""
    return nn.LeakyReLU(0.2, inplace=True) if activation == "leaky_relu" else nn.ReLU(inplace=True)


def with_spectral_norm(net: nn.Module) -> nn.Module:
    """Divide every convolution's weight by its largest singular value, in place, and return the network.

    Miyato et al. 2018 (https://arxiv.org/abs/1802.05957): a discriminator whose output cannot change faster than its
    input, without a norm layer that would hide colors and brightness.
    """
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            spectral_norm(module)
    return net


_INITIALIZERS: dict[str, Callable[[Tensor, float], object]] = {
    "normal": lambda weight, gain: init.normal_(weight, 0.0, gain),
    "xavier": lambda weight, gain: init.xavier_normal_(weight, gain=gain),
    "kaiming": lambda weight, gain: init.kaiming_normal_(weight, a=0, mode="fan_in"),
    "orthogonal": lambda weight, gain: init.orthogonal_(weight, gain=gain),
}


def initialize(net: nn.Module, kind: Initialization = "normal", gain: float = 0.02) -> None:
    """Initialize in place as the reference does.

    Convolution and linear weights by ``kind`` (``normal`` draws N(0, gain)), their biases 0, norm weights
    N(1, gain), norm biases 0. Uses torch's global random state.
    """
    for module in net.modules():
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)):
            _INITIALIZERS[kind](module.weight, gain)
            if module.bias is not None:
                init.zeros_(module.bias)
        elif isinstance(module, (nn.BatchNorm2d, nn.InstanceNorm2d)) and module.weight is not None:
            init.normal_(module.weight, 1.0, gain)
            init.zeros_(module.bias)
