"""Run a network over an image that is too large for it, layer by layer over strips of rows.

Instance norm needs the mean and variance of a whole layer, so cutting the image into tiles changes the result:
every tile would be normalized by its own statistics. Here each layer is finished, strip by strip, before the next
one begins. What is kept of a layer is the output of its convolution, in half precision, on disk when it is large;
norm, activation, padding and upsampling are applied when rows of it are read. The sums for the statistics are
taken in float64 from the values before rounding. The stream that residual blocks add to is kept in single precision.

Half precision rounds by 2^-11 of a value, and a norm divides by the standard deviation, which can be a small part of
the mean: of a nearly flat picture little but rounding would be left. So each channel is stored less its mean over the
first strip. That is at most std / sqrt(f) from the mean of the whole layer, f being the strip's share of the rows, so
a normalized value z is off by at most 2^-11 * (|z| + 1 / sqrt(f)), whatever the contrast.

A network is a chain of `Rows`: lazy views of ``(1, C, H, W)`` that give any range of rows on demand.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gantool.arrays import Floats, Pixels
from gantool.nets.antialias import BlurDown
from gantool.nets.resnet import PictureSkip, ResnetBlock
from gantool.nets.unet import UnetLevel

__all__ = ["can_walk", "run_in_strips"]

_STRIP_BYTES = 24 * 2**20
_MEMORY_BYTES = 128 * 2**20  # a layer larger than this goes to disk
_HALF_LIMIT = 60_000.0  # float16 ends at 65504

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


@torch.no_grad()
def run_in_strips(net: nn.Module, pixels: Pixels, *, precision: torch.dtype | None = None) -> Iterator[Floats]:
    """Yield what ``net`` makes of the whole image, with memory for a few strips of it.

    Args:
        net: in eval mode; see `can_walk`. Its parameters' device computes.
        pixels: ``(H, W, C)`` uint8, sides multiples of what the network needs.
        precision: autocast type, or None for float32.

    Yields:
        Rows ``(C', rows, W)`` from top to bottom, which differ from the one-piece result by the rounding to float16
        only: usually by less than a level of 255, and no more where the picture is nearly flat.
    """
    device = next(net.parameters()).device
    chain = _ImageRows(pixels, device)
    try:
        rows = _Walker(device, precision, np.float16).walk(net.model, chain)  # type: ignore[arg-type]
    except _HalfOverflow:
        rows = _Walker(device, precision, np.float32).walk(net.model, chain)  # type: ignore[arg-type]
    # The strips are as high as the widest layer allows; the image itself has few channels.
    step = max(4, _STRIP_BYTES // (64 * rows.width * 4))
    for top in range(0, rows.height, step):
        yield rows.rows(top, min(top + step, rows.height))[0].cpu().numpy()


class _HalfOverflow(Exception):  # noqa: N818
    """A layer has values that float16 cannot hold."""


class Rows(Protocol):
    """A lazy ``(1, channels, height, width)``; ``cheap`` if reading rows twice costs no convolution."""

    channels: int
    height: int
    width: int
    cheap: bool

    def rows(self, top: int, bottom: int) -> Tensor:
        """Rows ``[top, bottom)`` in float32; the caller may change them."""
        ...


def _strip_height(rows: Rows) -> int:
    return max(4, _STRIP_BYTES // (rows.channels * rows.width * 4) // 4 * 4)


def _strips(rows: Rows) -> list[tuple[int, int]]:
    step = _strip_height(rows)
    return [(top, min(top + step, rows.height)) for top in range(0, rows.height, step)]


class _ImageRows:
    cheap = True

    def __init__(self, pixels: Pixels, device: torch.device) -> None:
        self.height, self.width, self.channels = pixels.shape
        self._pixels, self._device = pixels, device

    def rows(self, top: int, bottom: int) -> Tensor:
        part = torch.from_numpy(np.array(self._pixels[top:bottom])).to(self._device)
        return part.permute(2, 0, 1)[None].float().div_(127.5).sub_(1.0)


class _Stored:
    """A finished layer, in memory or on disk.

    Attributes:
        offset: ``(channels,)``, what every channel's values are stored less than they are.
    """

    cheap = True

    def __init__(self, channels: int, height: int, width: int, walker: _Walker, storage: type[Any]) -> None:
        self.channels, self.height, self.width = channels, height, width
        self.offset = torch.zeros(channels, device=walker.device)
        self._device, self._storage = walker.device, storage
        shape = (height, channels, width)  # rows first, so that a strip is contiguous on disk
        if np.prod(shape) * np.dtype(storage).itemsize <= _MEMORY_BYTES:
            self._data: Any = np.empty(shape, storage)
        else:
            with tempfile.TemporaryFile(prefix="gantool-") as file:  # the map keeps it alive, nothing else
                self._data = np.memmap(file, storage, "w+", shape=shape)

    def rows(self, top: int, bottom: int) -> Tensor:
        part = torch.from_numpy(np.asarray(self._data[top:bottom]))
        return part.to(self._device, torch.float32, copy=True).transpose(0, 1)[None].add_(_planes(self.offset))

    def write(self, top: int, values: Tensor) -> None:
        """Store rows ``(1, C, rows, W)``, less the offset already."""
        strip = values[0].transpose(0, 1)
        if self._storage is np.float16 and float(strip.abs().max()) > _HALF_LIMIT:
            raise _HalfOverflow
        kind = torch.float16 if self._storage is np.float16 else torch.float32
        self._data[top : top + strip.shape[0]] = strip.to(kind).cpu().numpy()


class _Mapped:
    """A function of every value, such as a norm with known statistics or an activation."""

    def __init__(self, source: Rows, function: Callable[[Tensor], Tensor]) -> None:
        self.channels, self.height, self.width, self.cheap = (
            source.channels,
            source.height,
            source.width,
            source.cheap,
        )
        self._source, self._function = source, function

    def rows(self, top: int, bottom: int) -> Tensor:
        return self._function(self._source.rows(top, bottom))


class _Combined:
    """A function of two sources of the same shape."""

    def __init__(self, first: Rows, second: Rows, function: Callable[[Tensor, Tensor], Tensor]) -> None:
        self.channels, self.height, self.width = second.channels, second.height, second.width
        self.cheap = first.cheap and second.cheap
        self._sources, self._function = (first, second), function

    def rows(self, top: int, bottom: int) -> Tensor:
        first, second = (source.rows(top, bottom) for source in self._sources)
        return self._function(first, second)


class _Padded:
    def __init__(self, source: Rows, above: int, below: int, left: int, right: int, mode: str) -> None:
        self.channels, self.cheap = source.channels, source.cheap
        self.height, self.width = source.height + above + below, source.width + left + right
        self._source, self._above, self._sides, self._mode = source, above, (left, right, 0, 0), mode

    def rows(self, top: int, bottom: int) -> Tensor:
        height = self._source.height
        wanted = np.arange(top - self._above, bottom - self._above)
        if self._mode == "reflect":
            inside = np.abs(wanted)
            inside = np.where(inside >= height, 2 * (height - 1) - inside, inside)
        else:
            inside = np.clip(wanted, 0, height - 1)
        first, last = int(inside.min()), int(inside.max()) + 1
        block = self._source.rows(first, last)
        if len(wanted) != last - first or not np.array_equal(inside, np.arange(first, last)):
            block = block[:, :, torch.from_numpy(inside - first).to(block.device)]
        if self._mode == "zeros":
            outside = torch.from_numpy((wanted < 0) | (wanted >= height)).to(block.device)
            if bool(outside.any()):
                block[:, :, outside] = 0
            return F.pad(block, self._sides) if any(self._sides) else block
        return F.pad(block, self._sides, mode=self._mode) if any(self._sides) else block


class _Upsampled:
    def __init__(self, source: Rows, factor: int) -> None:
        self.channels, self.cheap = source.channels, source.cheap
        self.height, self.width = source.height * factor, source.width * factor
        self._source, self._factor = source, factor

    def rows(self, top: int, bottom: int) -> Tensor:
        factor = self._factor
        first = top // factor
        block = self._source.rows(first, -(-bottom // factor))
        large = F.interpolate(block, scale_factor=factor, mode="nearest")
        return large[:, :, top - first * factor : bottom - first * factor]


class _Interpolated:
    """Doubled by linear interpolation; a row lies between the two nearest of the source, the border's repeat."""

    def __init__(self, source: Rows) -> None:
        self.channels, self.cheap = source.channels, source.cheap
        self.height, self.width = source.height * 2, source.width * 2
        self._source = _Padded(source, 1, 1, 0, 0, "replicate")

    def rows(self, top: int, bottom: int) -> Tensor:
        first = top // 2
        block = self._source.rows(first, -(-bottom // 2) + 2)
        large = F.interpolate(block, scale_factor=2, mode="bilinear", align_corners=False)
        start = 2 * first - 2  # of the block's first row, which is the one above
        return large[:, :, top - start : bottom - start]


class _Blurred:
    """Halved by a filter that reaches one row and column further."""

    def __init__(self, source: Rows) -> None:
        self.channels, self.cheap = source.channels, source.cheap
        self.height, self.width = (source.height + 1) // 2, (source.width + 1) // 2
        self._source = _Padded(source, 1, 1, 1, 1, "reflect")

    def rows(self, top: int, bottom: int) -> Tensor:
        return BlurDown.of_padded(self._source.rows(2 * top, 2 * bottom + 1)[..., : 2 * self.width + 1])


class _Concatenated:
    def __init__(self, upper: Rows, lower: Rows) -> None:
        self.channels, self.height, self.width = upper.channels + lower.channels, upper.height, upper.width
        self.cheap = upper.cheap and lower.cheap
        self._parts = (upper, lower)

    def rows(self, top: int, bottom: int) -> Tensor:
        return torch.cat([part.rows(top, bottom) for part in self._parts], dim=1)


class _Convolved:
    """A convolution without padding of its own, computed when it is read."""

    cheap = False

    def __init__(self, source: Rows, conv: nn.Conv2d, walker: _Walker) -> None:
        (self._kernel, kernel_w), (self._stride, stride_w) = conv.kernel_size, conv.stride
        self.channels = conv.out_channels
        self.height = (source.height - self._kernel) // self._stride + 1
        self.width = (source.width - kernel_w) // stride_w + 1
        self._source, self._conv, self._walker = source, conv, walker

    def rows(self, top: int, bottom: int) -> Tensor:
        block = self._source.rows(top * self._stride, (bottom - 1) * self._stride + self._kernel)
        conv = self._conv
        with self._walker.autocast():
            return F.conv2d(block, conv.weight, conv.bias, stride=conv.stride, groups=conv.groups).float()


class _TransposeConvolved:
    """A transposed convolution, computed when it is read."""

    cheap = False

    def __init__(self, source: Rows, conv: nn.ConvTranspose2d, walker: _Walker) -> None:
        self.channels = conv.out_channels
        sides = []
        for axis, size in enumerate((source.height, source.width)):
            border, extra = conv.padding[axis], conv.output_padding[axis]
            assert isinstance(border, int)
            sides.append((size - 1) * conv.stride[axis] - 2 * border + conv.kernel_size[axis] + extra)
        self.height, self.width = sides
        self._source, self._conv, self._walker = source, conv, walker

    def rows(self, top: int, bottom: int) -> Tensor:
        # Input row i reaches output rows i * stride - padding + [0, kernel).
        conv = self._conv
        stride, kernel, border = conv.stride[0], conv.kernel_size[0], int(conv.padding[0])
        first = max(-(-(top + border - kernel + 1) // stride), 0)
        last = min((bottom - 1 + border) // stride + 1, self._source.height)
        with self._walker.autocast():
            block = F.conv_transpose2d(
                self._source.rows(first, last),
                conv.weight,
                conv.bias,
                stride=conv.stride,
                padding=(0, conv.padding[1]),  # type: ignore[arg-type]
                output_padding=(0, conv.output_padding[1]),
                groups=conv.groups,
            ).float()
        start = first * stride - border
        return block[:, :, top - start : bottom - start]


class _Walker:
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
            return _Combined(rows, self.walk(module.body, rows), module.combine)
        if isinstance(module, UnetLevel):
            rows = rows if rows.cheap else self._finish(rows)[0]
            below = self.walk(module.model, rows)
            return below if module.outermost else _Concatenated(rows, below)
        if isinstance(module, nn.Conv2d):
            source = rows if rows.cheap else self._finish(rows)[0]
            assert isinstance(module.padding, tuple)
            down, across = module.padding
            padded = _Padded(source, down, down, across, across, "zeros") if down or across else source
            return _Convolved(padded, module, self)
        if isinstance(module, nn.ConvTranspose2d):
            return _TransposeConvolved(rows if rows.cheap else self._finish(rows)[0], module, self)
        if isinstance(module, nn.InstanceNorm2d):
            return self._instance_norm(module, rows)
        if isinstance(module, nn.BatchNorm2d):
            return self._batch_norm(module, rows)
        if isinstance(module, nn.Upsample):
            source = rows if rows.cheap else self._finish(rows)[0]
            if module.mode == "bilinear":
                return _Interpolated(source)
            return _Upsampled(source, int(float(module.scale_factor)))  # type: ignore[arg-type]
        if isinstance(module, BlurDown):
            return _Blurred(rows if rows.cheap else self._finish(rows)[0])
        if isinstance(module, _SKIPPED):
            return rows
        if isinstance(module, _POINTWISE):
            return _Mapped(rows, module)
        for kind, mode in _PADDINGS.items():
            if isinstance(module, kind):
                left, right, above, below_ = module.padding  # type: ignore[misc]
                source = rows if rows.cheap else self._finish(rows)[0]
                return _Padded(source, above, below_, left, right, mode)
        raise TypeError(f"{type(module).__name__} cannot be run in strips")

    def _finish(self, rows: Rows) -> tuple[_Stored, Tensor, Tensor]:
        """Compute a layer completely; return it with every channel's mean and biased variance in float64."""
        stored = _Stored(rows.channels, rows.height, rows.width, self, self.storage)
        accurate = torch.float64 if self.device.type != "mps" else torch.float32
        total = torch.zeros(rows.channels, dtype=accurate, device=self.device)
        squares = torch.zeros_like(total)
        for top, bottom in _strips(rows):
            strip = rows.rows(top, bottom)
            if top == 0:
                stored.offset = strip.mean(dim=(0, 2, 3), dtype=accurate).float()
            strip -= _planes(stored.offset)
            stored.write(top, strip)
            total += strip.sum(dim=(0, 2, 3), dtype=accurate)
            squares += strip.square_().sum(dim=(0, 2, 3), dtype=accurate)
        count = rows.height * rows.width
        mean = total / count
        return stored, stored.offset + mean, (squares / count - mean.square()).clamp_(min=0)

    def _instance_norm(self, norm: nn.InstanceNorm2d, rows: Rows) -> Rows:
        stored, mean, variance = self._finish(rows)
        return _Mapped(stored, _affine(mean, variance, norm))

    def _batch_norm(self, norm: nn.BatchNorm2d, rows: Rows) -> Rows:
        assert norm.running_mean is not None and norm.running_var is not None
        return _Mapped(rows, _affine(norm.running_mean, norm.running_var, norm))

    def _add(self, rows: Rows, block: ResnetBlock) -> Rows:
        """``x + block(x)``, finished, so that a later block does not read through all earlier ones.

        In float32: all blocks add to this one stream, and so would their rounding errors.
        """
        change = self.walk(block.conv_block, rows)
        total = _Stored(rows.channels, rows.height, rows.width, self, np.float32)
        for top, bottom in _strips(rows):
            total.write(top, rows.rows(top, bottom).add_(change.rows(top, bottom)))
        return total


def _affine(mean: Tensor, variance: Tensor, norm: nn.InstanceNorm2d | nn.BatchNorm2d) -> Callable[[Tensor], Tensor]:
    """``(x - mean) / sqrt(variance + eps) * weight + bias`` as one multiplication and one addition, in place."""
    scale = (variance.double() if variance.device.type != "mps" else variance).add(norm.eps).rsqrt()
    shift = -mean * scale
    if norm.weight is not None:
        scale, shift = scale * norm.weight, shift * norm.weight + norm.bias
    scale, shift = _planes(scale.float()), _planes(shift.float())
    return lambda values: values.mul_(scale).add_(shift)


def _planes(values: Tensor) -> Tensor:
    """``(C,)`` to ``(1, C, 1, 1)``."""
    return values[None, :, None, None]
