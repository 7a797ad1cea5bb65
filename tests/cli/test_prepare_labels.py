from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from ruamel.yaml import YAML
from support import Cli

from gantool.data.masks import read_index_mask
from gantool.data.sample import CLASSES, draw_scene

BOB_ROSS = (3, 5, 10, 14, 17, 18, 22, 27, 61)


def labelled(images: Path, masks: Path, first: int, count: int, values: tuple[int, ...] = tuple(range(9)),
             size: tuple[int, int] = (48, 32), ending: str = "") -> None:  # fmt: skip
    images.mkdir(parents=True, exist_ok=True)
    masks.mkdir(parents=True, exist_ok=True)
    for n in range(first, first + count):
        scene = draw_scene(n, size=size)
        Image.fromarray(scene.summer).save(images / f"painting{n}.png")
        Image.fromarray(np.array(values, np.uint8)[scene.mask]).save(masks / f"painting{n}{ending}.png")


def description(root: str) -> dict[str, object]:
    tree: dict[str, object] = YAML(typ="safe", pure=True).load(Path(root, "dataset.yaml").read_text("utf-8"))
    return tree


def test_sparse_values_and_labels_csv(cli: Cli, workplace: Path) -> None:
    """The layout of the Bob Ross paintings."""
    labelled(workplace / "bob/train/images", workplace / "bob/train/labels", 0, 20, BOB_ROSS)
    rows = "".join(f"{value},{name}\n" for value, name in zip(BOB_ROSS, CLASSES, strict=True))
    (workplace / "bob/labels.csv").write_text(rows + "99,never used\n")
    result = cli("prepare", "bob", "--json")
    assert result.code == 0, result.err
    answer = json.loads(result.out)
    assert list(answer["classes"]) == list(CLASSES)
    assert answer["images"] == {"train": {"images": 18}, "test": {"images": 2}}
    assert sum(answer["classes"].values()) == pytest.approx(1)
    for split in ("train", "test"):
        for path in Path("data/bob", split, "masks").iterdir():
            number = int(path.stem.removeprefix("painting"))
            assert np.array_equal(read_index_mask(path), draw_scene(number, size=(48, 32)).mask)
    tree = description("data/bob")
    assert tree["kind"] == "segmentation"
    assert tree["ignore"] == 255
    assert [entry["name"] for entry in tree["classes"]] == list(CLASSES)  # type: ignore[attr-defined]
    assert not list(Path("data/bob").rglob(".*"))


def test_camvid_layout_tiles_and_splits(cli: Cli, workplace: Path) -> None:
    for split, first in (("train", 0), ("val", 10), ("test", 20)):
        labelled(workplace / "cam" / split, workplace / "cam" / f"{split}annot", first, 3)
    result = cli("prepare", "cam", "-o", "out", "--tile", "32", "--stride", "16", "--json")
    assert result.code == 0, result.err
    assert json.loads(result.out)["images"] == {split: {"images": 3} for split in ("train", "val", "test")}
    tiles = sorted(path.name for path in Path("out/train/masks").iterdir())
    assert tiles[:2] == ["painting0_00000_00000.png", "painting0_00000_00016.png"]
    scene = draw_scene(0, size=(48, 32))
    assert np.array_equal(read_index_mask(Path("out/train/masks/painting0_00000_00016.png")), scene.mask[:, 16:48])
    with Image.open("out/train/images/painting0_00000_00016.png") as image:
        assert np.array_equal(np.asarray(image), scene.summer[:, 16:48])


def test_names_with_endings_classes_and_ignored_values(cli: Cli, workplace: Path) -> None:
    labelled(workplace / "set/images", workplace / "set/masks", 0, 12, (0, 1, 2, 3, 4, 5, 6, 7, 77), ending="_mask")
    refused = cli("prepare", "set", "--classes", "names.txt")
    assert refused.code == 2
    Path("names.txt").write_text("\n".join(CLASSES[:8]))
    named = cli("prepare", "set", "--classes", "names.txt", "--check", "--json")
    assert named.code == 0, named.err
    assert (
        "of the pixels have the value 77, which no class has, and are ignored" in json.loads(named.out)["recognized"]
    )
    Path("few.txt").write_text("\n".join(CLASSES[:7]))
    refused = cli("prepare", "set", "--classes", "few.txt")
    assert refused.code == 2
    assert "of the mask pixels have the values 7, 77, which no class has" in refused.err
    assert "--ignore 7 --ignore 77" in refused.err
    done = cli("prepare", "set", "--classes", "names.txt", "--ignore", "77")
    assert done.code == 0, done.err
    masks = [read_index_mask(path) for path in Path("data/set").rglob("masks/*.png")]
    assert {int(value) for mask in masks for value in np.unique(mask)} <= {*range(8), 255}


def test_labelme_and_coco(cli: Cli, workplace: Path) -> None:
    folder = workplace / "me"
    folder.mkdir()
    for n in range(4):
        Image.fromarray(draw_scene(n, size=(20, 16)).summer).save(folder / f"{n}.png")
        shapes = [{"label": "lake", "shape_type": "rectangle", "points": [[0, 0], [9, 9]]},
                  {"label": "__ignore__", "shape_type": "rectangle", "points": [[12, 0], [19, 3]]}]  # fmt: skip
        tree = {"imagePath": f"{n}.png", "imageWidth": 20, "imageHeight": 16, "shapes": shapes}
        (folder / f"{n}.json").write_text(json.dumps(tree))
    result = cli("prepare", "me", "--split", "1,0,0")
    assert result.code == 0, result.err
    assert "4 labelme files" in result.err
    mask = read_index_mask(Path("data/me/train/masks/0.png"))
    assert (mask[5, 5], mask[15, 15], mask[0, 15]) == (1, 0, 255)
    coco = {
        "categories": [{"id": 1, "name": "lake"}],
        "images": [{"id": n, "file_name": f"{n}.png", "width": 20, "height": 16} for n in range(5)],
        "annotations": [{"id": 1, "image_id": 0, "category_id": 1, "segmentation": [[0, 0, 10, 0, 10, 10]]}],
    }
    for path in folder.glob("*.json"):
        path.unlink()
    (folder / "instances.json").write_text(json.dumps(coco))
    result = cli("prepare", "me", "-o", "coco")
    assert result.code == 1, "image 4 is named but not there"
    assert "4.png: there is no such file" in result.err
    assert [entry["name"] for entry in description("coco")["classes"]] == ["background", "lake"]  # type: ignore[attr-defined]


def test_problems_with_labels_are_named(cli: Cli, workplace: Path) -> None:
    labelled(workplace / "set/images", workplace / "set/masks", 0, 6)
    Image.fromarray(np.zeros((5, 5), np.uint8)).save("set/masks/painting1.png")
    Image.fromarray(np.full((32, 48), 255, np.uint8)).save("set/masks/painting2.png")
    Image.fromarray(draw_scene(3, size=(48, 32)).summer).save("set/masks/painting3.png")
    result = cli("prepare", "set", "--check")
    assert result.code == 2
    assert "picture in color" in result.err, "which values there are must be known first"
    Image.fromarray(np.zeros((32, 48), np.uint8)).save("set/masks/painting3.png")
    result = cli("prepare", "set", "--check")
    assert result.code == 1
    assert "painting1.png: has 48x32 pixels, its mask 5x5" in result.err
    assert "painting2.png: every pixel of its mask is to be ignored" in result.err
    Path("set/masks/painting0.png").unlink()
    assert "no mask of that name" in cli("prepare", "set", "--check").err
    assert "cuts images with their labels" in cli("prepare", "--domain", "a=set/images", "--domain", "b=set/masks",
                                                  "--as", "unpaired", "--tile", "32").err  # fmt: skip
    Path("refused/train").mkdir(parents=True)
    Path("refused/dataset.yaml").write_text("kind: segmentation\nclasses: []\n")
    refused = cli("train", "cyclegan", "--data", "refused")
    assert (refused.code, "no images with masks" in refused.err) == (2, True)
    assert "no images with masks" in cli("prepare", "refused", "--ignore", "3").err
    refused = cli(
        "prepare", "--domain", "a=set/images", "--domain", "b=set/masks", "--as", "unpaired", "--ignore", "3"
    )
    assert "--ignore says nothing about this source" in refused.err
    Path("nothing").mkdir()
    assert "no labels found" in cli("prepare", "nothing", "--as", "segmentation").err


@pytest.mark.slow
def test_real_label_sets(cli: Cli, workplace: Path, real_data: Path) -> None:
    camvid = json.loads(cli("prepare", real_data / "CamVid", "--check", "--json").out)
    assert camvid["images"] == {"train": {"images": 367}, "val": {"images": 101}, "test": {"images": 233}}
    assert len(camvid["classes"]) == 11
    facades = cli("prepare", real_data / "building_facades_coco", "--tile", "256", "--json")
    assert facades.code == 0, facades.err
    assert json.loads(facades.out)["images"]["train"] == {"images": 36}
    assert len(list(Path("data/building_facades_coco/train/masks").iterdir())) == 36 * 16
    example = cli("prepare", real_data / "labelme_example", "-o", "example", "--split", "1,0,0", "--json")
    assert example.code == 0, example.err
    assert "tv/monitor" in json.loads(example.out)["classes"]
