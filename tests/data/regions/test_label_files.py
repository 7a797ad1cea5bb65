"""Files of annotation tools that are written and read again."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pycocotools.coco import COCO
from support import REAL_DATA

from gantool.arrays import Mask
from gantool.data.regions.coco import open_coco
from gantool.data.regions.labelme import write_labelme
from gantool.data.sample import CLASSES, draw_scene
from gantool.data.sources.find import find_source
from gantool.errors import OutputError


def read_back(source: Path) -> dict[str, tuple[tuple[str, ...], Mask]]:
    """The class names and label map of every image, by its name, as `prepare` reads them."""
    found = find_source(source).labelled()
    return {one.image.stem: (found.classes, one.mask()) for one in found.images}


def worst_iou(mask: Mask, classes: tuple[str, ...], names: tuple[str, ...], again: Mask) -> float:
    """Of the classes that a label map has, compared by name with what was read."""
    values = []
    for index in np.unique(mask):
        here, there = mask == index, again == names.index(classes[index])
        values.append(float((here & there).sum() / (here | there).sum()))
    return min(values)


def holes() -> Mask:
    """Things within things, also the background."""
    mask = np.zeros((40, 50), np.uint8)
    mask[5:35, 5:40], mask[10:30, 10:30], mask[15:25, 15:25], mask[18:21, 18:21] = 1, 0, 2, 0
    mask[0, 49] = 2
    return mask


@pytest.mark.parametrize(("simplify", "least"), [(0, 1.0), (1, 0.98)])
def test_labelme_gives_the_label_map_back(tmp_path: Path, simplify: float, least: float) -> None:
    masks = {"scene": draw_scene(2, size=(160, 120)).mask, "odd": draw_scene(4, size=(61, 33)).mask}
    for name, mask in masks.items():
        Image.fromarray(np.zeros((*mask.shape, 3), np.uint8)).save(tmp_path / f"{name}.jpg")
        write_labelme(tmp_path / f"{name}.json", mask, CLASSES, tmp_path / f"{name}.jpg", simplify=simplify)
    for name, (names, again) in read_back(tmp_path).items():
        assert worst_iou(masks[name], CLASSES, names, again) >= least, name


@pytest.mark.parametrize(("simplify", "least"), [(0, 1.0), (1, 0.98)])
def test_coco_gives_the_label_maps_back(tmp_path: Path, simplify: float, least: float) -> None:
    masks = {"scene": draw_scene(2, size=(160, 120)).mask, "odd": draw_scene(4, size=(61, 33)).mask}
    (tmp_path / "pictures").mkdir()
    with open_coco(tmp_path / "segments.coco.json", CLASSES, simplify=simplify) as add:
        for name, mask in masks.items():
            Image.fromarray(np.zeros((*mask.shape, 3), np.uint8)).save(tmp_path / f"pictures/{name}.jpg")
            add(tmp_path / f"pictures/{name}.jpg", mask)
    entries = json.loads((tmp_path / "segments.coco.json").read_text())["annotations"]
    polygons = [isinstance(entry["segmentation"], list) for entry in entries]
    assert any(polygons) == bool(simplify) and not all(polygons), "small ones and those with holes are run lengths"
    for name, (names, again) in read_back(tmp_path / "segments.coco.json").items():
        assert worst_iou(masks[name], CLASSES, names, again) >= least, name


def test_the_background_is_drawn_only_where_it_must_be(tmp_path: Path) -> None:
    mask, classes = holes(), ("background", "wall", "door")
    Image.fromarray(np.zeros((*mask.shape, 3), np.uint8)).save(tmp_path / "house.png")
    write_labelme(tmp_path / "house.json", mask, classes, tmp_path / "house.png")
    tree = json.loads((tmp_path / "house.json").read_text())
    assert [shape["label"] for shape in tree["shapes"]] == ["wall", "background", "door", "background", "door"]
    assert (tree["imagePath"], tree["imageData"], tree["imageWidth"], tree["imageHeight"]) == (
        "house.png",
        None,
        50,
        40,
    )
    assert {"version", "flags"} < set(tree)
    assert {"label", "points", "group_id", "shape_type", "flags"} < set(tree["shapes"][0])
    ((names, again),) = read_back(tmp_path).values()
    assert names == ("_background_", "door", "wall")
    assert np.array_equal(np.array(("background", "door", "wall"))[again], np.array(classes)[mask])
    (tmp_path / "house.json").unlink()
    with open_coco(tmp_path / "segments.coco.json", classes) as add:
        add(tmp_path / "house.png", mask)
    ((names, again),) = read_back(tmp_path).values()
    assert names == classes
    assert np.array_equal(again, mask)


def test_coco_files_are_what_coco_reads(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mask = holes()
    mask[:, :3] = 1  # runs from column to column
    for simplify in (0, 1):
        with open_coco(tmp_path / "all.json", ("background", "wall", "door"), simplify=simplify) as add:
            add(tmp_path / "a.png", mask)
            add(tmp_path / "deep" / "b.png", np.full((3, 4), 2, np.uint8))
        coco = COCO(str(tmp_path / "all.json"))
        assert {one["id"]: one["name"] for one in coco.cats.values()} == {2: "wall", 3: "door"}
        assert [one["file_name"] for one in coco.imgs.values()] == ["a.png", "deep/b.png"]
        painted = np.zeros_like(mask)
        for entry in coco.loadAnns(coco.getAnnIds(imgIds=[1])):
            region = coco.annToMask(entry).astype(bool)
            assert entry["area"] == pytest.approx(region.sum(), abs=0 if not simplify else 2)
            ys, xs = np.nonzero(region)
            assert entry["bbox"] == [xs.min(), ys.min(), np.ptp(xs) + 1, np.ptp(ys) + 1]
            painted[region] = entry["category_id"] - 1
        assert (painted != mask).sum() <= (0 if not simplify else 4)
    capsys.readouterr()


def test_without_images_or_past_a_failure_there_is_no_coco_file(tmp_path: Path) -> None:
    path = tmp_path / "all.json"
    with open_coco(path, ("sky",)):
        pass
    with pytest.raises(KeyboardInterrupt), open_coco(path, ("sky",)) as add:
        add(tmp_path / "a.png", np.zeros((3, 4), np.uint8))
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError), open_coco(tmp_path / "file" / "all.json", ("sky",)) as add:
        add(tmp_path / "a.png", np.zeros((3, 4), np.uint8))


def test_published_paintings_there_and_back(tmp_path: Path) -> None:
    """Real label maps with their ragged borders; every sixteenth of them."""
    folder = REAL_DATA / "bob_ross"
    if not folder.is_dir():
        pytest.skip("no real data here (set GANTOOL_TEST_DATA)")
    values = {0: "none", 3: "sky", 5: "tree", 10: "grass", 14: "earth", 17: "mountain", 18: "plant", 22: "water",
              27: "sea", 61: "river"}  # fmt: skip
    names = tuple(values.get(n, f"class {n}") for n in range(62))
    masks = {path.stem: np.asarray(Image.open(path)) for path in sorted(folder.glob("train/labels/*.png"))[::16]}
    assert len(masks) == 13
    for simplify, least in ((0, 1.0), (1, 0.98)):
        with open_coco(tmp_path / f"{simplify}.json", names, simplify=simplify) as add:
            for name, mask in masks.items():
                Image.fromarray(np.zeros((*mask.shape, 3), np.uint8)).save(tmp_path / f"{name}.png")
                write_labelme(tmp_path / f"{name}.json", mask, names, tmp_path / f"{name}.png", simplify=simplify)
                add(tmp_path / f"{name}.png", mask)
        coco = read_back(tmp_path / f"{simplify}.json")
        (tmp_path / f"{simplify}.json").unlink()
        for again in (coco, read_back(tmp_path)):
            for name, mask in masks.items():
                assert worst_iou(mask, names, *again[name]) >= least, name
