"""The hand that drew a scene: oil, water color, flat color or a camera, then tone and grain, by chance."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter

__all__ = ["as_if_by_hand"]


def as_if_by_hand(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """The same scene in another medium; what is where does not change."""
    hands = (_oil, _water_color, _flat, _photograph)
    choice = int(rng.choice(5, p=(0.4, 0.12, 0.08, 0.25, 0.15)))
    image = hands[choice](image, rng) if choice < len(hands) else image
    if rng.random() < 0.7:
        image = _toned(image, rng)
    return _grain(image, rng) if rng.random() < 0.6 else image


def _oil(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Strokes: patches of one color, and the relief of the paint in one light."""
    patches = (
        image.filter(ImageFilter.ModeFilter(int(rng.choice((3, 5)))))
        if rng.random() < 0.5
        else image.filter(ImageFilter.MedianFilter(3))
    )
    relief = np.asarray(patches.convert("L"), dtype=float)
    lit = np.gradient(relief, axis=0) + np.gradient(relief, axis=1)
    return Image.fromarray(
        np.clip(np.asarray(patches, dtype=float) + rng.uniform(0, 0.7) * lit[..., None], 0, 255).astype(np.uint8)
    )


def _water_color(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    soft = image.filter(ImageFilter.GaussianBlur(rng.uniform(0.5, 1.5)))
    pale = ImageEnhance.Color(soft).enhance(rng.uniform(0.4, 1.0))
    return Image.blend(pale, Image.new("RGB", image.size, (250, 246, 236)), rng.uniform(0.05, 0.4))


def _flat(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    return image.quantize(int(rng.integers(8, 32)), dither=Image.Dither.NONE).convert("RGB")


def _photograph(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    return image.filter(ImageFilter.GaussianBlur(rng.uniform(0.2, 1.2)))


def _grain(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Paper, canvas or the noise of a camera."""
    pixels = np.asarray(image, dtype=float)
    kind = rng.integers(3)
    noise = rng.standard_normal(pixels.shape[:2] if kind else pixels.shape)
    if kind == 1:
        noise = sum(np.roll(noise, (dy, dx), (0, 1)) for dy in (0, 1) for dx in (0, 1)) / 2
    if kind == 2:
        rows, columns = np.indices(pixels.shape[:2])
        noise = 0.6 * noise + np.sin(rows * rng.uniform(1.5, 3)) + np.sin(columns * rng.uniform(1.5, 3))
    noise = noise if noise.ndim == 3 else noise[..., None]
    return Image.fromarray(np.clip(pixels + rng.uniform(0, 9) * noise, 0, 255).astype(np.uint8))


def _toned(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    pixels = 255 * (np.asarray(image, dtype=float) / 255) ** rng.uniform(0.6, 1.7)
    pixels = (pixels - 128) * rng.uniform(0.7, 1.3) + 128 + rng.uniform(-20, 20)
    return Image.fromarray(np.clip(pixels * rng.uniform(0.9, 1.1, 3), 0, 255).astype(np.uint8))
