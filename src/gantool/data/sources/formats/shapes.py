"""Regions with a label, as annotation files have them, and what is refused before anything is painted."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from gantool.errors import DataError

Point = tuple[float, float]
Ring = tuple[Point, ...]
Form = Literal["polygon", "rings", "rectangle", "circle", "line", "point", "bitmap"]

__all__ = ["LONGEST_NAME", "AnnotatedImage", "Form", "Point", "Ring", "Shape", "ellipse"]

MOST_POINTS = 100_000
LONGEST_NAME = 200  # characters of a class's; a longer one is a mistake that no message could show
_FEWEST = {"polygon": 3, "rings": 3, "rectangle": 2, "circle": 2, "line": 2, "point": 1, "bitmap": 0}
_EXACT = ("rectangle", "circle", "point")


@dataclass(frozen=True)
class Shape:
    """One labelled region in pixel coordinates, x to the right and y downwards.

    Attributes:
        form: ``polygon`` has three points or more, ``rectangle`` two opposite corners, ``circle`` its center and a
            point on it, ``line`` two or more, ``point`` one; ``rings`` is all that lies in any of its ``rings``;
            ``bitmap`` has a mask instead.
        rings: of a polygon, the holes that are not part of it.
        bitmap: gives ``(H, W)`` bool of the size of the whole image; a function, because a data set has many of them
            and each is as large as its image.
        where: file and region, for messages.
        called: what the tool calls this form, where that differs.

    Raises:
        DataError: no library should see it: coordinates that are no numbers, too few points, or far too many; or
            its label is longer than any name.
    """

    label: str
    form: Form
    points: Ring = ()
    bitmap: Callable[[], NDArray[np.bool_]] | None = None
    rings: tuple[Ring, ...] = ()
    where: str = field(default="", compare=False)
    called: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        _require_sound(self)


@dataclass(frozen=True)
class AnnotatedImage:
    """The shapes of one image, in painting order: later ones cover earlier ones.

    Attributes:
        image: the image's file as the annotation names it.
        width, height: in pixels; 0 where the annotation does not say and the image is not there.
        split: the one that the annotation, its folder or its name puts the image in; else training.
        file: the annotation file.
        folders: where to look for the image first.
        largest_first: paint by area instead of in order, so that small regions stay visible.
    """

    image: str
    width: int
    height: int
    shapes: tuple[Shape, ...]
    split: str = "train"
    file: Path = Path()
    folders: tuple[Path, ...] = ()
    largest_first: bool = False


def _require_sound(shape: Shape) -> None:
    if len(shape.label) > LONGEST_NAME:
        raise DataError(
            f"{shape.where} has a label of {len(shape.label)} characters, expected at most {LONGEST_NAME}."
        )
    rings = (shape.points, *shape.rings) if shape.form != "rings" else shape.rings
    count, fewest = len(shape.points), _FEWEST[shape.form]
    named = f"{shape.where} ({shape.called or shape.form})"
    if not all(math.isfinite(value) for ring in rings for point in ring for value in point):
        raise DataError(f"{shape.where} has a point that is no number.")
    if sum(map(len, rings)) > MOST_POINTS:
        raise DataError(f"{named} has {sum(map(len, rings))} points, at most {MOST_POINTS} are read.")
    if shape.form != "rings" and (count < fewest or (shape.form in _EXACT and count != fewest)):
        expected = f"{'' if shape.form in _EXACT else 'at least '}{fewest}"
        raise DataError(f"{named} has {count} points, expected {expected}.")


def ellipse(x: float, y: float, radius_x: float, radius_y: float, degrees: float = 0.0) -> Ring:
    """An ellipse around ``(x, y)``, turned clockwise by ``degrees``, as a polygon of 72 corners."""
    turn = math.radians(degrees)
    corners = []
    for n in range(72):
        along, across = radius_x * math.cos(math.tau * n / 72), radius_y * math.sin(math.tau * n / 72)
        corners.append(
            (
                x + along * math.cos(turn) - across * math.sin(turn),
                y + along * math.sin(turn) + across * math.cos(turn),
            )
        )
    return tuple(corners)
