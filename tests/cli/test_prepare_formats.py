"""Every layout end to end: drawn scenes in, the same masks out."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from ruamel.yaml import YAML
from support import Cli

from gantool.arrays import IGNORE
from gantool.data.masks import one_hot, read_index_mask
from gantool.data.sample import CLASSES, draw_scene
from gantool.data.sources.labels import find_labelled

SIZE = (48, 32)
COLORS = [(10 * n, 255 - 20 * n, (70 * n) % 256) for n in range(9)]


def scene(n: int) -> tuple[Image.Image, np.ndarray]:
    drawn = draw_scene(n, size=SIZE)
    return Image.fromarray(drawn.summer), drawn.mask


def save(image: Any, path: str, **options: Any) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(path, **options)


def prepared(cli: Cli, source: str, *options: str) -> dict[str, Any]:
    result = cli("prepare", source, "-o", "out", "--json", *options)
    assert result.code == 0, result.err
    answer: dict[str, Any] = json.loads(result.out)
    return answer


def written(number: int, name: str = "{}") -> np.ndarray:
    (path,) = Path("out").rglob(f"masks/{name.format(number)}.png")
    return read_index_mask(path)


def described() -> dict[str, Any]:
    tree: dict[str, Any] = YAML(typ="safe", pure=True).load(Path("out/dataset.yaml").read_text("utf-8"))
    return tree


def table(path: str, lines: list[str]) -> None:
    Path(path).write_text("\n".join(lines))


@pytest.mark.parametrize("with_table", [True, False])
def test_masks_in_color(cli: Cli, workplace: Path, with_table: bool) -> None:
    for n in range(6):
        image, mask = scene(n)
        save(image, f"set/images/{n}.jpg")
        save(np.array(COLORS, np.uint8)[mask], f"set/labels/{n}_L.png")
    if with_table:
        rows = ["name,r,g,b"] + [f"{name},{r},{g},{b}" for name, (r, g, b) in zip(CLASSES, COLORS, strict=True)]
        table("set/class_dict.csv", rows)
    answer = prepared(cli, "set")
    if with_table:
        assert list(answer["classes"]) == list(CLASSES)
        assert all(np.array_equal(written(n), scene(n)[1]) for n in range(6))
        assert [tuple(one["color"]) for one in described()["classes"]] == COLORS
    else:
        names = [one["name"] for one in described()["classes"]]
        assert set(names) == {
            "color_{:02x}{:02x}{:02x}".format(*COLORS[n]) for n in np.unique([scene(n)[1] for n in range(6)])
        }
        back = [COLORS.index(tuple(one["color"])) for one in described()["classes"]]
        assert all(np.array_equal(np.array(back)[written(n)], scene(n)[1]) for n in range(6))
    assert answer["remarks"] == []


def test_blurred_colors_are_snapped_and_counted(cli: Cli, workplace: Path) -> None:
    colors = np.array([(0, 0, 0), (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0), (0, 255, 255), (255, 0, 255),
                       (255, 255, 255), (128, 128, 128)], np.uint8)  # fmt: skip
    for n in range(6):
        drawn = draw_scene(n, size=(192, 128))
        save(drawn.summer, f"set/images/{n}.jpg")
        save(colors[drawn.mask], f"set/masks/{n}.jpg", quality=90, subsampling=0)
    rows = ["{} #{:02x}{:02x}{:02x}".format(name, *color) for name, color in zip(CLASSES, colors, strict=True)]
    table("table.txt", rows)
    answer = prepared(cli, "set", "--classes", "table.txt")
    right = np.mean([(written(n) == draw_scene(n, size=(192, 128)).mask).mean() for n in range(6)])
    assert right > 0.97
    assert "were moved to the nearest class color" in answer["remarks"][0]
    table("table.txt", rows[:2])
    refused = cli("prepare", "set", "--classes", "table.txt", "--check")
    assert refused.code == 2
    assert "are near no class, most often the color" in refused.err
    assert "says nothing about this source" in cli("prepare", "set", "--attribute", "x").err


def test_labels_travel_to_worker_processes(cli: Cli, workplace: Path) -> None:
    """Whatever system starts them: what makes a mask can be pickled."""
    image, mask = scene(0)
    shapes = [{"label": "x", "shape_type": "rectangle", "points": [[0, 0], [5, 5]]}]
    annotation = {"imagePath": "0.png", "imageWidth": 48, "imageHeight": 32, "shapes": shapes}
    for folder, kind in (
        ("color", np.array(COLORS, np.uint8)[mask]),
        ("index", mask),
        ("arrays", None),
        ("drawn", None),
    ):
        save(image, f"{folder}/{'' if folder == 'drawn' else 'images/'}0.png")
        if kind is not None:
            save(kind, f"{folder}/masks/0.png")
    Path("arrays/masks").mkdir()
    np.save("arrays/masks/0.npy", one_hot(mask, 9))
    table("drawn/0.json", [json.dumps(annotation)])
    for folder in ("color", "index", "arrays", "drawn"):
        found = find_labelled(Path(folder))
        assert found is not None
        (copy,) = pickle.loads(pickle.dumps(found.images))
        assert np.array_equal(copy.mask(), found.images[0].mask())


def test_ignored_color_and_name(cli: Cli, workplace: Path) -> None:
    for n in range(3):
        image, mask = scene(n)
        save(image, f"set/images/{n}.png")
        save(np.array(COLORS, np.uint8)[mask], f"set/masks/{n}.png")
    lines = [f"{name}:{r},{g},{b}::" for name, (r, g, b) in zip(("void", *CLASSES[1:]), COLORS, strict=True)]
    table("set/labelmap.txt", ["# label:color_rgb:parts:actions", *lines])
    prepared(cli, "set", "--ignore", CLASSES[8])
    wanted = scene(1)[1].astype(int) - 1
    wanted[(wanted == -1) | (wanted == 7)] = IGNORE
    assert np.array_equal(written(1), wanted)
    assert [one["name"] for one in described()["classes"]] == list(CLASSES[1:8])


def test_one_mask_per_class(cli: Cli, workplace: Path) -> None:
    for n in range(4):
        image, mask = scene(n)
        save(image, f"set/train/images/{n}.png")
        for index in (1, 2, 5):
            save(np.uint8(mask == index) * 255, f"set/train/masks/{CLASSES[index]}/{n}_mask.png")
    answer = prepared(cli, "set", "--split", "1,0,0")
    names = ["background", *sorted(CLASSES[index] for index in (1, 2, 5))]
    assert list(answer["classes"]) == names
    wanted = np.zeros(SIZE[::-1], np.uint8)
    for index in (1, 2, 5):
        wanted[scene(2)[1] == index] = names.index(CLASSES[index])
    assert np.array_equal(written(2), wanted)


def test_one_hot_arrays(cli: Cli, workplace: Path) -> None:
    Path("set/masks").mkdir(parents=True)
    for n in range(4):
        image, mask = scene(n)
        save(image, f"set/images/{n}.png")
        np.save(f"set/masks/{n}.npy", one_hot(mask, 9))
    table("names.txt", list(CLASSES))
    assert list(prepared(cli, "set", "--classes", "names.txt")["classes"]) == list(CLASSES)
    assert all(np.array_equal(written(n), scene(n)[1]) for n in range(4))
    twice = one_hot(scene(0)[1], 9)
    twice[0, 0] = 1
    np.save("set/masks/0.npy", twice)
    np.save("set/masks/1.npy", one_hot(scene(1)[1], 9) * 0.5)
    result = cli("prepare", "set", "--check")
    assert result.code == 1
    assert "0.npy: has a pixel that belongs to two classes" in result.err
    assert "1.npy: has values other than 0 and 1" in result.err


def test_masks_beside_their_images_and_black_and_white(cli: Cli, workplace: Path) -> None:
    for n in range(4):
        image, mask = scene(n)
        save(image, f"set/photo {n}.jpg")
        save(np.uint8(mask > 2) * 255, f"set/photo {n}_seg.png")
    answer = prepared(cli, "set")
    assert list(answer["classes"]) == ["background", "foreground"]
    assert np.array_equal(written(3, "photo {}"), scene(3)[1] > 2)


def test_palette_colors_are_kept(cli: Cli, workplace: Path) -> None:
    for n in range(3):
        image, mask = scene(n)
        save(image, f"set/images/{n}.png")
        painted = Image.fromarray(mask)
        painted.putpalette([value for color in COLORS for value in color])
        save(painted, f"set/masks/{n}.png")
    prepared(cli, "set")
    values = sorted(np.unique([scene(n)[1] for n in range(3)]))
    assert [tuple(one["color"]) for one in described()["classes"]] == [COLORS[value] for value in values]


def test_cityscapes(cli: Cli, workplace: Path) -> None:
    stored = np.array([7, 8, 11, 23, 26, 33, 0, 4, 21], np.uint8)
    for split, n in (("train", 0), ("train", 1), ("val", 2), ("test", 3)):
        image, mask = scene(n)
        save(image, f"city/leftImg8bit/{split}/ulm/ulm_{n}_leftImg8bit.png")
        save(stored[mask], f"city/gtFine/{split}/ulm/ulm_{n}_gtFine_labelIds.png")
        save(np.zeros((32, 48, 3), np.uint8), f"city/gtFine/{split}/ulm/ulm_{n}_gtFine_color.png")
    answer = prepared(cli, "city")
    assert answer["images"] == {"train": {"images": 2}, "val": {"images": 1}}
    wanted = np.array([0, 1, 2, 10, 13, 18, 255, 255, 8])[scene(2)[1]]
    assert np.array_equal(written(2, "ulm_{}_leftImg8bit"), wanted)
    assert list(answer["classes"])[:2] == ["road", "sidewalk"]


def test_ade20k_of_2016_and_2021(cli: Cli, workplace: Path) -> None:
    for split, n in (("training", 0), ("training", 1), ("validation", 2)):
        image, mask = scene(n)
        save(image, f"ade/images/{split}/ADE_{split[:5]}_0000000{n}.jpg")
        save(mask, f"ade/annotations/{split}/ADE_{split[:5]}_0000000{n}.png")
    table("ade/sceneCategories.txt", ["ADE_train_00000001 street"])
    answer = prepared(cli, "ade")
    assert (len(answer["classes"]), list(answer["classes"])[2]) == (150, "sky")
    wanted = scene(2)[1].astype(int) - 1
    wanted[wanted < 0] = IGNORE
    assert np.array_equal(written(2, "ADE_valid_0000000{}"), wanted)
    numbers = np.array([0, 3, 300, 2977, 1125, 511, 256, 12, 13])
    for n in (0, 1):
        image, mask = scene(n)
        save(image, f"full/images/street/ADE_train_0000000{n}.jpg")
        red, green = numbers[mask] // 256 * 10 + 3, numbers[mask] % 256
        save(np.stack([red, green, mask], -1).astype(np.uint8), f"full/images/street/ADE_train_0000000{n}_seg.png")
        named = [{"name_ndx": int(number), "raw_name": f"thing {number}"} for number in numbers]
        table(f"full/images/street/ADE_train_0000000{n}.json", [json.dumps({"annotation": {"object": named}})])
    answer = prepared(cli, "full", "--overwrite", "--split", "1,0,0")
    seen = sorted({int(value) for n in (0, 1) for value in np.unique(numbers[scene(n)[1]])} - {0})
    assert list(answer["classes"]) == [f"thing {number}" for number in seen]
    wanted = np.array([seen.index(number) if number in seen else IGNORE for number in numbers])[scene(1)[1]]
    assert np.array_equal(written(1, "ADE_train_0000000{}"), wanted)


def test_pascal_voc_and_segmentation_masks_of_cvat(cli: Cli, workplace: Path) -> None:
    for n in range(4):
        image, mask = scene(n)
        save(image, f"voc/JPEGImages/{n}.jpg")
        if n < 3:
            save(np.where(mask == 8, 255, mask).astype(np.uint8), f"voc/SegmentationClass/{n}.png")
    Path("voc/ImageSets/Segmentation").mkdir(parents=True)
    table("voc/ImageSets/Segmentation/train.txt", ["0", "1"])
    table("voc/ImageSets/Segmentation/val.txt", ["2"])
    answer = prepared(cli, "voc")
    assert answer["images"] == {"train": {"images": 2}, "val": {"images": 1}}
    assert list(answer["classes"])[15] == "person"
    assert np.array_equal(written(2), np.where(scene(2)[1] == 8, 255, scene(2)[1]))
    for n in range(3):
        save(np.array(COLORS, np.uint8)[scene(n)[1]], f"voc/SegmentationClass/{n}.png")
    table("voc/labelmap.txt", [f"{name}:{r},{g},{b}::" for name, (r, g, b) in zip(CLASSES, COLORS, strict=True)])
    answer = prepared(cli, "voc", "--overwrite")
    assert "CVAT" in answer["recognized"]
    assert np.array_equal(written(2), scene(2)[1])


def test_pets(cli: Cli, workplace: Path) -> None:
    for n in range(3):
        image, mask = scene(n)
        save(image, f"pets/images/cat_{n}.jpg")
        save(np.clip(mask, 1, 3), f"pets/annotations/trimaps/cat_{n}.png")
    table("pets/annotations/test.txt", ["cat_2 1 1 1"])
    answer = prepared(cli, "pets")
    assert answer["images"] == {"train": {"images": 2}, "test": {"images": 1}}
    assert np.array_equal(written(2, "cat_{}"), np.array([1, 1, 0, 255])[np.clip(scene(2)[1], 0, 3)])


def test_annotation_tools_from_their_usual_folders(cli: Cli, workplace: Path) -> None:
    box = {"x": 0, "y": 0, "width": 50, "height": 50, "rectanglelabels": ["lake"]}
    tasks = [
        {"data": {"image": f"/data/upload/1/0a1b2c3d-{n}.png"}, "annotations": [
            {"result": [{"original_width": 48, "original_height": 32, "value": box}]}]}
        for n in range(3)
    ]  # fmt: skip
    for n in range(3):
        save(scene(n)[0], f"set/images/{n}.png")
    table("set/project-1.json", [json.dumps(tasks)])
    assert "Label Studio (project-1.json)" in prepared(cli, "set")["recognized"]
    assert written(1)[15, 23] == 1
    assert written(1)[20, 30] == 0
    Path("set/project-1.json").unlink()
    images = "".join(
        f'<image name="{n}.png" width="48" height="32"><box label="lake" xtl="0" ytl="0" xbr="24" ybr="16"/></image>'
        for n in range(3)
    )
    table("set/annotations.xml", [f"<annotations>{images}</annotations>"])
    assert "CVAT for images" in prepared(cli, "set", "--overwrite")["recognized"]
    assert written(1)[15, 23] == 1
    Path("set/annotations.xml").unlink()
    rect = {"name": "rect", "x": 0, "y": 0, "width": 24, "height": 16}
    drawn = [{"shape_attributes": rect, "region_attributes": {"kind": "lake"}}]
    via = {str(n): {"filename": f"{n}.png", "regions": drawn} for n in range(3)}
    table("set/via.json", [json.dumps(via)])
    assert "VIA (via.json)" in prepared(cli, "set/via.json", "--overwrite")["recognized"]
    assert written(1)[15, 23] == 1
    table("set/other.json", [json.dumps({"imagePath": "0.png", "imageWidth": 48, "imageHeight": 32, "shapes": []})])
    several = cli("prepare", "set")
    assert (several.code, "annotations of several kinds: " in several.err) == (2, True)
    for n in range(3):
        save(scene(n)[0], f"sly/ds0/img/{n}.png")
        square = {
            "classTitle": "lake",
            "geometryType": "rectangle",
            "points": {"exterior": [[0, 0], [24, 16]], "interior": []},
        }
        Path("sly/ds0/ann").mkdir(exist_ok=True)
        table(f"sly/ds0/ann/{n}.png.json", [json.dumps({"size": {"width": 48, "height": 32}, "objects": [square]})])
    table("sly/meta.json", [json.dumps({"classes": [{"title": "lake", "color": "#0A0B0C"}]})])
    assert "Supervisely" in prepared(cli, "sly", "--overwrite")["recognized"]
    assert written(1)[15, 23] == 1
    assert described()["classes"][1] == {"name": "lake", "color": [10, 11, 12]}


def test_pairs_in_two_folders(cli: Cli, workplace: Path) -> None:
    for n in range(5):
        drawn = draw_scene(n, size=SIZE)
        save(drawn.summer, f"set/summer/{n}.png")
        save(drawn.winter, f"set/winter/{n}_winter.png")
    save(draw_scene(9, size=SIZE).winter, "set/winter/alone.png")
    doubtful = cli("prepare", "set")
    assert doubtful.code == 2
    assert "could be pairs or not. Say which: --as paired or --as unpaired." in doubtful.err
    result = cli("prepare", "set", "--as", "paired", "-o", "out", "--split", "1,0,0")
    assert result.code == 0, result.err
    assert "alone.png: has no partner in" in result.err
    for n in range(5):
        with Image.open(f"out/train/winter/{n}.png") as image:
            assert np.array_equal(np.asarray(image), draw_scene(n, size=SIZE).winter)
    assert described()["domains"] == ["summer", "winter"]
    again = cli("prepare", "out", "-o", "again")
    assert again.code == 0, again.err
    assert "pairs in two folders" in again.err
    save(draw_scene(0, size=(20, 20)).winter, "set/winter/0_winter.png")
    checked = cli("prepare", "--domain", "s=set/summer", "--domain", "w=set/winter", "--as", "paired", "--check")
    assert checked.code == 1
    assert "0.png: has 48x32 pixels, its partner set/winter/0_winter.png 20x20" in checked.err.replace("\\", "/")


def test_empty_tiles_and_splits_by_class(cli: Cli, workplace: Path) -> None:
    """A class that only four images have is in all three splits; tiles without classes are left out."""
    for n in range(40):
        image, _ = scene(n)
        save(image, f"set/images/{n}.png")
        mask = np.full(SIZE[::-1], IGNORE, np.uint8)
        mask[:16, :16] = 6 if n % 10 == 0 else 5
        save(mask, f"set/masks/{n}.png")
    answer = prepared(cli, "set", "--split", "0.5,0.25,0.25", "--tile", "16", "--drop-empty")
    assert {split: row["images"] for split, row in answer["images"].items()} == {"train": 20, "val": 10, "test": 10}
    tiles = list(Path("out").rglob("masks/*.png"))
    assert len(tiles) == 40
    rare = {path.parts[1] for path in tiles if read_index_mask(path).max() == 1}
    assert rare == {"train", "val", "test"}
    assert "needs --tile" in cli("prepare", "set", "--drop-empty").err
    page = Path("out/report.html").read_text("utf-8")
    assert "class_5" in page
    assert page.count("data:image/jpeg;base64,") == 2 * 12, "images, and their labels laid over them"
    assert "http" not in page.replace("http-equiv", "")
