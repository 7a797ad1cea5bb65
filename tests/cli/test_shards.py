from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support import TINY, TINY_PIX2PIX, Cli

import gantool
from gantool.data.masks import write_mask
from gantool.data.sample import CLASS_COLORS, draw_scene
from gantool.data.sources.find import find_source
from gantool.data.sources.sharded import noted_labels
from gantool.methods.labels import check_labels
from gantool.shards.index import INDEX
from gantool.workflows.prepare import sharding
from gantool.workflows.prepare.target import lock_target

UNET = ["--set", "model.width=4", "--set", "model.depth=2", "--size", "32", "--batch-size", "4", "--device", "cpu",
        "--precision", "fp32", "--epochs", "1"]  # fmt: skip


@pytest.fixture
def sets(workplace: Path) -> Path:
    """Folders as ``gantool prepare`` writes them: ``two`` domains, ``pairs`` and ``labels``."""
    for split, first, count in (("train", 0, 7), ("test", 40, 3)):
        for n in range(first, first + count):
            one = draw_scene(n, size=40)
            for path, picture in (
                (f"two/{split}/summer/{n}.x.jpg", one.summer),
                (f"two/{split}/winter/w{n}.png", draw_scene(n + 100, size=40).winter),
                (f"pairs/{split}/summer/{n}.png", one.summer),
                (f"pairs/{split}/winter/{n}.png", one.winter),
                (f"labels/{split}/images/{n}.jpg", one.summer),
            ):
                Path(path).parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(picture).save(path)
            write_mask(Path(f"labels/{split}/masks/{n}.png"), one.mask, CLASS_COLORS)
    return workplace


def hashes(folder: str) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in Path(folder).glob("*.tar")}


def samples(path: Path) -> list[dict[str, bytes]]:
    """A tar file as WebDataset reads it: neighbors of one name up to the first dot are a sample."""
    found: list[dict[str, bytes]] = []
    with tarfile.open(path, "r|") as archive:
        for entry in archive:
            key, _, ending = entry.name.partition(".")
            if not found or found[-1]["__key__"] != key.encode():
                found.append({"__key__": key.encode()})
            found[-1][ending] = archive.extractfile(entry).read()  # type: ignore[union-attr]
    return found


def test_the_same_source_gives_the_same_shards(cli: Cli, sets: Path) -> None:
    made = cli("prepare", "labels", "--shards", "--shard-size", "3", "-o", "one")
    assert (made.code, made.out) == (0, "one\n"), made.err
    assert "4 shards" in made.err
    assert cli("prepare", "labels", "--shards", "--shard-size", "3", "-o", "again").code == 0
    assert hashes("one") == hashes("again")
    assert sorted(hashes("one")) == ["test-000000.tar", *(f"train-{n:06d}.tar" for n in range(3))]
    index = find_source(Path("one")).shards
    assert index is not None and {one.name: one.sha256 for one in index.shards} == hashes("one")
    assert sorted(path.name for path in Path("one").iterdir() if path.suffix != ".tar") == [
        "dataset.yaml", "report.html", INDEX,
    ]  # fmt: skip


def test_what_label_maps_hold_was_noted(cli: Cli, sets: Path) -> None:
    assert cli("prepare", "labels", "--shards", "--shard-size", "3", "-o", "s").code == 0
    noted = noted_labels(find_source(Path("s")).labelled().images)
    looked_at = check_labels(find_source(Path("labels")).labelled().images, 9)
    assert noted is not None and looked_at is not None
    for part, other in zip(noted, looked_at, strict=True):
        by_name = {path.name: value for path, value in part.items()}
        assert len(by_name) == len(other) == 10
        assert all(np.array_equal(by_name[path.name], value) for path, value in other.items())


def test_other_programs_read_the_shards(cli: Cli, sets: Path) -> None:
    assert cli("prepare", "labels", "--shards", "-o", "l").code == 0
    (first, *_) = read = samples(Path("l/train-000000.tar"))
    assert len(read) == 7
    assert first == {
        "__key__": b"0",
        "jpg": Path("labels/train/images/0.jpg").read_bytes(),
        "mask.png": Path("labels/train/masks/0.png").read_bytes(),
    }
    assert cli("prepare", "pairs", "--as", "paired", "--shards", "-o", "p").code == 0
    assert [sorted(one) for one in samples(Path("p/test-000000.tar"))] == [["__key__", "a.png", "b.png"]] * 3
    assert cli("prepare", "two", "--shards", "-o", "u").code == 0
    assert [sorted(one) for one in samples(Path("u/test-summer-000000.tar"))] == [["__key__", "jpg"]] * 3
    assert samples(Path("u/train-summer-000000.tar"))[0]["__key__"] == b"0_x", "a key has no dots"


@pytest.mark.parametrize(
    ("name", "command"),
    [
        pytest.param("two", ["cyclegan", *TINY, "--epochs", "1"], marks=pytest.mark.slow),
        pytest.param("pairs", ["pix2pix", *TINY_PIX2PIX], marks=pytest.mark.slow),
        ("labels", ["unet", *UNET]),
    ],
)
def test_a_training_from_shards_is_that_from_the_folder(cli: Cli, sets: Path, name: str, command: list[str]) -> None:
    kind = ["--as", "paired"] if name == "pairs" else []
    assert cli("prepare", name, *kind, "--shards", "--shard-size", "2", "-o", "shards").code == 0
    for data in (name, "shards"):
        trained = cli("train", *command, "--data", data, "--name", f"from-{data}")
        assert trained.code == 0, trained.err
    one, two = (Path(f"runs/from-{data}/last.safetensors") for data in (name, "shards"))
    from safetensors.numpy import load_file

    weights, others = load_file(one), load_file(two)
    assert weights.keys() == others.keys() and all((weights[key] == others[key]).all() for key in weights)
    noted = [json.loads(line) for line in Path("runs/from-shards/data_files.jsonl").read_text().splitlines()]
    assert {line[0]: line[3] for line in noted if line[0] != INDEX} == hashes("shards")
    if name != "labels":
        return
    answers: list[dict[str, Any]] = []
    for data in (name, "shards"):
        done = cli("evaluate", "from-shards", "--data", data, "--json", "-o", f"evaluated-{data}")
        assert done.code == 0, done.err
        answers = [*answers, json.loads(done.out)]
    assert answers[0]["models"][0]["mean_iou"] == answers[1]["models"][0]["mean_iou"], answers[0]


@pytest.mark.slow
def test_a_run_goes_on_with_the_same_shards_only(cli: Cli, sets: Path) -> None:
    assert cli("prepare", "labels", "--shards", "--shard-size", "3", "-o", "s").code == 0
    assert cli("train", "unet", *UNET, "--data", "s", "--name", "r").code == 0
    for path in Path("s").glob("*.tar"):
        os.utime(path, (1, 1))  # an index tells by checksums
    assert cli("train", "--resume", "r", "--epochs", "2").code == 0
    assert cli("prepare", "labels", "--shards", "--shard-size", "4", "-o", "s", "--overwrite").code == 0
    result = cli("train", "--resume", "r", "--epochs", "3")
    assert result.code == 2 and "its data has changed since" in result.err and "train-000000.tar" in result.err


def test_an_order_by_shards_is_chosen_and_noted(cli: Cli, sets: Path) -> None:
    assert cli("prepare", "labels", "--shards", "--shard-size", "3", "-o", "s").code == 0
    assert cli("train", "unet", *UNET, "--data", "s", "--set", "data.shuffle=shards", "--name", "r").code == 0
    assert "shuffle: shards" in Path("runs/r/settings.yaml").read_text()
    refused = cli("train", "unet", *UNET, "--data", "labels", "--set", "data.shuffle=shards")
    assert refused.code == 2 and "data.shuffle: shards needs data in shards" in refused.err


def test_shards_are_looked_at_like_folders(cli: Cli, sets: Path) -> None:
    assert cli("prepare", "labels", "--shards", "--shard-size", "4", "-o", "s").code == 0
    answers = [json.loads(cli("prepare", name, "--check", "--json").out) for name in ("labels", "s")]
    for key in ("kind", "classes", "images", "sizes", "statistics"):
        assert answers[0][key] == answers[1][key], key
    tar = Path("only/0.tar")
    tar.parent.mkdir()
    with tarfile.open(tar, "w") as archive:
        archive.add("labels/test/images/40.jpg", "40.jpg")
    of_one_kind = json.loads(cli("info", "only", "--json").out)
    assert (of_one_kind["describes"], of_one_kind["kind"], of_one_kind["shards"]) == ("data set", "images", 1)
    facts = json.loads(cli("info", "s", "--json").out)
    assert (facts["shards"], facts["train"], facts["test"]) == (3, 7, 3)
    assert json.loads(cli("info", "s/test-000000.tar/40.jpg", "--json").out)["width"] == 40
    assert cli("prepare", "s", "-o", "back", "-q").code == 0
    for path in Path("labels").rglob("*.*"):
        assert (Path("back") / path.relative_to("labels")).read_bytes() == path.read_bytes()
    shard = Path("s/train-000000.tar")
    content = bytearray(shard.read_bytes())
    content[700] ^= 255
    shard.write_bytes(content)
    looked = cli("prepare", "s", "--check")
    assert looked.code == 1 and "train-000000.tar/0.jpg: is not what the index says" in looked.err


def test_shards_that_are_not_whole_stop_a_training_before_it_begins(cli: Cli, sets: Path) -> None:
    assert cli("prepare", "two", "--shards", "-o", "s").code == 0
    shard = Path("s/train-winter-000000.tar")
    os.truncate(shard, 5000)
    result = cli("train", "cyclegan", *TINY, "--data", "s")
    assert result.code == 2 and "train-winter-000000.tar: has 5000 bytes, the index says" in result.err
    assert "it is cut off" in result.err and not Path("runs").exists()
    shard.unlink()
    assert "train-winter-000000.tar: is not there" in cli("info", "s").err
    Path("s", INDEX).write_bytes(b"GTSHARDSxxxxxxxxxxx")
    assert "shards.index: is damaged" in cli("prepare", "s", "--check").err


@pytest.mark.slow
def test_images_in_shards_are_segmented_and_translated(cli: Cli, sets: Path, segmenter: Path, trained: Path) -> None:
    assert cli("prepare", "labels", "--shards", "--shard-size", "4", "-o", "s").code == 0
    runs = ("--runs", str(segmenter / "runs"))
    done = cli("segment", "s", "--model", "unet", "-o", "out/", "--outputs", "mask,overlay", *runs)
    assert done.code == 0, done.err
    assert len(list(Path("out").rglob("*.mask.png"))) == 10
    assert cli("segment", "labels/test/images", "--model", "unet", "-o", "own/", *runs).code == 0
    for path in Path("own").glob("*.mask.png"):
        assert (Path("out/test-000000") / path.name).read_bytes() == path.read_bytes()
    runs = ("--runs", str(trained / "runs"))
    done = cli("translate", "s/test-000000.tar", "--to", "winter", "--model", "cyclegan-1", "-o", "t/", *runs)
    assert sorted(done.out.split()) == [f"t/test-000000/{n}.winter.jpg" for n in (40, 41, 42)], done.err
    one = cli("translate", "s/test-000000.tar/41.jpg", "--to", "winter", "--model", "cyclegan-1", "-o", "x/", *runs)
    assert one.out == "x/41.winter.jpg\n"
    assert Path("x/41.winter.jpg").read_bytes() == Path("t/test-000000/41.winter.jpg").read_bytes()
    gone = cli("translate", "s/test-000000.tar/99.jpg", "--to", "winter", "--model", "cyclegan-1", *runs)
    assert gone.code == 2 and "99.jpg: is not in its shard" in gone.err


def test_an_interrupted_call_leaves_nothing_that_looks_finished(
    cli: Cli, sets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, count = sharding.write_labelled, iter(range(100))

    def interrupted(*arguments: object) -> int:
        if next(count) == 5:
            raise KeyboardInterrupt
        return write(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(sharding, "write_labelled", interrupted)
    assert cli("prepare", "labels", "--shards", "--shard-size", "2", "-o", "s").code == 130
    assert not Path("s").exists() and not list(Path().rglob(INDEX))
    monkeypatch.setattr(sharding, "write_labelled", write)
    assert cli("prepare", "labels", "--shards", "--shard-size", "2", "-o", "s").code == 0
    assert not Path("s.partial").exists()
    shutil.copytree("s", "old")
    with lock_target(Path("s")):
        busy = cli("prepare", "labels", "--shards", "-o", "s", "--overwrite")
    assert busy.code == 2 and "s: is being written by process" in busy.err
    assert hashes("s") == hashes("old"), "nothing is lost"


def test_tiles_and_limits_in_bytes(cli: Cli, sets: Path) -> None:
    made = cli("prepare", "labels", "--tile", "16", "--shards", "--shard-size", "10KB", "-o", "t", "--json")
    tiles = json.loads(made.out)["tiles"]
    assert tiles == {"train": 7 * 9, "test": 3 * 9}
    assert {path.stat().st_size for path in Path("t").glob("*.tar")} <= {10240, 20480} and len(hashes("t")) > 4
    found = find_source(Path("t")).labelled()
    assert (len(found.images), found.tiled) == (90, True)
    assert cli("prepare", "labels", "--tile", "16", "-o", "f", "-q").code == 0
    folder = find_source(Path("f")).labelled()
    for split in ("train", "test"):
        names = [[one.image.name for one in each.images if one.split == split] for each in (found, folder)]
        assert names[0] == names[1]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--shards", "--shard-size", "big"], "--shard-size big: expected bytes such as 256MB"),
        (["--shards", "--shard-size", "0"], "--shard-size 0: expected bytes"),
        (["--shard-size", "1GB"], "--shard-size needs --shards"),
        (["--shards", "--check"], "--check writes nothing, so there is nothing for --shards to pack."),
        (["--shards", "--link"], "--link and --shards do not go together"),
        (["--shards", "--shard", "1/2"], "--shards are written by one process. Leave --devices and --shard out."),
    ],
)
def test_options_that_cannot_be(cli: Cli, sets: Path, words: list[str], says: str) -> None:
    result = cli("prepare", "labels", *words)
    assert result.code == 2 and says in result.err


def test_devices_do_not_write_shards(sets: Path) -> None:
    command = [sys.executable, "-m", "gantool", "prepare", "labels", "--shards", "-o", "s", "--devices", "2"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2 and not Path("s").exists()
    assert done.stderr.count("error: --shards are written by one process.") == 1


def test_a_disk_that_becomes_full(cli: Cli, sets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr("gantool.shards.tar.os.fsync", full)
        stopped = cli("prepare", "labels", "--shards", "-o", "s")
    assert stopped.code == 2 and not Path("s").exists()
    assert "error: s: cannot be written (No space left on device). Free some space, or choose" in stopped.err
    assert cli("prepare", "labels", "--shards", "-o", "s").code == 0
    assert not Path("s.partial").exists()


def test_from_python(sets: Path) -> None:
    result = gantool.prepare("labels", "made", shards=True, shard_size="5")
    assert result.output == Path("made") and len(hashes("made")) == 3
