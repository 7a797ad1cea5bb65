"""One picture as people hand it over, and the model that stays loaded for the next."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gantool.errors import DataError
from gantool.workflows.one_picture import keep_loaded, picture_of


def test_a_model_is_loaded_again_when_its_file_changes(tmp_path: Path) -> None:
    loads: list[str] = []

    def load(options: str) -> int:
        loads.append(options)
        return len(loads)

    path = tmp_path / "model"
    path.write_text("one")
    assert [keep_loaded(load, options, path) for options in ("x", "x", "y")] == [1, 1, 2]
    os.utime(path, ns=(1, 1))
    assert keep_loaded(load, "x", path) == 3


def test_pictures_as_people_hand_them_over(tmp_path: Path) -> None:
    gray = np.arange(12, dtype=np.uint8).reshape(3, 4)
    Image.fromarray(gray).save(tmp_path / "gray.png")
    color = np.repeat(gray[:, :, None], 3, axis=2)
    for image in (
        gray,
        gray[:, :, None],
        color,
        Image.fromarray(gray),
        tmp_path / "gray.png",
        str(tmp_path / "gray.png"),
    ):
        assert np.array_equal(picture_of(image).pixels, color)
    with pytest.raises(DataError, match="The array has type float64"):
        picture_of(gray.astype(float))  # type: ignore[arg-type]
    with pytest.raises(DataError, match="expected \\(height, width, 3\\) or \\(height, width\\)"):
        picture_of(color[None])
