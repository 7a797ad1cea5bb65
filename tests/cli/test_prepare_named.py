"""Archives, named data sets, and sources that are not what they should be."""

from __future__ import annotations

import functools
import json
import os
import shutil
import struct
import threading
import zipfile
import zlib
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support import Cli

from gantool.cli.console import Screen
from gantool.data.sample import draw_scene
from gantool.data.sources.catalog import CATALOG
from gantool.fetch.cache import cache_folder


def picture(n: int, path: str, size: tuple[int, int] = (40, 32)) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(draw_scene(n, size=size).summer).save(path)


def two_domains(root: str) -> None:
    for n in range(6):
        picture(n, f"{root}/trainA/2011-06-26 18_49_{n:02d}.jpg")
        picture(n + 10, f"{root}/trainB/{n}.jpg")


def packed(folder: str, archive: str) -> None:
    Path(archive).parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(archive, "w") as file:
        for path in sorted(Path(folder).rglob("*.*")):
            file.write(path, path.as_posix().replace("18_49_", "18:49:"))


def test_an_archive_is_a_source(cli: Cli, workplace: Path) -> None:
    two_domains("day2night")
    packed("day2night", "download.zip")
    shutil.rmtree("day2night")
    looked = cli("prepare", "download.zip", "--check")
    assert looked.code == 0, looked.err
    result = cli("prepare", "download.zip")
    assert result.code == 0, result.err
    assert sorted(path.name for path in Path("data/download/train").iterdir()) == ["day", "night"]
    names = {path.name for path in Path("data/download").glob("*/day/*.jpg")}
    assert names == {f"2011-06-26 18_49_{n:02d}.jpg" for n in range(6)}
    assert not [path for path in (cache_folder() / "unpacked").iterdir() if path.is_dir()]
    Path("download.zip").write_bytes(Path("download.zip").read_bytes()[:3000])
    assert (cli("prepare", "download.zip", "-o", "x").code, Path("x").exists()) == (2, False)
    with zipfile.ZipFile("evil.zip", "w") as file:
        file.writestr("../../evil.txt", "x")
    refused = cli("prepare", "evil.zip")
    assert (refused.code, "leads outside" in refused.err) == (2, True)
    assert not list(workplace.parent.glob("**/evil.txt"))


def test_named_sets_come_from_a_server(cli: Cli, workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GANTOOL_CACHE", str(workplace / "cache"))
    two_domains("horse2zebra")
    packed("horse2zebra", "mirror/efrosgans.eecs.berkeley.edu/cyclegan/datasets/horse2zebra.zip")
    shutil.rmtree("horse2zebra")
    handler = functools.partial(SimpleHTTPRequestHandler, directory="mirror")
    monkeypatch.setattr(SimpleHTTPRequestHandler, "log_message", lambda *_: None)
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    monkeypatch.setenv("GANTOOL_MIRROR", f"http://127.0.0.1:{server.server_port}")
    try:
        before = cli("train", "cyclegan", "--data", "horse2zebra")
        assert "Get it with: gantool prepare horse2zebra" in before.err
        result = cli("prepare", "horse2zebra", "--json")
        assert result.code == 0, result.err
        missing = cli("prepare", "vangogh2photo")
        assert (missing.code, "404" in missing.err, "put it at" in missing.err) == (2, True, True)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    answer = json.loads(result.out)
    assert (answer["domains"], answer["output"]) == (["horse", "zebra"], str(Path("data/horse2zebra")))
    again = cli("prepare", "horse2zebra", "--overwrite")  # from the cache, the server is gone
    assert again.code == 0, again.err
    offline = cli("prepare", "facades")
    assert (offline.code, "no connection" in offline.err) == (2, True)


@pytest.mark.parametrize("columns", [80, 100])
def test_the_list_fits_a_terminal(columns: int, cli: Cli, workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No name is broken; what does not fit beside it, the home page, stands below."""
    wide = cli("prepare", "--list").out
    assert len(wide.splitlines()) == len(CATALOG) + 1, "a line each, to be searched"
    monkeypatch.setattr(Screen, "result_width", columns)
    shown = cli("prepare", "--list").out
    lines = [line.rstrip() for line in shown.splitlines()]
    assert max(len(line) for line in lines if not line.startswith("http")) <= columns
    assert [line.split()[0] for line in lines[1 : lines.index("")] if not line.startswith(" ")] == list(CATALOG)
    assert {one.home for one in CATALOG.values()} == {line.split()[0] for line in lines if line.startswith("http")}
    assert "https://junyanz.github.io/CycleGAN/\n  apple2orange, summer2winter_yosemite, horse2zebra," in shown


def test_the_list_and_sets_behind_a_login(cli: Cli, workplace: Path) -> None:
    listed = cli("prepare", "--list")
    assert listed.code == 0
    assert "summer2winter_yosemite" in listed.out
    names = [one["name"] for one in json.loads(cli("prepare", "--list", "--json").out)["data_sets"]]
    assert len(names) == len(set(names)) >= 25
    by_hand = cli("prepare", "bob-ross")
    assert by_hand.code == 2
    assert "kaggle.com" in by_hand.err
    assert "gantool prepare DOWNLOADED -o data/bob-ross" in by_hand.err
    assert 'Did you mean "horse2zebra"?' in cli("prepare", "horse2zebr").err


def test_a_picture_that_claims_to_be_huge(cli: Cli, workplace: Path) -> None:
    two_domains("set")
    header = struct.pack(">IIBBBBB", 40_000, 40_000, 8, 2, 0, 0, 0)
    chunks = b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in ((b"IHDR", header), (b"IDAT", zlib.compress(bytes(100))))
    )
    Path("set/trainA/huge.png").write_bytes(b"\x89PNG\r\n\x1a\n" + chunks)
    result = cli("prepare", "set", "--check")
    assert result.code == 1
    assert "huge.png: claims more pixels than any picture has; refused." in result.err


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_a_loop_of_links_ends(cli: Cli, workplace: Path) -> None:
    picture(0, "set/deep/0.png")
    Path("set/deep/loop").symlink_to(workplace / "set")
    shapes = [{"label": "x", "shape_type": "rectangle", "points": [[0, 0], [5, 5]]}]
    tree = {"imagePath": "0.png", "imageWidth": 40, "imageHeight": 32, "shapes": shapes}
    Path("set/0.json").write_text(json.dumps(tree))
    result = cli("prepare", "set", "--split", "1,0,0", "--json")
    assert result.code == 0, result.err
    assert json.loads(result.out)["images"] == {"train": {"images": 1}}
    Path("set/trainA").symlink_to("trainA")
    assert cli("prepare", "set", "--as", "unpaired").code == 2


def test_a_folder_without_permission(cli: Cli, workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    two_domains("set")
    whole = Path.iterdir

    def refuse(self: Path) -> object:
        if self.name == "set":
            raise PermissionError(13, "Permission denied")
        return whole(self)

    monkeypatch.setattr(Path, "iterdir", refuse)
    result = cli("prepare", "set")
    assert (result.code, "set: cannot be looked into (Permission denied)." in result.err) == (2, True)


def test_too_many_classes(cli: Cli, workplace: Path) -> None:
    for n in range(3):
        picture(n, f"set/images/{n}.png")
        values = (np.arange(40 * 32) % 300).reshape(32, 40)
        Path("set/masks").mkdir(exist_ok=True)
        Image.fromarray(values.astype(np.uint16)).save(f"set/masks/{n}.png")
    result = cli("prepare", "set")
    assert result.code == 2
    assert "have 299 different values, which is no label map" in result.err, "255 of the 300 is ignore"
    Path("names.txt").write_text("\n".join(f"class {n}" for n in range(300)))
    coco = {"images": [], "annotations": [], "categories": [{"id": n, "name": f"c{n}"} for n in range(300)]}
    shutil.rmtree("set/masks")
    Path("set/coco.json").write_text(json.dumps(coco))
    result = cli("prepare", "set")
    assert (result.code, "301 classes, a mask can hold 255" in result.err) == (2, True)


def test_labels_that_are_no_json_or_name_images_that_are_not_there(cli: Cli, workplace: Path) -> None:
    picture(0, "set/0.png")
    crossing = {"label": "x", "shape_type": "polygon", "points": [[0, 0], [30, 20], [30, 0], [0, 20]]}
    good = {"imagePath": "0.png", "imageWidth": 40, "imageHeight": 32, "shapes": [crossing]}
    Path("set/0.json").write_text(json.dumps(good))
    Path("set/1.json").write_text(json.dumps({**good, "imagePath": "gone.png"}))
    result = cli("prepare", "set", "--check")
    assert result.code == 1
    assert "gone.png: there is no such file" in result.err
    Path("set/1.json").write_text(json.dumps(good).replace("30", "NaN", 1))
    result = cli("prepare", "set", "--check")
    assert (result.code, "1.json: has the value NaN" in result.err) == (2, True)
    Path("set/1.json").write_text("{")
    assert "1.json: is not valid JSON" in cli("prepare", "set", "--check").err
    Path("set/1.json").unlink()
    Path("set/2.json").write_text(json.dumps(good))
    assert "has labels twice" in cli("prepare", "set", "--check").err


def test_images_that_a_via_file_lacks_and_names_that_no_image_has(cli: Cli, workplace: Path) -> None:
    shape = {"name": "rect", "x": 1, "y": 1, "width": 9, "height": 9}
    region = {"shape_attributes": shape, "region_attributes": {"class": "tree"}}
    listed = ["0.png", "1.png", "gone.png"]
    Path("set").mkdir()
    Path("set/via.json").write_text(json.dumps({name: {"filename": name, "regions": [region]} for name in listed}))
    for n in range(2):
        picture(n, f"set/{n}.png")
    assert "without annotations" not in cli("prepare", "set", "--check").err
    picture(2, "set/later.png")
    looked = cli("prepare", "set", "--check", "--json")
    assert looked.code == 1
    found = {
        (one["kind"], one["text"].replace("\\", "/"), one["serious"]) for one in json.loads(looked.out)["findings"]
    }
    assert ("unusable", "set/gone.png: there is no such file.", True) in found
    assert ("without annotations", "set/later.png: is in no annotation file.", False) in found
