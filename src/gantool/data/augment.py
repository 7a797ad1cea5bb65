"""From an image of any size to the square the networks train on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from gantool.arrays import Pixels

Preprocess = Literal["resize_and_crop", "crop", "scale_width", "scale_width_and_crop", "none"]

__all__ = ["Preparation", "Preprocess", "to_tensor"]


@dataclass(frozen=True)
class Preparation:
    """How an image is scaled, cropped and flipped.

    Attributes:
        preprocess: see ``augment.preprocess`` in the settings.
        load_size: side (or width) in pixels before the crop.
        size: side of the crop.
        flip: mirror half of the images.
        multiple_of: what the result's sides are trimmed to where nothing is cropped.
        nearest: scale without mixing colors, for label maps.
    """

    preprocess: Preprocess
    load_size: int
    size: int
    flip: bool
    multiple_of: int = 4
    nearest: bool = False

    def training(self, pixels: Pixels, rng: np.random.Generator) -> Pixels:
        """Return a random crop ``(size, size, C)`` (any size for ``scale_width`` and ``none``), uint8."""
        return self.changed(self.scaled(pixels), rng)

    def changed(self, pixels: Pixels, rng: np.random.Generator) -> Pixels:
        """Return a random crop of an image that is `scaled`.

        Takes exactly three random numbers, so that a generator in the same state does the same to another image.
        """
        at_x, at_y, mirrored = rng.random(3)
        if "crop" in self.preprocess:
            pixels = _crop(pixels, self.size, at_x, at_y)
        if self.flip and mirrored < 0.5:
            # NumPy copies a mirrored view byte by byte, in ten times the time.
            return np.asarray(torch.from_numpy(np.array(pixels)).flip(1))
        return np.ascontiguousarray(pixels)

    def scaled(self, pixels: Pixels) -> Pixels:
        """Return the part of the work in which chance has no part: the whole image at the size it is cropped from."""
        pixels = self._scale(pixels)
        return pixels if "crop" in self.preprocess else self._trim(pixels)

    @property
    def scaled_size(self) -> int | None:
        """Pixels of a scaled image; None where that depends on the image."""
        return self.load_size**2 if self.preprocess == "resize_and_crop" else None

    def testing(self, pixels: Pixels) -> Pixels:
        """Return the same view every time: the whole image where the recipe scales it, else its middle."""
        if self.preprocess == "resize_and_crop":
            return self._resize(pixels, self.size, self.size)
        pixels = self.scaled(pixels)
        return np.ascontiguousarray(_crop(pixels, self.size, 0.5, 0.5)) if "crop" in self.preprocess else pixels

    def _scale(self, pixels: Pixels) -> Pixels:
        height, width = pixels.shape[:2]
        if self.preprocess == "resize_and_crop":
            return self._resize(pixels, self.load_size, self.load_size)
        if self.preprocess.startswith("scale_width"):
            scaled = height * self.load_size // width  # rounded down, as the reference does
            least = self.size if "crop" in self.preprocess else self.multiple_of
            return self._resize(pixels, self.load_size, max(scaled, least))
        if self.preprocess == "crop" and min(width, height) < self.size:
            # An image smaller than the crop is enlarged until it holds one.
            grow = self.size / min(width, height)
            return self._resize(pixels, max(round(width * grow), self.size), max(round(height * grow), self.size))
        return pixels

    def _trim(self, pixels: Pixels) -> Pixels:
        height, width = pixels.shape[:2]
        return self._resize(
            pixels, *(max(side // self.multiple_of, 1) * self.multiple_of for side in (width, height))
        )

    def _resize(self, pixels: Pixels, width: int, height: int) -> Pixels:
        if pixels.shape[:2] == (height, width):
            return pixels
        gray = pixels.shape[2] == 1
        image = Image.fromarray(pixels[:, :, 0] if gray else pixels)
        way = Image.Resampling.NEAREST if self.nearest else Image.Resampling.BICUBIC
        resized = np.asarray(image.resize((width, height), way))
        return resized[:, :, None] if gray else resized


def to_tensor(pixels: Pixels) -> Tensor:
    """Turn ``(H, W, C)`` uint8 into ``(C, H, W)`` float32 in [-1, 1]."""
    return torch.from_numpy(np.array(pixels)).permute(2, 0, 1).float().div_(127.5).sub_(1.0)


def _crop(pixels: Pixels, size: int, at_x: float, at_y: float) -> Pixels:
    height, width = pixels.shape[:2]
    left = min(int(at_x * (width - size + 1)), width - size)
    top = min(int(at_y * (height - size + 1)), height - size)
    return pixels[top : top + size, left : left + size]
