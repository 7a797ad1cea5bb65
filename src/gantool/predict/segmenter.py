"""A segmenter that is ready, and the label maps with their classes that it gives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from gantool.arrays import Color, Mask, Pixels, color_table
from gantool.cards import Card, LabelClass
from gantool.data.label_pictures import nearest_classes
from gantool.errors import DataError
from gantool.models.find import FoundModel
from gantool.predict.bands import Segmented
from gantool.predict.labels import LabelPredictor, Watch
from gantool.predict.pictures import PicturePredictor

__all__ = ["LabelMap", "LoadedSegmenter", "NearestColors"]

_STRENGTH, _OF = 11, 20  # share of the class color in an overlay, in whole numbers below 2**16 / 255
_BAND = 256  # rows that are mixed at a time, so that a large picture needs no large numbers
_LARGEST_PROBABILITIES = 2 * 2**30  # bytes


@dataclass(frozen=True)
class LabelMap:
    """The label map of one picture.

    Attributes:
        mask: ``(H, W)`` uint8 class indices.
        colors: of the classes, ``(256, 3)`` uint8 by index.
        probabilities: ``(H, W, C)`` float16, where they were asked for.
    """

    mask: Mask
    classes: tuple[str, ...]
    colors: NDArray[np.uint8]
    probabilities: NDArray[np.float16] | None = None

    @cached_property
    def shares(self) -> Mapping[str, float]:
        """The fraction of the pixels by class; all classes are listed."""
        counts = np.bincount(self.mask.ravel(), minlength=len(self.classes))
        return {name: float(counts[n]) / self.mask.size for n, name in enumerate(self.classes)}

    def color(self) -> Pixels:
        """The label map as ``(H, W, 3)`` uint8."""
        return np.asarray(self.colors[self.mask])

    def overlay(self, pixels: Pixels) -> Pixels:
        """The label map's colors laid over the picture ``(H, W, 3)``."""
        out = np.empty_like(pixels)
        shares = self.colors.astype(np.uint16) * np.uint16(_STRENGTH) + np.uint16((_OF - 1) // 2)  # rounds
        for top in range(0, len(pixels), _BAND):
            rows = slice(top, top + _BAND)
            mixed = shares.take(self.mask[rows], 0)
            mixed += pixels[rows] * np.uint16(_OF - _STRENGTH)
            out[rows] = mixed // np.uint16(_OF)
        return out


class NearestColors:
    """A translation to label maps, used as a `LabelPredictor`: every pixel gets the class of the nearest color."""

    def __init__(self, predictor: PicturePredictor, colors: Sequence[Color]) -> None:
        self._predictor, self._colors, self.runner = predictor, colors, predictor.runner

    def __call__(self, pixels: Pixels, *, probabilities: bool = False, watch: Watch | None = None) -> Segmented:
        if probabilities or watch is not None:
            raise DataError("A translation to label maps has no probabilities.", "Leave them out of --outputs.")
        return Segmented(nearest_classes(self._predictor(pixels), self._colors))

    def at_once(self, height: int, width: int) -> int:
        """How many images of this size may run at the same time; see `PicturePredictor.at_once`."""
        return self._predictor.at_once(height, width)


@dataclass(frozen=True)
class LoadedSegmenter:
    """A segmenter, or a translation to label maps, with its classes."""

    predictor: LabelPredictor | NearestColors
    model: FoundModel
    classes: tuple[LabelClass, ...]

    @property
    def device(self) -> str:
        return self.predictor.runner.device

    @property
    def precision(self) -> str:
        return self.predictor.runner.precision

    @property
    def card(self) -> Card:
        return self.model.card

    @property
    def parameters(self) -> int:
        """Weights of the network; 0 for an exported file."""
        return self.predictor.runner.parameters

    def label_map(self, result: Segmented) -> LabelMap:
        """What a predictor gave, with the names and colors of the classes."""
        names = tuple(entry.name for entry in self.classes)
        colors = color_table([entry.color for entry in self.classes])
        return LabelMap(result.mask, names, colors, result.probabilities)

    def __call__(self, pixels: Pixels, *, probabilities: bool = False, watch: Watch | None = None) -> LabelMap:
        """Segment ``(H, W, 3)`` uint8 RGB; ``watch`` sees the probabilities at the network's scale."""
        wanted = pixels.shape[0] * pixels.shape[1] * len(self.classes) * 2
        if probabilities and wanted > _LARGEST_PROBABILITIES:
            raise DataError(
                f"Probabilities of {pixels.shape[1]}x{pixels.shape[0]} pixels and {len(self.classes)} classes take "
                f"{wanted / 2**30:.1f} GiB.",
                "Leave probabilities out of --outputs.",
            )
        return self.label_map(self.predictor(pixels, probabilities=probabilities, watch=watch))
