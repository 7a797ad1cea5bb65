"""Run a network over an image that is too large for it, layer by layer over strips of rows.

Instance norm needs the mean and variance of a whole layer, so cutting the image into tiles changes the result:
every tile would be normalized by its own statistics. Here each layer is finished, strip by strip, before the next
one begins. What is kept of a layer is the output of its convolution, in half precision, on disk when it is large;
norm, activation, padding and upsampling are applied when rows of it are read. The sums for the statistics are
taken in float64 from the values before rounding. The stream that residual blocks add to is kept in single precision.

Half precision rounds by 2^-11 of a value, and a norm divides by the standard deviation, which can be a small part of
the mean: of a nearly flat picture little but rounding would be left. So each channel is stored less its mean over the
first strip. That is at most std / sqrt(f) from the mean of the whole layer, f being the strip's share of the rows, so
a normalized value z is off by at most 2^-11 * (|z| + 1 / sqrt(f)), whatever the contrast.

A network is a chain of `Rows`: lazy views of ``(1, C, H, W)`` that give any range of rows on demand.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import nn

from gantool.arrays import Floats, Pixels
from gantool.predict.strips.rows import HalfOverflow, ImageRows
from gantool.predict.strips.walk import Walker, can_walk, strips_of

__all__ = ["can_walk", "run_in_strips"]


@torch.no_grad()
def run_in_strips(net: nn.Module, pixels: Pixels, *, precision: torch.dtype | None = None) -> Iterator[Floats]:
    """Yield what ``net`` makes of the whole image, with memory for a few strips of it.

    Args:
        net: in eval mode; see `can_walk`. Its parameters' device computes.
        pixels: ``(H, W, C)`` uint8, sides multiples of what the network needs.
        precision: autocast type, or None for float32.

    Yields:
        Rows ``(C', rows, W)`` from top to bottom, which differ from the one-piece result by the rounding to float16
        only: usually by less than a level of 255, and no more where the picture is nearly flat.
    """
    device = next(net.parameters()).device
    chain = ImageRows(pixels, device)
    try:
        rows = Walker(device, precision, np.float16).walk(net.model, chain)  # type: ignore[arg-type]
    except HalfOverflow:
        rows = Walker(device, precision, np.float32).walk(net.model, chain)  # type: ignore[arg-type]
    # The strips are as high as the widest layer allows; the image itself has few channels.
    for top, bottom in strips_of(rows, channels=64):
        yield rows.rows(top, bottom)[0].cpu().numpy()
