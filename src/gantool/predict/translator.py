"""One direction of a translation model, ready to run on pictures as people have them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from gantool.arrays import Pixels
from gantool.cards import Domain
from gantool.data.label_pictures import as_label_picture, far_share, nearest_classes
from gantool.errors import DataError
from gantool.models.find import FoundModel
from gantool.predict.pictures import PicturePredictor

__all__ = ["Translator"]

# Photos have more such pixels, label maps saved as JPEG have fewer; see `far_share`.
_FAR_DOUBTFUL, _FAR_WRONG = 0.2, 1 / 3


@dataclass(frozen=True)
class Translator:
    """A loaded direction of a model.

    Attributes:
        target: the domain it translates to.
    """

    predictor: PicturePredictor
    model: FoundModel
    source: Domain
    target: Domain

    @property
    def device(self) -> str:
        return self.predictor.runner.device

    @property
    def precision(self) -> str:
        return self.predictor.runner.precision

    @property
    def trained_on_sample(self) -> bool:
        return self.model.card.origin.data == "sample"

    def __call__(self, pixels: Pixels) -> Pixels:
        """Translate ``(H, W, 3)`` uint8 RGB into ``(H, W, C)`` uint8."""
        return self.batch([pixels])[0]

    def batch(self, images: Sequence[Pixels]) -> list[Pixels]:
        """Translate images of one size together; label maps come out in the exact colors of their classes."""
        results = self.predictor.batch([self._as_source(pixels) for pixels in images])
        if not self.target.classes:
            return results
        colors = [entry.color for entry in self.target.classes]
        return [np.asarray(np.array(colors, dtype=np.uint8)[nearest_classes(made, colors)]) for made in results]

    def doubts(self, pixels: Pixels, name: str) -> list[str]:
        """What looks wrong with a label map as input; nothing for other domains.

        Raises:
            DataError: it is none; ``name`` says which image.
        """
        classes = self.source.classes
        far = far_share(pixels, [entry.color for entry in classes]) if classes else 0.0
        if far <= _FAR_DOUBTFUL:
            return []
        found = f"{far:.0%} of its pixels are far from the color of every class of {self.source.name}"
        if far > _FAR_WRONG:
            some = ", ".join(f"{entry.name} {entry.color}" for entry in classes[:3])
            raise DataError(f"{name}: {found}.", f"Expected a label map: class indices, or the colors {some} ...")
        return [f"{found}; each is taken for the nearest"]

    def _as_source(self, pixels: Pixels) -> Pixels:
        if self.source.classes:
            return as_label_picture(pixels, [entry.color for entry in self.source.classes])
        if self.source.channels == 1:
            return np.asarray(Image.fromarray(pixels).convert("L"))[:, :, None]
        return pixels
