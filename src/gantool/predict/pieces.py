"""In pieces of which size a runner sees an image, and what is put around a piece that it does not take as it is."""

from __future__ import annotations

import numpy as np

from gantool.arrays import Pixels
from gantool.errors import UsageError
from gantool.predict.runner import Runner
from gantool.predict.tiling import Tiling

__all__ = ["LARGEST_TILE", "Pieces"]

LARGEST_TILE = 1024


class Pieces:
    """What a runner takes, and what is wished, in one.

    Raises:
        UsageError: tiles of another size than the only one that the runner takes.
    """

    def __init__(self, runner: Runner, tiling: Tiling) -> None:
        self.runner, self.tiling = runner, tiling
        if runner.fixed is not None and tiling.mode == "size" and tiling.size != min(runner.fixed):
            raise UsageError(
                f"--tile {tiling.size}: the file takes {runner.fixed[1]}x{runner.fixed[0]} pixels only.",
                "Leave --tile out.",
            )

    def side(self, height: int, width: int, largest: int = LARGEST_TILE) -> int:
        """Side of the tiles that an image of this size is run in; 0 for one piece.

        Args:
            largest: of the sides that are chosen here.
        """
        fixed = self.runner.fixed
        if fixed is not None:
            return 0 if height <= fixed[0] and width <= fixed[1] else min(fixed)
        if self.tiling.mode == "off":
            return 0
        wanted = self.tiling.size
        if self.tiling.mode == "auto":
            if height * width <= self.runner.most_pixels:
                return 0
            wanted = min(int(self.runner.most_pixels**0.5), largest)
        multiple = self.runner.multiple_of
        side = max(wanted // multiple * multiple, self._taken(1))
        return side if max(height, width) > side else 0

    def together(self, height: int, width: int) -> int:
        """How many images of this size run at once."""
        if not self.runner.batches:
            return 1
        return max(int(self.runner.most_pixels / (height * width)), 1) if self.tiling.mode == "auto" else 2**31

    def at_once(self, height: int, width: int) -> int:
        """How many images of this size memory suffices for at the same time, each on one core; 1 if they take turns.

        They do on a GPU, which one call fills, and where an image is run in pieces.
        """
        if self.runner.device != "cpu" or self.side(height, width):
            return 1
        high, wide = self._wanted(height, width)
        return max(int(self.runner.most_pixels / (high * wide)), 1)

    def padded(self, pixels: Pixels, *, mirrored_edge: bool) -> Pixels:
        """Continue ``(H, W, C)`` to the right and below by its mirror image, up to a size that the runner takes.

        Args:
            mirrored_edge: whether the outermost pixels stand twice, so that a mirror image is never too short;
                otherwise its last pixels are repeated where it is.
        """
        height, width = pixels.shape[:2]
        wanted = self._wanted(height, width)
        below, right = wanted[0] - height, wanted[1] - width
        if not (below or right):
            return pixels
        if mirrored_edge:
            return np.pad(pixels, ((0, below), (0, right), (0, 0)), mode="symmetric")
        down, across = min(below, height - 1), min(right, width - 1)
        pixels = np.pad(pixels, ((0, down), (0, across), (0, 0)), mode="reflect")
        return np.pad(pixels, ((0, below - down), (0, right - across), (0, 0)), mode="edge")

    def _wanted(self, height: int, width: int) -> tuple[int, int]:
        return self.runner.fixed or (self._taken(height), self._taken(width))

    def _taken(self, side: int) -> int:
        """The smallest side that the runner takes and that is no shorter than this."""
        multiple = self.runner.multiple_of
        return -(-max(side, self.runner.smallest) // multiple) * multiple
