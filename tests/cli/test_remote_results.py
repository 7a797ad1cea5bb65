from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from remote_servers import Bucket, s3_bucket
from support import Cli

from gantool.data.sample import draw_scene
from gantool.errors import OutputError
from gantool.fetch.remote.addresses import Server

WINTER = ("--to", "winter", "--model", "seasons")
LANDSCAPE = ("--model", "landscape")


@pytest.fixture(scope="module")
def server() -> Iterator[Bucket]:
    with s3_bucket() as made:
        yield made


@pytest.fixture
def bucket(server: Bucket, photos: Path) -> Bucket:
    """Photos in a bucket, and no faults."""
    server.clear()
    server.system.put(str(photos), "bucket/photos", recursive=True)
    return server


@pytest.fixture
def photos(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Four small photos, one of them in a folder within the folder."""
    monkeypatch.setenv("GANTOOL_CACHE", str(workplace / "cache"))
    for n, name in enumerate(("1.jpg", "2.jpg", "3.png", "deep/4.jpg")):
        path = Path("photos") / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(draw_scene(n, size=40).summer).save(path)
    return workplace / "photos"


def on_disk(folder: str) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in Path(folder).rglob("*.*")}


def nothing_is_left(workplace: Path) -> bool:
    outgoing = workplace / "cache" / "outgoing"
    return not any(outgoing.rglob("*")) and not any(path.name.endswith(":") for path in workplace.iterdir())


def test_from_a_bucket_to_a_bucket(cli: Cli, bucket: Bucket, workplace: Path) -> None:
    assert cli("translate", "photos", "-r", *WINTER, "-o", "local/").code == 0
    bucket.faults.failing = bucket.faults.losing = 0.1
    words = ("translate", "s3://bucket/photos", "-r", *WINTER, "-o", "s3://bucket/out")
    done = cli(*words)
    assert done.code == 0, done.err
    assert done.out.split() == [f"s3://bucket/out/{name}" for name in
                                ("1.winter.jpg", "2.winter.jpg", "3.winter.png", "deep/4.winter.jpg")]  # fmt: skip
    assert bucket.files() == on_disk("local")

    bucket.faults.failing = bucket.faults.losing = 0.0
    again = cli(*words)
    assert again.code == 2 and "s3://bucket/out/1.winter.jpg and 3 more: exists already. Use --overwrite" in again.err
    bucket.system.rm("bucket/out/2.winter.jpg")
    bucket.system.pipe("bucket/out/3.winter.png", b"mine")
    bucket.faults.requests.clear()
    rest = cli(*words, "--skip-existing", "--json")
    answer = json.loads(rest.out)
    assert [one["output"] for one in answer["files"]] == ["s3://bucket/out/2.winter.jpg"]
    assert [one["input"] for one in answer["files"]] == ["s3://bucket/photos/2.jpg"]
    assert len(answer["skipped"]) == 3 and not any("HEAD /bucket/out/" in one for one in bucket.faults.requests)
    assert bucket.files()["3.winter.png"] == b"mine"
    assert cli(*words, "--overwrite").code == 0
    assert bucket.files() == on_disk("local") and nothing_is_left(workplace)
    bucket.system.pipe("bucket/photos/bad.jpg", b"no image")
    some = cli(*words, "--overwrite")
    assert some.code == 1 and "error: s3://bucket/photos/bad.jpg: is not an image" in some.err


def test_one_file_and_the_bytes_of_a_stream(cli: Cli, photos: Path) -> None:
    done = cli("translate", "photos/1.jpg", *WINTER, "-o", "memory://one/x.png")
    assert (done.code, done.out) == (0, "memory://one/x.png\n"), done.err
    assert cli("translate", "photos/1.jpg", *WINTER, "-o", "x.png").code == 0
    assert Server("memory://one").read("x.png") == Path("x.png").read_bytes()
    several = cli("translate", "photos", *WINTER, "-o", "memory://one/x.png")
    assert several.code == 2 and "names one file, but there are 3 inputs" in several.err
    itself = cli("translate", "memory://one/x.png", *WINTER, "-o", "memory://one/x.png", "--overwrite")
    assert itself.code == 2 and "memory://one/x.png: its result would replace it" in itself.err
    dry = cli("translate", "photos/1.jpg", *WINTER, "-o", "memory://dry/", "--dry-run")
    assert (dry.code, dry.out) == (0, "memory://dry/1.winter.jpg\n") and not Server("memory://dry").names()


def test_all_that_segment_writes(cli: Cli, photos: Path, workplace: Path) -> None:
    words = ("segment", "photos", *LANDSCAPE, "--outputs", "mask,overlay,color,probabilities,classes,polygons,coco")
    assert cli(*words, "-o", "local/").code == 0
    done = cli(*words, "-o", "memory://all/of/it/")
    assert done.code == 0 and "memory://all/of/it/segments.coco.json" in done.out.split(), done.err
    box, local = Server("memory://all/of/it"), on_disk("local")
    assert box.names() == set(local)
    for name, content in local.items():
        if not name.endswith(".json") or name.endswith(".classes.json"):
            assert box.read(name) == content
    ours, theirs = (json.loads(one["segments.coco.json"]) for one in ({**local}, {"segments.coco.json":
                    box.read("segments.coco.json")}))  # fmt: skip
    assert [image.pop("file_name") for image in ours["images"]] == ["../photos/1.jpg", "../photos/2.jpg",
                                                                    "../photos/3.png"]  # fmt: skip
    assert [image.pop("file_name") for image in theirs["images"]] == [f"{photos}/{n}" for n in
                                                                      ("1.jpg", "2.jpg", "3.png")]  # fmt: skip
    assert ours == theirs and nothing_is_left(workplace)
    assert "exists already" in cli(*words, "-o", "memory://all/of/it/").err


@pytest.mark.slow
def test_shares_of_a_bucket(cli: Cli, bucket: Bucket, workplace: Path) -> None:
    words = ("segment", "s3://bucket/photos", "-r", *LANDSCAPE, "--outputs", "mask,polygons,coco", "--json")
    whole = json.loads(cli(*words, "-o", "s3://bucket/one").out)
    answers = [cli(*words, "-o", "s3://bucket/out", "--shard", f"{n}/3") for n in (1, 2, 3)]
    assert [one.code for one in answers] == [0, 0, 0], answers
    assert "still to come: 2, 3" in answers[0].err
    first, _, last = (json.loads(one.out) for one in answers)
    assert first["share"] == "1/3" and last["shares"] == 3 and last["coco"] == "s3://bucket/out/segments.coco.json"
    assert [one["input"] for one in last["files"]] == [one["input"] for one in whole["files"]]
    assert bucket.files("out") == bucket.files("one") and nothing_is_left(workplace)
    names = [image["file_name"] for image in json.loads(bucket.files()["segments.coco.json"])["images"]]
    assert names == ["../photos/1.jpg", "../photos/2.jpg", "../photos/3.png", "../photos/deep/4.jpg"]


@pytest.mark.slow
def test_processes_that_write_to_a_bucket(bucket: Bucket) -> None:
    bucket.faults.failing = bucket.faults.losing = 0.05
    words = [sys.executable, "-m", "gantool", "segment", "s3://bucket/photos", "-r", *LANDSCAPE, "--outputs",
             "mask,coco", "--json", "-o"]  # fmt: skip
    one = subprocess.run([*words, "s3://bucket/one"], capture_output=True, text=True, check=True)
    two = subprocess.run([*words, "s3://bucket/out", "--devices", "2"], capture_output=True, text=True, check=True)
    whole, parts = json.loads(one.stdout), json.loads(two.stdout)
    assert parts["shares"] == 2
    assert [file["input"] for file in parts["files"]] == [file["input"] for file in whole["files"]]
    assert bucket.files("out") == bucket.files("one")
    # Two at once with the same output, of which none has seen that of the other when it began:
    both = [*words, "s3://bucket/both"]
    several = [subprocess.Popen(both, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    for process in several:
        _, said = process.communicate()
        assert process.returncode == 0 or "exists already" in said, said
    assert bucket.files("both") == bucket.files("one")


def test_a_failed_upload_is_a_failed_image(cli: Cli, photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = Server.write

    def write(self: Server, name: str, content: bytes, **more: Any) -> bool:
        if name == "2.mask.png":
            raise OutputError(f"{self.address}/{name}: cannot be written, also at the 8th attempt (it is a test).")
        return plain(self, name, content, **more)

    monkeypatch.setattr(Server, "write", write)
    words = ("segment", "photos", *LANDSCAPE, "--outputs", "mask,coco", "-o", "memory://failed", "--json")
    done = cli(*words)
    answer = json.loads(done.out)
    assert done.code == 1 and "memory://failed/2.mask.png: cannot be written, also at the 8th attempt" in done.err
    assert [one["input"] for one in answer["failed"]] == [str(Path("photos/2.jpg"))]
    box = Server("memory://failed")
    assert box.names() == {"1.mask.png", "3.mask.png", "segments.coco.json"}
    assert len(json.loads(box.read("segments.coco.json"))["images"]) == 2


def test_addresses_that_take_nothing(cli: Cli, bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ("translate", "photos", *WINTER, "-o")
    web = cli(*words, "https://example.com/out")
    assert web.code == 2 and "-o https://example.com/out: such servers take no files" in web.err
    gone = cli(*words, "s3://no-such-bucket/out")
    assert gone.code == 2 and "s3://no-such-bucket/out: cannot be listed, its bucket is not there" in gone.err
    gone = cli(*words, "s3://no-such-bucket/out", "--overwrite")
    assert gone.code == 2 and "/out/1.winter.jpg: cannot be written, its bucket is not there" in gone.err
    bucket.faults.read_only = True
    refused = cli(*words, "s3://bucket/out")
    assert refused.code == 2 and refused.err.count("may not be written") == 1 and not bucket.files()
    assert "See to the credentials" in refused.err and refused.out == ""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, "nowhere")
    type(bucket.system).clear_instance_cache()
    nobody = cli(*words, "s3://bucket/out")
    type(bucket.system).clear_instance_cache()
    assert nobody.code == 2 and "s3://bucket/out: may not be listed" in nobody.err
    for others in (
        ("segment", "photos", "--rank", "uncertainty", "-o", "s3://bucket/out"),
        ("translate", "clip.mp4", *WINTER, "-o", "s3://bucket/out"),
        ("prepare", "photos", "-o", "s3://bucket/out"),
        ("evaluate", "seasons", "-o", "s3://bucket/out"),
        ("export", "seasons", "--format", "onnx", "-o", "s3://bucket/out"),
    ):
        done = cli(*others)
        assert done.code == 2 and "-o s3://bucket/out" in done.err and "to a disk" in done.err, done.err


@pytest.mark.parametrize(
    "command",
    [
        "prepare photos --check --report s3://bucket/a.html",
        "train cyclegan --dry-run --runs s3://bucket/runs",
        "train cyclegan --write-settings s3://bucket/a.yaml",
        "info --page s3://bucket/a.html",
    ],
)
def test_pages_runs_and_settings_need_a_disk(cli: Cli, workplace: Path, command: str) -> None:
    done = cli(*command.split())
    *_, option, address = command.split()
    assert done.code == 2 and f"{option} {address}: " in done.err and "to a disk" in done.err, done.err
    assert not list(workplace.glob("s3*"))
