"""Every layout that the code and the documentation name, in miniature, and what it must be recognized as."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gantool.data.sources.find import Source, find_source
from gantool.data.sources.labels.sets import LabelOptions
from gantool.errors import DataError, UsageError
from gantool.workflows.info import describe

SIZE = (12, 8)


def picture(path: Path | str, shade: int = 0, size: tuple[int, int] = SIZE) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(shade)
    Image.fromarray(rng.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)).save(path)


def mask(path: str, *values: int) -> None:
    """An index mask with these values, in columns."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    columns = np.resize(np.repeat(values or (0, 1), SIZE[0] // len(values or (0, 1))), SIZE[0])
    Image.fromarray(np.tile(columns.astype(np.uint8), (SIZE[1], 1))).save(path)


def colors(path: str, *entries: tuple[int, int, int]) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    row = np.resize(np.repeat(np.array(entries, np.uint8), SIZE[0] // len(entries), axis=0), (SIZE[0], 3))
    Image.fromarray(np.tile(row, (SIZE[1], 1, 1))).save(path)


def write(path: str, content: Any) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(content if isinstance(content, str) else json.dumps(content))


def several(pattern: str, count: int = 2, first: int = 0, size: tuple[int, int] = SIZE) -> None:
    for n in range(first, first + count):
        picture(pattern.format(n), n, size)


# -- pictures without labels --


def reference() -> None:
    for place, part in enumerate(("trainA", "trainB", "testA", "testB")):
        several(f"d/{part}/{{}}.png", first=10 * place)


def nested() -> None:
    for place, part in enumerate(("train/day", "train/night", "test/day", "test/night")):
        several(f"d/{part}/{{}}.png", first=10 * place)


def plain() -> None:
    several("d/cats/c{}.png", 3)
    several("d/dogs/d{}.png", 3, 10)


def same_named() -> None:
    several("d/photo/{}.png", 3)
    several("d/sketch/{}_sketch.png", 3)


def side_by_side() -> None:
    several("d/train/{}.png", 3, size=(16, 8))
    several("d/val/{}.png", 1, 5, size=(16, 8))


def prepared_pairs() -> None:
    same_named()
    write("d/dataset.yaml", "kind: paired\ndomains: [sketch, photo]\n")


def prepared_domains() -> None:
    same_named()
    write("d/dataset.yaml", "kind: unpaired\ndomains: [sketch, photo]\n")


def one_kind() -> None:
    several("d/{}.png")


def plain_splits() -> None:
    several("d/train/{}.png")
    several("d/test/{}.png", first=5)


def empty() -> None:
    Path("d").mkdir()


def hidden() -> None:
    plain()
    several("d/.thumbnails/{}.png")
    several("d/.ipynb_checkpoints/{}.png")


# -- images with masks --


def index_masks() -> None:
    several("d/images/{}.png")
    for n in range(2):
        mask(f"d/masks/{n}.png", 0, 4, 7)


def masks_in_splits() -> None:
    for split in ("train", "val", "test"):
        several(f"d/{split}/images/{{}}.png")
        for n in range(2):
            mask(f"d/{split}/labels/{n}_mask.png", 0, 1)


def splits_in_masks() -> None:
    for split in ("train", "val"):
        several(f"d/images/{split}/{{}}.png")
        for n in range(2):
            mask(f"d/masks/{split}/{n}.png", 0, 1)


def train_labels() -> None:
    several("d/train/{}.png")
    for n in range(2):
        mask(f"d/train_labels/{n}.png", 0, 1)


def beside() -> None:
    several("d/{}.jpg")
    for n in range(2):
        mask(f"d/{n}_seg.png", 0, 255)


def bob_ross() -> None:
    several("d/train/images/{}.png")
    for n in range(2):
        mask(f"d/train/labels/{n}.png", 3, 61)
    write("d/labels.csv", "3,sky\n5,road\n61,tree\n")


def color_masks() -> None:
    several("d/images/{}.png")
    for n in range(2):
        colors(f"d/labels/{n}.png", (255, 0, 0), (0, 0, 255))


def color_table() -> None:
    color_masks()
    write("d/class_dict.csv", "name,r,g,b\nroof,255,0,0\nsky,0,0,255\n")


def per_class() -> None:
    several("d/images/{}.png")
    for n in range(2):
        mask(f"d/masks/road/{n}.png", 0, 255)
        mask(f"d/masks/car/{n}.png", 255, 0)


def arrays() -> None:
    several("d/images/{}.png")
    Path("d/masks").mkdir()
    for n in range(2):
        np.save(f"d/masks/{n}.npy", np.eye(3, dtype=np.uint8)[np.zeros(SIZE[::-1], int)])


def camvid() -> None:
    for split in ("train", "val", "test"):
        several(f"d/{split}/{{}}.png")
        for n in range(2):
            mask(f"d/{split}annot/{n}.png", 0, 3, 11)


def cityscapes() -> None:
    picture("d/leftImg8bit/train/ulm/ulm_1_leftImg8bit.png")
    mask("d/gtFine/train/ulm/ulm_1_gtFine_labelIds.png", 7, 8)


def ade20k() -> None:
    picture("d/images/training/ADE_train_00000001.jpg")
    mask("d/annotations/training/ADE_train_00000001.png", 0, 1, 150)


def ade20k_full() -> None:
    picture("d/images/street/ADE_train_00000001.jpg")
    colors("d/images/street/ADE_train_00000001_seg.png", (10, 3, 0), (0, 5, 0))


def voc() -> None:
    picture("d/JPEGImages/1.jpg")
    mask("d/SegmentationClass/1.png", 0, 15, 255)


def labelme_voc() -> None:
    """What labelme2voc writes: arrays in SegmentationClass, pictures in SegmentationClassPNG."""
    picture("d/JPEGImages/1.jpg")
    mask("d/SegmentationClassPNG/1.png", 0, 1, 255)
    Path("d/SegmentationClass").mkdir()
    np.save("d/SegmentationClass/1.npy", np.zeros(SIZE[::-1], np.int32))
    write("d/class_names.txt", "_background_\nlake\n")


def not_pascal() -> None:
    picture("d/JPEGImages/1.jpg")
    mask("d/SegmentationClass/1.png", 0, 40)


def colored_voc() -> None:
    picture("d/JPEGImages/1.jpg")
    colors("d/SegmentationClass/1.png", (255, 0, 0), (0, 0, 255))


def stray_values() -> None:
    """One pixel of 1,536 has a value of no class."""
    bob_ross()
    for n in range(2, 16):
        picture(f"d/train/images/{n}.png", n)
        mask(f"d/train/labels/{n}.png", 3, 61)
    values = np.full(SIZE[::-1], 3, np.uint8)
    values[0, 0] = 0
    Image.fromarray(values).save("d/train/labels/0.png")


def many_strays() -> None:
    bob_ross()
    mask("d/train/labels/0.png", 0, 3, 61)


def cvat_masks() -> None:
    picture("d/JPEGImages/1.jpg")
    colors("d/SegmentationClass/1.png", (0, 0, 0), (9, 8, 7))
    write("d/labelmap.txt", "background:0,0,0::\nlake:9,8,7::\n")


def pets() -> None:
    picture("d/images/cat_1.jpg")
    mask("d/annotations/trimaps/cat_1.png", 1, 2, 3)


def prepared_labels() -> None:
    index_masks()
    for n in range(2):
        mask(f"d/masks/{n}.png", 0, 1)
    entries = "".join(f"- {{name: {name}, color: [{n}, 0, 0]}}\n" for n, name in enumerate(("sky", "lake")))
    write("d/dataset.yaml", f"kind: segmentation\nclasses:\n{entries}")


# -- images with annotation files --


def labelme() -> None:
    picture("d/1.png")
    shapes = [{"label": "lake", "shape_type": "rectangle", "points": [[0, 0], [5, 5]]}]
    write("d/1.json", {"imagePath": "1.png", "imageWidth": 12, "imageHeight": 8, "shapes": shapes})


def deeper() -> None:
    """Annotations one level down, in folders that could be two domains of pictures."""
    labelme()
    Path("d/batch 2").mkdir()
    for file in ("1.png", "1.json"):
        Path("d", file).rename(Path("d/batch 2", file))
    several("d/batch 1/{}.png")


def hidden_annotations() -> None:
    plain()
    labelme()
    Path("d/.old").mkdir()
    for file in ("1.png", "1.json"):
        Path("d", file).rename(Path("d/.old", file))


def flags_only() -> None:
    picture("d/1.png")
    write(
        "d/1.json", {"imagePath": "1.png", "imageWidth": 12, "imageHeight": 8, "shapes": [], "flags": {"good": True}}
    )


def boxes_only() -> None:
    picture("d/1.png")
    tree = coco_tree()
    tree["annotations"] = [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [0, 0, 5, 5], "segmentation": []}]
    write("d/boxes.json", tree)


def coco_tree() -> dict[str, Any]:
    return {
        "categories": [{"id": 1, "name": "lake"}],
        "images": [{"id": 1, "file_name": "1.png", "width": 12, "height": 8}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "segmentation": [[0, 0, 5, 0, 5, 5]]}],
    }


def coco_per_split() -> None:
    for split in ("train", "valid"):
        picture(f"d/{split}/1.png")
        write(f"d/{split}/_annotations.coco.json", coco_tree())


def coco_official() -> None:
    picture("d/val2017/1.png")
    write("d/annotations/instances_val2017.json", coco_tree())
    write("d/annotations/person_keypoints_val2017.json", coco_tree())


def via() -> None:
    picture("d/1.png")
    shape = {"name": "rect", "x": 0, "y": 0, "width": 5, "height": 5}
    regions = [{"shape_attributes": shape, "region_attributes": {"kind": "lake"}}]
    write("d/via_project.json", {"1.png9": {"filename": "1.png", "regions": regions}})


def label_studio() -> None:
    picture("d/1.png")
    value = {"x": 0, "y": 0, "width": 50, "height": 50, "rectanglelabels": ["lake"]}
    result = [{"original_width": 12, "original_height": 8, "value": value}]
    write(
        "d/project.json", [{"data": {"image": "/data/upload/1/0a1b2c3d-1.png"}, "annotations": [{"result": result}]}]
    )


def cvat() -> None:
    picture("d/images/1.png")
    box = '<box label="lake" xtl="0" ytl="0" xbr="5" ybr="5"/>'
    image = f'<image name="1.png" width="12" height="8">{box}</image>'
    write("d/annotations.xml", f"<annotations>{image}</annotations>")


def supervisely() -> None:
    picture("d/ds/img/1.png")
    write("d/meta.json", {"classes": [{"title": "lake", "color": "#010203"}]})
    points = {"exterior": [[0, 0], [5, 5]], "interior": []}
    objects = [{"classTitle": "lake", "geometryType": "rectangle", "points": points}]
    write("d/ds/ann/1.png.json", {"size": {"width": 12, "height": 8}, "objects": objects})


def two_tools() -> None:
    labelme()
    write("d/coco.json", coco_tree())


@dataclass(frozen=True)
class Row:
    """A layout and what every verb must make of it.

    Attributes:
        kind: what ``prepare`` writes and ``info`` says; None where ``prepare`` must ask.
        about: words of the sentence that says what was recognized.
        domains: names and counts of training images for ``train cyclegan``.
        pairs: how many ``train pix2pix`` gets, or the words of the refusal.
        classes: those of ``train unet``; none where there are no labels.
        refused: words of the refusal, where nothing can be made of it.
    """

    make: Callable[[], None]
    kind: str | None = None
    about: str = ""
    domains: dict[str, int] = field(default_factory=dict)
    pairs: int | str = 0
    classes: tuple[str, ...] = ()
    refused: str = ""
    options: dict[str, Any] = field(default_factory=dict)


LAKE = ("background", "lake")
NO_PARTNER = "no image has a partner of the same name"
TABLE = [
    Row(reference, "unpaired", "(trainA, trainB): two domains without pairs", {"A": 2, "B": 2}, NO_PARTNER),
    Row(nested, "unpaired", "train (day, night): two domains without pairs", {"day": 2, "night": 2}, NO_PARTNER),
    Row(plain, "unpaired", "d (cats, dogs): two domains without pairs", {"cats": 3, "dogs": 3}, NO_PARTNER),
    Row(hidden, "unpaired", "d (cats, dogs): two domains without pairs", {"cats": 3, "dogs": 3}, NO_PARTNER),
    Row(same_named, None, "could be pairs or not", {"photo": 3, "sketch": 3}, 3),
    Row(same_named, "paired", "pairs in two folders (3 train)", {"photo": 3, "sketch": 3}, 3,
        options={"kind": "paired"}),
    Row(same_named, "unpaired", "two domains without pairs", {"photo": 3, "sketch": 3}, 3,
        options={"kind": "unpaired"}),
    Row(prepared_pairs, "paired", "pairs in two folders (3 train)", {"sketch": 3, "photo": 3}, 3),
    Row(prepared_domains, "unpaired", "two domains without pairs", {"sketch": 3, "photo": 3}, 3),
    Row(side_by_side, "paired", "pairs side by side in one image (3 train, 1 val)", {"left": 3, "right": 3}, 4),
    Row(one_kind, "paired", "pairs side by side in one image (2 train)", {"day": 2, "night": 2}, 2,
        options={"names": ("day", "night")}),
    Row(one_kind, refused="holds images of one kind only, one domain is missing"),
    Row(plain_splits, refused="holds images of one kind only, one domain is missing"),
    Row(empty, refused="no images found"),
    Row(empty, refused="no labels found", options={"kind": "segmentation"}),
    Row(empty, refused="expected images of two halves", options={"kind": "paired"}),
    Row(index_masks, "segmentation", "images and index masks (images with masks)",
        classes=("class_0", "class_4", "class_7")),
    Row(masks_in_splits, "segmentation", "index masks (images with labels, images with labels",
        classes=("background", "foreground")),
    Row(splits_in_masks, "segmentation", "images and index masks (train with train",
        classes=("background", "foreground")),
    Row(train_labels, "segmentation", "images and index masks (train with train_labels)",
        classes=("background", "foreground")),
    Row(beside, "segmentation", "masks beside their images, named with _seg", classes=("background", "foreground")),
    Row(bob_ross, "segmentation", "images and index masks (images with labels)", classes=("sky", "tree")),
    Row(color_masks, "segmentation", "2 colors found", classes=("color_0000ff", "color_ff0000")),
    Row(color_table, "segmentation", "2 colors from a table", classes=("roof", "sky")),
    Row(per_class, "segmentation", "one black and white mask per class (car, road",
        classes=("background", "car", "road")),
    Row(arrays, "segmentation", "images and one-hot arrays", classes=("class_0", "class_1", "class_2")),
    Row(camvid, "segmentation", "CamVid (train with trainannot", classes=("sky", "building", "pole")),
    Row(cityscapes, "segmentation", "Cityscapes", classes=("road", "sidewalk")),
    Row(ade20k, "segmentation", "ADE20K scene parsing", classes=("wall", "building")),
    Row(ade20k_full, "segmentation", "ADE20K 2021", classes=("class_5", "class_259")),
    Row(voc, "segmentation", "Pascal VOC, 21 classes", classes=("background", "aeroplane")),
    Row(labelme_voc, "segmentation", "Pascal VOC folders", classes=("_background_", "lake")),
    Row(not_pascal, "segmentation", "index masks (Pascal VOC folders)", classes=("class_0", "class_40")),
    Row(colored_voc, "segmentation", "Pascal VOC folders; 2 colors found", classes=("color_0000ff", "color_ff0000")),
    Row(stray_values, "segmentation", "0.07% of the pixels have the value 0, which no class has, and are ignored",
        classes=("sky", "tree")),
    Row(many_strays, refused="have the value 0, which no class has. Let them count for none: --ignore 0."),
    Row(cvat_masks, "segmentation", "segmentation masks of CVAT", classes=LAKE),
    Row(pets, "segmentation", "Oxford-IIIT Pet", classes=("background", "pet")),
    Row(prepared_labels, "segmentation", "a prepared set", classes=("sky", "lake")),
    Row(labelme, "segmentation", "1 labelme file", classes=("_background_", "lake")),
    Row(coco_per_split, "segmentation", "COCO annotations (_annotations.coco.json, _annotations", classes=LAKE),
    Row(coco_official, "segmentation", "COCO annotations (instances_val2017.json)", classes=LAKE),
    Row(via, "segmentation", "VIA (via_project.json)", classes=LAKE),
    Row(label_studio, "segmentation", "Label Studio (project.json)", classes=LAKE),
    Row(cvat, "segmentation", "CVAT for images (annotations.xml)", classes=LAKE),
    Row(supervisely, "segmentation", "a Supervisely project with 1 image", classes=LAKE),
    Row(deeper, "segmentation", "1 labelme file", classes=("_background_", "lake")),
    Row(hidden_annotations, "unpaired", "d (cats, dogs): two domains", {"cats": 3, "dogs": 3}, NO_PARTNER),
    Row(flags_only, refused="1 labelme file: no image has a region, only flags, tags or boxes"),
    Row(boxes_only, refused="COCO annotations (boxes.json): no image has a region, only flags, tags or boxes"),
    Row(two_tools, refused="has annotations of several kinds: labelme (1.json), COCO (coco.json)"),
]  # fmt: skip


def name_of(row: Row) -> str:
    return "-".join([row.make.__name__, *(str(value) for value in row.options.values())])


@pytest.mark.parametrize("row", TABLE, ids=name_of)
def test_what_a_folder_is(row: Row, workplace: Path) -> None:
    row.make()
    if row.refused:
        with pytest.raises((DataError, UsageError)) as refusal:
            _ = find_source(Path("d"), **row.options).contents()
        assert row.refused in str(refusal.value)
        return
    source = find_source(Path("d"), **row.options)
    assert row.about in source.about
    prepared_as(source, row)
    segmented(source, row)
    if row.kind != "segmentation":
        translated(source, row)
    if not row.options:
        assert describe("d", Path("runs"))["kind"] == (row.kind or "paired or unpaired")


def prepared_as(source: Source, row: Row) -> None:
    if row.kind is None:
        with pytest.raises(UsageError, match="Say which: --as paired or --as unpaired"):
            source.contents()
        return
    contents = source.contents()
    assert contents.kind == row.kind
    assert contents.about == source.about
    assert contents.images


def segmented(source: Source, row: Row) -> None:
    if not row.classes:
        with pytest.raises(DataError, match="no images with labels found"):
            source.labelled()
        return
    labelled = source.labelled()
    assert tuple(labelled.classes[: len(row.classes)]) == row.classes
    for one in labelled.images:
        assert one.mask().shape == SIZE[::-1]


def translated(source: Source, row: Row) -> None:
    domains = source.domains(0)
    assert {domain.name: len(domain.train) for domain in (domains.a, domains.b)} == row.domains
    if isinstance(row.pairs, str):
        with pytest.raises(DataError, match=row.pairs):
            source.pairs()
    else:
        assert len(source.pairs().pairs) == row.pairs


def test_labels_are_no_domains_of_pictures(workplace: Path) -> None:
    index_masks()
    with pytest.raises(DataError, match="is a set of images with labels"):
        find_source(Path("d")).domains()
    with pytest.raises(UsageError, match="which these are not"):
        find_source(Path("d"), kind="segmentation", names=("a", "b"))


def test_two_folders_by_name(workplace: Path) -> None:
    plain()
    by_name = {"b": "d/dogs", "a": "d/cats"}
    assert find_source(by_name).kind == "unpaired"
    assert [len(one.train) for one in (find_source(by_name).domains(0).a, find_source(by_name).domains(0).b)] == [
        3,
        3,
    ]
    same = {"x": "d/cats", "y": "d/cats"}
    assert find_source(same).kind is None
    assert find_source(same).pairs().names == ("x", "y")
    with pytest.raises(UsageError, match="--as segmentation means images with labels"):
        find_source(same, kind="segmentation")


def test_halves_of_a_named_set_have_its_names(workplace: Path) -> None:
    several("facades/train/{}.png", 3, size=(16, 8))
    assert find_source("facades").pairs().names == ("photo", "label")
    assert find_source("facades", names=("a", "b")).pairs().names == ("a", "b")


@pytest.mark.parametrize(
    ("make", "ignore", "left"),
    [
        (camvid, "Sky", {"road"}),
        (camvid, "0", {"road"}),
        (camvid, "void", {"sky", "road"}),
        (ade20k, "wall", {"flag"}),
        (ade20k, "1", {"flag"}),
        (voc, "person", {"background"}),
        (bob_ross, "sky", {"tree"}),
        (bob_ross, "61", {"sky"}),
        (cvat_masks, "Lake", {"background"}),
        (cvat_masks, "#090807", {"background"}),
        (cvat_masks, "9,8,7", {"background"}),
        (color_table, "0, 0, 255", {"roof"}),
        (color_table, "SKY", {"roof"}),
        (color_masks, "255,0,0", {"color_0000ff"}),
        (color_masks, "color_FF0000", {"color_0000ff"}),
    ],
)
def test_ignored_classes(make: Callable[[], None], ignore: str, left: set[str], workplace: Path) -> None:
    make()
    found = find_source(Path("d"), options=LabelOptions(ignore=(ignore,))).labelled()
    values = {int(value) for one in found.images for value in np.unique(one.mask())}
    assert 255 in values or ignore == "void"
    assert {found.classes[value] for value in values - {255}} == left


@pytest.mark.parametrize(
    ("make", "ignore", "words"),
    [
        (camvid, "skye", 'no value. Did you mean "sky"'),
        (ade20k, "0,0,0", "no value. Known: "),
        (voc, "lake", "no value. "),
        (bob_ross, "lake", "no value. "),
        (cvat_masks, "1,2,3", "no color of one. "),
        (color_table, "ski", 'no color of one. Did you mean "sky"'),
        (color_masks, "255", "no color of one. "),
    ],
)
def test_ignored_classes_that_are_not_there(
    make: Callable[[], None], ignore: str, words: str, workplace: Path
) -> None:
    make()
    with pytest.raises(UsageError) as refused:
        find_source(Path("d"), options=LabelOptions(ignore=(ignore,))).labelled()
    assert words in f"{refused.value} {refused.value.remedy}"
