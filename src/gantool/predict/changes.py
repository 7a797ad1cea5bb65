"""Find a translation on a small picture and apply it to a large one as a change of its colors and tones.

With G the network, x the picture and s the same picture made small, and squash(v) = atanh(0.95 v),

    result = tanh(squash(x) + strength * enlarge(smooth(squash(G(s)) - squash(s))))

Every detail of the result is one of the picture itself; what the network adds is how light and of which color things
are. Textures that it would make up, with their noise, are smoothed away. A large picture costs hardly more than a
small one, and besides the picture and the result only a band of rows is in memory.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

Pixels = NDArray[np.uint8]

__all__ = ["Change"]

_SMALLEST_SIDE = 16
_BAND = 256  # rows that a change is applied to at a time
_CONTRAST = 0.95  # keeps atanh finite where a picture is black or white


@dataclass(frozen=True)
class Change:
    """How a change is found.

    Attributes:
        size: longer side of the small picture; smaller pictures keep their own.
        blur: deviation of the Gaussian that smooths the change, in pixels of the small picture; 0 for none.
        strength: share of the change that is applied; more than 1 exaggerates.
    """

    size: int
    blur: float = 0.0
    strength: float = 1.0

    @torch.no_grad()
    def apply(self, net: Callable[[Pixels], Tensor], pixels: Pixels) -> Pixels:
        """Translate ``(H, W, C)`` uint8.

        Args:
            net: gives ``(1, C, h, w)`` in [-1, 1] for ``(h, w, C)`` uint8.
        """
        height, width = pixels.shape[:2]
        scale = min(self.size / max(height, width), 1.0)
        size = [max(round(side * scale), _SMALLEST_SIDE) for side in (width, height)]
        gray = pixels.shape[2] == 1
        image = Image.fromarray(pixels[:, :, 0] if gray else pixels).resize(
            (size[0], size[1]), Image.Resampling.LANCZOS
        )
        small = np.asarray(image)[:, :, None] if gray else np.asarray(image)
        change = self.strength * _smoothed(_squashed(net(small)) - _squashed(_values(small)), self.blur)
        out = np.empty_like(pixels)
        for top in range(0, height, _BAND):
            rows = slice(top, min(top + _BAND, height))
            made = torch.tanh(_squashed(_values(pixels[rows])) + _enlarged(change, rows, height, width))
            # The contrast that the squashing took is given back, so that no change leaves the picture as it was.
            levels = (made / _CONTRAST).clamp_(-1, 1).add_(1).mul_(127.5).round_().byte()
            out[rows] = levels[0].permute(1, 2, 0).numpy()
        return out


def _enlarged(planes: Tensor, rows: slice, height: int, width: int) -> Tensor:
    """Some rows of ``(1, C, h, w)`` enlarged to ``(1, C, height, width)``, between pixels in proportion."""
    last = planes.shape[2] - 1
    places = ((torch.arange(rows.start, rows.stop) + 0.5) * ((last + 1) / height) - 0.5).clamp(0, last)
    above = places.long()
    below = (above + 1).clamp(max=last)
    lines = torch.lerp(planes[:, :, above], planes[:, :, below], (places - above)[:, None])
    return F.interpolate(lines, (len(places), width), mode="bilinear", align_corners=False)


def _values(pixels: Pixels) -> Tensor:
    return torch.from_numpy(np.array(pixels)).permute(2, 0, 1)[None].float().div_(127.5).sub_(1.0)


def _squashed(values: Tensor) -> Tensor:
    return torch.atanh(_CONTRAST * values.clamp(-1, 1))


def _smoothed(planes: Tensor, deviation: float) -> Tensor:
    if deviation <= 0:
        return planes
    reach = min(int(3 * deviation), min(planes.shape[2:]) - 1)
    places = torch.arange(-reach, reach + 1, dtype=torch.float32)
    taps = torch.exp(-places.square() / (2 * deviation**2))
    taps = (taps / taps.sum()).view(1, 1, 1, -1).repeat(planes.shape[1], 1, 1, 1)
    across = F.conv2d(F.pad(planes, (reach, reach, 0, 0), mode="reflect"), taps, groups=planes.shape[1])
    down = F.pad(across, (0, 0, reach, reach), mode="reflect")
    return F.conv2d(down, taps.transpose(2, 3), groups=planes.shape[1])
