"""Outlines drawn at random, painted where they are and nowhere else, whichever tool told of them."""

from __future__ import annotations

import json
import math
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gantool.data.sources.find import find_source
from gantool.data.sources.formats.painting import rasterize
from gantool.data.sources.formats.shapes import AnnotatedImage, Ring, Shape

WIDE, HIGH = 40, 30


def draw_outline(rng: random.Random, reach: float = 25.0) -> Ring:
    """A polygon without crossings, around a point in the image; corners may lie outside."""
    x, y = rng.uniform(0, WIDE), rng.uniform(0, HIGH)
    turns = sorted(rng.uniform(0, math.tau) for _ in range(rng.randint(3, 9)))
    far = [rng.uniform(2, reach) for _ in turns]
    return tuple((x + r * math.cos(t), y + r * math.sin(t)) for t, r in zip(turns, far, strict=True))


def inside(outline: Ring) -> tuple[np.ndarray, np.ndarray]:
    """Which pixels lie in a polygon by the rule of even and odd, and which are farther than 1.5 from its edges."""
    ys, xs = np.mgrid[:HIGH, :WIDE].astype(float)
    within, clear = np.zeros((HIGH, WIDE), bool), np.ones((HIGH, WIDE), bool)
    for (x0, y0), (x1, y1) in zip(outline, (*outline[1:], outline[0]), strict=True):
        if y0 != y1:
            within ^= ((ys >= y0) != (ys >= y1)) & (xs < x0 + (ys - y0) / (y1 - y0) * (x1 - x0))
        length = max((x1 - x0) ** 2 + (y1 - y0) ** 2, 1e-12)
        along = np.clip(((xs - x0) * (x1 - x0) + (ys - y0) * (y1 - y0)) / length, 0, 1)
        clear &= np.hypot(xs - x0 - along * (x1 - x0), ys - y0 - along * (y1 - y0)) > 1.5
    return within, clear


def painted(*shapes: Shape, largest_first: bool = False) -> np.ndarray:
    labels = {shape.label: n + 1 for n, shape in enumerate(shapes)}
    return rasterize(AnnotatedImage("a", WIDE, HIGH, shapes, largest_first=largest_first), labels, 0)


@pytest.mark.parametrize("reach", [25.0, 1e4, 1e8])
def test_a_polygon_covers_what_lies_in_it(reach: float) -> None:
    """However far away its corners are."""
    rng = random.Random(0)
    for _ in range(60):
        outline = draw_outline(rng, reach)
        within, clear = inside(outline)
        assert np.array_equal(painted(Shape("a", "polygon", outline))[clear] > 0, within[clear]), outline
        rings = painted(Shape("a", "rings", rings=(outline,)), largest_first=True)
        assert np.array_equal(rings[clear] > 0, within[clear]), outline


def test_later_shapes_cover_earlier_ones() -> None:
    rng = random.Random(1)
    for _ in range(60):
        outlines = [draw_outline(rng) for _ in range(4)]
        shapes = [Shape(f"{n}", "polygon", outline) for n, outline in enumerate(outlines)]
        together = painted(*shapes)
        expected = np.zeros_like(together)
        for n, shape in enumerate(shapes, 1):
            expected[painted(shape) > 0] = n
        assert np.array_equal(together, expected)


def test_a_shape_that_moves_moves_its_pixels() -> None:
    rng = random.Random(2)
    counts = {"polygon": 3, "rectangle": 2, "circle": 2, "line": 2, "point": 1}
    for _ in range(60):
        form = rng.choice(sorted(counts))
        points = [(rng.randint(0, WIDE - 9), rng.randint(0, HIGH - 9)) for _ in range(counts[form])]
        if form == "circle":  # of a whole radius, as Pillow cuts off what is behind the point
            points[1] = (points[1][0], points[0][1])
        right, down = rng.randint(0, 8), rng.randint(0, 8)
        one, other = (
            painted(Shape("a", form, tuple((x + n * right, y + n * down) for x, y in points)))  # type: ignore[arg-type]
            for n in (0, 1)
        )
        assert np.array_equal(other[down:, right:], one[: HIGH - down, : WIDE - right]), (form, points, right, down)


# -- the same outlines, in the file of every tool --


def labelme(outlines: list[Ring]) -> tuple[str, str]:
    shapes = [{"label": f"c{n}", "points": one, "shape_type": "polygon"} for n, one in enumerate(outlines)]
    tree = {"imagePath": "0.png", "imageWidth": WIDE, "imageHeight": HIGH, "shapes": shapes}
    return "images/0.json", json.dumps(tree)


def coco(outlines: list[Ring]) -> tuple[str, str]:
    regions = [
        {
            "id": n,
            "image_id": 1,
            "category_id": n,
            "segmentation": [[v for point in one for v in point]],
            "iscrowd": 0,
        }
        for n, one in enumerate(outlines)
    ]
    return "coco.json", json.dumps({
        "images": [{"id": 1, "file_name": "0.png", "width": WIDE, "height": HIGH}],
        "categories": [{"id": n, "name": f"c{n}"} for n in range(len(outlines))],
        "annotations": regions,
    })  # fmt: skip


def via(outlines: list[Ring]) -> tuple[str, str]:
    shapes = [
        {"name": "polygon", "all_points_x": [x for x, _ in one], "all_points_y": [y for _, y in one]}
        for one in outlines
    ]
    regions = [{"shape_attributes": one, "region_attributes": {"kind": f"c{n}"}} for n, one in enumerate(shapes)]
    return "via.json", json.dumps({"0.png1": {"filename": "0.png", "size": 1, "regions": regions}})


def label_studio(outlines: list[Ring]) -> tuple[str, str]:
    result = [
        {"original_width": WIDE, "original_height": HIGH, "type": "polygonlabels",
         "value": {"points": [[x * 100 / WIDE, y * 100 / HIGH] for x, y in one], "polygonlabels": [f"c{n}"]}}
        for n, one in enumerate(outlines)
    ]  # fmt: skip
    return "studio.json", json.dumps([{"id": 1, "data": {"image": "0.png"}, "annotations": [{"result": result}]}])


def cvat(outlines: list[Ring]) -> tuple[str, str]:
    polygons = "".join(
        f'<polygon label="c{n}" z_order="{n}" points="{";".join(f"{x!r},{y!r}" for x, y in one)}"/>'
        for n, one in enumerate(outlines)
    )
    image = f'<image id="0" name="0.png" width="{WIDE}" height="{HIGH}">{polygons}</image>'
    return "annotations.xml", f'<?xml version="1.0"?>\n<annotations><version>1.1</version>{image}</annotations>'


@pytest.mark.parametrize("tool", [labelme, coco, via, label_studio, cvat])
def test_every_tool_paints_the_same_outlines(tool: Any, workplace: Path) -> None:
    """Two outlines, of which the smaller one lies on top, as COCO's order is by area."""
    rng = random.Random(3)
    Path("set/images").mkdir(parents=True)
    Image.new("RGB", (WIDE, HIGH), (9, 9, 9)).save("set/images/0.png")
    for _ in range(6):
        outlines = sorted((draw_outline(rng, 14) for _ in range(2)), key=lambda one: -inside(one)[0].sum())
        (large, clear), (small, clear_of_small) = (inside(one) for one in outlines)
        place, text = tool(outlines)
        Path("set", place).write_text(text, "utf-8")
        found = find_source(Path("set")).labelled()
        expected = np.where(small, found.classes.index("c1"), np.where(large, found.classes.index("c0"), 0))
        certain = clear & clear_of_small
        assert found.classes[0].strip("_") == "background"
        assert np.array_equal(found.images[0].mask()[certain], expected[certain]), outlines
