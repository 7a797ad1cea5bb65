"""From a picture of any size to its label map, with any kind of runner; `bands` does the sizes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Literal

import numpy as np

from gantool.arrays import Floats, Pixels
from gantool.predict.bands import Segmented, in_windows, loaded, loaded_size, resized_rows, segment_in_bands
from gantool.predict.pieces import LARGEST_TILE, Pieces
from gantool.predict.runner import Runner, require_numbers
from gantool.predict.scaling import scaled_picture
from gantool.predict.tiling import Tiling

__all__ = ["LabelPredictor", "Mode", "Watch"]

Mode = Literal["multiclass", "binary", "multilabel"]

Watch = Callable[[Floats], None]
"""Takes probabilities ``(C, rows, W)``, band after band from top to bottom."""

_TTA_SCALES = (0.75, 1.0, 1.25)
_LARGEST_OF_VIEWS = 512  # side of windows; a band of each of three views is in memory


class LabelPredictor:
    """Labels the pixels of pictures.

    Args:
        mode: how outputs become classes.
        load_size: shorter side to scale to first; 0 keeps the image's size.
        tta: average over mirrored and differently scaled views; over mirrored ones alone where the runner takes one
            size only.
    """

    def __init__(
        self,
        runner: Runner,
        mode: Mode = "multiclass",
        *,
        load_size: int = 0,
        tiling: Tiling | None = None,
        tta: bool = False,
    ) -> None:
        self.runner, self.mode, self.load_size, self.tta = runner, mode, load_size, tta
        self._scales = (1.0,) if runner.fixed is not None or not tta else _TTA_SCALES
        self._pieces = Pieces(runner, tiling or Tiling())

    def __call__(self, pixels: Pixels, *, probabilities: bool = False, watch: Watch | None = None) -> Segmented:
        """Label ``(H, W, 3)`` uint8, H and W at least 1; ``watch`` sees the probabilities at the network's scale."""
        bands = self._bands if watch is None else partial(self._watched, watch)
        return segment_in_bands(bands, pixels, load_size=self.load_size, probabilities=probabilities)

    def probabilities(self, pixels: Pixels) -> Floats:
        """``(C, h, w)`` of ``(H, W, 3)`` uint8, all of them at the network's scale; for `from_probabilities`."""
        return np.concatenate(list(self._bands(loaded(pixels, self.load_size))), axis=1)

    def from_probabilities(self, planes: Floats, pixels: Pixels) -> Segmented:
        """Label ``(H, W, 3)`` uint8 by what `probabilities` gave for it."""
        return segment_in_bands(lambda _: iter([planes]), pixels, load_size=self.load_size)

    def at_once(self, height: int, width: int) -> int:
        """How many images of this size may run at the same time; see `Pieces.at_once`."""
        sides = loaded_size(height, width, self.load_size)
        high, wide = (round(side * max(self._scales)) for side in sides)
        return self._pieces.at_once(high, wide)

    def _watched(self, watch: Watch, pixels: Pixels) -> Iterator[Floats]:
        for band in self._bands(pixels):
            watch(band)
            yield band

    def window(self, height: int, width: int) -> int:
        """Side of the windows that a (scaled) image of this size is run in; 0 for one piece."""
        return self._pieces.side(height, width, _LARGEST_OF_VIEWS if self.tta else LARGEST_TILE)

    def _bands(self, pixels: Pixels) -> Iterator[Floats]:
        """Probabilities ``(C, rows, W)`` from top to bottom."""
        if self.tta:
            return self._views(pixels)
        side = self.window(*pixels.shape[:2])
        if side and self._pieces.tiling.mode == "auto" and self.runner.strips is not None:
            return self._in_strips(pixels)
        return in_windows(self._once, pixels, side)

    def _in_strips(self, pixels: Pixels) -> Iterator[Floats]:
        assert self.runner.strips is not None
        height, width = pixels.shape[:2]
        for strip in self.runner.strips(self._padded(pixels)):
            yield self._probabilities(strip[:, :height, :width])
            height -= strip.shape[1]
            if height <= 0:
                return

    def _views(self, pixels: Pixels) -> Iterator[Floats]:
        """Probabilities from top to bottom, averaged over views of the whole picture, each in pieces of its own."""
        height, width = pixels.shape[:2]
        views = []
        for scale in self._scales:
            size = (max(round(height * scale), 1), max(round(width * scale), 1))
            view = pixels if scale == 1 else scaled_picture(pixels, *size)
            views.append(resized_rows(in_windows(self._both_ways, view, self.window(*size)), size[0], height, width))
        for parts in zip(*views, strict=True):
            yield np.mean([np.stack(list(rows)) for _, rows in parts], axis=0)

    def _both_ways(self, pixels: Pixels) -> Floats:
        """Probabilities ``(C, H, W)``, averaged over a piece and its mirror image."""
        return (self._once(pixels) + self._once(pixels[:, ::-1])[:, :, ::-1]) / np.float32(2)

    def _once(self, pixels: Pixels) -> Floats:
        height, width = pixels.shape[:2]
        return self._probabilities(self.runner(self._padded(pixels)[None])[0, :, :height, :width])

    def _probabilities(self, logits: Floats) -> Floats:
        logits = require_numbers(logits)
        if self.mode == "multiclass":
            powers = np.exp(logits - logits.max(0))
            return np.asarray(powers / powers.sum(0))
        with np.errstate(over="ignore"):  # 1 / infinity is the 0 that is meant
            one = 1 / (1 + np.exp(-logits))
        return np.concatenate([1 - one, one]) if self.mode == "binary" else np.asarray(one)

    def _padded(self, pixels: Pixels) -> Pixels:
        return self._pieces.padded(pixels, mirrored_edge=False)
