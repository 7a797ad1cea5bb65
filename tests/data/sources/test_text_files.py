"""Lists of names that lie with data sets, in the places where they are looked for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gantool.data.sources.find import find_source
from gantool.data.sources.text_files import read_lines
from gantool.errors import DataError


def picture(path: str, values: int = 0) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((16, 24), values, np.uint8)).save(path)


def voc(text: bytes) -> None:
    picture("set/JPEGImages/a.jpg")
    picture("set/SegmentationClass/a.png")
    Path("set/ImageSets/Segmentation").mkdir(parents=True)
    Path("set/ImageSets/Segmentation/train.txt").write_bytes(text)


def pets(text: bytes) -> None:
    picture("set/images/a.jpg")
    picture("set/annotations/trimaps/a.png", 1)
    Path("set/annotations/test.txt").write_bytes(text)


def labelme(text: bytes) -> None:
    picture("set/a.png")
    Path("set/a.json").write_text('{"imagePath": "a.png", "imageWidth": 24, "imageHeight": 16, "shapes": [{"label": '
                                  '"sky", "points": [[0, 0], [9, 0], [9, 9]]}]}', "utf-8")  # fmt: skip
    Path("set/labels.txt").write_bytes(text)


@pytest.mark.parametrize("make", [voc, pets, labelme])
def test_a_list_that_is_no_text_is_named(make: object, workplace: Path) -> None:
    make(b"sky\n\xab\xff\n")  # type: ignore[operator]
    with pytest.raises(DataError, match=r"\.txt: cannot be read"):
        find_source(Path("set"))


@pytest.mark.parametrize("make", [voc, pets, labelme])
def test_lines_without_names_are_passed_over(make: object, workplace: Path) -> None:
    make("\ufeffa\r\n  \r\nsky\n".encode())  # type: ignore[operator]
    assert read_lines(next(Path("set").rglob("*.txt"))) == ["a", "", "sky"]
    (image,) = find_source(Path("set")).labelled().images
    assert image.split == ("test" if make is pets else "train")
