"""Landscapes of many kinds with their label maps, for the built-in segmenter.

The built-in scenes all look alike. These vary in what there is (ranges with and without snow, hills, tree lines,
meadows, snow fields, lakes with reflections, rivers, waterfalls, the sea, foregrounds of bushes, trunks and rocks),
in light and color, and in the hand that drew them (`drawing_hands`). A scene is a pure function of ``(seed, index)``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from drawing_hands import as_if_by_hand
from landscape_palettes import BARKS, CLOUDS, GROUNDS, LEAVES, NEEDLES, RANGES, SKIES, SNOWS, WATERS
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

__all__ = ["CLASSES", "Landscape", "draw"]

CLASSES = ("sky", "mountain", "tree", "ground", "water")
SKY, MOUNTAIN, TREE, GROUND, WATER = range(5)

Array = NDArray[np.float64]
Ramp = Array
"""``(n, 3)`` colors in [0, 255], from dark to light."""


def ramp(colors: str) -> Ramp:
    return np.array([[int(one[at : at + 2], 16) for at in (0, 2, 4)] for one in colors.split()], dtype=float)


@dataclass
class Light:
    """What the air does to colors: far things take on the color of the haze."""

    haze: Array
    tint: Array
    thickness: float


class Landscape:
    """A picture and its label map under work, far things first; coordinates are fractions, y downwards."""

    def __init__(self, rng: np.random.Generator, width: int, height: int) -> None:
        self.rng, self.width, self.height = rng, width, height
        self.image = Image.new("RGB", (width, height))
        self.mask = Image.new("L", (width, height), SKY)
        self.x = np.linspace(0, 1, width)[None]
        self.y = np.linspace(0, 1, height)[:, None]
        self.light = Light(np.array([200.0, 210, 220]), np.ones(3), 0.0)

    # -- primitives ---------------------------------------------------------------------------------------------

    def pick(self, choices: Sequence[str]) -> Ramp:
        """One of the ramps, its colors moved a little."""
        colors = ramp(choices[int(self.rng.integers(len(choices)))])
        return np.clip(colors * self.rng.uniform(0.85, 1.15, 3) + self.rng.uniform(-14, 14, 3), 0, 255)

    def noise(self, across: float, down: float, octaves: int = 3) -> Array:
        """Smooth noise in about [0, 1], ``(H, W)``; the first octave has this many bumps."""
        total, out = 0.0, np.zeros((self.height, self.width))
        for octave in range(octaves):
            grid = self.rng.random((max(int(down * 2**octave), 1) + 1, max(int(across * 2**octave), 1) + 1))
            size = (self.width, self.height)
            bumps = Image.fromarray(grid.astype(np.float32)).resize(size, Image.Resampling.BICUBIC)
            out += 0.5**octave * np.asarray(bumps)
            total += 0.5**octave
        return out / total

    def ridge(self, waves: int, rough: float, octaves: int = 6) -> Array:
        """A skyline in about [-1, 1] along x, ``(1, W)``."""
        line, strength, total = np.zeros(self.width), 1.0, 0.0
        for octave in range(octaves):
            points = self.rng.uniform(-1, 1, waves * 2**octave + 1)
            line += strength * np.interp(self.x[0], np.linspace(0, 1, len(points)), points)
            total, strength = total + strength, strength * rough
        return line[None] / total

    def colors(self, colors: Ramp, shade: Array, far: float = 0.0) -> Array:
        """Shades in [0, 1] as colors ``(..., 3)``; ``far`` in [0, 1] mixes the haze in."""
        at = np.linspace(0, 1, len(colors))
        shade = np.clip(shade, 0, 1)
        out = np.stack([np.interp(shade, at, colors[:, channel]) for channel in range(3)], axis=-1) * self.light.tint
        mix = far * self.light.thickness
        return out * (1 - mix) + self.light.haze * mix

    def paint(self, where: NDArray[np.bool_], kind: int, colors: Array) -> None:
        stencil = Image.fromarray(where)
        full = np.broadcast_to(np.clip(colors, 0, 255), (self.height, self.width, 3)).astype(np.uint8)
        self.image.paste(Image.fromarray(full), mask=stencil)
        self.mask.paste(kind, mask=stencil)

    def dabs(
        self, points: Array, radii: Array, kind: int, colors: Ramp, shades: Array, far: float, flat: float
    ) -> None:
        """Small ellipses: ``points`` ``(N, 2)`` in pixels, ``flat`` is height by width."""
        tones = np.clip(self.colors(colors, shades, far), 0, 255).astype(int)
        image, mask = ImageDraw.Draw(self.image), ImageDraw.Draw(self.mask)
        for (x, y), r, tone in zip(points.tolist(), radii.tolist(), tones.tolist(), strict=True):
            box = (x - r, y - r * flat, x + r, y + r * flat)
            image.ellipse(box, fill=tuple(tone))
            mask.ellipse(box, fill=kind)

    def polygon(self, points: Sequence[tuple[float, float]], kind: int, color: Array) -> None:
        """In pixels."""
        ImageDraw.Draw(self.image).polygon(points, fill=tuple(np.clip(color, 0, 255).astype(int).tolist()))
        ImageDraw.Draw(self.mask).polygon(points, fill=kind)

    # -- things -------------------------------------------------------------------------------------------------

    def sky(self, horizon: float) -> None:
        rng = self.rng
        colors = self.pick(SKIES)
        self.light.haze = colors[-1] * rng.uniform(0.8, 1.0)
        self.light.tint = 0.5 + 0.5 * colors.mean(0) / max(colors.mean(), 1) * rng.uniform(0.7, 1.05)
        self.light.thickness = float(rng.uniform(0.1, 0.85))
        level = np.clip(self.y / max(horizon, 0.15), 0, 1) ** rng.uniform(0.5, 1.5)
        shade = level + 0.25 * (self.noise(2, 2) - 0.5) + 0 * self.x
        self.paint(np.ones((self.height, self.width), bool), SKY, self.colors(colors, shade) / self.light.tint)
        if rng.random() < 0.75:
            self._clouds(horizon)
        if rng.random() < 0.2:
            x, y, r = rng.uniform(0.1, 0.9) * self.width, rng.uniform(0.05, horizon) * self.height, rng.uniform(3, 12)
            self.dabs(np.array([[x, y]]), np.array([r]), SKY, ramp("ffe27a fffbe0"), rng.random(1), 0, 1.0)

    def _clouds(self, horizon: float) -> None:
        rng, colors = self.rng, self.pick(CLOUDS)
        if rng.random() < 0.6:
            cover = self.noise(rng.uniform(2, 6), rng.uniform(3, 9), 5)
            edge = rng.uniform(0.42, 0.6)
            strength = np.clip((cover - edge) / rng.uniform(0.03, 0.2), 0, 1)[..., None]
            under = np.asarray(self.image, dtype=float)
            bright = self.colors(colors, 0.3 + 2.2 * (cover - edge) + 0.3 * self.noise(9, 9), 0)
            self.image = Image.fromarray(np.clip(under * (1 - strength) + bright * strength, 0, 255).astype(np.uint8))
            return
        for _ in range(int(rng.integers(1, 6))):
            count = int(rng.integers(60, 250))
            center = np.array([rng.uniform(0, 1) * self.width, rng.uniform(0.02, horizon) * self.height])
            spread = rng.uniform(0.05, 0.16) * self.width
            points = center + rng.normal(0, 1, (count, 2)) * (spread, spread * 0.35)
            order = np.argsort(-points[:, 1])
            shades = np.clip(0.6 - (points[:, 1] - center[1]) / spread + rng.normal(0, 0.15, count), 0, 1)
            self.dabs(points[order], rng.uniform(0.05, 0.22, count) * spread, SKY, colors, shades[order], 0, 0.7)

    def range(self, foot: float, height: float, far: float, kind: int = MOUNTAIN) -> None:
        """A mountain range, lit from one side, with or without snow; with another kind, hills."""
        rng = self.rng
        rough = rng.uniform(0.45, 0.65) if kind == MOUNTAIN else rng.uniform(0.2, 0.35)
        line = self.ridge(int(rng.integers(1, 5)), rough)
        if kind == MOUNTAIN and rng.random() < 0.5:
            peak = rng.uniform(0.15, 0.85)
            line = 0.5 * line + 1.2 * np.clip(1 - np.abs(self.x - peak) / rng.uniform(0.2, 0.5), 0, 1) - 0.5
        skyline = foot - height * (0.5 + 0.5 * line)
        depth = (self.y - skyline) / max(height, 0.02)
        relief = self.noise(rng.uniform(4, 9), rng.uniform(3, 6), 5)
        slope = np.gradient(relief, axis=1) * self.width / 18 * (1 if rng.random() < 0.5 else -1)
        colors = self.pick(RANGES if kind == MOUNTAIN else (LEAVES if kind == TREE else GROUNDS))
        shade = 0.5 + rng.uniform(0.3, 1.4) * slope + 0.35 * (relief - 0.5) - 0.2 * depth
        where = (self.y > skyline) & (self.y < foot + 0.03)
        tones = self.colors(colors, shade, far)
        if kind == MOUNTAIN and rng.random() < 0.6:
            cap = (depth + 0.6 * (relief - 0.5) < rng.uniform(0.1, 1.3))[..., None]
            snow = self.colors(self.pick(SNOWS), 0.75 + 1.5 * slope, far * 0.7)
            tones = np.where(cap, np.where((slope > -0.15)[..., None], snow, 0.5 * tones + 0.5 * snow), tones)
        if rng.random() < 0.6:  # mist at the foot
            mist = np.clip((self.y - foot + rng.uniform(0.05, 0.15)) / 0.15, 0, 1)[..., None] * rng.uniform(0.2, 0.9)
            tones = tones * (1 - mist) + self.light.haze * mist
        self.paint(where, kind, tones)

    def ground(self, top: float, far: float = 0.0, colors: Ramp | None = None) -> None:
        rng = self.rng
        colors = self.pick(GROUNDS) if colors is None else colors
        edge = top + rng.uniform(0.005, 0.05) * self.ridge(int(rng.integers(1, 4)), 0.4)
        near = np.clip((self.y - top) / max(1 - top, 0.1), 0, 1)
        shade = (
            0.6 - 0.25 * near + 0.7 * (self.noise(4, 10) - 0.5) + rng.uniform(0, 0.6) * (self.noise(40, 60, 2) - 0.5)
        )
        self.paint(self.y > edge, GROUND, self.colors(colors, shade, far))

    def lake(self, horizon: float) -> None:
        """Still water that mirrors what stands above its upper edge."""
        rng = self.rng
        cx, cy = rng.uniform(0, 1), rng.uniform(horizon + 0.08, 0.97)
        rx, ry = rng.uniform(0.25, 1.1), rng.uniform(0.04, 0.25)
        wobble = rng.uniform(0.2, 1.2) * (self.noise(6, 6) - 0.5)
        self.water((((self.x - cx) / rx) ** 2 + ((self.y - cy) / ry) ** 2 + wobble < 1) & (self.y > horizon), cy - ry)

    def river(self, horizon: float) -> None:
        rng = self.rng
        run = np.clip((self.y - horizon) / (1 - horizon), 0, 1)
        middle = rng.uniform(0.2, 0.8) + rng.uniform(-0.4, 0.4) * run
        middle = middle + rng.uniform(0.05, 0.25) * np.sin(run * rng.uniform(2, 9) + rng.uniform(0, 6)) * np.sqrt(run)
        wide = rng.uniform(0.005, 0.03) + rng.uniform(0.04, 0.3) * run ** rng.uniform(1, 2)
        edge = np.abs(self.x - middle) + 0.12 * wide * (self.noise(12, 20) - 0.5)
        self.water((edge < wide) & (self.y > horizon), horizon)

    def water(self, where: NDArray[np.bool_], top: float) -> None:
        rng = self.rng
        if where.sum() < 30:
            return
        if rng.random() < 0.5:  # a shore around it
            grown = np.asarray(Image.fromarray(where).convert("L").filter(ImageFilter.MaxFilter(5))) > 0
            self.paint(grown, GROUND, self.colors(self.pick(GROUNDS), self.noise(20, 20, 2)))
        tones = self.colors(
            self.pick(WATERS), 0.9 - 0.6 * (self.y - top) / max(1 - top, 0.1) + 0.5 * (self.noise(3, 30) - 0.5)
        )
        picture = np.asarray(self.image, dtype=float)
        first = np.where(where.any(0), where.argmax(0), self.height - 1)
        first = np.minimum(np.convolve(np.pad(first, 8, mode="edge"), np.ones(17) / 17, mode="valid"), first.max())
        rows = np.clip(2 * first[None] - np.arange(self.height)[:, None] * rng.uniform(0.8, 1.1), 0, self.height - 1)
        rows = np.where(rows > first, first, rows).astype(int)
        shift = (rng.uniform(0, 6) * (self.noise(2, 40, 2) - 0.5)).astype(int)
        columns = np.clip(np.arange(self.width)[None] + shift, 0, self.width - 1)
        share = rng.uniform(0, 0.85)
        tones = tones * (1 - share) + picture[rows, columns] * share * rng.uniform(0.7, 1.0)
        if rng.random() < 0.6:  # glints, or the foam of rapids
            glint = (self.noise(rng.uniform(4, 12), rng.uniform(30, 60), 2) > rng.uniform(0.6, 0.75))[..., None]
            tones = np.where(glint, 0.5 * tones + 0.5 * self.colors(self.pick(CLOUDS), self.noise(5, 30)), tones)
        self.paint(where, WATER, tones)

    def sea(self, horizon: float) -> None:
        rng, colors = self.rng, self.pick(WATERS)
        shade = 0.5 + rng.uniform(0.3, 1.0) * (self.noise(2, 14, 4) - 0.5) + 0.3 * (self.noise(10, 50, 2) - 0.5)
        tones = self.colors(colors, shade)
        foam = self.noise(3, 12, 4)
        crest = np.clip((foam - rng.uniform(0.55, 0.7)) * 8, 0, 1)[..., None]
        tones = tones * (1 - crest) + self.colors(self.pick(CLOUDS), 0.5 + 0.5 * self.noise(8, 20)) * crest
        self.paint((self.y > horizon) & (self.x > -1), WATER, tones)
        if rng.random() < 0.7:  # a beach
            line = rng.uniform(0.75, 0.95) + rng.uniform(-0.3, 0.3) * (self.x - 0.5) + 0.03 * self.ridge(2, 0.4)
            self.paint(self.y > line, GROUND, self.colors(self.pick(GROUNDS), 0.6 + 0.6 * (self.noise(5, 20) - 0.5)))

    def fall(self, horizon: float) -> None:
        """A waterfall between rocks."""
        rng = self.rng
        x, wide = rng.uniform(0.2, 0.8), rng.uniform(0.02, 0.15)
        top, foot = rng.uniform(horizon - 0.25, horizon + 0.05), rng.uniform(horizon + 0.1, 0.9)
        inside = (self.y > top - 0.05) & (self.y < foot + 0.02)
        rocks = np.abs(self.x - x) < wide * rng.uniform(1.5, 4) + 0.15 * (self.noise(6, 6) - 0.5)
        self.paint(rocks & inside, GROUND, self.colors(self.pick(GROUNDS[2:]), self.noise(8, 12, 4)))
        fall = np.abs(self.x - x) < wide * (1 + 0.3 * (self.noise(8, 5) - 0.5))
        streaks = 0.4 + 0.6 * self.noise(40, 2, 2)
        self.paint(fall & (self.y > top) & (self.y < foot), WATER, self.colors(self.pick(CLOUDS), streaks))
        if rng.random() < 0.7:
            self.water((((self.x - x) / (wide * 4)) ** 2 + ((self.y - foot - 0.05) / 0.08) ** 2 < 1), foot)

    def tree_line(self, foot: float, height: float, far: float) -> None:
        """A wood in the distance: many tops side by side, pointed or round."""
        rng = self.rng
        colors = self.pick(NEEDLES if rng.random() < 0.5 else LEAVES)
        pointed = rng.random() < 0.5
        start, stop = sorted(rng.uniform(-0.2, 1.2, 2)) if rng.random() < 0.5 else (-0.1, 1.1)
        count = int(abs(stop - start) * rng.uniform(25, 90)) + 3
        xs = rng.uniform(start, stop, count) * self.width
        tall = height * (0.5 + 0.5 * rng.random(count)) * (0.7 + 0.3 * np.sin(xs / self.width * rng.uniform(3, 12)))
        base = np.maximum(foot + rng.normal(0, 0.008, count), 0)
        if pointed:
            tones = self.colors(colors, rng.uniform(0.1, 0.8, count), far)
            for x, h, y, tone in zip(xs, tall * self.height, base * self.height, tones, strict=True):
                half = max(h * rng.uniform(0.12, 0.25), 1)
                self.polygon([(x - half, y), (x, y - h), (x + half, y)], TREE, tone)
                self.polygon([(x - half, y), (x, y - h), (x, y)], TREE, tone * 1.15)
            return
        for x, h, y in zip(xs, tall * self.height, base * self.height, strict=True):
            self.foliage(x, y - h * 0.5, max(h * 0.45, 1.5), max(h * 0.5, 1.5), colors, far, int(rng.integers(8, 22)))

    def foliage(self, x: float, y: float, rx: float, ry: float, colors: Ramp, far: float, count: int) -> None:
        """A crown or a bush of dabs, lighter towards the top."""
        rng = self.rng
        angle, reach = rng.uniform(0, 2 * np.pi, count), np.sqrt(rng.random(count))
        points = np.stack([x + rx * reach * np.cos(angle), y + ry * reach * np.sin(angle)], axis=1)
        shades = 0.45 - 0.45 * (points[:, 1] - y) / max(ry, 1) + rng.normal(0, 0.18, count)
        order = np.argsort(shades)
        radii = rng.uniform(0.08, 0.3, count) * np.sqrt(rx * ry) * (12 / count) ** 0.3
        self.dabs(
            points[order], np.maximum(radii, 0.8)[order], TREE, colors, shades[order], far, rng.uniform(0.5, 1.0)
        )

    def conifer(self, x: float, foot: float, height: float, colors: Ramp, far: float) -> None:
        """In pixels; tiers of drooping boughs."""
        rng = self.rng
        half = height * rng.uniform(0.14, 0.26)
        self.polygon(
            [(x - half * 0.1, foot), (x, foot - height), (x + half * 0.1, foot)],
            TREE,
            self.colors(colors, np.array(0.1), far),
        )
        tiers = int(rng.integers(5, 14))
        for tier in range(tiers):
            share = tier / tiers
            y, wide = foot - height * (0.05 + 0.9 * share), half * (1 - share) * rng.uniform(0.75, 1.15) + 0.5
            deep = height / tiers * rng.uniform(1.1, 1.9)
            for sign in (-1, 1):
                tone = self.colors(colors, np.array(rng.uniform(0.05, 0.5) + (0.35 if sign < 0 else 0)), far)
                self.polygon([(x, y - deep), (x + sign * wide, y + deep * 0.1), (x, y)], TREE, tone)

    def leafy(self, x: float, foot: float, height: float, colors: Ramp, far: float) -> None:
        rng = self.rng
        bark = self.pick(BARKS)
        thick = max(height * rng.uniform(0.015, 0.05), 0.7)
        lean = rng.uniform(-0.15, 0.15) * height
        for shade, shift in ((0.2, 0.0), (0.8, -0.4)):
            top, left, right = foot - height * 0.8, x + lean - thick * 0.4, x + lean + thick * 0.4
            corners = [(x - thick, foot), (left, top), (right, top), (x + thick * (1 + shift), foot)]
            self.polygon(corners, TREE, self.colors(bark, np.array(shade), far))
        for _ in range(int(rng.integers(1, 6))):
            rx = height * rng.uniform(0.12, 0.3)
            self.foliage(x + lean + rng.normal(0, 0.18) * height, foot - height * rng.uniform(0.5, 0.95), rx,
                         rx * rng.uniform(0.5, 1.0), colors, far, int(rng.integers(40, 130)))  # fmt: skip

    def trunk(self, x: float) -> None:
        """The stem of a tree so near that its crown is outside."""
        rng, bark = self.rng, self.pick(BARKS)
        wide, foot = rng.uniform(0.01, 0.05) * self.width, rng.uniform(0.75, 1.1) * self.height
        lean = rng.normal(0, 0.05) * self.width
        steps = 7
        for step in range(steps):
            left = -1 + 2 * step / steps
            self.polygon([(x + left * wide, foot), (x + lean + left * wide * 0.7, -5),
                          (x + lean + (left + 2 / steps) * wide * 0.7, -5), (x + (left + 2 / steps) * wide, foot)],
                         TREE, self.colors(bark, np.array(rng.uniform(0, 1)), 0))  # fmt: skip

    def bushes(self, x: float, y: float, size: float, count: int, far: float) -> None:
        rng = self.rng
        many = [self.pick(LEAVES) for _ in range(int(rng.integers(1, 4)))]
        for _ in range(count):
            rx = size * rng.uniform(0.4, 1.2)
            self.foliage(x + rng.normal(0, 1.3) * size, y + rng.normal(0, 0.4) * size, rx, rx * rng.uniform(0.5, 0.9),
                         many[int(rng.integers(len(many)))], far, int(rng.integers(30, 100)))  # fmt: skip

    def rocks(self, horizon: float) -> None:
        rng, colors = self.rng, self.pick(GROUNDS[2:9])
        x, y = rng.uniform(0, 1) * self.width, rng.uniform(horizon + 0.05, 1) * self.height
        for _ in range(int(rng.integers(1, 6))):
            r = rng.uniform(0.02, 0.1) * self.width * (0.3 + y / self.height)
            cx, cy = x + rng.normal(0, 1.5) * r, y + rng.normal(0, 0.4) * r
            angles = np.sort(rng.uniform(0, 2 * np.pi, int(rng.integers(5, 9))))
            outline = [(cx + r * np.cos(one) * rng.uniform(0.7, 1.1), cy + 0.7 * r * np.sin(one)) for one in angles]
            self.polygon(outline, GROUND, self.colors(colors, np.array(rng.uniform(0, 0.5))))
            lit = [(px - r * 0.12, py - r * 0.15) for px, py in outline if py < cy + 0.1 * r]
            if len(lit) > 2:
                self.polygon(lit, GROUND, self.colors(colors, np.array(rng.uniform(0.5, 1))))

    # -- a whole ------------------------------------------------------------------------------------------------

    def draw(self) -> None:
        rng = self.rng
        kind = rng.choice(("valley", "forest", "sea", "open"), p=(0.45, 0.25, 0.2, 0.1))
        horizon = float(rng.uniform(0.25, 0.75))
        self.sky(horizon)
        if kind == "sea":
            if rng.random() < 0.3:
                self.range(horizon, rng.uniform(0.05, 0.25), rng.uniform(0.3, 1.0))
            self.sea(horizon)
            self._foreground(horizon, rng.uniform(0, 0.6))
            return
        if kind == "valley":
            for step in range(int(rng.integers(1, 4))):
                self.range(horizon, rng.uniform(0.1, 0.62) / (1 + 0.6 * step), max(0.9 - 0.3 * step, 0.1))
        if rng.random() < 0.3:
            self.range(horizon + 0.02, rng.uniform(0.03, 0.12), 0.5, TREE if rng.random() < 0.4 else GROUND)
        if kind == "forest":
            for step in range(int(rng.integers(2, 6))):
                self.tree_line(horizon + 0.03 * step, rng.uniform(0.2, 0.9) * horizon, max(0.95 - 0.22 * step, 0.1))
        elif rng.random() < 0.75:
            for step in range(int(rng.integers(1, 4))):
                self.tree_line(horizon + 0.02 + 0.015 * step, rng.uniform(0.03, 0.16), max(0.7 - 0.25 * step, 0.1))
        self.ground(horizon + rng.uniform(0, 0.04), far=0.2)
        if rng.random() < 0.4:
            self.ground(rng.uniform(horizon + 0.1, 0.9))
        self._waters(horizon)
        self._foreground(horizon, rng.uniform(0.2, 1.0))

    def _waters(self, horizon: float) -> None:
        roll = self.rng.random()
        if roll < 0.42:
            self.lake(horizon + 0.03)
        elif roll < 0.62:
            self.river(horizon + 0.05)
        elif roll < 0.72:
            self.fall(horizon)

    def _foreground(self, horizon: float, dense: float) -> None:
        rng = self.rng
        things: list[tuple[float, Callable[[], None]]] = []
        sides = rng.choice((0.05, 0.95, 0.5), size=3)
        colors = [self.pick(LEAVES) for _ in range(2)] + [self.pick(NEEDLES)]
        for _ in range(int(rng.integers(0, 16) * dense)):
            y = horizon + 0.03 + (1 - horizon) * rng.random() ** 1.4
            x = float(rng.choice(sides) + rng.normal(0, 0.16)) * self.width
            tall = (0.08 + 0.9 * (y - horizon)) * self.height * rng.uniform(0.4, 1.5)
            far, which = float(np.clip(0.5 - (y - horizon), 0, 0.5)), int(rng.integers(3))
            grow = self.conifer if which == 2 else self.leafy
            things.append((y, partial(grow, x, y * self.height, tall, colors[which], far)))
        for _ in range(int(rng.integers(0, 12) * dense)):
            y = rng.uniform(horizon + 0.05, 1.05)
            x = float(rng.choice(sides) + rng.normal(0, 0.15)) * self.width
            size = (0.03 + 0.12 * (y - horizon)) * self.width
            things.append((y, partial(self.bushes, x, y * self.height, size, int(rng.integers(1, 7)), 0.1)))
        if rng.random() < 0.3:
            things.append((rng.uniform(horizon, 1), partial(self.rocks, horizon)))
        for _, thing in sorted(things, key=lambda one: one[0]):
            thing()
        if rng.random() < 0.15 * (1 + dense):
            for _ in range(int(rng.integers(1, 4))):
                self.trunk(rng.uniform(0, 1) * self.width)


def draw(
    index: int, seed: int = 0, size: tuple[int, int] = (256, 192)
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Scene ``index`` of the family ``seed``: ``(H, W, 3)`` uint8 RGB and ``(H, W)`` uint8 indices into `CLASSES`."""
    rng = np.random.default_rng([seed, index, 7])
    scene = Landscape(rng, *size)
    scene.draw()
    return np.asarray(as_if_by_hand(scene.image, rng)), np.asarray(scene.mask)
