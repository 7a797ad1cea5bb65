"""Lazy views of an image's rows: layers that are computed strip by strip when they are read.

Every class is a ``(1, channels, height, width)`` that gives any range of its rows on demand, from ranges of the one
before it; see `Rows`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Protocol

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gantool.arrays import Pixels
from gantool.nets.antialias import BlurDown

__all__ = [
    "Blurred", "Combined", "Concatenated", "Convolved", "HalfOverflow", "ImageRows", "Interpolated", "Mapped",
    "Padded", "Rows", "Stored", "TransposeConvolved", "Upsampled", "planes",
]  # fmt: skip

_MEMORY_BYTES = 128 * 2**20  # a layer larger than this goes to disk
_HALF_LIMIT = 60_000.0  # float16 ends at 65504

Autocast = Callable[[], AbstractContextManager[Any]]
"""Makes the context that convolutions run in."""


class HalfOverflow(Exception):  # noqa: N818
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


class ImageRows:
    cheap = True

    def __init__(self, pixels: Pixels, device: torch.device) -> None:
        self.height, self.width, self.channels = pixels.shape
        self._pixels, self._device = pixels, device

    def rows(self, top: int, bottom: int) -> Tensor:
        part = torch.from_numpy(np.array(self._pixels[top:bottom])).to(self._device)
        return part.permute(2, 0, 1)[None].float().div_(127.5).sub_(1.0)


class Stored:
    """A finished layer, in memory or on disk.

    Attributes:
        offset: ``(channels,)``, what every channel's values are stored less than they are.
    """

    cheap = True

    def __init__(self, channels: int, height: int, width: int, device: torch.device, storage: type[Any]) -> None:
        self.channels, self.height, self.width = channels, height, width
        self.offset = torch.zeros(channels, device=device)
        self._device, self._storage = device, storage
        shape = (height, channels, width)  # rows first, so that a strip is contiguous on disk
        if np.prod(shape) * np.dtype(storage).itemsize <= _MEMORY_BYTES:
            self._data: Any = np.empty(shape, storage)
        else:
            with tempfile.TemporaryFile(prefix="gantool-") as file:  # the map keeps it alive, nothing else
                self._data = np.memmap(file, storage, "w+", shape=shape)

    def rows(self, top: int, bottom: int) -> Tensor:
        part = torch.from_numpy(np.asarray(self._data[top:bottom]))
        return part.to(self._device, torch.float32, copy=True).transpose(0, 1)[None].add_(planes(self.offset))

    def write(self, top: int, values: Tensor) -> None:
        """Store rows ``(1, C, rows, W)``, less the offset already."""
        strip = values[0].transpose(0, 1)
        if self._storage is np.float16 and float(strip.abs().max()) > _HALF_LIMIT:
            raise HalfOverflow
        kind = torch.float16 if self._storage is np.float16 else torch.float32
        self._data[top : top + strip.shape[0]] = strip.to(kind).cpu().numpy()


class Mapped:
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


class Combined:
    """A function of two sources of the same shape."""

    def __init__(self, first: Rows, second: Rows, function: Callable[[Tensor, Tensor], Tensor]) -> None:
        self.channels, self.height, self.width = second.channels, second.height, second.width
        self.cheap = first.cheap and second.cheap
        self._sources, self._function = (first, second), function

    def rows(self, top: int, bottom: int) -> Tensor:
        first, second = (source.rows(top, bottom) for source in self._sources)
        return self._function(first, second)


class Padded:
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


class Upsampled:
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


class Interpolated:
    """Doubled by linear interpolation; a row lies between the two nearest of the source, the border's repeat."""

    def __init__(self, source: Rows) -> None:
        self.channels, self.cheap = source.channels, source.cheap
        self.height, self.width = source.height * 2, source.width * 2
        self._source = Padded(source, 1, 1, 0, 0, "replicate")

    def rows(self, top: int, bottom: int) -> Tensor:
        first = top // 2
        block = self._source.rows(first, -(-bottom // 2) + 2)
        large = F.interpolate(block, scale_factor=2, mode="bilinear", align_corners=False)
        start = 2 * first - 2  # of the block's first row, which is the one above
        return large[:, :, top - start : bottom - start]


class Blurred:
    """Halved by a filter that reaches one row and column further."""

    def __init__(self, source: Rows) -> None:
        self.channels, self.cheap = source.channels, source.cheap
        self.height, self.width = (source.height + 1) // 2, (source.width + 1) // 2
        self._source = Padded(source, 1, 1, 1, 1, "reflect")

    def rows(self, top: int, bottom: int) -> Tensor:
        return BlurDown.of_padded(self._source.rows(2 * top, 2 * bottom + 1)[..., : 2 * self.width + 1])


class Concatenated:
    def __init__(self, upper: Rows, lower: Rows) -> None:
        self.channels, self.height, self.width = upper.channels + lower.channels, upper.height, upper.width
        self.cheap = upper.cheap and lower.cheap
        self._parts = (upper, lower)

    def rows(self, top: int, bottom: int) -> Tensor:
        return torch.cat([part.rows(top, bottom) for part in self._parts], dim=1)


class Convolved:
    """A convolution without padding of its own, computed when it is read."""

    cheap = False

    def __init__(self, source: Rows, conv: nn.Conv2d, autocast: Autocast) -> None:
        (self._kernel, kernel_w), (self._stride, stride_w) = conv.kernel_size, conv.stride
        self.channels = conv.out_channels
        self.height = (source.height - self._kernel) // self._stride + 1
        self.width = (source.width - kernel_w) // stride_w + 1
        self._source, self._conv, self._autocast = source, conv, autocast

    def rows(self, top: int, bottom: int) -> Tensor:
        block = self._source.rows(top * self._stride, (bottom - 1) * self._stride + self._kernel)
        conv = self._conv
        with self._autocast():
            return F.conv2d(block, conv.weight, conv.bias, stride=conv.stride, groups=conv.groups).float()


class TransposeConvolved:
    """A transposed convolution, computed when it is read."""

    cheap = False

    def __init__(self, source: Rows, conv: nn.ConvTranspose2d, autocast: Autocast) -> None:
        self.channels = conv.out_channels
        sides = []
        for axis, size in enumerate((source.height, source.width)):
            border, extra = conv.padding[axis], conv.output_padding[axis]
            assert isinstance(border, int)
            sides.append((size - 1) * conv.stride[axis] - 2 * border + conv.kernel_size[axis] + extra)
        self.height, self.width = sides
        self._source, self._conv, self._autocast = source, conv, autocast

    def rows(self, top: int, bottom: int) -> Tensor:
        # Input row i reaches output rows i * stride - padding + [0, kernel).
        conv = self._conv
        stride, kernel, border = conv.stride[0], conv.kernel_size[0], int(conv.padding[0])
        first = max(-(-(top + border - kernel + 1) // stride), 0)
        last = min((bottom - 1 + border) // stride + 1, self._source.height)
        with self._autocast():
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


def planes(values: Tensor) -> Tensor:
    """``(C,)`` to ``(1, C, 1, 1)``."""
    return values[None, :, None, None]
