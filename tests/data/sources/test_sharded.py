from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gantool.data.sources.find import find_source
from gantool.data.sources.webdataset import find_tars
from gantool.errors import DataError
from gantool.shards.members import may_be_shards, read_bytes

Content = bytes | str | tuple[int, int, int] | np.ndarray


def encoded(content: Content, name: str) -> bytes:
    if isinstance(content, bytes):
        return content
    if isinstance(content, str):
        return content.encode()
    image = Image.new("RGB", (16, 16), content) if isinstance(content, tuple) else Image.fromarray(content)
    buffer = io.BytesIO()
    image.save(buffer, format="PNG" if name.endswith("png") else "JPEG")
    return buffer.getvalue()


def tar(path: Path, files: dict[str, Content]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as archive:
        for name, content in files.items():
            data = encoded(content, name)
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def gray(n: int) -> tuple[int, int, int]:
    return (n, n, n)


MASK = np.pad(np.ones((8, 16), np.uint8), ((8, 0), (0, 0)))


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GANTOOL_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_masks_of_a_set_from_elsewhere(tmp_path: Path) -> None:
    files = {f"{n}.{end}": MASK if end == "seg.png" else gray(n) for n in range(3) for end in ("jpg", "seg.png")}
    tar(tmp_path / "wds" / "train" / "0.tar", {**files, "0.json": json.dumps({}), "9.jpg": gray(9)})
    tar(tmp_path / "wds" / "val" / "0.tar", {"7.png": gray(7), "7.mask.png": MASK})
    source = find_source(tmp_path / "wds")
    found = source.labelled()
    assert (source.kind, found.classes) == ("segmentation", ("background", "foreground"))
    assert [(one.image.name, one.split) for one in found.images] == [
        ("0.jpg", "train"), ("1.jpg", "train"), ("2.jpg", "train"), ("7.png", "val"),
    ]  # fmt: skip
    assert (found.images[3].mask() == MASK).all()
    assert "not used: 1 .json" in found.about
    assert found.unpaired == (f"{tmp_path / 'wds'}/train/0.tar/9: has no mask of that name.",)


def test_pairs_of_a_set_from_elsewhere(tmp_path: Path) -> None:
    tar(tmp_path / "p" / "00.tar", {f"{n}.{end}.png": gray(n) for n in range(2) for end in ("sketch", "photo")})
    tar(tmp_path / "p" / "test-00.tar", {"x.photo.png": gray(5), "x.sketch.png": gray(6), "x.txt": "a cat"})
    found = find_source(tmp_path / "p").pairs()
    assert found.names == ("photo", "sketch")
    assert [(one.split, one.left.name, one.right.name if one.right else "") for one in found.pairs] == [
        ("train", "0.photo.png", "0.sketch.png"), ("train", "1.photo.png", "1.sketch.png"),
        ("test", "x.photo.png", "x.sketch.png"),
    ]  # fmt: skip
    assert "1 .txt" in found.about
    named = find_source(tmp_path / "p", names=("foto", "skizze"))
    assert named.pairs().names == ("foto", "skizze")


@pytest.mark.parametrize("how", ["cls", "folder", "shard"])
def test_domains_of_a_set_from_elsewhere(tmp_path: Path, how: str) -> None:
    root = tmp_path / "d"
    if how == "cls":
        tar(
            root / "0.tar",
            {f"{n}.{e}": gray(n) if e == "jpg" else "ab"[n % 2] for n in range(4) for e in ("jpg", "cls")},
        )
    elif how == "folder":
        tar(root / "0.tar", {f"./{'ab'[n % 2]}/{n}.jpg": gray(n) for n in range(4)})
    else:
        tar(root / "train_a_0.tar", {f"{n}.jpg": gray(n) for n in (0, 2)})
        tar(root / "train_b_0.tar", {f"{n}.jpg": gray(n) for n in (1, 3)})
    found = find_source(root).domains(holdout=0)
    assert (found.a.name, found.b.name) == ("a", "b")
    assert [[path.name for path in domain.train] for domain in (found.a, found.b)] == [
        ["0.jpg", "2.jpg"], ["1.jpg", "3.jpg"],
    ]  # fmt: skip
    held = find_source(root).domains(holdout=0.5)
    assert held.held_out and [len(held.a.train), len(held.a.test)] == [1, 1]


def test_images_of_one_kind(tmp_path: Path) -> None:
    tar(tmp_path / "i" / "0.tar", {f"{n}.jpg": gray(n) for n in range(3)})
    source = find_source(tmp_path / "i")
    assert source.contents(to_check=True).kind == "images"
    with pytest.raises(DataError, match="its shards hold images of one kind only"):
        source.domains()
    with pytest.raises(DataError, match="no pairs found"):
        source.pairs()
    with pytest.raises(DataError, match="no images with labels"):
        source.labelled()


def test_the_index_of_a_set_from_elsewhere_is_made_once(tmp_path: Path, cache: Path) -> None:
    shard = tar(tmp_path / "i" / "0.tar", {"0.jpg": gray(0)})
    assert len(find_source(tmp_path / "i").contents(to_check=True).images) == 1
    (index,) = (cache / "shards").glob("*.index")
    before = index.stat().st_mtime_ns
    find_source(tmp_path / "i")
    assert index.stat().st_mtime_ns == before and list((tmp_path / "i").iterdir()) == [shard]
    tar(shard, {"0.jpg": gray(0), "1.jpg": gray(1)})
    images = find_source(tmp_path / "i").contents(to_check=True).images
    assert [one.path.name for one in images] == ["0.jpg", "1.jpg"]
    index.write_bytes(b"damaged")
    assert len(find_source(tmp_path / "i").contents(to_check=True).images) == 2
    assert read_bytes(images[1].path) == encoded(gray(1), "1.jpg")


def test_archives_beside_images_are_no_data_set(tmp_path: Path) -> None:
    tar(tmp_path / "trainA.tar", {"0.jpg": gray(0)})
    assert find_tars(tmp_path) == {"trainA.tar": "train"}
    (tmp_path / "trainA").mkdir()
    Image.new("RGB", (9, 9)).save(tmp_path / "trainA" / "0.png")
    assert find_tars(tmp_path) == {}


def test_tar_files_without_pictures(tmp_path: Path) -> None:
    tar(tmp_path / "t" / "0.tar", {"0.txt": "words"})
    with pytest.raises(DataError, match="its tar files hold no pictures"):
        find_source(tmp_path / "t")


def test_folders_of_splits_go_by_all_their_names(tmp_path: Path) -> None:
    for name in ("train", "training", "validation"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "000.tar").touch()
    found = {"train/000.tar": "train", "training/000.tar": "train", "validation/000.tar": "val"}
    assert find_tars(tmp_path) == found
    (tmp_path / "train" / "000.tar").unlink()
    (tmp_path / "training" / "000.tar").unlink()
    assert may_be_shards(tmp_path)
    (tmp_path / "validation" / "000.tar").unlink()
    assert not may_be_shards(tmp_path)
