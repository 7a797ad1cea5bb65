"""One way from pixels to pixels for every network and every size.

The contract with the network: it takes and gives ``(N, C, H, W)`` float32 in [-1, 1], H and W multiples of
``multiple_of``. The predictor pads by reflection, runs in one piece, in strips or in tiles, clamps and crops.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from gantool.arrays import Pixels
from gantool.predict.changes import Change
from gantool.predict.memory import bytes_per_pixel, free_memory
from gantool.predict.strips import can_walk, run_in_strips
from gantool.predict.tiling import Tiling, run_in_tiles

Way = Literal["one piece", "strips", "tiles"]

__all__ = ["Predictor", "Tiling"]

_SMALLEST_SIDE = 16  # reflection padding inside the networks needs a few pixels at a quarter of the size
_TYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


class Predictor:
    """Translates images with one network.

    Args:
        net: in eval mode; moved to ``device``.
        multiple_of: what the network needs of height and width.
        precision: ``fp32``, ``bf16`` or ``fp16``.
        memory: bytes that a one-piece run may take; default a part of what is free.
        change: find the change on a small picture and apply it to the whole one; None runs the network on the whole.
    """

    def __init__(
        self,
        net: nn.Module,
        *,
        multiple_of: int = 4,
        device: torch.device | str = "cpu",
        precision: str = "fp32",
        tiling: Tiling | None = None,
        memory: int | None = None,
        change: Change | None = None,
    ) -> None:
        self.device = torch.device(device)
        self.net = net.eval().to(self.device)
        self.multiple_of = multiple_of
        self.precision = _TYPES.get(precision)
        self.tiling = tiling or Tiling()
        self._memory = memory if memory is not None else free_memory(self.device)
        self._bytes_per_pixel: float | None = None
        self.change = change

    def __call__(self, pixels: Pixels) -> Pixels:
        """Translate ``(H, W, C)`` uint8 into ``(H, W, C')`` uint8, H and W at least 1."""
        return self.batch([pixels])[0]

    def batch(self, images: Sequence[Pixels]) -> list[Pixels]:
        """Translate images of one size together; each result is what it would be alone."""
        height, width = images[0].shape[:2]
        if self.change is not None and self.tiling.mode == "auto":
            return [self.change.apply(self._small, image) for image in images]
        padded = [self._pad(image) for image in images]
        way = self.way(height, width, len(images))
        if way == "one piece":
            results = self._one_piece(padded)
        elif way == "strips":
            results = [run_in_strips(self.net, image, precision=self.precision) for image in padded]
        else:
            size = self._tile_size()
            results = [
                run_in_tiles(lambda part: self._one_piece([part])[0], image, tile=size, overlap=size // 4)
                for image in padded
            ]
        return [result[:height, :width] for result in results]

    def way(self, height: int, width: int, count: int = 1) -> Way:
        """How images of this size are run."""
        if self.tiling.mode == "off":
            return "one piece"
        if self.tiling.mode == "size":
            return "tiles" if max(height, width) > self._tile_size() else "one piece"
        if height * width * count * self.bytes_per_pixel() <= self._memory:
            return "one piece"
        if can_walk(self.net):
            return "strips"
        return "tiles" if height * width * self.bytes_per_pixel() > self._memory else "one piece"

    def bytes_per_pixel(self) -> float:
        """Estimate of the memory that a one-piece run takes, per pixel of the image."""
        if self._bytes_per_pixel is None:
            self._bytes_per_pixel = bytes_per_pixel(self.net, max(self.multiple_of, 2 * _SMALLEST_SIDE), self.device)
        return self._bytes_per_pixel

    def _tile_size(self) -> int:
        fitting = int((self._memory / self.bytes_per_pixel()) ** 0.5)
        size = self.tiling.size if self.tiling.mode == "size" else fitting
        multiple = self.multiple_of
        return max(size // multiple * multiple, multiple, _SMALLEST_SIDE)

    @torch.no_grad()
    def _one_piece(self, images: Sequence[Pixels]) -> list[Pixels]:
        with torch.autocast(
            self.device.type, dtype=self.precision or torch.bfloat16, enabled=self.precision is not None
        ):
            output = self.net(self._tensor(images)).float()
        return self._levels(output)

    @torch.no_grad()
    def _small(self, pixels: Pixels) -> NDArray[np.float32]:
        """What the network makes of a small picture, ``(C, H, W)`` in [-1, 1]."""
        height, width = pixels.shape[:2]
        with torch.autocast(
            self.device.type, dtype=self.precision or torch.bfloat16, enabled=self.precision is not None
        ):
            output: Tensor = self.net(self._tensor([self._pad(pixels)]))
        values: NDArray[np.float32] = output[0, :, :height, :width].float().cpu().numpy()
        return values

    def _tensor(self, images: Sequence[Pixels]) -> Tensor:
        stacked = torch.from_numpy(np.stack(images)).to(self.device)
        return stacked.permute(0, 3, 1, 2).float().div_(127.5).sub_(1.0).contiguous()

    @staticmethod
    def _levels(output: Tensor) -> list[Pixels]:
        levels = output.clamp_(-1, 1).add_(1).mul_(127.5).round_().byte()
        return list(levels.permute(0, 2, 3, 1).cpu().numpy())

    def _pad(self, pixels: Pixels) -> Pixels:
        """Continue the image to the right and below by reflection up to a size that the network takes."""
        pads = []
        for side in pixels.shape[:2]:
            wanted = max(-(-side // self.multiple_of) * self.multiple_of, _SMALLEST_SIDE)
            wanted = -(-wanted // self.multiple_of) * self.multiple_of
            pads.append((0, wanted - side))
        if not any(after for _, after in pads):
            return pixels
        return np.pad(pixels, (*pads, (0, 0)), mode="symmetric")
