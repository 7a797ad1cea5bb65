"""Run exported files on images of any size, with nothing but numpy and Pillow around them.

A file is a function from ``(N, 3, H, W)`` float32 in [-1, 1] to ``(N, C, H, W)``: pictures in [-1, 1] or logits.
Large images run in overlapping tiles; files of a fixed size always do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np

from gantool.arrays import Floats, Pixels
from gantool.errors import UsageError
from gantool.predict.bands import segment_in_bands
from gantool.predict.changes import Change
from gantool.predict.results import Segmented
from gantool.predict.tiling import Tiling, run_in_tiles

__all__ = ["ExportedPredictor", "ExportedSegmenter", "Run", "onnx_runner"]

Run = Callable[[Floats], Floats]

_LARGEST_PIECE = 2048 * 1536  # pixels that run at once
_TILE = 1024
_SMALLEST_SIDE = 16


def onnx_runner(session: Any) -> Run:
    """The function of an ONNX Runtime session."""
    name = session.get_inputs()[0].name

    def run(batch: Floats) -> Floats:
        return np.asarray(session.run(None, {name: batch})[0], dtype=np.float32)

    return run


class _Exported:
    """What both kinds share: sizes that the file takes, and tiles.

    Args:
        multiple_of, smallest: what the network needs of height and width.
        static_size: ``(height, width)`` that the file takes, or None for any.
    """

    def __init__(
        self,
        run: Run,
        *,
        multiple_of: int,
        smallest: int = _SMALLEST_SIDE,
        static_size: tuple[int, int] | None = None,
        tiling: Tiling | None = None,
    ) -> None:
        self._run, self.multiple_of, self.static_size = run, multiple_of, static_size
        self.smallest = max(smallest, _SMALLEST_SIDE)
        self.tiling = tiling or Tiling()
        if static_size is not None and self.tiling.mode == "size" and self.tiling.size != static_size[0]:
            raise UsageError(
                f"--tile {self.tiling.size}: the file takes {static_size[1]}x{static_size[0]} pixels only.",
                "Leave --tile out.",
            )

    def tile_for(self, height: int, width: int) -> int:
        """Side of the tiles for an image of this size; 0 for one piece."""
        if self.static_size is not None:
            side = self.static_size[0]
            return side if max(height, width) > side else 0
        if self.tiling.mode == "off" or (self.tiling.mode == "auto" and height * width <= _LARGEST_PIECE):
            return 0
        wanted = self.tiling.size if self.tiling.mode == "size" else _TILE
        side = max(wanted // self.multiple_of * self.multiple_of, self.multiple_of, self.smallest)
        return side if max(height, width) > side else 0

    def values(self, images: Sequence[Pixels]) -> Floats:
        """What the file makes of images ``(H, W, C)`` of one size: ``(N, C', H, W)``."""
        height, width = images[0].shape[:2]
        batch = np.stack([self._padded(image) for image in images])
        floats = np.ascontiguousarray(batch.transpose(0, 3, 1, 2)).astype(np.float32) / np.float32(127.5) - 1
        return self._run(floats)[:, :, :height, :width]

    def _padded(self, pixels: Pixels) -> Pixels:
        """Continued to the right and below up to a size that the file takes."""
        missing = []
        for axis, side in enumerate(pixels.shape[:2]):
            if self.static_size is not None:
                wanted = self.static_size[axis]
            else:
                wanted = -(-max(side, self.smallest) // self.multiple_of) * self.multiple_of
            missing.append(wanted - side)
        return self._continued(pixels, *missing) if any(missing) else pixels

    @staticmethod
    def _continued(pixels: Pixels, below: int, right: int) -> Pixels:
        return np.pad(pixels, ((0, below), (0, right), (0, 0)), mode="symmetric")


class ExportedPredictor(_Exported):
    """Translates images with an exported file; does what `gantool.predict.predictor.Predictor` does.

    Args:
        change: find the change on a small picture and apply it to the whole one; None runs the file on the whole.
    """

    def __init__(self, run: Run, *, change: Change | None = None, **sizes: Any) -> None:
        super().__init__(run, **sizes)
        self.change = replace(change, exact=self.static_size) if change is not None else None

    def __call__(self, pixels: Pixels) -> Pixels:
        """Translate ``(H, W, C)`` uint8 into ``(H, W, C')`` uint8."""
        return self.batch([pixels])[0]

    def batch(self, images: Sequence[Pixels]) -> list[Pixels]:
        """Translate images of one size together."""
        if self.change is not None and self.tiling.mode == "auto":
            return [self.change.apply(lambda small: self.values([small])[0], image) for image in images]
        side = self.tile_for(*images[0].shape[:2])
        if side:
            return [
                run_in_tiles(lambda part: self._whole([part])[0], image, tile=side, overlap=side // 4)
                for image in images
            ]
        if self.static_size is not None:
            return [self._whole([image])[0] for image in images]  # the file may be of one image, too
        return self._whole(images)

    def _whole(self, images: Sequence[Pixels]) -> list[Pixels]:
        made = np.rint((np.clip(self.values(images), -1, 1) + 1) * 127.5).astype(np.uint8)
        return [np.ascontiguousarray(one.transpose(1, 2, 0)) for one in made]


class ExportedSegmenter(_Exported):
    """Segments images with an exported file; does what `gantool.predict.segmenter.SegmentPredictor` does.

    Args:
        mode: how outputs become classes.
        load_size: shorter side to scale to first; 0 keeps the image's size.
    """

    net = None

    def __init__(
        self, run: Run, mode: Literal["multiclass", "binary", "multilabel"], *, load_size: int = 0, **sizes: Any
    ) -> None:
        super().__init__(run, **sizes)
        self.mode, self.load_size = mode, load_size

    def __call__(self, pixels: Pixels, *, probabilities: bool = False) -> Segmented:
        """Segment ``(H, W, 3)`` uint8, H and W at least 1."""
        return segment_in_bands(
            self._shares, pixels, load_size=self.load_size, window=self.tile_for, probabilities=probabilities
        )

    @staticmethod
    def _continued(pixels: Pixels, below: int, right: int) -> Pixels:
        height, width = pixels.shape[:2]
        down, across = min(below, height - 1), min(right, width - 1)
        pixels = np.pad(pixels, ((0, down), (0, across), (0, 0)), mode="reflect")
        return np.pad(pixels, ((0, below - down), (0, right - across), (0, 0)), mode="edge")

    def _shares(self, pixels: Pixels) -> Floats:
        logits = self.values([pixels])[0]
        if self.mode == "multiclass":
            powers = np.exp(logits - logits.max(0))
            return np.asarray(powers / powers.sum(0))
        one = 1 / (1 + np.exp(-logits))
        return np.concatenate([1 - one, one]) if self.mode == "binary" else np.asarray(one)
