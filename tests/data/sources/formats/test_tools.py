"""VIA, Label Studio, CVAT and Supervisely: each file is small enough to work out its mask by hand."""

from __future__ import annotations

import base64
import io
import json
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gantool.data.sources.find import find_source
from gantool.data.sources.formats import READERS
from gantool.data.sources.formats.cvat import read_cvat
from gantool.data.sources.formats.label_studio import decode_brush, read_label_studio
from gantool.data.sources.formats.painting import rasterize
from gantool.data.sources.formats.shapes import AnnotatedImage, Shape, ellipse
from gantool.data.sources.formats.supervisely import read_supervisely, supervisely_classes
from gantool.data.sources.formats.via import read_via
from gantool.errors import DataError, UsageError

SQUARE = {"name": "polygon", "all_points_x": [2, 7, 7, 2], "all_points_y": [1, 1, 4, 4]}


def tool_of(path: Path, tree: Any = None) -> str | None:
    return next((reader.name for reader in READERS if reader.matches(path, tree)), None)


def write(path: Path, tree: Any) -> Path:
    path.write_text(tree if isinstance(tree, str) else json.dumps(tree))
    return path


def mask_of(one: AnnotatedImage, *labels: str) -> np.ndarray:
    return rasterize(one, {label: n for n, label in enumerate(labels, 1)}, 0)


def expected(*boxes: tuple[int, int, int, int, int], size: tuple[int, int] = (20, 10)) -> np.ndarray:
    """Boxes of value, left, top, right and bottom, the last two included."""
    mask = np.zeros(size[::-1], np.uint8)
    for value, left, top, right, bottom in boxes:
        mask[top : bottom + 1, left : right + 1] = value
    return mask


def region(shape: dict[str, Any], **attributes: Any) -> dict[str, Any]:
    return {"shape_attributes": shape, "region_attributes": attributes}


@pytest.mark.parametrize("as_dict", [True, False])
@pytest.mark.parametrize("as_project", [True, False])
def test_via_regions_as_list_or_dict_with_stray_whitespace(tmp_path: Path, as_dict: bool, as_project: bool) -> None:
    rect = {"name": "rect", "x": 10, "y": 5, "width": 4, "height": 2}
    regions: Any = [region(SQUARE, kind=" lake "), region(rect, kind={"tree": False, "hill": True})]
    if as_dict:
        regions = {str(n): one for n, one in enumerate(regions)}
    tree: Any = {"a.png123": {"filename": " a.png ", "size": 123, "regions": regions}}
    path = write(tmp_path / "via.json", {"_via_img_metadata": tree, "_via_settings": {}} if as_project else tree)
    assert tool_of(path, json.loads(path.read_text())) == "VIA"
    (one,) = read_via(path, lambda name: (20, 10) if name == "a.png" else (0, 0))
    assert np.array_equal(mask_of(one, "lake", "hill"), expected((1, 2, 1, 7, 4), (2, 10, 5, 14, 7)))


def test_via_asks_which_attribute_is_the_class(tmp_path: Path) -> None:
    several = [region(SQUARE, material="stone", color="gray")]
    path = write(tmp_path / "via.json", {"a": {"filename": "a.png", "regions": several}})
    with pytest.raises(UsageError, match="--attribute"):
        read_via(path, lambda name: (20, 10))
    (one,) = read_via(path, lambda name: (20, 10), "material")
    assert one.shapes[0].label == "stone"
    with pytest.raises(DataError, match="no value for the attribute 'weight'"):
        read_via(path, lambda name: (20, 10), "weight")


def task(*values: dict[str, Any], cancelled: bool = False) -> dict[str, Any]:
    result = [{"original_width": 20, "original_height": 10, "value": value} for value in values]
    return {"id": 7, "data": {"image": "/data/upload/1/0a1b2c3d-a.png"},
            "annotations": [{"result": result, "was_cancelled": cancelled}]}  # fmt: skip


def brush(mask: np.ndarray, word: int = 8) -> list[int]:
    """The inverse of `decode_brush`, written from the description: RGBA, runs of one value repeated or listed."""
    bits = f"{mask.size * 4:032b}{word - 1:05b}" + "".join(f"{size - 1:04b}" for size in (3, 4, 8, 16))
    values = np.repeat(mask.ravel() * 255, 4)
    place = 0
    while place < values.size:
        run = 1
        while place + run < values.size and values[place + run] == values[place] and run < 200:
            run += 1
        if run > 1:
            bits += f"1{2:02b}{run - 1:08b}{values[place]:0{word}b}"
        else:
            run = min(2, values.size - place)
            bits += f"0{0:02b}{run - 1:03b}" + "".join(f"{value:0{word}b}" for value in values[place : place + run])
        place += run
    bits += "0" * (-len(bits) % 8)
    return [int(bits[n : n + 8], 2) for n in range(0, len(bits), 8)]


def test_label_studio_percent_and_brush(tmp_path: Path) -> None:
    painted = np.zeros((10, 20), np.uint8)
    painted[8:, 3:5] = 1
    painted[6, 19] = 1
    tree = [task(
        {"points": [[10, 10], [35, 10], [35, 40], [10, 40]], "polygonlabels": ["lake"]},
        {"x": 50, "y": 50, "width": 20, "height": 20, "rotation": 0, "rectanglelabels": ["hill"]},
        {"format": "rle", "rle": brush(painted), "brushlabels": ["road"]},
    )]  # fmt: skip
    path = write(tmp_path / "ls.json", tree)
    assert tool_of(path, tree) == "Label Studio"
    (one,) = read_label_studio(path)
    assert one.image == "/data/upload/1/0a1b2c3d-a.png"
    wanted = expected((1, 2, 1, 7, 4), (2, 10, 5, 14, 7))
    wanted[painted > 0] = 3
    assert np.array_equal(mask_of(one, "lake", "hill", "road"), wanted)
    small = [{"id": 1, "annotation_id": 3, "image": "a.png", "tag": [
        {"original_width": 20, "original_height": 10, "points": [[10, 10], [35, 10], [35, 40], [10, 40]],
         "polygonlabels": ["lake"]}]}]  # fmt: skip
    (one,) = read_label_studio(write(path, small))
    assert np.array_equal(mask_of(one, "lake"), expected((1, 2, 1, 7, 4)))
    (one,) = read_label_studio(write(path, [task({"points": [], "polygonlabels": ["x"]}, cancelled=True)]))
    assert one.shapes == ()


@pytest.mark.parametrize("word", [8, 9, 3])
def test_brush_round_trip(word: int) -> None:
    mask = (np.random.rand(7, 13) > 0.5).astype(np.uint8)
    if word == 3:  # values above 7 do not fit into three bits
        data = bytes(brush(mask, 8))
        assert np.array_equal(decode_brush(data, 4 * mask.size)[3::4].reshape(7, 13) > 0, mask > 0)
    else:
        assert np.array_equal(decode_brush(bytes(brush(mask, word)), 4 * mask.size)[3::4].reshape(7, 13), mask * 255)
    with pytest.raises(ValueError, match="ends early"):
        decode_brush(bytes(brush(mask)[:-9]), 4 * mask.size)


CVAT = """<?xml version="1.0"?><annotations><version>1.1</version><image id="0" name="a.png" width="20" height="10"
subset="Validation"><polygon label="lake" points="2,1;7,1;7,4;2,4" z_order="1"/><box label="hill" xtl="5" ytl="3"
xbr="14" ybr="7" z_order="0"/><mask label="road" rle="1, 2, 1" left="18" top="8" width="2" height="2"/>
<tag label="sunny"/></image></annotations>"""


def test_cvat_paints_by_z_order(tmp_path: Path) -> None:
    path = write(tmp_path / "annotations.xml", CVAT)
    assert tool_of(path) == "CVAT for images"
    (one,) = read_cvat(path)
    wanted = expected((2, 5, 3, 14, 7), (1, 2, 1, 7, 4))
    wanted[8, 19] = wanted[9, 18] = 3
    assert np.array_equal(mask_of(one, "lake", "hill", "road"), wanted)
    assert one.split == "Validation"


def test_supervisely_holes_and_bitmaps(tmp_path: Path) -> None:
    packed = io.BytesIO()
    part = Image.fromarray(np.array([[0, 1], [1, 1]], np.uint8), mode="P")
    part.putpalette([0, 0, 0, 9, 9, 9])
    part.save(packed, "PNG", transparency=0)
    bitmap = {"origin": [18, 8], "data": base64.b64encode(zlib.compress(packed.getvalue())).decode()}
    tree = {"size": {"width": 20, "height": 10}, "objects": [
        {"classTitle": "lake", "geometryType": "polygon",
         "points": {"exterior": [[1, 1], [9, 1], [9, 8], [1, 8]], "interior": [[[3, 3], [7, 3], [7, 6], [3, 6]]]}},
        {"classTitle": "road", "geometryType": "bitmap", "bitmap": bitmap},
    ]}  # fmt: skip
    one = read_supervisely(write(tmp_path / "a.png.json", tree))
    wanted = expected((1, 1, 1, 9, 8), (0, 4, 4, 6, 5))
    wanted[8, 19] = wanted[9, 18] = wanted[9, 19] = 2
    assert one.image == "a.png"
    assert np.array_equal(mask_of(one, "lake", "road"), wanted)
    meta = write(tmp_path / "meta.json", {"classes": [{"title": "lake", "color": "#0A141E"}]})
    assert supervisely_classes(meta) == [("lake", (10, 20, 30))]


def test_shapes_outside_and_across_themselves() -> None:
    """Self-crossing polygons are filled by the even-odd rule; nothing outside is painted."""
    bow = Shape("x", "polygon", ((0, 0), (18, 8), (18, 0), (0, 8)))
    mask = mask_of(AnnotatedImage("a", 20, 10, (bow,)), "x")
    assert mask[4, 2] == mask[4, 16] == 1
    assert mask[0, 9] == mask[8, 9] == 0
    away = Shape("x", "polygon", ((-50, -50), (-40, -50), (-40, -40)), rings=(((-45, -45), (-44, -45), (-44, -44)),))
    assert not mask_of(AnnotatedImage("a", 20, 10, (away,)), "x").any()
    round_ = Shape("x", "polygon", ellipse(10, 5, 8, 3))
    inside = mask_of(AnnotatedImage("a", 20, 10, (round_,)), "x")
    assert abs(int(inside.sum()) - np.pi * 8 * 3) < 20
    assert ellipse(0, 0, 2, 1, 90)[0] == pytest.approx((0, 2))


BROKEN: list[tuple[Callable[[Path], Any], Any, str]] = [
    (lambda p: read_via(p, lambda name: (1, 1)), {"a": {"filename": "a", "regions": [{}]}}, "region 1 has no shape"),
    (lambda p: read_via(p, lambda name: (1, 1)),
     {"a": {"filename": "a", "regions": [region({**SQUARE, "all_points_y": [1]}, c="x")]}},
     "incomplete"),
    (lambda p: read_via(p, lambda name: (1, 1)),
     {"a": {"filename": "a", "regions": [region({"name": "star", "cx": 1, "cy": 1}, c="x")]}}, "unknown kind 'star'"),
    (lambda p: read_via(p, lambda name: (1, 1)), [], "is not a VIA file"),
    (read_label_studio, [], "is not a Label Studio file"),
    (read_label_studio, [task({"points": [[1, 2]]})], "region 1 has no label"),
    (read_label_studio, [task({"points": [[1, 2]], "polygonlabels": ["x"]})], "has 1 points, expected at least 3"),
    (read_label_studio, [{"data": {"text": "hello"}, "annotations": []}], "names no image"),
    (read_cvat, "<annotations><image name='a'/></annotations>", "no width and height"),
    (read_cvat, "<annotations></annotations>", "has no images"),
    (read_cvat, "<annotations", "is not valid XML"),
    (read_cvat, "<!DOCTYPE a [<!ENTITY b 'c'>]><annotations/>", "refused"),
    (read_cvat, CVAT.replace("1, 2, 1", "1, 2, 9"), "12 pixels in a box of 2x2"),
    (read_cvat, CVAT.replace('label="lake" ', ""), "shape 1 has no label"),
    (read_cvat, CVAT.replace("7,1;", "7;"), "incomplete"),
    (read_supervisely, {"objects": []}, "is not a Supervisely file"),
    (read_supervisely, {"size": {"width": 2, "height": 2}, "objects": [{"classTitle": "x"}]},
     "object 1 has no class"),
]  # fmt: skip


@pytest.mark.parametrize(("read", "tree", "words"), BROKEN)
def test_what_is_wrong_is_named(tmp_path: Path, read: Callable[[Path], Any], tree: Any, words: str) -> None:
    path = write(tmp_path / "labels.json", tree)
    with pytest.raises(DataError, match=words) as caught:
        read(path)
    assert "labels.json" in str(caught.value)


def test_damaged_bitmaps_are_named_when_painted(tmp_path: Path) -> None:
    bad = [task({"format": "rle", "rle": brush(np.ones((3, 3), np.uint8)), "brushlabels": ["x"]})]
    with pytest.raises(DataError, match="damaged brush mask"):
        mask_of(read_label_studio(write(tmp_path / "a.json", bad))[0], "x")
    tree = {"size": {"width": 2, "height": 2}, "objects": [
        {"classTitle": "x", "geometryType": "bitmap", "bitmap": {"origin": [0, 0], "data": "AAAA"}}]}  # fmt: skip
    with pytest.raises(DataError, match="damaged bitmap"):
        mask_of(read_supervisely(write(tmp_path / "a.json", tree)), "x")


def test_the_background_of_labelme2coco_is_the_only_one(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((10, 20, 3), np.uint8)).save(tmp_path / "1.png")
    ring = [2, 1, 8, 1, 8, 5, 2, 5]
    tree = {
        "images": [{"id": 0, "file_name": "1.png", "width": 20, "height": 10}],
        "categories": [{"id": 0, "name": "_background_"}, {"id": 1, "name": "lake"}],
        "annotations": [{"id": 1, "image_id": 0, "category_id": 1, "segmentation": [ring]}],
    }
    write(tmp_path / "annotations.json", tree)
    found = find_source(tmp_path).labelled()
    assert found.classes == ("_background_", "lake")
    assert set(np.unique(found.images[0].mask())) == {0, 1}
    hole = {"id": 2, "image_id": 0, "category_id": 0, "segmentation": [[4, 2, 6, 2, 6, 4, 4, 4]]}
    write(tmp_path / "annotations.json", tree | {"annotations": [*tree["annotations"], hole]})
    mask = find_source(tmp_path).labelled().images[0].mask()
    assert (mask[1, 3], mask[3, 5]) == (1, 0)
