"""Random changes of an image together with its label map, and the fixed view for validation.

Built from the functional transforms of torchvision v2; all chance comes from one generator, so that a sample depends
on nothing but its place in the run.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2 import functional as F

from gantool.arrays import IGNORE, Mask, Pixels

__all__ = ["PRESETS", "LabelledPreparation", "RandomChange"]


@dataclass(frozen=True)
class RandomChange:
    """How far a training image may be changed; see ``augment`` in the settings."""

    flip: bool = False
    scale: tuple[float, float] = (1.0, 1.0)
    rotate: float = 0.0
    color: float = 0.0
    blur: float = 0.0
    noise: float = 0.0
    elastic: float = 0.0
    focus: float = 0.0
    paste: float = 0.0


PRESETS = {
    "none": RandomChange(),
    "light": RandomChange(flip=True, scale=(0.75, 1.5), color=0.2),
    "strong": RandomChange(flip=True, scale=(0.5, 2.0), rotate=15.0, color=0.4, blur=0.2, noise=0.04),
}


@dataclass(frozen=True)
class LabelledPreparation:
    """From an image of any size to what a segmenter trains on.

    Attributes:
        size: side of the crop.
        load_size: shorter side before the crop; 0 keeps the image's own.
    """

    size: int
    load_size: int
    change: RandomChange

    def training(self, pixels: Pixels, mask: Mask, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Return an image ``(3, size, size)`` float32 in [-1, 1] and its mask ``(size, size)`` uint8.

        What a crop has beyond the image's border is black and ignored.
        """
        # A plain tensor: torchvision 0.24 does not scale its masks with NEAREST_EXACT, which would shift them.
        image, label = _planes(pixels), torch.from_numpy(mask.copy())[None]
        low, high = self.change.scale
        # A factor of 2 is as likely to enlarge as to shrink.
        grow = float(np.exp(rng.uniform(np.log(low), np.log(high)))) * self._scale(*mask.shape)
        window = max(round(self.size / grow), 1)
        if self.change.rotate:
            image, label = _rotated(image, label, float(rng.uniform(-self.change.rotate, self.change.rotate)))
        at_y, at_x = rng.random(2)
        # Where the window is larger than the image, the image lies within it.
        top, left = round((mask.shape[0] - window) * at_y), round((mask.shape[1] - window) * at_x)
        if self.change.focus and rng.random() < self.change.focus:
            top, left = _focused(label[0].numpy(), top, left, window, rng)
        image, label = _cropped(image, label, top, left, window, self.size)
        if self.change.elastic:
            image, label = _bent(image, label, self.change.elastic, rng)
        if self.change.flip and rng.random() < 0.5:
            image, label = F.horizontal_flip(image), F.horizontal_flip(label)
        return self._colored(image, rng), label[0]

    def testing(self, pixels: Pixels) -> Tensor:
        """Return the whole image ``(3, H, W)`` float32 in [-1, 1] at the scale of the training."""
        image = _planes(pixels)
        height, width = pixels.shape[:2]
        grow = self._scale(height, width)
        if grow != 1:
            image = F.resize(image, [max(round(height * grow), 1), max(round(width * grow), 1)], antialias=True)
        return image.float().div_(127.5).sub_(1.0)

    def preview(self, pixels: Pixels, mask: Mask) -> tuple[Tensor, Tensor]:
        """Return the middle of an image and its mask, as large as a crop."""
        plain = replace(self, change=RandomChange())
        return plain.training(pixels, mask, _Middle())  # type: ignore[arg-type]

    def _scale(self, height: int, width: int) -> float:
        return self.load_size / min(height, width) if self.load_size else 1.0

    def _colored(self, image: Tensor, rng: np.random.Generator) -> Tensor:
        change = self.change
        if change.color:
            strength = change.color
            brightness, contrast, saturation = 1 + rng.uniform(-strength, strength, 3)
            image = F.adjust_brightness(image, float(brightness))
            image = F.adjust_contrast(image, float(contrast))
            image = F.adjust_saturation(image, float(saturation))
            image = F.adjust_hue(image, float(rng.uniform(-strength, strength)) / 10)
        if change.blur and rng.random() < change.blur:
            image = F.gaussian_blur(image, [5, 5], [float(rng.uniform(0.3, 1.5))])
        out = image.float().div_(127.5).sub_(1.0)
        if change.noise:
            std = 2 * float(rng.uniform(0, change.noise))
            out += torch.from_numpy(rng.standard_normal(out.shape, dtype=np.float32)) * std
        return out.clamp_(-1, 1)


class _Middle:
    """A generator without chance: the middle of every range."""

    def uniform(self, low: float, high: float) -> float:
        return (low + high) / 2

    def random(self, size: int | None = None) -> object:
        return 0.5 if size is None else np.full(size, 0.5)


def _planes(pixels: Pixels) -> Tensor:
    return torch.from_numpy(np.array(pixels)).permute(2, 0, 1)


def _rotated(image: Tensor, label: Tensor, angle: float) -> tuple[Tensor, Tensor]:
    turned = F.rotate(image, angle, interpolation=InterpolationMode.BILINEAR, fill=[0.0])
    return turned, F.rotate(label, angle, interpolation=InterpolationMode.NEAREST, fill=[float(IGNORE)])


def _focused(label: Mask, top: int, left: int, window: int, rng: np.random.Generator) -> tuple[int, int]:
    """Move a window until it holds a pixel of a class that is drawn evenly from those in the picture."""
    classes = np.unique(label)
    classes = classes[classes != IGNORE]
    if not classes.size:
        return top, left
    places = np.flatnonzero(label.ravel() == rng.choice(classes))
    y, x = np.unravel_index(rng.choice(places), label.shape)
    return (_moved(top, int(y), window, label.shape[0]), _moved(left, int(x), window, label.shape[1]))


def _moved(start: int, place: int, window: int, side: int) -> int:
    """The nearest start of a window that holds the place, within the picture if it fits."""
    start = min(max(start, place - window + 1), place)
    return min(max(start, 0), side - window) if window <= side else start


_KNOTS = 4


def _bent(image: Tensor, label: Tensor, most: float, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Shift pixels smoothly, by knots on a coarse grid (Simard et al., "Best Practices for CNNs", 2003).

    Args:
        most: largest shift of a knot as a share of the side.
    """
    height, width = label.shape[-2:]
    knots = torch.from_numpy(rng.uniform(-2 * most, 2 * most, (1, 2, _KNOTS, _KNOTS)).astype(np.float32))
    shifts = torch.nn.functional.interpolate(knots, (height, width), mode="bicubic", align_corners=True)
    shifts = shifts.permute(0, 2, 3, 1)  # of the side from -1 to 1, as elastic wants them
    bent = F.elastic(image, shifts, interpolation=InterpolationMode.BILINEAR, fill=[0.0])
    return bent, F.elastic(label, shifts, interpolation=InterpolationMode.NEAREST, fill=[float(IGNORE)])


def _cropped(image: Tensor, label: Tensor, top: int, left: int, side: int, size: int) -> tuple[Tensor, Tensor]:
    """Cut a square that may reach beyond the border and scale it."""
    height, width = image.shape[-2:]
    before = [max(-left, 0), max(-top, 0), max(left + side - width, 0), max(top + side - height, 0)]
    if any(before):
        image = F.pad(image, before, fill=0)
        label = F.pad(label, before, fill=IGNORE)
    box = (max(top, 0), max(left, 0), side, side)
    image, label = F.crop(image, *box), F.crop(label, *box)
    if side != size:
        image = F.resize(image, [size, size], interpolation=InterpolationMode.BILINEAR, antialias=True)
        label = F.resize(label, [size, size], interpolation=InterpolationMode.NEAREST_EXACT)
    return image, label
