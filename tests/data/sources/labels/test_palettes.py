"""Palette masks: when their indices are the classes, and when only their colors are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gantool.data.sources.labels import ClassTable, LabelledSet, LabelOptions, find_labelled
from gantool.errors import DataError

RED, BLUE, GREEN = (255, 0, 0), (0, 0, 255), (0, 255, 0)
LEFT = np.zeros((8, 12), np.uint8)
LEFT[:, 6:] = 1


def image(n: int) -> None:
    Path("set/images").mkdir(parents=True, exist_ok=True)
    Path("set/masks").mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (12, 8)).save(f"set/images/{n}.png")


def palette_mask(n: int, *colors: tuple[int, int, int], values: np.ndarray = LEFT) -> None:
    image(n)
    painted = Image.fromarray(values)
    painted.putpalette([value for color in colors for value in color])
    painted.save(f"set/masks/{n}.png")


def found(options: LabelOptions | None = None) -> LabelledSet:
    labelled = find_labelled(Path("set"), options)
    assert labelled is not None
    return labelled


def colors_of(labelled: LabelledSet, n: int) -> np.ndarray:
    assert labelled.colors is not None
    return np.array(labelled.colors, np.uint8)[labelled.images[n].mask()]


def test_palettes_that_differ_are_read_by_their_colors(workplace: Path) -> None:
    palette_mask(0, RED, BLUE)
    palette_mask(1, BLUE, RED)
    labelled = found()
    assert "masks in color" in labelled.about
    assert (colors_of(labelled, 0)[:, 0] == RED).all()
    assert (colors_of(labelled, 1)[:, 0] == BLUE).all()
    assert labelled.images[0].mask()[0, 0] == labelled.images[1].mask()[0, 11]


def test_a_color_that_has_another_place_in_every_palette_is_one_class(workplace: Path) -> None:
    """No value has two colors, so nothing contradicts the indices but that red would be two classes."""
    palette_mask(0, RED, BLUE)
    palette_mask(1, GREEN, GREEN, RED, BLUE, values=LEFT + 2)
    labelled = found()
    assert "masks in color" in labelled.about
    assert np.array_equal(labelled.images[0].mask(), labelled.images[1].mask())


def test_values_of_one_color_are_told_apart_by_their_indices(workplace: Path) -> None:
    palette_mask(0, RED, RED)
    palette_mask(1, GREEN, GREEN, RED, BLUE, values=LEFT + 2)
    assert found().classes == ("class_0", "class_1", "class_2", "class_3")


def test_palettes_that_differ_in_unused_entries_only_are_indices(workplace: Path) -> None:
    palette_mask(0, RED, BLUE)
    palette_mask(1, RED, BLUE, GREEN)
    assert "index masks" in found().about
    assert np.array_equal(found().images[1].mask(), LEFT)


def test_colors_that_the_user_gives_are_found_in_palettes(workplace: Path) -> None:
    palette_mask(0, GREEN, RED, BLUE, values=LEFT + 1)
    table = LabelOptions(ClassTable(("sky", "roof"), colors=(BLUE, RED)))
    labelled = found(table)
    assert labelled.classes == ("sky", "roof")
    assert labelled.images[0].mask()[0].tolist() == [1] * 6 + [0] * 6
    with pytest.raises(DataError, match="are near no class"):
        found(LabelOptions(ClassTable(("a", "b"), colors=((1, 1, 1), (2, 2, 2))))).images[0].mask()


def test_palettes_and_pictures_in_color_are_one_set(workplace: Path) -> None:
    palette_mask(0, RED, BLUE)
    image(1)
    Image.fromarray(np.array([BLUE, RED], np.uint8)[LEFT]).save("set/masks/1.png")
    labelled = found()
    assert set(labelled.colors or ()) == {RED, BLUE}
    assert labelled.images[0].mask()[0, 0] == labelled.images[1].mask()[0, 11]


def test_palettes_that_differ_beside_plain_indices_are_refused(workplace: Path) -> None:
    palette_mask(0, RED, BLUE)
    palette_mask(1, BLUE, RED)
    image(2)
    Image.fromarray(LEFT).save("set/masks/2.png")
    with pytest.raises(DataError, match="has a palette of its own, other masks are class indices"):
        found()
