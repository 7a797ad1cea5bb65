"""What a segmenter gives back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Segmented"]


@dataclass(frozen=True)
class Segmented:
    """The label map of an image.

    Attributes:
        mask: ``(H, W)`` uint8 class indices.
        probabilities: ``(H, W, C)`` float16, where they were asked for.
    """

    mask: NDArray[np.uint8]
    probabilities: NDArray[np.float16] | None = None
