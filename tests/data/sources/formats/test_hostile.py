"""Shapes that would hang, crash or exhaust the libraries that paint them."""

from __future__ import annotations

import base64
import io
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gantool.data.sources.formats import clipping
from gantool.data.sources.formats.painting import rasterize
from gantool.data.sources.formats.shapes import AnnotatedImage, Shape
from gantool.data.sources.labels import find_labelled
from gantool.errors import DataError

W, H = 20, 10
HUGE = (1e6, 1e9, 1e300)


def painted(shape: Shape, largest_first: bool = False) -> np.ndarray:
    started = time.perf_counter()
    mask = rasterize(AnnotatedImage("a", W, H, (shape,), largest_first=largest_first), {"x": 1}, 0)
    assert time.perf_counter() - started < 1
    return mask


@pytest.mark.parametrize("far", HUGE)
def test_huge_shapes_cost_what_is_seen_of_them(far: float) -> None:
    square = ((-far, 5.0), (far, 5.0), (far, far), (-far, far))
    lower = np.zeros((H, W), np.uint8)
    lower[5:] = 1
    assert np.array_equal(painted(Shape("x", "polygon", square)), lower)
    assert np.array_equal(painted(Shape("x", "rings", rings=(square,)), largest_first=True), lower)
    assert np.array_equal(painted(Shape("x", "rectangle", ((-far, 5.0), (far, far)))), lower)
    line = painted(Shape("x", "line", ((-far, 5.0), (far, 5.0))))
    assert line[1:9].all()
    assert np.array_equal(painted(Shape("x", "circle", ((10.0, 5.0), (far, 5.0)))), np.ones((H, W)))
    assert not painted(Shape("x", "circle", ((far, far), (far + 5, far)))).any()
    assert not painted(Shape("x", "point", ((far, 5.0),))).any()


def test_huge_holes(far: float = 1e9) -> None:
    whole = ((-1.0, -1.0), (W, -1.0), (W, H), (-1.0, H))
    hole = ((-far, 5.0), (far, 5.0), (far, far), (-far, far))
    mask = painted(Shape("x", "polygon", whole, rings=(hole,)))
    assert mask[:6].all(), "the outline of the hole stays"
    assert not mask[6:].any()


def test_a_large_disk_is_what_pillow_paints(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rows of a disk that is too large for Pillow are those of one that is not."""
    disk = Shape("x", "circle", ((4.0, -30.0), (4.0, 5.0)))
    by_pillow = painted(disk)
    monkeypatch.setattr(clipping, "MARGIN", 1.0)
    by_rows = painted(disk)
    assert 0 < by_rows.sum() < W * H
    assert (by_pillow != by_rows).sum() <= W, "rounding along the edge at most"


def test_what_lies_near_is_left_as_it_is() -> None:
    near = ((-1024.0, 3.0), (5.5, 1034.0), (7.0, -9.0))
    assert clipping.clip_polygon(near, W, H) is near
    assert clipping.clip_line(near, W, H) == [near]


@pytest.mark.parametrize("seed", range(8))
def test_clipped_polygons_are_where_they_should_be(seed: int) -> None:
    """Compared with the even-odd rule at the pixels of an image in the middle of a polygon of 20,000 pixels."""
    corners = np.random.default_rng(seed).uniform(-10_000, 10_000, (5, 2))
    x, y = np.meshgrid(np.arange(200), np.arange(100))
    inside = np.zeros(x.shape, bool)
    for (x0, y0), (x1, y1) in zip(corners, np.roll(corners, 1, axis=0), strict=True):
        inside ^= ((y0 > y) != (y1 > y)) & (x < (x1 - x0) * (y - y0) / (y1 - y0) + x0)
    shape = Shape("x", "polygon", tuple((float(a), float(b)) for a, b in corners))
    got = rasterize(AnnotatedImage("a", 200, 100, (shape,)), {"x": 1}, 0)
    assert (got != inside).mean() <= 0.01


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_no_numbers_and_too_many_points_are_refused(value: float) -> None:
    with pytest.raises(DataError, match=r"shape 3 has a point that is no number"):
        Shape("x", "polygon", ((0, 0), (1, 1), (value, 2)), where="a.json: shape 3")
    with pytest.raises(DataError, match="no number"):
        Shape("x", "rings", rings=(((0, 0), (1, 1), (1, value)),))
    with pytest.raises(DataError, match=r"a.json: shape 3 \(polygon\) has 100001 points, at most 100000 are read"):
        Shape("x", "polygon", ((0.0, 0.0),) * 100_001, where="a.json: shape 3")


def test_names_of_classes_that_no_message_could_show_are_refused(tmp_path: Path) -> None:
    shapes = [{"label": "x" * 5000, "shape_type": "rectangle", "points": [[0, 0], [5, 5]]}]
    with pytest.raises(DataError, match="shape 1 has a label of 5000 characters"):
        found_in(tmp_path, labelme(shapes=shapes))
    tree = coco()
    tree["categories"].append({"id": 2, "name": "x" * 5000})
    with pytest.raises(DataError, match="a class has a name of 5000 characters"):
        found_in(tmp_path, tree)


@pytest.mark.parametrize("key", ["id", "image_id", "category_id", "segmentation"])
def test_absurd_values_are_shown_short(key: str, tmp_path: Path) -> None:
    tree = coco()
    tree["annotations"][0] |= {"image_id": 7, key: [["x" * 5000] * 6] if key == "segmentation" else "9" * 4000}
    if key == "segmentation":
        tree["annotations"][0]["image_id"] = 1
    with pytest.raises(DataError, match="annotation") as caught:
        found_in(tmp_path, tree)
    assert len(str(caught.value)) < 300 + len(str(tmp_path))
    unknown = [{"label": "lake", "shape_type": "x" * 5000, "points": [[0, 0], [5, 5]]}]
    with pytest.raises(DataError, match="unknown kind") as caught:
        found_in(tmp_path, labelme(shapes=unknown))
    assert len(str(caught.value)) < 300 + len(str(tmp_path))


@pytest.mark.parametrize("regions", [3, "x", True])
def test_regions_that_are_no_list(regions: object, tmp_path: Path) -> None:
    square = {"name": "rect", "x": 0, "y": 0, "width": 5, "height": 5}
    sound = [{"shape_attributes": square, "region_attributes": {"kind": "lake"}}]
    tree = {"a": {"filename": "a.png", "regions": sound}, "b": {"filename": "b.png", "regions": regions}}
    with pytest.raises(DataError, match=r"a.json: b.png: its regions are no list"):
        found_in(tmp_path, tree)


def coco(**image: Any) -> dict[str, Any]:
    return {
        "categories": [{"id": 1, "name": "lake"}],
        "images": [{"id": 1, "file_name": "a.png", "width": W, "height": H, **image}],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 1, "segmentation": [[0, 0, 1e18, 0, 1e18, 1e18]]},
            {"id": 2, "image_id": 1, "category_id": 1, "segmentation": [[0, 0, 5, 0]]},
        ],
    }


def labelme(**extra: Any) -> dict[str, Any]:
    shapes = [{"label": "lake", "shape_type": "rectangle", "points": [[0, 0], [5, 5]]}]
    return {"imagePath": "a.png", "imageWidth": W, "imageHeight": H, "shapes": shapes, **extra}


def found_in(folder: Path, tree: dict[str, Any]) -> Any:
    Image.new("RGB", (W, H)).save(folder / "a.png")
    (folder / "a.json").write_text(json.dumps(tree))
    labelled = find_labelled(folder)
    assert labelled is not None
    return labelled.images[0]


def test_huge_coco_coordinates(tmp_path: Path) -> None:
    mask = found_in(tmp_path, coco()).mask()
    assert mask[0, 19] == 1
    assert mask[9, 0] == 0


@pytest.mark.parametrize(
    "tree",
    [coco(width=100_000, height=60_000), labelme(imageWidth=100_000, imageHeight=60_000)],
    ids=["coco", "labelme"],
)
def test_a_declared_size_is_compared_before_anything_is_painted(
    tree: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = found_in(tmp_path, tree)
    monkeypatch.setattr(Image, "new", lambda *a, **b: pytest.fail("memory was asked for"))
    with pytest.raises(DataError, match=r"a.png: has 20x10 pixels, its mask 100000x60000\."):
        one.mask()


def test_bitmaps_are_not_larger_than_their_image(tmp_path: Path) -> None:
    packed = io.BytesIO()
    Image.new("L", (3000, 10), 255).save(packed, "PNG")
    shapes = [{"label": "x", "shape_type": "mask", "points": [[0, 0], [5, 5]],
               "mask": base64.b64encode(packed.getvalue()).decode()}]  # fmt: skip
    with pytest.raises(DataError, match="shape 1 has a damaged mask"):
        found_in(tmp_path, labelme(shapes=shapes)).mask()
    runs = {"size": [H, W], "counts": [0, 10**12]}
    tree = coco()
    tree["annotations"][0]["segmentation"] = runs
    with pytest.raises(DataError, match="annotation 1 has a mask of 1000000000000 pixels in a box of 10x20"):
        found_in(tmp_path, tree).mask()


@pytest.mark.parametrize("path", ["{outside}/secret.png", "../outside/secret.png", "x/../../outside/secret.png"])
@pytest.mark.parametrize("tool", ["cvat", "coco"])
def test_no_annotation_leads_out_of_its_data_set(tmp_path: Path, path: str, tool: str) -> None:
    folder, outside = tmp_path / "set", tmp_path / "outside"
    folder.mkdir()
    outside.mkdir()
    Image.new("RGB", (W, H), "red").save(outside / "secret.png")
    Image.new("RGB", (W, H)).save(folder / "a.png")
    name = path.format(outside=outside)
    if tool == "coco":
        (folder / "a.json").write_text(json.dumps(coco(file_name=name)))
    else:
        box = '<box label="lake" xtl="0" ytl="0" xbr="5" ybr="5"/>'
        image = f'<image name="{name}" width="{W}" height="{H}">{box}</image>'
        (folder / "a.xml").write_text(f"<annotations>{image}</annotations>")
    labelled = find_labelled(folder)
    assert labelled is not None
    assert labelled.images[0].image == folder / "secret.png", "which is not there"
    Image.new("RGB", (W, H)).save(folder / "secret.png")
    again = find_labelled(folder)
    assert again is not None
    assert again.images[0].image == folder / "secret.png"


def test_half_characters_and_deep_trees_are_refused(tmp_path: Path) -> None:
    tree = labelme()
    tree["shapes"][0]["label"] = "lake \ud800"
    with pytest.raises(DataError, match=r"a.json: has a name with .ud800, which is half a character"):
        found_in(tmp_path, tree)
    tree["shapes"][0]["label"] = "lake \U0001f30a"
    assert found_in(tmp_path, tree).mask().any()
    (tmp_path / "a.json").write_text("[" * 200_000)
    with pytest.raises(DataError, match="nested too deeply"):
        find_labelled(tmp_path)


class Opened:
    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return pytest.fail, ("was unpickled",)


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.array([[1.0, np.nan]] * 2), "no whole numbers"),
        (np.array([[0.5, 1.0]] * 2), "no whole numbers"),
        (np.array([["a", "b"]] * 2), "expected whole numbers"),
        (np.array([[Opened(), Opened()]] * 2, dtype=object), "is no array that can be read"),
        (np.zeros((2, 2), dtype=[("a", "i4")]), "expected whole numbers"),
        (np.zeros((2, 2, 0), dtype=np.uint8), "has the shape"),
        (np.zeros((0, 2), dtype=np.uint8), "has the shape"),
    ],
)
def test_arrays_of_anything_but_numbers_are_named(tmp_path: Path, array: np.ndarray, words: str) -> None:
    for part in ("images", "masks"):
        (tmp_path / part).mkdir()
    for name, content in (("a", np.array([[0, 1]] * 2)), ("b", array)):
        Image.new("RGB", (2, 2)).save(tmp_path / f"images/{name}.png")
        np.save(tmp_path / f"masks/{name}.npy", content, allow_pickle=True)
    labelled = find_labelled(tmp_path)
    assert labelled is not None
    assert labelled.images[0].mask().max() == 1
    with pytest.raises(DataError, match=f"b.npy: .*{words}"):
        labelled.images[1].mask()
