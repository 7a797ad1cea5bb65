"""Colors for classes that have none: the one that people expect by the name, otherwise a distinct one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from gantool.arrays import IGNORED_COLOR, Color, Floats

__all__ = ["named_colors"]

_EXPECTED: Mapping[Color, str] = {
    (0, 0, 0): "background void unlabelled unlabeled ignore ignored",
    (112, 173, 224): "sky",
    (206, 220, 240): "cloud",
    (247, 202, 24): "sun moon",
    (34, 110, 50): "tree forest wood woods vegetation foliage palm",
    (16, 84, 74): "conifer fir pine spruce",
    (96, 142, 60): "plant bush shrub hedge flora crop",
    (132, 196, 72): "grass lawn meadow field terrain pasture",
    (156, 106, 58): "earth ground soil dirt land mud",
    (140, 132, 124): "rock stone boulder cliff",
    (226, 204, 146): "sand beach desert",
    (127, 96, 150): "mountain mount hill",
    (244, 248, 255): "snow",
    (178, 232, 240): "ice glacier",
    (41, 98, 180): "water",
    (22, 70, 128): "sea ocean",
    (70, 140, 214): "river stream waterfall",
    (44, 128, 150): "lake pond pool",
    (98, 98, 104): "road street asphalt highway runway",
    (214, 130, 196): "sidewalk pavement",
    (200, 170, 118): "path trail track",
    (176, 58, 46): "building house cabin church barn hut skyscraper",
    (196, 144, 120): "wall facade",
    (122, 44, 44): "roof",
    (92, 206, 222): "window windowpane",
    (110, 70, 38): "door",
    (126, 84, 110): "bridge",
    (190, 153, 100): "fence",
    (152, 152, 166): "pole",
    (250, 170, 30): "light",
    (220, 220, 0): "sign",
    (220, 20, 60): "person pedestrian people human man woman",
    (255, 70, 0): "rider cyclist bicyclist",
    (10, 20, 150): "car van",
    (20, 20, 84): "truck",
    (0, 74, 110): "bus",
    (0, 110, 120): "train",
    (60, 50, 230): "motorcycle motorbike",
    (130, 20, 50): "bicycle",
    (230, 110, 40): "boat ship",
    (232, 88, 160): "flower",
}
_BY_WORD = {word: color for color, words in _EXPECTED.items() for word in words.split()}

_TOO_CLOSE = 10.0  # in CIELAB; about what is told apart in an overlay
_SHADES = ((0, 0.25), (255, 0.3), (0, 0.45), (255, 0.55))  # towards black or white, by this fraction
_DARKEST, _LIGHTEST = 40.0, 90.0  # L of colors that are chosen


def named_colors(names: Sequence[str], given: Mapping[str, Color] | None = None) -> tuple[Color, ...]:
    """A color for every class, each another one.

    Names that say what it is (``sky``, ``pine tree``, ``earth; rock``) get the color of that; where that is taken, a
    shade of it. The others get colors that lie far from all of these, from black and from that of ignored ones. Only
    a background is black.

    Args:
        names: of the classes.
        given: colors by name that stay as they are.
    """
    return _colors(tuple(names), tuple((given or {}).items()))


@cache
def _colors(names: tuple[str, ...], given: tuple[tuple[str, Color], ...]) -> tuple[Color, ...]:
    own = dict(given)
    found = {place: own[name] for place, name in enumerate(names) if name in own}
    for place, name in enumerate(names):
        color = _expected(name) if place not in found else None
        free = (shade for shade in _shades(color) if _is_free(shade, found.values())) if color is not None else ()
        if (chosen := next(iter(free), None)) is not None:
            found[place] = chosen
    candidates = _candidates([(0, 0, 0), IGNORED_COLOR, *found.values()])
    return tuple(found[place] if place in found else next(candidates) for place in range(len(names)))


def _expected(name: str) -> Color | None:
    """The color that the first part of a name calls for, by its last word that calls for one."""
    for part in re.split(r"[;,/|]", name.lower()):
        for word in reversed(re.findall(r"[^\W\d_]+", part)):
            for form in (word, word.removesuffix("s"), word.removesuffix("es")):
                if form in _BY_WORD:
                    return _BY_WORD[form]
    return None


def _shades(color: Color) -> Iterator[Color]:
    yield color
    for end, share in _SHADES:
        red, green, blue = (round(level + (end - level) * share) for level in color)
        yield red, green, blue


def _is_free(color: Color, taken: Iterable[Color]) -> bool:
    others = np.array([*taken], dtype=np.float32).reshape(-1, 3)
    return bool((_distances(others, color) >= _TOO_CLOSE).all())


def _candidates(taken: Sequence[Color]) -> Iterator[Color]:
    """Colors of an even grid, always the one that lies farthest from all before it."""
    levels = np.linspace(0, 255, 9).round()
    grid = np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), axis=-1).reshape(-1, 3)
    light = _lab(grid)[:, 0]
    grid = grid[(light >= _DARKEST) & (light <= _LIGHTEST)]
    nearest = np.min([_distances(grid, color) for color in taken], axis=0)
    while True:
        place = int(nearest.argmax())
        red, green, blue = (int(level) for level in grid[place])
        yield red, green, blue
        nearest = np.minimum(nearest, _distances(grid, (red, green, blue)))


def _distances(colors: NDArray[np.floating], other: Color) -> Floats:
    """Euclidean distances in CIELAB of ``(N, 3)`` levels to one color."""
    return np.asarray(np.sqrt(np.square(_lab(colors) - _lab(np.array([other], dtype=np.float32))).sum(axis=1)))


def _lab(levels: NDArray[np.floating]) -> Floats:
    """sRGB levels ``(N, 3)`` in CIELAB (D65, IEC 61966-2-1 and CIE 15)."""
    values = levels / 255
    linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    ratio = linear @ to_xyz.T / to_xyz.sum(axis=1)
    x, y, z = np.where(ratio > (6 / 29) ** 3, np.cbrt(ratio), ratio / (3 * (6 / 29) ** 2) + 4 / 29).T
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=1).astype(np.float32)
