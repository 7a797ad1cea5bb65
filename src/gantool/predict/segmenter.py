"""From an image of any size to its label map, with bounded memory.

The image is scaled as in training, run in one piece or in overlapping windows whose probabilities fade into each
other, and the probabilities are scaled back to the image's size. Rows are finished from top to bottom, so that only a
band of probabilities is ever in memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from gantool.predict.memory import bytes_per_pixel, free_memory
from gantool.predict.results import Segmented
from gantool.predict.tiling import Tiling, ramp, tile_starts

Pixels = NDArray[np.uint8]
Mode = Literal["multiclass", "binary", "multilabel"]

__all__ = ["SegmentPredictor", "Segmented"]

_TYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}
_LARGEST_WINDOW = 1024
_ROWS = 64  # finished rows that are scaled back at a time
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
        height, width = pixels.shape[:2]
        scaled = _scaled(pixels, self.load_size)
        mask = np.empty((height, width), dtype=np.uint8)
        kept: NDArray[np.float16] | None = None
        for top, rows in _resized_rows(self._bands(scaled), scaled.shape[0], height, width):
            # One output is enough for two classes; as probabilities there are two again.
            mask[top : top + rows.shape[1]] = rows.argmax(0).to(torch.uint8).numpy()
            if probabilities:
                if kept is None:
                    kept = np.empty((height, width, rows.shape[0]), dtype=np.float16)
                kept[top : top + rows.shape[1]] = rows.permute(1, 2, 0).half().numpy()
        return Segmented(mask, kept)

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

    # -- probabilities --------------------------------------------------------------------------------------------

    def _bands(self, pixels: Pixels) -> Iterator[Tensor]:
        """Yield finished probabilities ``(C, rows, W)`` from top to bottom."""
        height, width = pixels.shape[:2]
        side = self.window(height, width)
        if side == 0:
            yield self._views(pixels)
            return
        overlap = side // 4
        tops, lefts = tile_starts(height, side, overlap), tile_starts(width, side, overlap)
        high, wide = min(side, height), min(side, width)
        down, across = _fades(tops, high, height, overlap), _fades(lefts, wide, width, overlap)
        band: Tensor | None = None
        for place, top in enumerate(tops):
            for n, left in enumerate(lefts):
                part = self._views(pixels[top : top + high, left : left + wide])
                if band is None:
                    band = torch.zeros(part.shape[0], high, width)
                band[:, :, left : left + wide] += part * (down[place][:, None] * across[n][None, :])
            assert band is not None
            finished = (tops[place + 1] if place + 1 < len(tops) else height) - top
            yield band[:, :finished].clone()
            rest = torch.zeros_like(band)
            rest[:, : high - finished] = band[:, finished:]
            band = rest

    def _views(self, pixels: Pixels) -> Tensor:
        """Probabilities ``(C, H, W)`` float32 on the CPU, averaged over views where asked for."""
        image = torch.from_numpy(np.array(pixels)).permute(2, 0, 1)[None].to(self.device)
        image = image.float().div_(127.5).sub_(1.0)
        if not self.tta:
            return self._run(image)[0].cpu()
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
        return (total / (2 * len(_TTA_SCALES)))[0].cpu()

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


def _scaled(pixels: Pixels, load_size: int) -> Pixels:
    height, width = pixels.shape[:2]
    if load_size == 0 or min(height, width) == load_size:
        return pixels
    grow = load_size / min(height, width)
    size = (max(round(width * grow), 1), max(round(height * grow), 1))
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BILINEAR))


def _interpolated(planes: Tensor, size: tuple[int, int]) -> Tensor:
    if planes.shape[-2:] == size:
        return planes
    return F.interpolate(planes, size=size, mode="bilinear", align_corners=False)


def _fades(starts: list[int], side: int, length: int, overlap: int) -> list[Tensor]:
    """Weights of every window along one axis; they add up to 1 everywhere."""
    one = torch.from_numpy(ramp(side, overlap))
    total = torch.zeros(length)
    for start in starts:
        total[start : start + side] += one
    return [one / total[start : start + side] for start in starts]


def _resized_rows(
    bands: Iterator[Tensor], source_height: int, height: int, width: int
) -> Iterator[tuple[int, Tensor]]:
    """Scale bands of rows, bilinearly, to ``(C, height, width)`` as if they were one; yield ``(top, rows)``."""
    ratio = source_height / height
    buffer: Tensor | None = None
    first = 0  # source row of the buffer's first
    done = 0
    for band in bands:
        wide = band if band.shape[2] == width else _interpolated(band[None], (band.shape[1], width))[0]
        buffer = wide if buffer is None else torch.cat([buffer, wide], 1)
        end = first + buffer.shape[1]
        whole = end == source_height
        while done < height:
            last = min(done + _ROWS, height)
            # Output row y lies at source row (y + 0.5) * ratio - 0.5, between two rows.
            places = ((torch.arange(done, last) + 0.5) * ratio - 0.5).clamp(0, source_height - 1)
            low = places.floor().long()
            high = (low + 1).clamp(max=source_height - 1)
            if int(high[-1]) >= end and not whole:
                break
            share = (places - low).view(1, -1, 1)
            if ratio == 1:
                yield done, buffer[:, low - first]
            else:
                yield done, buffer[:, low - first] * (1 - share) + buffer[:, high - first] * share
            done = last
        if done < height:
            needed = max(int(((done + 0.5) * ratio - 0.5) // 1), 0)
            cut = max(min(needed - first, buffer.shape[1]), 0)
            buffer, first = buffer[:, cut:], first + cut
