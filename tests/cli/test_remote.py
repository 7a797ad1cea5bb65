from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from remote_servers import Faults, http_server, s3_server
from safetensors.numpy import load_file
from support import TINY, Cli

from gantool.data.masks import write_mask
from gantool.data.sample import CLASS_COLORS, draw_scene
from gantool.fetch.remote import files, patience

UNET = ["unet", "--set", "model.width=4", "--set", "model.depth=2", "--size", "32", "--batch-size", "4",
        "--device", "cpu", "--precision", "fp32", "--epochs", "1"]  # fmt: skip


@pytest.fixture
def shards(cli: Cli, workplace: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """``set``, images with labels in shards, and ``folder`` that they were made of."""
    monkeypatch.setenv("GANTOOL_CACHE", str(workplace / "cache"))
    monkeypatch.setattr(files, "BLOCK", 4096)
    monkeypatch.setattr(patience, "PATIENCE", 0.02)
    for split, first, count in (("train", 0, 10), ("test", 40, 3)):
        for n in range(first, first + count):
            one = draw_scene(n, size=40)
            Path(f"folder/{split}/images").mkdir(parents=True, exist_ok=True)
            Image.fromarray(one.summer).save(f"folder/{split}/images/{n}.jpg")
            write_mask(Path(f"folder/{split}/masks/{n}.png"), one.mask, CLASS_COLORS)
    assert cli("prepare", "folder", "--shards", "--shard-size", "3", "-o", "set").code == 0
    return workplace / "set"


@pytest.fixture
def bucket(shards: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The same in a bucket."""
    import s3fs

    with s3_server() as address:
        for name, value in (
            ("AWS_ACCESS_KEY_ID", "id"), ("AWS_SECRET_ACCESS_KEY", "secret"), ("AWS_ENDPOINT_URL", address),
            ("AWS_DEFAULT_REGION", "us-east-1"), ("AWS_EC2_METADATA_DISABLED", "true"),
        ):  # fmt: skip
            monkeypatch.setenv(name, value)
        s3fs.S3FileSystem.clear_instance_cache()
        system = s3fs.S3FileSystem()
        system.mkdir("bucket")
        system.put(str(shards), "bucket/data", recursive=True)
        yield "s3://bucket/data"
        s3fs.S3FileSystem.clear_instance_cache()


def same_weights(one: str, other: str) -> bool:
    a, b = (load_file(f"runs/{name}/last.safetensors") for name in (one, other))
    return a.keys() == b.keys() and all((a[key] == b[key]).all() for key in a)


def test_a_training_through_a_bad_server_is_that_from_the_folder(cli: Cli, shards: Path) -> None:
    faults = Faults(failing=0.05, truncating=0.05, short=0.05, wrong=0.03, rate=2e6)
    with http_server(shards.parent, faults) as address:
        faults.dead_until = time.monotonic() + 0.1
        trained = cli("train", *UNET, "--data", f"{address}/set", "--name", "remote")
        assert trained.code == 0, trained.err
        assert f"{address}/set, 5 shards" in trained.err
        assert cli("train", *UNET, "--data", "folder", "--name", "local").code == 0
        assert same_weights("remote", "local")
        noted = [json.loads(line) for line in Path("runs/remote/data_files.jsonl").read_text().splitlines()]
        assert {line[0] for line in noted} == {"shards.index", *(path.name for path in shards.glob("*.tar"))}
        assert cli("train", "--resume", "remote", "--epochs", "2").code == 0
        faults.dead_until = time.monotonic() + 1000
        gone = cli("train", "--resume", "remote", "--epochs", "3")
    assert gone.code == 2 and "/set/shards.index: cannot be read, also at the 8th attempt" in gone.err
    assert cli("train", "--resume", "local", "--epochs", "2").code == 0
    assert same_weights("remote", "local")


@pytest.mark.slow
def test_a_set_in_a_bucket(cli: Cli, bucket: str, segmenter: Path) -> None:
    facts = json.loads(cli("info", bucket, "--json").out)
    assert (facts["data set"], facts["shards"], facts["train"]) == (bucket, 5, 10)
    assert cli("train", *UNET, "--data", bucket, "--name", "remote", "--workers", "2").code == 0
    assert cli("train", *UNET, "--data", "set", "--name", "local").code == 0
    assert same_weights("remote", "local")
    assert cli("prepare", bucket, "-o", "back", "-q").code == 0
    for path in Path("folder").rglob("*.*"):
        assert (Path("back") / path.relative_to("folder")).read_bytes() == path.read_bytes()
    done = cli("segment", bucket, "--model", "unet", "-o", "out/", "--runs", str(segmenter / "runs"))
    assert done.code == 0 and len(list(Path("out").rglob("*.mask.png"))) == 13, done.err
    measured = cli("evaluate", "remote", "--data", bucket, "--json")
    assert measured.code == 0, measured.err


@pytest.mark.slow
def test_folders_of_images_in_a_bucket(cli: Cli, bucket: str, trained: Path) -> None:
    import s3fs

    s3fs.S3FileSystem().put("folder/test", "bucket/photos", recursive=True)
    words = ("--to", "winter", "--model", "cyclegan-1", "--runs", trained / "runs")
    assert cli("translate", "folder/test/images", *words, "-o", "local/").code == 0
    done = cli("translate", "s3://bucket/photos/images", *words, "-o", "remote/")
    assert sorted(done.out.split()) == [f"remote/{n}.winter.jpg" for n in (40, 41, 42)], done.err
    for path in Path("local").iterdir():
        assert (Path("remote") / path.name).read_bytes() == path.read_bytes()
    deep = cli("translate", "s3://bucket/photos", "--recursive", *words, "-o", "deep/")
    assert "deep/images/40.winter.jpg" in deep.out.split() and deep.code == 0
    none = cli("translate", "s3://bucket/photos", *words, "-o", "none/")
    assert none.code == 2 and "s3://bucket/photos: holds no images. Use --recursive" in none.err
    s3fs.S3FileSystem().pipe("bucket/photos/images/bad.jpg", b"no image")
    some = cli("translate", "s3://bucket/photos/images", *words, "-o", "some/")
    assert some.code == 1 and "s3://bucket/photos/images/bad.jpg: is not an image" in some.err


def test_one_image_at_an_address(cli: Cli, shards: Path) -> None:
    with http_server(shards.parent, Faults()) as address:
        done = cli("translate", f"{address}/folder/test/images/40.jpg", "--to", "winter", "--model", "seasons")
        assert (done.code, done.out) == (0, "40.winter.jpg\n"), done.err
        listed = cli("translate", f"{address}/folder/test/images", "--to", "winter", "--model", "seasons")
        assert listed.code == 2 and "such servers do not list what they have" in listed.err
        gone = cli("translate", f"{address}/folder/test/images/99.jpg", "--to", "winter", "--model", "seasons")
        assert gone.code == 2 and "99.jpg: is not there" in gone.err


@pytest.mark.slow
def test_a_set_from_elsewhere_in_a_bucket(cli: Cli, bucket: str) -> None:
    import s3fs

    s3fs.S3FileSystem().rm("bucket/data/shards.index")
    facts = json.loads(cli("prepare", bucket, "--check", "--json").out)
    assert (facts["kind"], facts["images"]) == ("segmentation", {"train": {"images": 10}, "test": {"images": 3}})


@pytest.mark.slow
def test_buckets_that_cannot_be_read(cli: Cli, bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import s3fs

    none = cli("info", "s3://no-such-bucket/x")
    assert none.code == 2 and "s3://no-such-bucket/x: is not there" in none.err
    s3fs.S3FileSystem().rm("bucket/data/train-000001.tar")
    lost = cli("train", *UNET, "--data", bucket)
    assert lost.code == 2 and f"{bucket}/train-000001.tar: is not there, but the index names it" in lost.err
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, "nowhere")
    s3fs.S3FileSystem.clear_instance_cache()
    refused = cli("info", bucket)
    assert refused.code == 2 and "may not be read" in refused.err and "See to the credentials" in refused.err


def test_a_server_that_refuses(cli: Cli, shards: Path) -> None:
    with http_server(shards.parent, Faults(refusing=403)) as address:
        refused = cli("train", "cyclegan", *TINY, "--data", f"{address}/set")
    assert refused.code == 2 and f"{address}/set/shards.index: may not be read" in refused.err
    with http_server(shards.parent, Faults()) as address:
        assert "such servers do not list what they have" in cli("info", f"{address}/nothing").err
        secret = cli("info", address.replace("//", "//me:secret@"))
    assert secret.code == 2 and "must hold no password" in secret.err and "secret@" not in secret.err
    assert "nosuch" in cli("info", "nosuch://x/y").err
