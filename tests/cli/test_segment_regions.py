"""`segment` for annotation tools: labelme and COCO files, small regions, holes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support import Cli

import gantool
from gantool.data.masks import read_index_mask
from gantool.data.regions.regions import find_regions
from gantool.data.sample import CLASSES, draw_scene


def photos(folder: str, *names: str) -> None:
    Path(folder).mkdir(parents=True, exist_ok=True)
    for n, name in enumerate(names):
        Image.fromarray(draw_scene(n, size=(80, 60)).summer).save(f"{folder}/{name}")


def by_name(data: str, stem: str, classes: tuple[str, ...]) -> np.ndarray:
    """The prepared label map of an image, with the class indices of the model."""
    from gantool.yaml_documents import load_yaml

    names = [entry["name"] for entry in load_yaml(Path(data, "dataset.yaml").read_text())["classes"]]
    (path,) = Path(data).glob(f"*/masks/{stem}.png")
    return np.array([classes.index(name) if name in classes else 254 for name in names])[read_index_mask(path)]


def test_from_pictures_to_a_data_set(cli: Cli, with_segmenter: Path) -> None:
    """Labels for labelme lie beside the pictures; for COCO in one file; both are data sets with the same masks."""
    photos("in/deep", "c.png")
    photos("in", "a.jpg", "b.png")
    result = cli("segment", "in", "-r", "--outputs", "mask,polygons,coco", "--json")
    assert result.code == 0, result.err
    answer = json.loads(result.out)
    assert answer["coco"] == "segments.coco.json"
    outputs = [{kind: Path(path).as_posix() for kind, path in file["outputs"].items()} for file in answer["files"]]
    assert outputs[0] == {"mask": "a.mask.png", "polygons": "in/a.json"}
    assert outputs[2]["polygons"] == "in/deep/c.json"
    assert json.loads(Path("in/deep/c.json").read_text())["imagePath"] == "c.png"
    for source, data in (("in", "lme"), ("segments.coco.json", "coco")):
        made = cli("prepare", source, "-o", f"data/{data}", "--split", "1,0,0")
        assert made.code == 0, made.err
        for stem in ("a", "b"):
            assert np.array_equal(by_name(f"data/{data}", stem, CLASSES), read_index_mask(Path(f"{stem}.mask.png")))
    again = cli("segment", "in", "-r", "--outputs", "coco,classes", "-q")
    assert (again.code, "segments.coco.json: exists already" in again.err) == (2, True)
    more = cli("segment", "in", "-r", "--outputs", "coco,polygons", "--skip-existing", "--json")
    assert (more.code, json.loads(more.out)["files"], "coco" in json.loads(more.out)) == (0, [], False)
    assert len(json.loads(more.out)["skipped"]) == 4
    Path("segments.coco.json").unlink()
    whole = cli("segment", "in", "-r", "--outputs", "coco,polygons", "--skip-existing")
    assert whole.out.split() == ["segments.coco.json"], "the images are looked at again for the file of all"
    assert len(json.loads(Path("segments.coco.json").read_text())["images"]) == 3


def test_names_that_collide(cli: Cli, with_segmenter: Path) -> None:
    photos("in", "a.jpg", "a.png")
    Image.fromarray(draw_scene(1, size=(40, 30)).summer).save("segments.coco.png")
    refused = cli("segment", "in", "--outputs", "polygons")
    assert (refused.code, "would both be written to" in refused.err) == (2, True)
    refused = cli("segment", "segments.coco.png", "--outputs", "polygons,coco")
    assert (refused.code, "is also the output of segments.coco.png" in refused.err) == (2, True)
    refused = cli("segment", "in/a.jpg", "--outputs", "coco", "-o", "one.png")
    assert (refused.code, "names an image file, segments.coco.json is none" in refused.err) == (2, True)
    there = cli("segment", "in/a.jpg", "--outputs", "polygons,coco", "-o", "out")
    assert there.out.replace("\\", "/").split() == ["out/a.json", "out/segments.coco.json"]
    assert json.loads(Path("out/a.json").read_text())["imagePath"] == "../in/a.jpg"
    Path("in/a.png").write_bytes(b"no image")
    assert cli("segment", "in/a.png", "--outputs", "coco").code == 2
    assert not Path("segments.coco.json").exists(), "without an image there is no file of all"


def test_small_regions_and_holes_are_gone_from_every_output(cli: Cli, with_segmenter: Path) -> None:
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (60, 80, 3)).astype(np.uint8)).save("noise.png")
    assert cli("segment", "noise.png", "--outputs", "mask", "--size", "native").code == 0
    plain = read_index_mask(Path("noise.mask.png")).astype(np.uint8)
    assert min(region.area for region in find_regions(plain).listed) < 20
    options = ("--size", "native", "--min-area", "20", "--fill-holes", "--simplify", "1", "--overwrite", "--json")
    result = cli("segment", "noise.png", "--outputs", "mask,polygons,coco,classes", *options)
    assert result.code == 0, result.err
    clean = read_index_mask(Path("noise.mask.png")).astype(np.uint8)
    found = find_regions(clean)
    assert all(region.area >= 20 and not region.enclosed for region in found.listed)
    shapes = json.loads(Path("noise.json").read_text())["shapes"]
    entries = json.loads(Path("segments.coco.json").read_text())["annotations"]
    assert len(shapes) == len(entries) == len(found.listed) < len(find_regions(plain).listed)
    shares = json.loads(result.out)["files"][0]["shares"]
    assert shares == json.loads(Path("noise.classes.json").read_text())["shares"]
    assert shares["sky"] == pytest.approx((clean == 0).mean())
    whole = gantool.segment("noise.png", size="native", min_area=20, fill_holes=True)
    assert np.array_equal(whole.mask, clean)


def test_numbers_and_outputs_that_make_no_sense(cli: Cli, with_segmenter: Path) -> None:
    photos(".", "a.png")
    for options, sentence in (
        (("--min-area", "-3"), "--min-area -3: expected a number of pixels, 0 or more"),
        (("--simplify", "nan"), "--simplify nan: expected a number of pixels"),
        (("--simplify", "2"), "--simplify: there are no outlines to simplify. Ask for --outputs polygons or coco"),
        (("--outputs", "polygon"), 'Did you mean "polygons"?'),
    ):
        refused = cli("segment", "a.png", *options)
        assert (refused.code, sentence in refused.err) == (2, True), refused.err
