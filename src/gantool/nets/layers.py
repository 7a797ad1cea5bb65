"""The layers that all networks share: normalization, padding, activation and weight initialization.

Layer positions follow the reference implementation of CycleGAN and pix2pix, so that its state dicts load by
name: https://github.com/junyanz/pytorch-CycleGAN-and-pix2pix (``models/networks.py``).
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional, init
from torch.nn.utils.parametrizations import spectral_norm

Norm = Literal["instance", "instance_affine", "batch", "none"]
Padding = Literal["reflect", "zeros", "replicate"]
Activation = Literal["relu", "leaky_relu"]
Initialization = Literal["normal", "xavier", "kaiming", "orthogonal"]

__all__ = [
    "Activation",
    "Initialization",
    "InstanceNorm",
    "LeakyRelu",
    "Norm",
    "Padding",
    "ReflectionPad",
    "Relu",
    "ReplicationPad",
    "activation_layer",
    "initialize",
    "norm_layer",
    "pad",
    "with_spectral_norm",
]


class InstanceNorm(nn.InstanceNorm2d):
    """Instance norm that trains fast and whose gradient is right in every layout.

    On a CPU torch computes it as a batch norm on a view, whose backward pass copies everything five times if an
    activation follows in place, and whose output in bf16 is rounded twice. While gradients are taken, group norm with
    one channel a group is the same mathematics without either.

    Torch (2.9 to 2.14 at least, on a CPU) computes a wrong gradient for a single image where it comes in
    channels-last layout, as convolutions with such weights hand it on. Through a flat view it comes in the usual one.
    """

    def forward(self, x: Tensor) -> Tensor:
        if x.device.type == "cpu" and torch.is_grad_enabled() and x.is_contiguous() and x.shape[2] * x.shape[3] > 1:
            return functional.group_norm(x, self.num_features, self.weight, self.bias, self.eps)
        out = super().forward(x)
        return out.flatten().view(out.shape) if self.training and out.shape[0] == 1 else out


class ReflectionPad(nn.ReflectionPad2d):
    """Reflection padding in the precision that it meets; on a CPU autocast would cast to fp32 for it, and back."""

    def forward(self, x: Tensor) -> Tensor:
        with _as_it_is(x):
            return super().forward(x)


class ReplicationPad(nn.ReplicationPad2d):
    """Replication padding in the precision that it meets; see `ReflectionPad`."""

    def forward(self, x: Tensor) -> Tensor:
        with _as_it_is(x):
            return super().forward(x)


class Relu(nn.ReLU):
    """ReLU in place, unless that costs more than it saves; see `_may_overwrite`."""

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(x, inplace=_may_overwrite(x))


class LeakyRelu(nn.LeakyReLU):
    """Leaky ReLU of slope 0.2 in place, unless that costs more than it saves; see `_may_overwrite`."""

    def __init__(self) -> None:
        super().__init__(0.2)

    def forward(self, x: Tensor) -> Tensor:
        return functional.leaky_relu(x, self.negative_slope, inplace=_may_overwrite(x))


def _may_overwrite(x: Tensor) -> bool:
    """Whether no gradient has to go through a view that was overwritten, which takes copies of all that it shows."""
    return not torch.compiler.is_compiling() and not (torch.is_grad_enabled() and x._is_view())


def _as_it_is(x: Tensor) -> AbstractContextManager[object]:
    casts = x.dtype in (torch.bfloat16, torch.float16) and torch.is_autocast_enabled(x.device.type)
    return torch.autocast(x.device.type, enabled=False) if casts else nullcontext()


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
        return [ReflectionPad(size)], 0
    if padding == "replicate":
        return [ReplicationPad(size)], 0
    return [], size


def activation_layer(activation: Activation) -> nn.Module:
    """Return the activation between layers; leaky ReLU has slope 0.2."""
    return LeakyRelu() if activation == "leaky_relu" else Relu()


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
