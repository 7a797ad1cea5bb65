"""From a picture of any size to its translation, with any kind of runner."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from gantool.arrays import Floats, Pixels, to_levels
from gantool.predict.changes import Change
from gantool.predict.pieces import Pieces
from gantool.predict.runner import Runner, require_numbers
from gantool.predict.tiling import Tiling, run_in_tiles

__all__ = ["PicturePredictor", "as_pictures"]

Way = Literal["one piece", "strips", "tiles"]


def as_pictures(values: Floats) -> list[Pixels]:
    """Turn a runner's ``(N, C, H, W)`` in [-1, 1] into pictures ``(H, W, C)`` uint8."""
    return [np.ascontiguousarray(to_levels(one).transpose(1, 2, 0)) for one in values]


class PicturePredictor:
    """Translates pictures: pads them by reflection, runs them in one piece, in strips or in tiles, clamps and crops.

    Args:
        change: find the change on a small picture and apply it to the whole one; None runs the model on the whole.
            With tiles, or with tiling off, the model is run on the whole, too.
    """

    def __init__(self, runner: Runner, *, tiling: Tiling | None = None, change: Change | None = None) -> None:
        self.runner = runner
        self._pieces = Pieces(runner, tiling or Tiling())
        self._change = replace(change, exact=runner.fixed) if change is not None else None

    def __call__(self, pixels: Pixels) -> Pixels:
        """Translate ``(H, W, C)`` uint8 into ``(H, W, C')`` uint8, H and W at least 1."""
        return self.batch([pixels])[0]

    def batch(self, images: Sequence[Pixels]) -> list[Pixels]:
        """Translate images of one size together, as many at once as memory allows; each is what it would be alone."""
        height, width = images[0].shape[:2]
        if self.change is not None:
            return [self.change.apply(self._value, image) for image in images]
        way = self.way(height, width)
        if way == "strips":
            return [self._in_strips(image) for image in images]
        if way == "tiles":
            return [self._in_tiles(image) for image in images]
        count = self._pieces.together(height, width) if len(images) > 1 else 1
        groups = (images[n : n + count] for n in range(0, len(images), count))
        return [made for group in groups for made in as_pictures(self._values(group))]

    @property
    def change(self) -> Change | None:
        """How pictures are changed; None where the model is run on the whole of them."""
        return self._change if self._pieces.tiling.mode == "auto" else None

    def found(self, pixels: Pixels) -> Floats:
        """The change of a frame, for `Change.put`; where there is a `change`."""
        assert self.change is not None
        return self.change.found(self._value, pixels, quick=True)

    def at_once(self, height: int, width: int) -> int:
        """How many images of this size may run at the same time; see `Pieces.at_once`."""
        if self.change is not None:
            height, width = self.change.small(height, width)
        return self._pieces.at_once(height, width)

    def way(self, height: int, width: int) -> Way:
        """How images of this size are run."""
        if not self._pieces.side(height, width):
            return "one piece"
        walks = self._pieces.tiling.mode == "auto" and self.runner.strips is not None
        return "strips" if walks else "tiles"

    def _value(self, small: Pixels) -> Floats:
        """``(C, h, w)`` in [-1, 1] for one picture in one piece."""
        value: Floats = self._values([small])[0]
        return value

    def _values(self, images: Sequence[Pixels]) -> Floats:
        height, width = images[0].shape[:2]
        batch = np.stack([self._padded(image) for image in images])
        return require_numbers(self.runner(batch)[:, :, :height, :width])

    def _in_tiles(self, pixels: Pixels) -> Pixels:
        side = self._pieces.side(*pixels.shape[:2])
        return run_in_tiles(lambda part: as_pictures(self._values([part]))[0], pixels, tile=side, overlap=side // 4)

    def _in_strips(self, pixels: Pixels) -> Pixels:
        assert self.runner.strips is not None
        strips = self.runner.strips(self._padded(pixels))
        rows = [to_levels(require_numbers(strip)).transpose(1, 2, 0) for strip in strips]
        return np.concatenate(rows)[: pixels.shape[0], : pixels.shape[1]]

    def _padded(self, pixels: Pixels) -> Pixels:
        return self._pieces.padded(pixels, mirrored_edge=True)
