"""Files of a prepared set: the source's own where nothing changes, and what is encoded anew."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support import Cli

from gantool.cli import console
from gantool.data.sample import draw_scene
from gantool.data.sources.find import find_source
from gantool.data.tiles import photograph_of


def photo(path: Path, number: int, **options: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(draw_scene(number, size=(48, 32)).summer).save(path, **options)  # type: ignore[arg-type]
    return path


@pytest.fixture
def labelled(workplace: Path) -> Path:
    for number in range(4):
        photo(workplace / f"set/images/{number}.jpg", number)
        (workplace / "set/masks").mkdir(exist_ok=True)
        mask = np.zeros((32, 48), np.uint8)
        mask[:, 24:] = 1
        Image.fromarray(mask).save(workplace / f"set/masks/{number}.png")
    return workplace / "set"


def copies(root: str, pattern: str) -> dict[str, Path]:
    return {path.name: path for path in Path(root).rglob(pattern)}


def test_images_with_labels_are_copied_and_read_back(cli: Cli, labelled: Path) -> None:
    turned = Image.Exif()
    turned[0x0112] = 3
    photo(labelled / "images/3.jpg", 3, exif=turned)
    result = cli("prepare", "set", "-o", "out")
    assert result.code == 0, result.err
    written = copies("out", "images/*")
    assert sorted(written) == ["0.jpg", "1.jpg", "2.jpg", "3.png"], "what must be turned is written anew"
    assert written["0.jpg"].read_bytes() == (labelled / "images/0.jpg").read_bytes()
    assert len(copies("out", "masks/*")) == 4
    assert cli("prepare", "out", "--check").code == 0
    found = find_source(Path("out")).contents()
    assert (found.kind, len(found.images), found.unpaired) == ("segmentation", 4, ())


def test_pairs_in_two_folders_are_copied(cli: Cli, workplace: Path) -> None:
    for number in range(4):
        photo(workplace / f"set/photo/{number}.jpg", number)
        photo(workplace / f"set/sketch/{number}_sketch.webp", number + 10)
    result = cli("prepare", "set", "--as", "paired", "-o", "out")
    assert result.code == 0, result.err
    assert "gantool train pix2pix --data out" in result.err
    sketch = copies("out", "sketch/*")
    assert sorted(sketch) == [f"{number}.webp" for number in range(4)]
    assert sketch["2.webp"].read_bytes() == (workplace / "set/sketch/2_sketch.webp").read_bytes()
    assert len(find_source(Path("out"), kind="paired").contents().images) == 4


def test_links_take_no_space(cli: Cli, labelled: Path) -> None:
    assert cli("prepare", "set", "-o", "out", "--link").code == 0
    assert copies("out", "images/*")["0.jpg"].samefile(labelled / "images/0.jpg")
    assert cli("prepare", "set", "-o", "apart").code == 0
    assert not copies("apart", "images/*")["0.jpg"].samefile(labelled / "images/0.jpg")


def test_changed_images_have_the_format_asked_for(cli: Cli, labelled: Path) -> None:
    tiled = ["--tile", "16", "--image-format", "jpg", "--split", "1,0,0"]
    result = cli("prepare", "set", "-o", "out", *tiled, "--json")
    assert result.code == 0, result.err
    assert json.loads(result.out)["tiles"] == {"train": 4 * 6}
    assert "tiles: train 24" in result.err
    tiles = copies("out", "images/*")
    assert len(tiles) == 24
    assert {path.suffix for path in tiles.values()} == {".jpg"}
    assert len({photograph_of(str(path)) for path in tiles.values()}) == 4
    assert cli("prepare", "out", "--check").code == 0
    assert cli("prepare", "set", "-o", "gif", "--image-format", "gif").code == 2


def test_a_log_hears_of_long_work(cli: Cli, labelled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "writing: 4 of 4" not in cli("prepare", "set", "-o", "quick").err
    monkeypatch.setattr(console, "_SILENCE", 0.0)
    assert "writing: 4 of 4" in cli("prepare", "set", "-o", "slow").err


def test_a_target_that_cannot_be_written(cli: Cli, labelled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (labelled.parent / "file").write_text("no folder")
    result = cli("prepare", "set", "-o", "file/out")
    assert result.code == 2
    assert "out: cannot be written (Not a directory)" in result.err.replace("\\", "/")
