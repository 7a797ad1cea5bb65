from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support import Cli

import gantool
from gantool.data.sample import draw_scene
from gantool.errors import DataError


def scene(path: Path, index: int = 0, size: tuple[int, int] = (60, 44)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(draw_scene(index, size=size).summer).save(path)
    return path


def size_of(path: Path) -> tuple[int, int]:
    with Image.open(path) as image:
        return image.size


def test_one_photo(cli: Cli, with_run: Path) -> None:
    scene(with_run / "photo.jpg", size=(61, 43))
    result = cli("translate", "photo.jpg", "--to", "winter")
    assert (result.code, result.out) == (0, "photo.winter.jpg\n")
    assert size_of(with_run / "photo.winter.jpg") == (61, 43)
    assert "trained on the built-in drawn landscapes" in result.err
    assert "summer to winter on cpu in fp32" in result.err


def test_outputs_are_not_overwritten(cli: Cli, with_run: Path) -> None:
    scene(with_run / "a.png")
    (with_run / "a.winter.png").write_text("mine")
    result = cli("translate", "a.png", "--to", "winter")
    assert result.code == 2
    assert "exists already" in result.err
    assert (with_run / "a.winter.png").read_text() == "mine"
    skipped = cli("translate", "a.png", "--to", "winter", "--skip-existing")
    assert (skipped.code, skipped.out) == (0, "")
    assert cli("translate", "a.png", "--to", "winter", "--overwrite").code == 0
    assert size_of(with_run / "a.winter.png") == (60, 44)


def test_folders_keep_their_tree_and_skip_results(cli: Cli, with_run: Path) -> None:
    for name in ("photos/a.png", "photos/sub/b.png", "photos/old.winter.png", "photos/x.mask.png"):
        scene(with_run / name)
    result = cli("translate", "photos", "--to", "winter", "-r", "-o", "out")
    assert result.code == 0
    assert sorted(result.out.split()) == ["out/a.winter.png", "out/sub/b.winter.png"]
    again = cli("translate", "photos", "--to", "winter", "-r", "-o", "out", "--skip-existing", "--json")
    assert len(json.loads(again.out)["skipped"]) == 2


def test_globs_and_stdin(cli: Cli, with_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a.png", "b.png", "c.jpg"):
        scene(with_run / name)
    assert len(cli("translate", "*.png", "--to", "winter").out.split()) == 2
    monkeypatch.setattr("sys.stdin", io.StringIO("c.jpg\n\n"))
    assert cli("translate", "-", "--to", "winter").out == "c.winter.jpg\n"


def test_output_places(cli: Cli, with_run: Path) -> None:
    scene(with_run / "a.png")
    scene(with_run / "b.png")
    assert cli("translate", "a.png", "--to", "winter", "-o", "result.webp").out == "result.webp\n"
    assert cli("translate", "a.png", "--to", "winter", "-o", "deep/er/").out == "deep/er/a.winter.png\n"
    assert "names one file" in cli("translate", "a.png", "b.png", "--to", "winter", "-o", "x.png").err
    scene(with_run / "sub/a.png")
    result = cli("translate", "a.png", "sub/a.png", "--to", "winter", "-o", "both")
    assert result.code == 2
    assert "would both be written to" in result.err
    assert not (with_run / "both").exists()
    assert "would replace it" in cli("translate", "a.png", "--to", "winter", "-o", "a.png", "--overwrite").err


def test_options(cli: Cli, with_run: Path) -> None:
    scene(with_run / "a.png")
    assert cli("translate", "a.png", "--to", "winter", "--size", "32x20", "-o", "small.png").code == 0
    assert size_of(with_run / "small.png") == (32, 20)
    assert cli("translate", "a.png", "--to", "winter", "--side-by-side", "-o", "two.png").code == 0
    assert size_of(with_run / "two.png") == (120, 44)
    with Image.open(with_run / "two.png") as both, Image.open(with_run / "a.png") as source:
        assert np.array_equal(np.asarray(both)[:, :60], np.asarray(source))
    assert cli("translate", "a.png", "--to", "winter", "--tile", "off", "-o", "off.png").code == 0
    tiled = cli("translate", "a.png", "--to", "winter", "--tile", "64", "-o", "tiles.png")
    assert tiled.code == 0 and "--tile auto has none" in tiled.err
    assert cli("translate", "a.png", "--to", "winter", "--precision", "bf16", "-o", "bf16.png").code == 0


def test_a_batch_gives_what_single_calls_give(cli: Cli, with_run: Path) -> None:
    for index in range(5):
        scene(with_run / f"in/{index}.png", index, (48, 48) if index < 4 else (52, 48))
    cli("translate", "in", "--to", "winter", "-o", "one")
    result = cli("translate", "in", "--to", "winter", "-o", "many", "--batch-size", "3")
    assert result.out.split() == [f"many/{index}.winter.png" for index in range(5)]
    for index in range(5):
        one, many = (np.asarray(Image.open(with_run / kind / f"{index}.winter.png")) for kind in ("one", "many"))
        assert np.abs(one.astype(int) - many).max() <= 1


def test_modes_come_back(cli: Cli, with_run: Path) -> None:
    rgba = np.dstack([draw_scene(0, size=(40, 30)).summer, np.tile(np.arange(40, dtype=np.uint8), (30, 1))])
    Image.fromarray(rgba).save(with_run / "alpha.png")
    Image.fromarray(rgba[:, :, 0]).save(with_run / "gray.png")
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(rgba[:, :, :3]).save(with_run / "turned.jpg", exif=exif)
    assert cli("translate", "alpha.png", "gray.png", "turned.jpg", "--to", "winter").code == 0
    with Image.open("alpha.winter.png") as image:
        assert np.array_equal(np.asarray(image)[:, :, 3], rgba[:, :, 3])
    with Image.open("gray.winter.png") as image:
        assert image.mode == "RGB"
    with Image.open("turned.winter.jpg") as image:
        assert image.size == (30, 40)
        assert 0x0112 not in image.getexif()


def test_some_failures_do_not_stop_the_rest(cli: Cli, with_run: Path) -> None:
    scene(with_run / "a.png")
    (with_run / "bad.jpg").write_text("no image")
    Image.new("RGB", (1, 1), "red").save(with_run / "dot.png")
    result = cli("translate", "a.png", "bad.jpg", "dot.png", "--to", "winter", "--json")
    assert result.code == 1
    answer = json.loads(result.out)
    assert [entry["output"] for entry in answer["files"]] == ["a.winter.png", "dot.winter.png"]
    assert answer["failed"][0]["input"] == "bad.jpg"
    assert "bad.jpg: is not an image" in result.err
    assert size_of(with_run / "dot.winter.png") == (1, 1)
    assert cli("translate", "bad.jpg", "--to", "winter").code == 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["a.png", "--to", "wintr"], 'Did you mean "winter"'),
        (["none.png", "--to", "winter"], "none.png: there is no such file or folder"),
        (["*.tif", "--to", "winter"], "matches no images"),
        (["empty", "--to", "winter"], "holds no images"),
        (["a.png", "--to", "winter", "--model", "cyclegan-2"], 'Did you mean "cyclegan-1"'),
        (["a.png", "--to", "winter", "--model", "a.png"], "damaged or no safetensors"),
        (["a.png", "--to", "winter", "--size", "250"], "expected WIDTHxHEIGHT"),
        (["a.png", "--to", "winter", "--size", "0x5"], "expected WIDTHxHEIGHT"),
        (["a.png", "--to", "winter", "--tile", "5"], "expected auto, off"),
        (["a.png", "--to", "winter", "--device", "cuda:7"], "--device cpu"),
        (["a.png"], "--to"),
        (["--to", "winter"], "INPUT"),
    ],
)
def test_mistakes_cost_one_sentence(arguments: list[str], words: str, cli: Cli, with_run: Path) -> None:
    scene(with_run / "a.png")
    (with_run / "empty").mkdir()
    result = cli("translate", *arguments)
    assert result.code == 2
    assert result.out == ""
    assert words in result.err


def test_without_a_model_it_says_how_to_get_one(cli: Cli, workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scene(workplace / "a.png")
    result = cli("translate", "a.png", "--to", "wintr")
    assert (result.code, 'Did you mean "winter"?' in result.err) == (2, True)
    monkeypatch.setattr("gantool.models.find.bundled_models", dict)
    result = cli("translate", "a.png", "--to", "winter")
    assert result.code == 2
    assert "gantool train cyclegan --epochs 20" in result.err


def test_models_by_name_kind_and_path(cli: Cli, with_run: Path) -> None:
    scene(with_run / "a.png")
    for number, model in enumerate(
        ("cyclegan", "cyclegan-1", "runs/cyclegan-1", "runs/cyclegan-1/model.safetensors")
    ):
        assert cli("translate", "a.png", "--to", "summer", "--model", model, "-o", f"{number}.png").code == 0
    (with_run / "runs/cyclegan-1/model.safetensors").unlink()
    assert "has no model yet" in cli("translate", "a.png", "--to", "summer", "--model", "cyclegan-1").err


def test_what_is_wrong_with_the_inputs_stands_alone(cli: Cli, workplace: Path) -> None:
    """What is known before anything is done is told without the model and the device."""
    scene(workplace / "a.png")
    (workplace / "a.winter.png").touch()
    for command in (
        ["translate", "none.jpg", "--to", "winter"],
        ["translate", "a.png", "--to", "winter"],
        ["segment", "none.jpg"],
        ["segment", "a.png", "--outputs", "masks"],
    ):
        refused = cli(*command)
        assert refused.code == 2
        assert refused.err.startswith("error: "), refused.err


def test_info(cli: Cli, with_run: Path) -> None:
    scene(with_run / "a.png")
    machine = json.loads(cli("info", "--json").out)
    assert machine["runs"] == ["cyclegan-1"]
    assert "torch" in machine["packages"]
    assert "summer to winter" in cli("info", "runs/cyclegan-1/model.safetensors").out
    assert "cyclegan" in cli("info", "cyclegan-1").out
    assert json.loads(cli("info", "a.png", "--json").out)["width"] == 60
    assert cli("info", "nothing").code == 2
    assert cli("info", "runs").code == 2


def test_from_python(with_run: Path) -> None:
    path = scene(with_run / "a.png")
    picture = gantool.translate(path, to="winter")
    assert isinstance(picture, Image.Image)
    assert picture.size == (60, 44)
    pixels = draw_scene(0, size=(60, 44)).summer
    array = gantool.translate(pixels, to="winter")
    assert isinstance(array, np.ndarray)
    assert np.array_equal(array, np.asarray(picture))
    assert gantool.translate(Image.fromarray(pixels[:, :, 0]), to="winter").size == (60, 44)
    assert gantool.translate(pixels[:, :, 0], to="winter", size=(20, 10)).shape == (10, 20, 3)
    rgba = Image.fromarray(np.dstack([pixels, pixels[:, :, 0]]))
    assert gantool.translate(rgba, to="winter").mode == "RGBA"
    for wrong in (pixels.astype(float), pixels[None], np.zeros((0, 4, 3), np.uint8)):
        with pytest.raises(DataError, match="The array has"):
            gantool.translate(wrong, to="winter")
