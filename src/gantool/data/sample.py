"""The built-in data set: drawn landscapes in summer and in winter, with their class masks.

A scene is drawn once as two maps, a *material* per pixel (roof, crown, lake, ...) and a *shade* in [0, 1]; a season
is a table that gives each material its colors from dark to light. So both seasons of a scene show the same
things at the same places, which gives unpaired training a paired truth to be judged by, and the class mask comes
from the materials as well. The time of day is read off the sun (high: noon, at the horizon: evening, none:
overcast), so that the mask alone determines the picture.

Everything is a pure function of ``(seed, index, size)``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from gantool.arrays import Pixels

Season = Literal["summer", "winter"]

__all__ = ["CLASSES", "CLASS_COLORS", "SEASONS", "Scene", "draw_scene"]

SEASONS: Final[tuple[Season, Season]] = ("summer", "winter")
CLASSES: Final = ("sky", "cloud", "sun", "mountain", "ground", "water", "conifer", "leaf_tree", "house")

CLASS_COLORS: Final = (
    (112, 173, 224),
    (236, 240, 241),
    (247, 202, 24),
    (127, 112, 138),
    (124, 179, 66),
    (41, 98, 180),
    (20, 90, 50),
    (230, 126, 34),
    (176, 58, 46),
)

# Materials: the finer kinds of surface behind the classes.
(SKY, CLOUD, SUN, FAR, NEAR, GROUND, WATER, SHORE, CONIFER, STEM, CROWN, TRUNK, WALL, ROOF, WINDOW) = range(15)
_CLASS_OF_MATERIAL: Final = np.array([0, 1, 2, 3, 3, 4, 5, 4, 6, 6, 7, 7, 8, 8, 8], dtype=np.uint8)

_OVERSAMPLING: Final = 2
_RAMP_STEPS: Final = 64

# Colors from dark to light, per material. Lists of the same length in both seasons keep the shade's meaning.
_PALETTES: Final[dict[Season, dict[int, str]]] = {
    "summer": {
        CLOUD: "c9d3e0 eef2f7 ffffff",
        SUN: "ffe27a fff3b0 fffbe0",
        FAR: "5d7196 7f92b0 a3b1c6",
        NEAR: "4a5a4c 6f7d62 99a07f",
        GROUND: "3f7a2a 5fa03a 93c552",
        WATER: "1d4f8c 2f78b8 7fbfe0",
        SHORE: "a58d5c c4ad77 dcc995",
        CONIFER: "0f3d24 1d5c33 3c8046",
        STEM: "3b2a1c 4d3826 5e4630",
        CROWN: "2c6b1c 4a9427 86c440",
        TRUNK: "4a3524 634a33 7d6045",
        WALL: "a34a34 bf5f45 d67c5e",
        ROOF: "5a3226 77442f 94593c",
        WINDOW: "30404f 4b6274 f0d890",
    },
    "winter": {
        CLOUD: "b7bfcb d5dae2 eef0f4",
        SUN: "ffe9b8 fff3d6 fffaf0",
        FAR: "8b98b3 b9c3d6 e4e9f2",
        NEAR: "6b7180 a9b0bd eceff5",
        GROUND: "c3cfe2 e0e8f3 fbfdff",
        WATER: "7c98b4 a3bcd2 d6e4ee",
        SHORE: "b4bccb d2d9e4 eef1f6",
        CONIFER: "1b3a33 52706c e6edf2",
        STEM: "33261c 45352a 57473a",
        CROWN: "54463d 7d6d62 b3a79d",
        TRUNK: "3d2e23 55432f 6e5942",
        WALL: "8f4536 a95a47 c07763",
        ROOF: "cbd5e6 e3eaf4 fafcff",
        WINDOW: "3c4650 596673 ffdf94",
    },
}
# The sky, from the horizon up, and the light that falls on everything else, per time of day.
_SKIES: Final[dict[Season, tuple[str, str, str]]] = {
    "summer": ("bfe0f5 7fb9e8 3f86cf", "ffc98a f08f6a 7a6aa8", "c3ccd4 a9b5c0 94a2b0"),
    "winter": ("e3edf5 b4cfe8 86afda", "ffd0a4 f2a08c 8e80b8", "d3d9df bcc5cd a6b1bc"),
}
_LIGHTS: Final[dict[Season, tuple[tuple[float, float, float], ...]]] = {
    "summer": ((1.0, 1.0, 1.0), (1.0, 0.86, 0.78), (0.88, 0.90, 0.93)),
    "winter": ((1.0, 1.0, 1.0), (0.93, 0.90, 0.97), (0.90, 0.92, 0.94)),
}


@dataclass(frozen=True)
class Scene:
    """One landscape: ``summer`` and ``winter`` are ``(H, W, 3)`` uint8 RGB, ``mask`` is ``(H, W)`` uint8 with
    indices into `CLASSES`."""

    summer: Pixels
    winter: Pixels
    mask: Pixels

    def season(self, name: Season) -> Pixels:
        return self.summer if name == "summer" else self.winter


def draw_scene(index: int, *, size: int | tuple[int, int] = 128, seed: int = 0) -> Scene:
    """Draw scene number ``index`` of the family ``seed``.

    Args:
        size: side in pixels, or ``(width, height)``; at least 16.
    """
    width, height = (size, size) if isinstance(size, int) else size
    if min(width, height) < 16:
        raise ValueError(f"a scene has at least 16x16 pixels, got {width}x{height}")
    canvas = _Canvas(np.random.default_rng([seed, index]), width * _OVERSAMPLING, height * _OVERSAMPLING)
    time = canvas.draw()
    material, shade = canvas.maps()
    step = np.minimum((shade * _RAMP_STEPS).astype(np.intp), _RAMP_STEPS - 1)
    pictures = {}
    for season in SEASONS:
        pixels = _color_table(season, time)[material, step]
        pictures[season] = np.asarray(Image.fromarray(pixels).reduce(_OVERSAMPLING))
    mask = _CLASS_OF_MATERIAL[material[::_OVERSAMPLING, ::_OVERSAMPLING]]
    return Scene(pictures["summer"], pictures["winter"], mask)


@lru_cache(maxsize=8)
def _color_table(season: Season, time: int) -> Pixels:
    """``(materials, steps, 3)``: the color of every material at every shade."""
    table = np.zeros((len(_CLASS_OF_MATERIAL), _RAMP_STEPS, 3), dtype=np.uint8)
    light = np.array(_LIGHTS[season][time])
    for material in range(len(table)):
        stops = _SKIES[season][time] if material == SKY else _PALETTES[season][material]
        colors = np.array([[int(stop[i : i + 2], 16) for i in (0, 2, 4)] for stop in stops.split()], dtype=float)
        at = np.linspace(0, len(colors) - 1, _RAMP_STEPS)
        ramp = np.stack([np.interp(at, np.arange(len(colors)), colors[:, c]) for c in range(3)], axis=1)
        if material not in (SKY, SUN):
            ramp *= light
        table[material] = np.clip(np.rint(ramp), 0, 255)
    return table


class _Canvas:
    """Draws one scene, far things first. Coordinates are fractions of width and height, y downwards."""

    def __init__(self, rng: np.random.Generator, width: int, height: int) -> None:
        self.rng = rng
        self.width, self.height = width, height
        self.material_image = Image.new("L", (width, height), SKY)
        self.material = ImageDraw.Draw(self.material_image)
        self.shade_image = Image.new("L", (width, height), 128)
        self.shade = ImageDraw.Draw(self.shade_image)
        self.x = np.linspace(0, 1, width)
        self.y = np.linspace(0, 1, height)[:, None]

    def maps(self) -> tuple[Pixels, NDArray[np.floating[Any]]]:
        shade = np.asarray(self.shade_image, dtype=np.float32) / 255
        return np.asarray(self.material_image), shade

    # -- primitives ---------------------------------------------------------------------------------------------

    def noise(self, across: int, down: int) -> NDArray[np.floating[Any]]:
        """Smooth noise in [0, 1] with about this many bumps across and down."""
        grid = (self.rng.random((down + 1, across + 1)) * 255).astype(np.uint8)
        image = Image.fromarray(grid).resize((self.width, self.height), Image.Resampling.BICUBIC)
        return np.asarray(image, dtype=np.float32) / 255

    def fill(self, where: NDArray[np.bool_], material: int, shade: NDArray[Any]) -> None:
        """Paint a region that is given as a boolean map."""
        stencil = Image.fromarray(where)
        self.material_image.paste(material, mask=stencil)
        levels = np.broadcast_to(np.clip(shade, 0, 1) * 255, (self.height, self.width)).astype(np.uint8)
        self.shade_image.paste(Image.fromarray(levels), mask=stencil)

    def polygon(self, points: list[tuple[float, float]], material: int, shade: float) -> None:
        pixels = [(x * self.width, y * self.height) for x, y in points]
        self.material.polygon(pixels, fill=material)
        self.shade.polygon(pixels, fill=int(np.clip(shade, 0, 1) * 255))

    def ellipse(self, x: float, y: float, rx: float, ry: float, material: int, shade: float) -> None:
        box = ((x - rx) * self.width, (y - ry) * self.height, (x + rx) * self.width, (y + ry) * self.height)
        self.material.ellipse(box, fill=material)
        self.shade.ellipse(box, fill=int(np.clip(shade, 0, 1) * 255))

    def ridge(self, waves: int, rough: float) -> NDArray[np.float64]:
        """A skyline in [-1, 1] along x: octaves of interpolated noise."""
        line = np.zeros(self.width)
        strength = 1.0
        total = 0.0
        for octave in range(5):
            points = self.rng.uniform(-1, 1, waves * 2**octave + 1)
            line += strength * np.interp(self.x, np.linspace(0, 1, len(points)), points)
            total += strength
            strength *= rough
        return line / total

    # -- things -------------------------------------------------------------------------------------------------

    def draw(self) -> int:
        """Draw everything; return the time of day (index into `_LIGHTS`)."""
        rng = self.rng
        horizon = rng.uniform(0.46, 0.60)
        time = int(rng.choice(3, p=(0.5, 0.3, 0.2)))
        self.fill(np.ones((self.height, self.width), bool), SKY, np.clip((horizon - self.y) / horizon, 0, 1))
        if time < 2:
            self._sun(rng.uniform(0.08, 0.2) if time == 0 else horizon - rng.uniform(0.1, 0.2))
        self._clouds(horizon, int(rng.integers(1, 4)) + (2 if time == 2 else 0))
        self._mountains(horizon, FAR, rng.uniform(0.14, 0.26), rough=0.55)
        if rng.random() < 0.7:
            self._mountains(horizon, NEAR, rng.uniform(0.06, 0.13), rough=0.45)
        self._ground(horizon)
        lake = self._lake(horizon) if rng.random() < 0.7 else None
        self._standing_things(horizon, lake)
        return time

    def _sun(self, y: float) -> None:
        x, radius = self.rng.uniform(0.12, 0.88), self.rng.uniform(0.045, 0.065)
        for share, shade in ((1.0, 0.1), (0.8, 0.6), (0.6, 1.0)):
            self.ellipse(x, y, radius * share * self.height / self.width, radius * share, SUN, shade)

    def _clouds(self, horizon: float, count: int) -> None:
        rng = self.rng
        for _ in range(count):
            x, y = rng.uniform(0, 1), rng.uniform(0.05, horizon * 0.62)
            scale = rng.uniform(0.04, 0.075)
            puffs = [
                (x + rng.uniform(-2.2, 2.2) * scale, rng.uniform(-0.45, 0.25) * scale, rng.uniform(0.5, 1.0))
                for _ in range(int(rng.integers(4, 8)))
            ]
            for lift, shade in ((0.25, 0.15), (0.0, 0.6), (-0.22, 1.0)):
                for px, dy, grow in puffs:
                    r = scale * grow * (1.0 if lift > 0 else 0.85 + lift)
                    self.ellipse(px, y + dy + lift * scale, r * 1.3, r * 0.62, CLOUD, shade)

    def _mountains(self, horizon: float, material: int, height: float, rough: float) -> None:
        skyline = horizon - height * (0.55 + 0.45 * self.ridge(int(self.rng.integers(2, 5)), rough))
        window = np.ones(max(self.width // 16, 1))
        slope = 0.16 * np.convolve(np.gradient(skyline, self.x), window / window.size, mode="same")
        relief = self.noise(14, 10) - 0.5
        depth = np.clip((self.y - skyline) / height, 0, 1)
        shade = 0.72 - 0.5 * depth + np.clip(slope, -0.25, 0.25) + 0.45 * relief
        self.fill((self.y > skyline) & (self.y < horizon + 0.02), material, shade)

    def _ground(self, horizon: float) -> None:
        top = horizon + 0.012 * self.ridge(3, 0.4)
        near = np.clip((self.y - horizon) / (1 - horizon), 0, 1)
        shade = 0.62 - 0.28 * near + 0.55 * (self.noise(5, 9) - 0.5) + 0.22 * (self.noise(40, 60) - 0.5)
        self.fill(self.y > top, GROUND, shade)

    def _lake(self, horizon: float) -> tuple[float, float, float, float]:
        rng = self.rng
        cx, cy = rng.uniform(0.1, 0.9), rng.uniform(horizon + 0.13, 0.86)
        rx, ry = rng.uniform(0.25, 0.55), rng.uniform(0.05, 0.11)
        wobble = 0.16 * (self.noise(7, 5) - 0.5)
        distance = ((self.x - cx) / rx) ** 2 + ((self.y - cy) / ry) ** 2 + 4 * wobble
        self.fill(distance < 1.22, SHORE, 0.4 + 0.5 * self.noise(30, 30))
        ripples = 0.55 * self.noise(5, 48) + 0.25 * (cy + ry - self.y) / ry
        self.fill(distance < 1.0, WATER, ripples)
        return cx, cy, rx, ry

    def _standing_things(self, horizon: float, lake: tuple[float, float, float, float] | None) -> None:
        rng = self.rng
        things = [("tree", horizon + 0.02 + 0.42 * rng.random() ** 1.6) for _ in range(int(rng.integers(7, 15)))]
        if rng.random() < 0.55:
            things.append(("house", rng.uniform(horizon + 0.06, horizon + 0.16)))
        groves = rng.uniform(0, 1, 3)
        mostly_conifers = rng.uniform(0.25, 0.75)
        for kind, y in sorted(things, key=lambda thing: thing[1]):
            x = float(np.clip(rng.choice(groves) + rng.normal(0, 0.13), 0.02, 0.98))
            if lake is not None and ((x - lake[0]) / lake[2]) ** 2 + ((y - lake[1]) / lake[3]) ** 2 < 1.3:
                y = (
                    lake[1] - 1.25 * lake[3]
                    if kind == "house"
                    else lake[1] + (1.2 if y > lake[1] else -1.2) * lake[3]
                )
            scale = 0.055 + 0.30 * max(y - horizon, 0.0)
            if kind == "house":
                self._house(x, y, scale * 1.25)
            elif rng.random() < mostly_conifers:
                self._conifer(x, y, scale * rng.uniform(1.7, 2.3))
            else:
                self._leaf_tree(x, y, scale * rng.uniform(1.2, 1.6))

    def _conifer(self, x: float, y: float, height: float) -> None:
        half = height * 0.22 * self.height / self.width
        self.polygon([(x - half * 0.13, y - height * 0.2), (x + half * 0.13, y - height * 0.2),
                      (x + half * 0.13, y), (x - half * 0.13, y)], STEM, 0.4)  # fmt: skip
        tiers = 5
        for tier in range(tiers):
            foot = y - height * (0.10 + 0.17 * tier)
            tip = foot - height * (0.34 if tier < tiers - 1 else 0.22)
            wide = half * (1 - 0.165 * tier)
            self.polygon([(x - wide, foot), (x, tip), (x + wide, foot)], CONIFER, 0.12)
            # Light (and in winter snow) lies on the left of each tier.
            self.polygon([(x - wide * 0.92, foot - height * 0.02), (x, tip), (x + wide * 0.15, foot - height * 0.09)],
                         CONIFER, 0.95)  # fmt: skip
            self.polygon([(x - wide * 0.35, foot), (x, tip), (x + wide, foot)], CONIFER, 0.3)

    def _leaf_tree(self, x: float, y: float, height: float) -> None:
        rng = self.rng
        aspect = self.height / self.width
        half = height * 0.06 * aspect
        self.polygon([(x - half * 0.7, y - height * 0.6), (x + half * 0.7, y - height * 0.6), (x + half, y),
                      (x - half, y)], TRUNK, 0.5)  # fmt: skip
        puffs = [(rng.uniform(-0.22, 0.22), rng.uniform(-0.2, 0.2), rng.uniform(0.16, 0.26)) for _ in range(7)] + [
            (0.0, 0.0, 0.28)
        ]
        for dx, dy, shade, grow in ((0.03, 0.05, 0.08, 1.0), (0.0, 0.0, 0.45, 0.86), (-0.05, -0.06, 0.9, 0.5)):
            for px, py, r in puffs:
                r *= height * grow
                self.ellipse(
                    x + (px + dx) * height * aspect, y + (py + dy - 0.68) * height, r * aspect, r, CROWN, shade
                )

    def _house(self, x: float, y: float, height: float) -> None:
        aspect = self.height / self.width
        half, wall = height * 0.62 * aspect, height * 0.5
        self.polygon([(x - half, y - wall), (x + half, y - wall), (x + half, y), (x - half, y)], WALL, 0.55)
        self.polygon([(x - half, y - wall), (x - half * 0.3, y - wall), (x - half * 0.3, y), (x - half, y)],
                     WALL, 0.9)  # fmt: skip
        self.polygon([(x - half * 1.15, y - wall), (x - half * 0.75, y - height), (x + half * 0.8, y - height),
                      (x + half * 1.15, y - wall)], ROOF, 0.45)  # fmt: skip
        self.polygon([(x - half * 1.15, y - wall), (x - half * 0.75, y - height), (x - half * 0.3, y - wall)],
                     ROOF, 0.85)  # fmt: skip
        # Two lit windows on the long wall and a door on the short one: left edge, top, bottom, shade.
        for at, top, bottom, shade in ((0.02, 0.75, 0.3, 1.0), (0.52, 0.75, 0.3, 1.0), (-0.72, 0.95, 0.0, 0.18)):
            left, right = x + half * at, x + half * (at + 0.26)
            upper, lower = y - wall * top, y - wall * bottom
            self.polygon([(left, upper), (right, upper), (right, lower), (left, lower)], WINDOW, shade)
