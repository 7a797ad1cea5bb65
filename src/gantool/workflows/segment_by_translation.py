"""A translation to label maps, used as a segmenter: every pixel gets the class of the nearest color."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gantool.cards import Card, Direction
from gantool.data.label_pictures import nearest_classes
from gantool.errors import DataError
from gantool.predict.results import Segmented
from gantool.workflows.load_model import PicturePredictor

__all__ = ["ColorSegmenter", "direction_to_labels"]


def direction_to_labels(card: Card) -> Direction | None:
    """The direction that ends in label maps; None if there is none."""
    for direction in card.directions:
        if card.domain(direction.target).classes:
            return direction
    return None


class ColorSegmenter:
    """Takes and gives what `gantool.predict.segmenter.SegmentPredictor` does, but for probabilities."""

    def __init__(self, predictor: PicturePredictor, colors: list[tuple[int, int, int]]) -> None:
        self._predictor, self._colors = predictor, colors
        self.net = getattr(predictor, "net", None)

    def __call__(self, pixels: NDArray[np.uint8], *, probabilities: bool = False) -> Segmented:
        if probabilities:
            raise DataError("A translation to label maps has no probabilities.", "Leave them out of --outputs.")
        return Segmented(nearest_classes(self._predictor(pixels), self._colors))
