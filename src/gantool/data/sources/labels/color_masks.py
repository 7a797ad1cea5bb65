"""Masks whose classes are colors, also where compression or scaling has blurred the colors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gantool.arrays import IGNORE, Color, Mask
from gantool.data.images import open_image, read_pixels
from gantool.data.sources.labels.sets import MOST_CLASSES, require_few_classes
from gantool.errors import DataError

__all__ = ["ColorReader", "are_blurred", "color_name", "discover_colors", "is_color_mask"]


_NEAR = 64.0  # distance in RGB; the facades' labels lie 85 apart, blends of two neighbors half of that
_MOST_FAR = {False: 0.1, True: 0.5}  # share of a mask farther away that makes it unusable, by whether it is blurred
_LOSSY = frozenset({".jpg", ".jpeg", ".webp"})
_MOST_EXACT = 4096  # different colors of lossless masks; with more they are antialiased, or were saved as JPEG once
_SAMPLED = 200  # masks looked at to discover blurred colors
_RARE = 0.0005  # a blurred color with a smaller share of all pixels is a blend, not a class
_SHARP = 0.27  # pixels within 6 of a class color against those within 20; the facades have 0.31 to 0.89, blends 0.23
_FLAT = 0.1  # share of a class's pixels that lie within areas; the facades have 0.33 to 0.88, blends at most 0.005
_REACH = 2  # pixels around one that is within an area
_EVEN = 32  # levels by which a channel may vary there
_CHROMA = 16.0  # how far from the line between two colors a blend may lie
_APART = 40.0  # discovered classes lie at least this far from each other


def is_color_mask(path: Path) -> bool:
    """Whether a mask tells classes by color: any channel differs, or gray levels are blurred by compression.

    Raises:
        DataError: the file cannot be read.
    """
    image = open_image(path)
    if image.mode in ("P", "I", "I;16", "I;16B", "1"):
        return False
    if path.suffix.lower() in _LOSSY:
        return True
    if image.mode == "L":
        return False
    pixels = np.asarray(image.convert("RGB"))
    return bool((pixels[..., 0] != pixels[..., 1]).any() or (pixels[..., 0] != pixels[..., 2]).any())


def color_name(color: Color) -> str:
    """A name for a class of which only the color is known."""
    return "color_{:02x}{:02x}{:02x}".format(*color)


class ColorReader:
    """Reads masks by nearest color and counts how many pixels had to be moved.

    Args:
        colors: of the classes in the order of their indices.
        indices: class index (or `IGNORE`) of each color.
        blurred: whether compression or scaling has mixed the colors along edges (see `are_blurred`).
        snap: largest distance to the nearest color; pixels farther away become `IGNORE`. By default blurred masks
            have no limit, others one of 64.
    """

    def __init__(
        self, colors: Sequence[Color], indices: Sequence[int], *, blurred: bool, snap: float | None = None
    ) -> None:
        self._colors = np.array(colors, dtype=np.float32)
        self._indices = np.array(indices, dtype=np.uint8)
        self._snap = snap if snap is not None else 442.0 if blurred else _NEAR
        self._most_far = _MOST_FAR[blurred or snap is not None]
        # Pixels, snapped, beyond: by file, as files are read more than once.
        self._counts: dict[Path, tuple[int, int, int]] = {}

    def __getstate__(self) -> dict[str, object]:
        """Without the counts: helpers need none, and have none that anybody asks for."""
        return {**self.__dict__, "_counts": {}}

    def read(self, path: Path) -> Mask:
        """Return the ``(H, W)`` mask of a file.

        Raises:
            DataError: too many of its pixels are near no class.
        """
        packed = _pack(read_pixels(path))
        present, inverse, counts = np.unique(packed, return_inverse=True, return_counts=True)
        nearest, distance = self._nearest(_unpack(present))
        far = distance > self._snap
        total, beyond = int(counts.sum()), int(counts[far].sum())
        lost = far | (distance > _NEAR)
        self._counts[path] = (total, int(counts[(distance > 0) & ~far].sum()), beyond)
        if counts[lost].sum() > self._most_far * total:
            most = _unpack(present[lost][[counts[lost].argmax()]])[0]
            raise DataError(
                f"{path}: {counts[lost].sum() / total:.0%} of its pixels are near no class, most often the color "
                f"{tuple(int(value) for value in most)}.",
                "Complete the table: --classes FILE with lines such as sky,135,206,235.",
            )
        table = np.where(far, IGNORE, self._indices[nearest]).astype(np.uint8)
        return np.asarray(table[inverse].reshape(packed.shape))

    def state(self) -> list[list[str | int]]:
        """What was counted of each file."""
        return [[str(path), *counts] for path, counts in self._counts.items()]

    def include(self, states: Sequence[Sequence[tuple[str, int, int, int]]]) -> None:
        """Take over what others have counted."""
        for some in states:
            self._counts |= {Path(path): (total, snapped, beyond) for path, total, snapped, beyond in some}

    def remarks(self) -> list[str]:
        """How many of the pixels read so far were moved to a class, or to none."""
        total = max(sum(counts[0] for counts in self._counts.values()), 1)
        snapped = sum(counts[1] for counts in self._counts.values()) / total
        beyond = sum(counts[2] for counts in self._counts.values()) / total
        out = []
        if snapped:
            out.append(f"{snapped:.2%} of the mask pixels were moved to the nearest class color")
        if beyond:
            out.append(f"{beyond:.3%} lie farther than {self._snap:g} from every class color and count for none")
        return out

    def _nearest(self, colors: NDArray[np.uint8]) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
        nearest = np.empty(len(colors), dtype=np.intp)
        distance = np.empty(len(colors), dtype=np.float32)
        for first in range(0, len(colors), 8192):
            part = colors[first : first + 8192].astype(np.float32)
            squares = np.square(part[:, None] - self._colors[None]).sum(axis=2)
            nearest[first : first + 8192] = squares.argmin(axis=1)
            distance[first : first + 8192] = np.sqrt(squares.min(axis=1))
        return nearest, distance


def are_blurred(masks: Sequence[Path], classes: int) -> bool:
    """Whether some masks have far more colors than there are classes."""
    if any(mask.suffix.lower() in _LOSSY for mask in masks):
        return True
    return any(len(np.unique(_pack(read_pixels(mask)))) > max(4 * classes, 512) for mask in masks)


def discover_colors(root: Path, masks: Sequence[Path]) -> list[Color]:
    """Find the class colors of masks without a table, the most frequent first.

    Every color of lossless masks is a class. Where there are more than can be, as compression makes them, the colors
    that fill whole areas are, and those between them are not.

    Raises:
        DataError: too many colors for a label map.
    """
    if not any(mask.suffix.lower() in _LOSSY for mask in masks):
        seen = Counter[int]()
        for pixels in _readable(masks):
            _count(seen, _pack(pixels))
            if len(seen) > _MOST_EXACT:
                break
        else:
            require_few_classes(root, len(seen))
            return _as_colors(_unpack(_by_frequency(seen)))
    return _blurred_colors(root, masks)


def _blurred_colors(root: Path, masks: Sequence[Path]) -> list[Color]:
    if len(masks) > _SAMPLED:
        masks = [masks[n * len(masks) // _SAMPLED] for n in range(_SAMPLED)]
    seen, flat = Counter[int](), Counter[int]()
    for pixels in _readable(masks):
        packed = _pack(pixels)
        _count(seen, packed)
        _count(flat, packed[_is_flat(pixels)])
    ranked = _by_frequency(seen)
    counts, areas = (np.array([of[color] for color in ranked.tolist()], dtype=np.int64) for of in (seen, flat))
    colors = _unpack(ranked)
    peaks = _peaks(colors.astype(np.float32), counts, areas)
    if not peaks or len(peaks) > MOST_CLASSES:
        raise DataError(
            f"{root}: the masks have {len(colors)} different colors, which is no label map.",
            "Give the class colors: --classes FILE with lines such as sky,135,206,235.",
        )
    return _as_colors(colors[peaks])


def _readable(masks: Sequence[Path]) -> Iterator[NDArray[np.uint8]]:
    for mask in masks:
        try:
            yield read_pixels(mask)
        except DataError:
            continue  # named when the mask itself is read


def _by_frequency(seen: Counter[int]) -> NDArray[np.uint32]:
    return np.array(sorted(seen, key=lambda color: (-seen[color], color)), dtype=np.uint32)


def _as_colors(rows: NDArray[np.uint8]) -> list[Color]:
    return [(int(r), int(g), int(b)) for r, g, b in rows]


def _count(counter: Counter[int], packed: NDArray[np.uint32]) -> None:
    present, counts = np.unique(packed, return_counts=True)
    counter.update(dict(zip(present.tolist(), counts.tolist(), strict=True)))


def _is_flat(pixels: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """``(H, W)``: whether a pixel of an ``(H, W, 3)`` image lies within an area of nearly one color."""
    return np.asarray((_around(pixels, np.maximum) - _around(pixels, np.minimum)).max(axis=2) <= _EVEN)


def _around(pixels: NDArray[np.uint8], extreme: np.ufunc) -> NDArray[np.uint8]:
    """The extreme of the square around every pixel, one side after the other."""
    for _ in range(2):
        padded = np.pad(pixels, ((_REACH, _REACH), (0, 0), (0, 0)), mode="edge")
        shifted = [padded[place : place + len(pixels)] for place in range(2 * _REACH + 1)]
        pixels = extreme.reduce(shifted).swapaxes(0, 1)
    return pixels


def _is_blend(color: NDArray[np.float32], others: NDArray[np.float32]) -> bool:
    """Whether a color's chroma lies between those of two others; its luma, which JPEG blurs less, may be any."""
    weights = np.array([[-0.169, -0.331, 0.5], [0.5, -0.419, -0.081]], dtype=np.float32)  # of JPEG's Cb and Cr
    point, ends = weights @ color, others @ weights.T
    for place, start in enumerate(ends):
        line = ends[place + 1 :] - start
        along = ((point - start) * line).sum(axis=1) / np.maximum(np.square(line).sum(axis=1), 1e-6)
        nearest = start + np.clip(along, 0, 1)[:, None] * line
        if (np.square(nearest - point).sum(axis=1) <= _CHROMA**2).any():
            return True
    return False


def _peaks(colors: NDArray[np.float32], counts: NDArray[np.int64], flat: NDArray[np.int64]) -> list[int]:
    """Greedily take the most frequent color that lies apart from those taken and fills areas of its own.

    An area of one color is a sharp peak in the histogram even after compression; blends along edges are spread out,
    but for those of long straight edges. These lie within no area, and between two other colors.
    """
    total = counts.sum()
    taken: list[int] = []
    left = np.ones(len(colors), dtype=bool)
    for place in range(min(len(colors), 20_000)):
        if not left[place]:
            continue
        distance = np.sqrt(np.square(colors - colors[place]).sum(axis=1))
        close = counts[distance <= 6].sum()
        if counts[place] < _RARE / 50 * total:
            break
        if close < _RARE * total or close < _SHARP * counts[distance <= 20].sum():
            left &= distance > 3
            continue
        around = distance <= 20
        if flat[around].sum() < _FLAT * counts[around].sum() and _is_blend(colors[place], colors[taken]):
            left &= distance > 3
            continue
        taken.append(place)
        left &= distance > _APART
        if len(taken) > MOST_CLASSES:
            break
    return taken


def _pack(pixels: NDArray[np.uint8]) -> NDArray[np.uint32]:
    wide = pixels.astype(np.uint32)
    return np.asarray(wide[..., 0] << 16 | wide[..., 1] << 8 | wide[..., 2])


def _unpack(packed: NDArray[np.uint32]) -> NDArray[np.uint8]:
    return np.stack([packed >> 16, packed >> 8 & 255, packed & 255], axis=-1).astype(np.uint8)
