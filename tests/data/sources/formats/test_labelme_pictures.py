"""Which picture a labelme file is about, where ``imagePath`` leads nowhere."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from gantool.data.sources.labels import find_labelled


def annotated(**extra: Any) -> Path:
    Path("set").mkdir(exist_ok=True)
    shapes = [{"label": "x", "shape_type": "rectangle", "points": [[0, 0], [2, 2]]}]
    tree = {"imagePath": "C:\\\\photos\\\\gone.jpg", "imageWidth": 12, "imageHeight": 8, "shapes": shapes, **extra}
    Path("set/one.json").write_text(json.dumps(tree))
    found = find_labelled(Path("set"))
    assert found is not None
    return found.images[0].image


def test_the_picture_within_the_file_comes_first_then_one_of_its_name(workplace: Path) -> None:
    Path("set").mkdir()
    Image.new("RGB", (12, 8)).save("set/one.png")
    assert annotated() == Path("set/one.png")
    Image.new("RGB", (12, 8), (9, 9, 9)).save("inside.png")
    inside = annotated(imageData=base64.b64encode(Path("inside.png").read_bytes()).decode())
    assert inside.name == "one.png"
    assert inside.read_bytes() == Path("inside.png").read_bytes()
    assert annotated(imageData="AAAA") == Path("set/one.png")
    with Image.open(inside) as image:
        assert (np.asarray(image) == 9).all()
    Image.new("RGB", (12, 8)).save("set/gone.jpg")
    assert annotated() == Path("set/gone.jpg")
    Path("set/gone.jpg").unlink()
    Path("set/one.png").unlink()
    assert annotated().name == "gone.jpg", "what is not there is named when it is looked at"
