"""A network as a chain of rows; a layer is finished where its statistics are needed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from gantool.nets.antialias import BlurDown
from gantool.nets.resnet import PictureSkip, ResnetBlock
from gantool.nets.unet import UnetLevel
from gantool.predict.strips.rows import (
    Blurred,
    Combined,
    Concatenated,
    Convolved,
    Interpolated,
    Mapped,
    Padded,
    Rows,
    Stored,
    TransposeConvolved,
    Upsampled,
    planes,
)

__all__ = ["STRIP_BYTES", "Walker", "affine", "can_walk", "strips_of"]

STRIP_BYTES = 24 * 2**20

_POINTWISE = (nn.ReLU, nn.LeakyReLU, nn.Tanh)
_SKIPPED = (nn.Identity, nn.Dropout)
_PADDINGS = {nn.ReflectionPad2d: "reflect", nn.ReplicationPad2d: "replicate", nn.ZeroPad2d: "zeros"}
_LEAVES = (
    nn.Conv2d, nn.ConvTranspose2d, nn.InstanceNorm2d, nn.BatchNorm2d, nn.Upsample, BlurDown, *_POINTWISE,
    *_SKIPPED, *_PADDINGS,
)  # fmt: skip


def can_walk(net: nn.Module) -> bool:
    """Whether the network consists of layers that strips are exact for, as gantool's generators have them."""
    return all(
        isinstance(module, (*_LEAVES, nn.Sequential, PictureSkip, ResnetBlock, UnetLevel)) or module is net
        for module in net.modules()
    ) and isinstance(getattr(net, "model", None), (nn.Sequential, UnetLevel))


def strips_of(rows: Rows, channels: int | None = None) -> list[tuple[int, int]]:
    """First row and end of each strip, as high as a layer of so many channels allows, by default its own."""
    step = STRIP_BYTES // ((channels or rows.channels) * rows.width * 4)
    step = max(4, step if channels else step // 4 * 4)
    return [(top, min(top + step, rows.height)) for top in range(0, rows.height, step)]


class Walker:
    """Builds the chain of rows for a network; finishes a layer where its statistics are needed."""

    def __init__(self, device: torch.device, precision: torch.dtype | None, storage: type[Any]) -> None:
        self.device, self.precision, self.storage = device, precision, storage

    def autocast(self) -> torch.autocast:
        return torch.autocast(
            self.device.type, dtype=self.precision or torch.bfloat16, enabled=self.precision is not None
        )

    def walk(self, module: nn.Module, rows: Rows) -> Rows:
        if isinstance(module, nn.Sequential):
            for child in module:
                rows = self.walk(child, rows)
            return rows
        if isinstance(module, ResnetBlock):
            return self._add(rows if rows.cheap else self._finish(rows)[0], module)
        if isinstance(module, PictureSkip):
            return Combined(rows, self.walk(module.body, rows), module.combine)
        if isinstance(module, UnetLevel):
            rows = rows if rows.cheap else self._finish(rows)[0]
            below = self.walk(module.model, rows)
            return below if module.outermost else Concatenated(rows, below)
        if isinstance(module, nn.Conv2d):
            source = rows if rows.cheap else self._finish(rows)[0]
            assert isinstance(module.padding, tuple)
            down, across = module.padding
            padded = Padded(source, down, down, across, across, "zeros") if down or across else source
            return Convolved(padded, module, self.autocast)
        if isinstance(module, nn.ConvTranspose2d):
            return TransposeConvolved(rows if rows.cheap else self._finish(rows)[0], module, self.autocast)
        if isinstance(module, nn.InstanceNorm2d):
            return self._instance_norm(module, rows)
        if isinstance(module, nn.BatchNorm2d):
            return self._batch_norm(module, rows)
        if isinstance(module, nn.Upsample):
            source = rows if rows.cheap else self._finish(rows)[0]
            if module.mode == "bilinear":
                return Interpolated(source)
            return Upsampled(source, int(float(module.scale_factor)))  # type: ignore[arg-type]
        if isinstance(module, BlurDown):
            return Blurred(rows if rows.cheap else self._finish(rows)[0])
        if isinstance(module, _SKIPPED):
            return rows
        if isinstance(module, _POINTWISE):
            return Mapped(rows, module)
        for kind, mode in _PADDINGS.items():
            if isinstance(module, kind):
                left, right, above, below_ = module.padding  # type: ignore[misc]
                source = rows if rows.cheap else self._finish(rows)[0]
                return Padded(source, above, below_, left, right, mode)
        raise TypeError(f"{type(module).__name__} cannot be run in strips")

    def _finish(self, rows: Rows) -> tuple[Stored, Tensor, Tensor]:
        """Compute a layer completely; return it with every channel's mean and biased variance in float64."""
        stored = Stored(rows.channels, rows.height, rows.width, self.device, self.storage)
        accurate = torch.float64 if self.device.type != "mps" else torch.float32
        total = torch.zeros(rows.channels, dtype=accurate, device=self.device)
        squares = torch.zeros_like(total)
        for top, bottom in strips_of(rows):
            strip = rows.rows(top, bottom)
            if top == 0:
                stored.offset = strip.mean(dim=(0, 2, 3), dtype=accurate).float()
            strip -= planes(stored.offset)
            stored.write(top, strip)
            total += strip.sum(dim=(0, 2, 3), dtype=accurate)
            squares += strip.square_().sum(dim=(0, 2, 3), dtype=accurate)
        count = rows.height * rows.width
        mean = total / count
        return stored, stored.offset + mean, (squares / count - mean.square()).clamp_(min=0)

    def _instance_norm(self, norm: nn.InstanceNorm2d, rows: Rows) -> Rows:
        stored, mean, variance = self._finish(rows)
        return Mapped(stored, affine(mean, variance, norm))

    def _batch_norm(self, norm: nn.BatchNorm2d, rows: Rows) -> Rows:
        assert norm.running_mean is not None and norm.running_var is not None
        return Mapped(rows, affine(norm.running_mean, norm.running_var, norm))

    def _add(self, rows: Rows, block: ResnetBlock) -> Rows:
        """``x + block(x)``, finished, so that a later block does not read through all earlier ones.

        In float32: all blocks add to this one stream, and so would their rounding errors.
        """
        change = self.walk(block.conv_block, rows)
        total = Stored(rows.channels, rows.height, rows.width, self.device, np.float32)
        for top, bottom in strips_of(rows):
            total.write(top, rows.rows(top, bottom).add_(change.rows(top, bottom)))
        return total


def affine(mean: Tensor, variance: Tensor, norm: nn.InstanceNorm2d | nn.BatchNorm2d) -> Callable[[Tensor], Tensor]:
    """``(x - mean) / sqrt(variance + eps) * weight + bias`` as one multiplication and one addition, in place."""
    scale = (variance.double() if variance.device.type != "mps" else variance).add(norm.eps).rsqrt()
    shift = -mean * scale
    if norm.weight is not None:
        scale, shift = scale * norm.weight, shift * norm.weight + norm.bias
    scale, shift = planes(scale.float()), planes(shift.float())
    return lambda values: values.mul_(scale).add_(shift)
