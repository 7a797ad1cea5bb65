"""Convolutions that do not wait for torch to turn their results around.

On a CPU with AMX torch computes convolutions in bf16 in channels-last layout, whatever it is given, and copies the
result into the usual one value by value: two thirds of the time of a convolution from 64 to 128 channels at 128 px,
and as much in the backward pass. Given and taken in channels-last layout it copies nothing, and a matrix is
transposed several times as fast, block by block, with the same result to the last bit. Other processors and
precisions do not have that fault (torch 2.14) or gain nothing, and small results are turned around in no time.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from gantool.devices import has_amx

__all__ = ["Convolution", "TransposedConvolution", "as_torch_does"]

_LEAST_VALUES = 2**20  # of input or output for each thread, as one thread transposes where all would copy, and ...
_LEAST_CHANNELS = 64  # ... channels of either, for which it pays; measured forward and backward

_left_to_torch = False


class Convolution(nn.Conv2d):
    """A convolution; see above. Weights, names and results are those of `torch.nn.Conv2d`."""

    def forward(self, x: Tensor) -> Tensor:
        if _is_turned_slowly(self, x, 1 / (self.stride[0] * self.stride[1])):
            return _turned(super().forward(_Last.apply(x)))
        return super().forward(x)


class TransposedConvolution(nn.ConvTranspose2d):
    """A transposed convolution; see above. Weights, names and results are those of `torch.nn.ConvTranspose2d`."""

    def forward(self, x: Tensor, output_size: list[int] | None = None) -> Tensor:
        if _is_turned_slowly(self, x, self.stride[0] * self.stride[1]):
            return _turned(super().forward(_Last.apply(x), output_size))
        return super().forward(x, output_size)


@contextmanager
def as_torch_does() -> Iterator[None]:
    """Leave convolutions to torch in this block, in all threads, as compilers do."""
    global _left_to_torch
    before, _left_to_torch = _left_to_torch, True
    try:
        yield
    finally:
        _left_to_torch = before


def _turned(out: Tensor) -> Tensor:
    if not out.is_contiguous():  # one channel is in both layouts
        out = _First.apply(out)
    return out


def _is_turned_slowly(layer: nn.Conv2d | nn.ConvTranspose2d, x: Tensor, growth: float) -> bool:
    """Whether torch would copy the result, or a gradient, for long.

    Args:
        growth: pixels of the result for each of the input, about.
    """
    if torch.compiler.is_compiling() or _left_to_torch:  # first, as nothing below is for compilers
        return False
    if max(layer.in_channels, layer.out_channels) < _LEAST_CHANNELS or x.device.type != "cpu" or not _amx():
        return False
    if x.ndim != 4:
        return False
    if torch._C._get_tracing_state() is not None:  # there sizes are no numbers
        return False
    values = x.shape[0] * x.shape[2] * x.shape[3] * max(layer.in_channels, layer.out_channels * growth)
    if values < _LEAST_VALUES * torch.get_num_threads():
        return False
    return x.is_contiguous() and _precision(x) is torch.bfloat16


def _precision(x: Tensor) -> torch.dtype:
    return torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else x.dtype


@cache
def _amx() -> bool:
    return has_amx()


class _Last(torch.autograd.Function):
    """The same values in channels-last layout; gradients come back in the usual one."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.contiguous(memory_format=torch.channels_last)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        return _First.apply(gradients[0])


class _First(torch.autograd.Function):
    """The same values in the usual layout; gradients come back in channels-last layout."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return _channels_first(x)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        return _Last.apply(gradients[0])


def _channels_first(x: Tensor) -> Tensor:
    """``(N, C, H, W)`` in the usual layout: each image is a matrix to transpose."""
    if x.is_contiguous() or not x.is_contiguous(memory_format=torch.channels_last):
        return x.contiguous()
    _, channels, height, width = x.shape
    out = torch.empty(x.shape, dtype=x.dtype, device=x.device)
    for image, made in zip(x, out, strict=True):
        made.view(channels, height * width).copy_(image.permute(1, 2, 0).view(height * width, channels).t())
    return out
