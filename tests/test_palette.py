"""Colors that mean something, and the others that can be told apart."""

from __future__ import annotations

import pytest

from gantool.arrays import Color
from gantool.data.sources.labels.class_names import ADE20K, CAMVID, CITYSCAPES
from gantool.palette import _distances, named_colors


def closest_pair(colors: tuple[Color, ...]) -> float:
    import numpy as np

    table = np.array(colors, np.float32)
    return min(float(_distances(table[n + 1 :], color).min()) for n, color in enumerate(colors[:-1]))


def test_names_have_the_colors_that_people_expect() -> None:
    names = ("sky", "tree", "grass", "earth; rock", "mountain; mount", "plant; flora; life", "water", "building",
             "road", "snow", "person", "cloud")  # fmt: skip
    sky, tree, grass, earth, mountain, plant, water, building, road, snow, person, cloud = named_colors(names)
    assert sky[2] > sky[1] > sky[0] > 90 and water[2] > 2 * water[0]
    for green in (tree, grass, plant):
        assert green[1] > green[0] and green[1] > green[2]
    assert earth[0] > earth[1] > earth[2] and max(road) - min(road) < 10
    assert min(snow) > 240 and min(cloud) > 200 and building[0] > 2 * building[1] and person[0] > 200
    assert mountain != road
    same = named_colors(("Trees", "mountains", "the_sky", "Class: water", "bushes"))
    assert same[:4] == (tree, mountain, sky, water) and same[4] == plant


@pytest.mark.parametrize("names", [CAMVID, CITYSCAPES, ADE20K, tuple(f"class_{n}" for n in range(255))], ids=len)
def test_colors_differ_and_the_first_is_not_black(names: tuple[str, ...]) -> None:
    colors = named_colors(names)
    assert len(set(colors)) == len(names)
    assert max(colors[0]) > 80
    assert closest_pair(colors) > (10 if len(names) < 30 else 2)
    assert named_colors(list(names)) == colors


def test_what_is_taken_comes_in_a_shade_and_what_is_unknown_far_away() -> None:
    forest, tree, wood = named_colors(("forest", "tree", "wood"))
    assert forest != tree != wood != forest
    assert all(color[1] > color[0] and color[1] > color[2] for color in (forest, tree, wood)), "all green"
    assert closest_pair((forest, tree, wood)) >= 10
    unknown = named_colors(("sky", "gizmo", "water", "widget"))
    assert closest_pair(unknown) > 40 or unknown[0] != unknown[1]
    assert closest_pair(unknown[1::2]) > 80
    assert closest_pair((unknown[1], unknown[0], (0, 0, 0))) > 40


def test_given_colors_stay_and_only_the_background_is_black() -> None:
    given: dict[str, Color] = {"gizmo": (34, 110, 50), "sky": (1, 2, 3)}
    gizmo, sky, tree = named_colors(("gizmo", "sky", "tree"), given)
    assert (gizmo, sky) == ((34, 110, 50), (1, 2, 3))
    assert tree != gizmo and closest_pair((tree, gizmo)) >= 10
    background, thing, void = named_colors(("_background_", "thing", "void"))
    assert background == (0, 0, 0) and max(thing) > 80 and 0 < max(void) < 140
    assert named_colors(()) == ()
