"""Curves over epochs as a picture, drawn with Pillow alone."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from gantool.files import atomic

__all__ = ["Panel", "draw_panels", "write_panels"]

_COLORS = ("#2a7ab0", "#d1602b", "#3a9a5b", "#8a4fae", "#b8912b", "#4d4d4d", "#c33d69", "#2aa5a5")
_WIDTH, _HEIGHT = 876, 250  # of a panel
_LEFT, _RIGHT, _TOP, _BOTTOM = 62, 206, 30, 34

Panel = tuple[str, Mapping[str, Sequence[float]], Mapping[str, float]]
"""Title, values by epoch of each curve, and horizontal lines to read them against."""


def draw_panels(panels: Sequence[Panel]) -> Image.Image:
    """Draw panels below each other; values that are no number leave a gap."""
    picture = Image.new("RGB", (_WIDTH, _HEIGHT * len(panels)), "white")
    for place, panel in enumerate(panels):
        _draw(ImageDraw.Draw(picture), place * _HEIGHT, panel)
    return picture


def write_panels(path: Path, panels: Sequence[Panel]) -> None:
    """Write them as PNG."""
    with atomic(path) as temporary:
        draw_panels(panels).save(temporary, format="PNG", optimize=True)


def _draw(draw: ImageDraw.ImageDraw, top: int, panel: Panel) -> None:
    title, curves, marks = panel
    font = ImageFont.load_default(size=13)
    small = ImageFont.load_default(size=11)
    values = [value for curve in curves.values() for value in curve if math.isfinite(value)]
    low, high = min([*values, *marks.values(), 0.0]), max([*values, *marks.values(), 1e-9])
    step = _nice((high - low) / 4)
    high = math.ceil(high / step) * step
    low = math.floor(low / step) * step
    epochs = max((len(curve) for curve in curves.values()), default=1)
    x0, x1, y0, y1 = _LEFT, _WIDTH - _RIGHT, top + _TOP, top + _HEIGHT - _BOTTOM

    def at(epoch: float, value: float) -> tuple[float, float]:
        across = (epoch - 1) / max(epochs - 1, 1)
        return x0 + across * (x1 - x0), y1 - (value - low) / (high - low) * (y1 - y0)

    draw.text((x0, top + 8), title, fill="#222222", font=font)
    for n in range(round((high - low) / step) + 1):
        level = low + n * step
        _, y = at(1, level)
        draw.line((x0, y, x1, y), fill="#e4e4e4")
        draw.text((x0 - 8, y), f"{level:.4g}", fill="#555555", font=small, anchor="rm")
    for epoch in sorted({1, *range(max(round(_nice(epochs / 6)), 1), epochs + 1, max(round(_nice(epochs / 6)), 1))}):
        x, _ = at(epoch, low)
        draw.text((x, y1 + 8), str(epoch), fill="#555555", font=small, anchor="mt")
    draw.text((x1, y1 + 20), "epoch", fill="#555555", font=small, anchor="rt")
    for name, level in marks.items():
        _, y = at(1, level)
        for dash in range(x0, x1, 8):
            draw.line((dash, y, min(dash + 4, x1), y), fill="#222222")
        draw.text((x1 + 8, y), name, fill="#222222", font=small, anchor="lm")
    for n, (name, curve) in enumerate(curves.items()):
        color = _COLORS[n % len(_COLORS)]
        points = [at(epoch, value) for epoch, value in enumerate(curve, 1) if math.isfinite(value)]
        if len(points) > 1:
            draw.line(points, fill=color, width=2, joint="curve")
        elif points:
            x, y = points[0]
            draw.ellipse((x - 2, y - 2, x + 2, y + 2), fill=color)
        y = y0 + 15 * n
        draw.line((x1 + 40, y, x1 + 54, y), fill=color, width=3)
        draw.text((x1 + 60, y), name[:22], fill="#222222", font=small, anchor="lm")


def _nice(step: float) -> float:
    """The next of 1, 2 and 5 times a power of ten."""
    if step <= 0:
        return 1.0
    power = 10 ** math.floor(math.log10(step))
    return float(next(power * factor for factor in (1, 2, 5, 10) if power * factor >= step * 0.999))
