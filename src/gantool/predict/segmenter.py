"""Segment images with a network: sizes, precision, views and memory; `bands` does the rest."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from gantool.arrays import Pixels
from gantool.predict.bands import segment_in_bands
from gantool.predict.memory import bytes_per_pixel, free_memory
from gantool.predict.results import Segmented
from gantool.predict.tiling import Tiling

Mode = Literal["multiclass", "binary", "multilabel"]

__all__ = ["SegmentPredictor", "Segmented"]

_TYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}
_LARGEST_WINDOW = 1024
_TTA_SCALES = (0.75, 1.0, 1.25)


class SegmentPredictor:
    """Segments images with one network.

    Args:
        net: logits from images in [-1, 1]; in eval mode, moved to ``device``.
        mode: how outputs become classes.
        multiple_of, smallest: what the network needs of height and width.
        load_size: shorter side to scale to first; 0 keeps the image's size.
        tta: average over mirrored and differently scaled views.
        memory: bytes that a one-piece run may take; default a part of what is free.
    """

    def __init__(
        self,
        net: nn.Module,
        mode: Mode,
        *,
        multiple_of: int = 32,
        smallest: int = 32,
        load_size: int = 0,
        device: torch.device | str = "cpu",
        precision: str = "fp32",
        tiling: Tiling | None = None,
        tta: bool = False,
        memory: int | None = None,
    ) -> None:
        self.device = torch.device(device)
        self.net = net.eval().to(self.device)
        self.mode, self.load_size, self.tta = mode, load_size, tta
        self.multiple_of, self.smallest = multiple_of, smallest
        self.precision = _TYPES.get(precision)
        self.tiling = tiling or Tiling()
        self._memory = memory if memory is not None else free_memory(self.device)
        self._bytes_per_pixel: float | None = None

    def __call__(self, pixels: Pixels, *, probabilities: bool = False) -> Segmented:
        """Segment ``(H, W, 3)`` uint8, H and W at least 1."""
        return segment_in_bands(
            self._shares, pixels, load_size=self.load_size, window=self.window, probabilities=probabilities
        )

    def window(self, height: int, width: int) -> int:
        """Side of the windows that a (scaled) image of this size is run in; 0 for one piece."""
        if self.tiling.mode == "off":
            return 0
        if self.tiling.mode == "size":
            side = self._whole(self.tiling.size)
            return side if max(height, width) > side else 0
        if self._bytes_per_pixel is None:
            self._bytes_per_pixel = bytes_per_pixel(self.net, self._whole(0), self.device)
        largest = max(_TTA_SCALES) ** 2 if self.tta else 1.0
        if height * width * largest * self._bytes_per_pixel <= self._memory:
            return 0
        fitting = int((self._memory / self._bytes_per_pixel / largest) ** 0.5)
        side = self._whole(min(fitting, _LARGEST_WINDOW))
        return side if max(height, width) > side else 0

    def _whole(self, side: int) -> int:
        return max(side // self.multiple_of * self.multiple_of, 2 * self.multiple_of, self.smallest)

    def _shares(self, pixels: Pixels) -> NDArray[np.float32]:
        """Probabilities ``(C, H, W)``, averaged over views where asked for."""
        image = torch.from_numpy(np.array(pixels)).permute(2, 0, 1)[None].to(self.device)
        image = image.float().div_(127.5).sub_(1.0)
        if not self.tta:
            return np.asarray(self._run(image)[0].cpu())
        height, width = image.shape[-2:]
        total: Tensor | None = None
        for scale in _TTA_SCALES:
            size = (max(round(height * scale), 1), max(round(width * scale), 1))
            view = image if scale == 1 else _interpolated(image, size)
            for flip in (False, True):
                result = self._run(view.flip(-1) if flip else view)
                result = _interpolated(result.flip(-1) if flip else result, (height, width))
                total = result if total is None else total + result
        assert total is not None
        return np.asarray((total / (2 * len(_TTA_SCALES)))[0].cpu())

    def _run(self, image: Tensor) -> Tensor:
        height, width = image.shape[-2:]
        multiple = self.multiple_of
        bottom = max(-height % multiple, self.smallest - height)
        right = max(-width % multiple, self.smallest - width)
        padded = _padded(image, right, bottom)
        with (
            torch.no_grad(),
            torch.autocast(
                self.device.type, dtype=self.precision or torch.bfloat16, enabled=self.precision is not None
            ),
        ):
            whole: Tensor = self.net(padded)
        logits = whole[..., :height, :width].float()
        if self.mode == "multiclass":
            return torch.softmax(logits, 1)
        if self.mode == "binary":
            one = torch.sigmoid(logits)
            return torch.cat([1 - one, one], 1)
        return torch.sigmoid(logits)


def _padded(image: Tensor, right: int, bottom: int) -> Tensor:
    """Continue an image beyond its right and lower border: by reflection as far as that goes, then by its last."""
    if not (right or bottom):
        return image
    height, width = image.shape[-2:]
    across, down = min(right, width - 1), min(bottom, height - 1)
    image = F.pad(image, (0, across, 0, down), mode="reflect")
    return F.pad(image, (0, right - across, 0, bottom - down), mode="replicate")


def _interpolated(planes: Tensor, size: tuple[int, int]) -> Tensor:
    if planes.shape[-2:] == size:
        return planes
    return F.interpolate(planes, size=size, mode="bilinear", align_corners=False)
