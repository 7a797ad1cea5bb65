from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gantool.data.sources.find import find_source

YES = np.zeros((16, 24), dtype=bool)
YES[:, 16:] = True


def written(path: Path, mask: np.ndarray[tuple[int, int], np.dtype[np.bool_]]) -> None:
    """The same mask in one of the ways that people store a yes or a no."""
    gray = (mask * 255).astype(np.uint8)
    kind = path.parent.parent.name
    if kind.startswith("array"):
        np.save(path.with_suffix(".npy"), {"array_bool": mask, "array_255": gray, "array_1": mask.astype(int)}[kind])
    elif kind == "gray_1":
        Image.fromarray(mask.astype(np.uint8)).save(path)
    elif kind == "bits":
        Image.fromarray(gray).convert("1").save(path)
    elif kind == "palette":
        image = Image.fromarray(mask.astype(np.uint8), "P")
        image.putpalette([0, 0, 0, 255, 255, 255])
        image.save(path)
    elif kind.endswith("jpg"):
        image = Image.fromarray(gray)
        (image.convert("RGB") if kind == "color_jpg" else image).save(path.with_suffix(".jpg"), quality=90)
    else:
        (Image.fromarray(gray).convert("RGB") if kind == "color" else Image.fromarray(gray)).save(path)


@pytest.mark.filterwarnings("ignore:'mode' parameter")
@pytest.mark.parametrize(
    "kind",
    ["gray", "gray_1", "bits", "palette", "color", "gray_jpg", "color_jpg", "array_bool", "array_255", "array_1"],
)
@pytest.mark.parametrize("mostly", [False, True])
def test_binary_masks_have_one_name_however_they_are_stored(kind: str, mostly: bool, tmp_path: Path) -> None:
    mask = ~YES if mostly else YES
    for n in range(2):
        for part in ("images", "masks"):
            (tmp_path / kind / part).mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.zeros((16, 24, 3), dtype=np.uint8)).save(tmp_path / kind / "images" / f"{n}.png")
        written(tmp_path / kind / "masks" / f"{n}.png", mask)
    found = find_source(tmp_path / kind).labelled()
    assert found.classes == ("background", "foreground")
    assert (found.images[0].mask() == mask).all()
