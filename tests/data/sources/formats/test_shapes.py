from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO

from gantool.data.sources.formats.coco import read_coco
from gantool.data.sources.formats.labelme import read_labelme
from gantool.data.sources.formats.painting import rasterize
from gantool.data.sources.formats.shapes import AnnotatedImage, Shape
from gantool.errors import DataError


def labelme(path: Path, shapes: list[dict[str, Any]], **extra: Any) -> Path:
    tree = {"imagePath": "a.png", "imageWidth": 20, "imageHeight": 10, "shapes": shapes, **extra}
    path.write_text(json.dumps(tree))
    return path


def shape(kind: str, *points: tuple[float, float], label: str = "x") -> dict[str, Any]:
    return {"label": label, "shape_type": kind, "points": [list(point) for point in points]}


def painted(*shapes: Shape) -> np.ndarray:
    labels = {s.label: n + 1 for n, s in enumerate(shapes)}
    return rasterize(AnnotatedImage("a", 20, 10, shapes), labels, 0)


def test_shapes_are_painted_in_order_and_cut_at_the_border() -> None:
    mask = painted(
        Shape("wide", "rectangle", ((-5, 2), (50, 7))),
        Shape("small", "rectangle", ((6, 5), (4, 3))),
        Shape("away", "polygon", ((30, 30), (40, 30), (40, 40))),
    )
    assert mask.shape == (10, 20)
    assert mask[4, 0] == mask[4, 19] == 1
    assert mask[4, 5] == 2
    assert (mask[:2] == 0).all()
    assert set(np.unique(mask)) == {0, 1, 2}


def test_every_kind() -> None:
    assert painted(Shape("p", "point", ((10, 5),)))[5, 10] == 1
    assert painted(Shape("c", "circle", ((10, 5), (13, 5))))[5, 12] == 1
    assert painted(Shape("l", "line", ((0, 5), (19, 5)))).sum() >= 20 * 9
    bitmap = np.zeros((10, 20), bool)
    bitmap[3, 4] = True
    assert np.array_equal(painted(Shape("b", "bitmap", bitmap=lambda: bitmap)), bitmap.astype(np.uint8))


def test_labelme_file(tmp_path: Path) -> None:
    part = io.BytesIO()
    Image.fromarray(np.full((3, 4), 255, np.uint8)).save(part, "PNG")
    mask = {"label": "m", "shape_type": "mask", "points": [[18, 8], [22, 11]],
            "mask": base64.b64encode(part.getvalue()).decode()}  # fmt: skip
    read = read_labelme(labelme(tmp_path / "a.json", [shape("linestrip", (0, 0), (5, 5)), mask]))
    assert (read.image, read.width, read.height) == ("a.png", 20, 10)
    assert [s.form for s in read.shapes] == ["line", "bitmap"]
    assert read.shapes[1].bitmap is not None
    where = read.shapes[1].bitmap()
    assert where.sum() == 4, "the part outside the image is cut off"
    assert where[8:, 18:].all()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"imagePath": "a", "shapes": []}', "imageWidth"),
        ("[]", "not a labelme file"),
        ("{", "not valid JSON"),
        ('{"imagePath": "a", "imageWidth": NaN, "shapes": []}', "NaN"),
        (json.dumps({"imagePath": "a", "imageWidth": 9, "imageHeight": 9, "shapes": [shape("polygon", (0, 0))]}),
         "shape 1 (polygon) has 1 points, expected at least 3"),
        (json.dumps({"imagePath": "a", "imageWidth": 9, "imageHeight": 9, "shapes": [shape("spiral", (0, 0))]}),
         "unknown kind 'spiral'"),
        (json.dumps({"imagePath": "a", "imageWidth": 9, "imageHeight": 9, "shapes": [{"label": "x"}]}),
         "shape 1 has no label or no points"),
    ],
)  # fmt: skip
def test_bad_labelme_files_are_named(text: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(DataError) as caught:
        read_labelme(path)
    assert str(path) in str(caught.value)
    assert words in str(caught.value)


def coco_tree() -> dict[str, Any]:
    square = np.zeros((10, 20), np.uint8, order="F")
    square[2:5, 3:9] = 1
    compressed = coco_mask.encode(square)
    counts = [43, 3, 7, 3, 7, 3, 7, 3, 104, 20]
    return {
        "categories": [{"id": 7, "name": "thing"}, {"id": 0, "name": "thing"}, {"id": 3, "name": "car"}],
        "images": [{"id": 1, "file_name": "a.png", "width": 20, "height": 10}],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 3, "segmentation": [[0, 0, 2, 0, 2, 2, 0, 2]], "iscrowd": 0},
            {"id": 2, "image_id": 1, "category_id": 7, "segmentation": [[0, 0, 20, 0, 20, 10, 0, 10]], "iscrowd": 0},
            {"id": 3, "image_id": 1, "category_id": 0, "iscrowd": 1,
             "segmentation": {"size": [10, 20], "counts": compressed["counts"].decode()}},
            {"id": 4, "image_id": 1, "category_id": 0, "iscrowd": 1,
             "segmentation": {"size": [10, 20], "counts": counts}},
        ],
    }  # fmt: skip


def test_coco_file(tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    path.write_text(json.dumps(coco_tree()))
    names, (annotated,) = read_coco(path)
    assert names == ["thing (0)", "car", "thing (7)"], "told apart by id"
    mask = rasterize(annotated, {name: n + 1 for n, name in enumerate(names)}, 0)
    assert mask[0, 0] == 2, "the small region lies on the large one although it came first"
    assert mask[9, 15] == 3
    assert mask[0, 19] == 1, "run lengths go down the columns"
    assert mask[3, 4] == 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"image_id": 9}, "belongs to image 9"),
        ({"category_id": 9}, "category 9, which is not listed"),
        ({"segmentation": {"size": [5, 5], "counts": [25]}}, "damaged segmentation"),
        ({"segmentation": {"counts": [25]}}, "damaged segmentation"),
    ],
)
def test_bad_coco_files_are_named(change: dict[str, Any], words: str, tmp_path: Path) -> None:
    tree = coco_tree()
    tree["annotations"][0] |= change
    path = tmp_path / "c.json"
    path.write_text(json.dumps(tree))
    with pytest.raises(DataError, match="annotation 1") as caught:
        read_coco(path)
    assert words in str(caught.value)


def test_real_labelme_masks(real_data: Path) -> None:
    """labelme's own conversion is met on at least 99.9 % of the pixels."""
    root = real_data / "labelme_example"
    names = [line.strip() for line in (root / "labels.txt").read_text().splitlines()]
    indices = {name: n - 1 for n, name in enumerate(names)} | {"__ignore__": 255}
    for path in sorted(root.glob("*.json")):
        with Image.open(root / "expected_masks" / f"{path.stem}.png") as image:
            expected = np.asarray(image)
        assert (rasterize(read_labelme(path), indices, 0) == expected).mean() >= 0.999, path.name


def test_real_coco_masks(real_data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The standard rasterizer's masks are met; both categories named facade are kept apart."""
    path = next((real_data / "building_facades_coco" / "valid").glob("*.json"))
    names, annotated = read_coco(path)
    assert {"facade (0)", "facade (3)"} <= set(names)
    reference = COCO(str(path))
    by_file = {entry["file_name"]: entry["id"] for entry in reference.dataset["images"]}
    category = {n: index for index, n in enumerate(sorted(reference.cats))}
    for one in annotated[:4]:
        expected = np.zeros((one.height, one.width), np.uint8)
        entries = reference.loadAnns(reference.getAnnIds(by_file[one.image]))
        for entry in sorted(entries, key=lambda e: -int(reference.annToMask(e).sum())):
            expected[reference.annToMask(entry) > 0] = category[entry["category_id"]] + 1
        got = rasterize(one, {name: n + 1 for n, name in enumerate(names)}, 0)
        assert (got == expected).mean() >= 0.999
