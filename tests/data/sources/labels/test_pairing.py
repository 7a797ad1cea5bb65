from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gantool.data.sources.find import find_source

# One name in the two spellings that systems store: "é" as one character, and as "e" with an accent behind it.
COMPOSED, DECOMPOSED = "Forêt-d'été", "Fore\u0302t-d'e\u0301te\u0301"


def picture(path: Path, mask: bool = False) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    shape = (8, 12) if mask else (8, 12, 3)
    Image.fromarray(np.resize(np.arange(3, dtype=np.uint8), shape)).save(path)


@pytest.mark.parametrize(
    ("image", "mask"),
    [
        (f"images/{COMPOSED}.jpg", f"masks/{DECOMPOSED}.png"),
        (f"images/{DECOMPOSED}.jpg", f"masks/{COMPOSED}_mask.png"),
        (f"{COMPOSED}.jpg", f"{DECOMPOSED}_mask.png"),
        (f"images/{COMPOSED}.jpg", f"masks/road/{DECOMPOSED}.png"),
        (f"JPEGImages/{DECOMPOSED}.jpg", f"SegmentationClass/{COMPOSED}.png"),
    ],
)
def test_masks_in_another_spelling_of_the_name(image: str, mask: str, tmp_path: Path) -> None:
    assert COMPOSED != DECOMPOSED
    picture(tmp_path / image)
    picture(tmp_path / mask, mask=True)
    lists = tmp_path / "ImageSets" / "Segmentation"
    if "JPEG" in image:
        lists.mkdir(parents=True)
        (lists / "val.txt").write_text(f"{COMPOSED}\n", "utf-8")
    found = find_source(tmp_path).labelled()
    assert len(found.images) == 1
    assert not found.unpaired
    assert found.images[0].split == ("val" if "JPEG" in image else "train")


def test_pairs_and_annotations_in_another_spelling_of_the_name(tmp_path: Path) -> None:
    for n in range(2):
        picture(tmp_path / "pairs" / "photo" / f"{COMPOSED}{n}.png")
        picture(tmp_path / "pairs" / "sketch" / f"{DECOMPOSED}{n}_sketch.png")
    assert len(find_source(tmp_path / "pairs", kind="paired").pairs().pairs) == 2
    picture(tmp_path / "via" / f"{DECOMPOSED}.png")
    shape = {"name": "rect", "x": 1, "y": 1, "width": 4, "height": 4}
    region = {"shape_attributes": shape, "region_attributes": {"class": "tree"}}
    tree = {"one": {"filename": f"{COMPOSED}.png", "size": 1, "regions": [region], "file_attributes": {}}}
    (tmp_path / "via" / "via.json").write_text(json.dumps(tree))
    (one,) = find_source(tmp_path / "via").labelled().images
    assert one.image.is_file()
    assert set(np.unique(one.mask())) == {0, 1}
