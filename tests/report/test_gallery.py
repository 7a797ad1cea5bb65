from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from gantool.report.gallery import Gallery, read_gallery, write_gallery
from gantool.report.grids import read_grid


def picture(level: int, size: tuple[int, int] = (20, 30)) -> np.ndarray:
    return np.full((*size, 3), level, np.uint8)


def made_of(values: list[float], *, higher_is_better: bool = False) -> Gallery:
    gallery = Gallery("score", higher_is_better=higher_is_better)
    for n, value in enumerate(values):
        gallery.add(f"image {n}", value, {"before": picture(n), "after": picture(n + 100)})
    return gallery


def values(gallery: Gallery, worst: bool) -> list[float]:
    return [one.value for one in gallery.images() if one.worst == worst]


def test_the_ends_of_many_values_are_kept_in_order() -> None:
    many = list(np.random.default_rng(0).permutation(50).astype(float))
    assert values(made_of(many), worst=True) == [49, 48, 47]
    assert values(made_of(many), worst=False) == [0, 1, 2]
    turned = made_of(many, higher_is_better=True)
    assert values(turned, worst=True) == [0, 1, 2]
    assert values(turned, worst=False) == [49, 48, 47]


def test_no_image_is_both() -> None:
    assert values(made_of([3.0, 1.0, 2.0]), worst=True) == [3.0, 2.0]
    assert values(made_of([3.0, 1.0, 2.0]), worst=False) == [1.0]
    assert values(made_of([4.0]), worst=True) == [4.0]
    assert values(made_of([4.0]), worst=False) == []
    same = made_of([0.5] * 20)
    assert len({one.name for one in same.images()}) == 6


def test_a_file_gives_back_what_was_written(tmp_path: Path) -> None:
    gallery = Gallery("L1")
    gallery.add("wide.jpg", 2.0, {"before": picture(1, (100, 960)), "after": np.full((50, 40, 1), 9, np.uint8)})
    gallery.add("b.png", 1.0, {"before": picture(3)})
    write_gallery(tmp_path / "judged.png", gallery)
    metric, (worst, best) = read_gallery(tmp_path / "judged.png")
    assert (metric, worst.name, worst.value, worst.worst) == ("L1", "wide.jpg", 2.0, True)
    assert {title: pixels.shape for title, pixels in worst.pictures.items()} == {
        "before": (25, 240, 3), "after": (50, 40, 3)
    }  # fmt: skip
    assert (worst.pictures["before"] == 1).all()
    assert (worst.pictures["after"] == 9).all()
    assert (best.pictures["before"] == 3).all()
    assert not best.worst


def test_nothing_and_foreign_files(tmp_path: Path) -> None:
    write_gallery(tmp_path / "judged.png", Gallery("L1"))
    assert not list(tmp_path.iterdir())
    assert read_gallery(tmp_path / "judged.png") == ("", [])
    Image.new("RGB", (8, 8)).save(tmp_path / "judged.png")
    assert read_gallery(tmp_path / "judged.png") == ("", [])


@pytest.mark.parametrize(
    "about", ["[" * 10_000, "{}", "3", '{"metric": "L1", "rows": [{"boxes": {"a": [0, 0, 9, 900]}}]}']
)
def test_what_a_file_says_of_itself_is_not_trusted(about: str, tmp_path: Path) -> None:
    info = PngInfo()
    info.add_text("gantool", about)
    Image.new("RGB", (8, 8)).save(tmp_path / "judged.png", pnginfo=info)
    assert read_gallery(tmp_path / "judged.png") == ("", [])
    assert read_grid(tmp_path / "judged.png") == {}
    (tmp_path / "judged.png").write_bytes(b"no picture")
    assert read_gallery(tmp_path / "judged.png") == ("", [])
    assert read_grid(tmp_path / "judged.png") == {}
