"""``gantool prepare --shards -o ADDRESS``: a set is there as a whole, or everybody is told that it is not."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image
from remote_servers import Bucket, s3_bucket
from support import Cli

import gantool
from gantool.data.masks import write_mask
from gantool.data.sample import CLASS_COLORS, draw_scene
from gantool.errors import OutputError
from gantool.fetch.remote.addresses import Server
from gantool.shards.index import INDEX
from gantool.shards.mark import MARK_SIZE, new_mark, writer_of
from gantool.workflows.prepare import sharding

SET = "s3://bucket/out"
WORDS = ("prepare", "labels", "--shards", "--shard-size", "2", "-o")


@pytest.fixture(scope="module")
def server() -> Iterator[Bucket]:
    with s3_bucket() as made:
        yield made


@pytest.fixture
def bucket(server: Bucket, labels: Path) -> Bucket:
    """Empty, and without faults."""
    server.clear()
    return server


@pytest.fixture
def labels(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Five images with labels."""
    monkeypatch.setenv("GANTOOL_CACHE", str(workplace / "cache"))
    for n in range(5):
        one, split = draw_scene(n, size=40), "test" if n == 4 else "train"
        Path(f"labels/{split}/images").mkdir(parents=True, exist_ok=True)
        Image.fromarray(one.summer).save(f"labels/{split}/images/{n}.jpg")
        write_mask(Path(f"labels/{split}/masks/{n}.png"), one.mask, CLASS_COLORS)
    return workplace / "labels"


def on_disk(folder: str) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in Path(folder).iterdir()}


def at(image: int, act: Callable[[], None], monkeypatch: pytest.MonkeyPatch) -> None:
    """Do something before an image is written."""
    write, count = sharding.write_labelled, iter(range(100))

    def written(*arguments: object) -> int:
        if next(count) == image:
            act()
        return write(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(sharding, "write_labelled", written)


def interrupt() -> None:
    raise KeyboardInterrupt


def nothing_is_left(workplace: Path) -> bool:
    outgoing = workplace / "cache" / "outgoing"
    return not any(outgoing.rglob("*")) and not any(path.name.endswith(":") for path in workplace.iterdir())


def test_a_set_goes_to_a_bucket(cli: Cli, bucket: Bucket, workplace: Path) -> None:
    assert cli(*WORDS, "out").code == 0
    bucket.faults.failing = bucket.faults.losing = 0.1
    done = cli(*WORDS, SET)
    assert (done.code, done.out) == (0, f"{SET}\n"), done.err
    assert f"Next: gantool train segmentation-small --data {SET}" in done.err
    assert bucket.files() == on_disk("out") and nothing_is_left(workplace)
    order = [one.rpartition("/")[2] for one in bucket.faults.requests if one.startswith("PUT /bucket/out/")]
    assert order[0] == order[-1] == INDEX, "the mark comes first and the index last"

    bucket.faults.failing = bucket.faults.losing = 0.0
    assert cli("info", SET).code == 0
    again = cli(*WORDS, SET)
    assert again.code == 2 and f"{SET}: exists already. Choose another -o, or --overwrite a set" in again.err
    bucket.faults.requests.clear()
    left = cli(*WORDS, SET, "--skip-existing", "--json")
    assert left.code == 0 and json.loads(left.out)["output"] == SET and json.loads(left.out)["skipped"] is True
    assert not any(one.startswith("PUT") for one in bucket.faults.requests)
    fewer = cli("prepare", "labels", "--shards", "-o", SET, "--overwrite")
    assert fewer.code == 0, fewer.err
    assert sorted(bucket.files()) == ["dataset.yaml", "report.html", INDEX, "test-000000.tar", "train-000000.tar"]
    look = cli("prepare", SET, "--check")
    assert look.code == 0 and "2 shards" in look.err and "train        4" in look.err, look.err


def test_an_interrupted_set_is_refused_and_can_be_made_anew(
    cli: Cli, bucket: Bucket, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        at(4, interrupt, patch)
        assert cli(*WORDS, SET).code == 130
    there = bucket.files()
    assert (
        "dataset.yaml" not in there
        and "train-000000.tar" in there
        and len(there[INDEX]) == MARK_SIZE
        and nothing_is_left(workplace)
    )
    for words in (("info", SET), ("prepare", SET, "--check"), ("segment", SET, "--model", "landscape", "-o", "m/")):
        read = cli(*words)
        assert read.code == 2 and f"{SET}/{INDEX}: the set is being written by process " in read.err, read.err
        assert "or its writing was interrupted. Wait for its end, or write it again" in read.err
    for more in ((), ("--skip-existing",)):
        again = cli(*WORDS, SET, *more)
        assert again.code == 2 and f"{SET}: is being written by process " in again.err
        assert "if nobody is at work there, --overwrite makes the set anew" in again.err
    assert bucket.files()[INDEX] == there[INDEX]
    assert cli(*WORDS, "out").code == 0
    assert cli(*WORDS, SET, "--overwrite").code == 0
    assert bucket.files() == on_disk("out") and cli("info", SET).code == 0


def test_before_the_first_shard_nothing_is_left(
    cli: Cli, labels: Path, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at(0, interrupt, monkeypatch)
    assert cli(*WORDS, "memory://early").code == 130
    assert not Server("memory://early").names() and nothing_is_left(workplace)


def test_two_writers(cli: Cli, labels: Path, workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    box, other = Server("memory://two"), new_mark()
    with monkeypatch.context() as patch:  # one that began while this one was looking
        plain = sharding.write_shards
        patch.setattr("gantool.workflows.prepare.write_shards", lambda *all: box.write(INDEX, other, replace=False)
                      and plain(*all))  # fmt: skip
        late = cli(*WORDS, "memory://two")
    assert late.code == 2 and f"memory://two: is being written by {writer_of(other)}, or" in late.err, late.err
    assert box.names() == {INDEX} and box.read(INDEX) == other

    box.remove(INDEX)
    newer = new_mark()

    def replace_and_interrupt() -> None:
        box.write(INDEX, newer, replace=True)
        interrupt()

    with monkeypatch.context() as patch:  # one that has sent nothing removes no other's mark
        at(0, replace_and_interrupt, patch)
        assert cli(*WORDS, "memory://two").code == 130 and box.read(INDEX) == newer

    newer = new_mark()
    with monkeypatch.context() as patch:  # one that replaces what this one has begun
        at(3, lambda: box.write(INDEX, newer, replace=True) and None, patch)
        gone = cli(*WORDS, "memory://two", "--overwrite")
    assert gone.code == 2 and f"memory://two: {writer_of(newer)} has begun to write there as well" in gone.err
    assert box.read(INDEX) == newer, "the newer one's"
    assert cli(*WORDS, "memory://two", "--overwrite").code == 0 and nothing_is_left(workplace)


@pytest.mark.slow
def test_processes_that_write_and_are_killed(cli: Cli, bucket: Bucket, workplace: Path) -> None:
    assert cli(*WORDS, "out").code == 0
    command = [sys.executable, "-m", "gantool", *WORDS, SET]
    bucket.faults.latency = 0.3
    first = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    while "train-000000.tar" not in bucket.files():
        assert first.poll() is None
        time.sleep(0.05)
    first.kill()
    first.wait()
    bucket.faults.latency = 0.0
    assert len(bucket.files()[INDEX]) == MARK_SIZE and cli("info", SET).code == 2
    again = subprocess.run(command, capture_output=True, text=True)
    assert again.returncode == 2 and f"is being written by process {first.pid} on " in again.stderr, again.stderr
    assert subprocess.run([*command, "--overwrite"], capture_output=True).returncode == 0
    assert bucket.files() == on_disk("out") and nothing_is_left(workplace), "also what the killed one left here"
    # Two at once: one is told, before or after it has looked at its images.
    bucket.clear()
    bucket.faults.latency = 0.1
    two = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    said = [process.communicate()[1] for process in two]
    assert sorted(process.returncode for process in two) == [0, 2], said
    assert any(f"{SET}: is being written by process" in one or f"{SET}: exists already" in one for one in said)
    assert bucket.files() == on_disk("out")


def test_a_shard_that_cannot_be_sent(cli: Cli, labels: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = Server.write

    def write(self: Server, name: str, content: bytes, *, replace: bool, stopped: object = None) -> bool:
        if name == "train-000001.tar":
            raise OutputError(f"{self.address}/{name}: cannot be written, also at the 8th attempt (it is a test).")
        return plain(self, name, content, replace=replace)

    monkeypatch.setattr(Server, "write", write)
    done = cli(*WORDS, "memory://stuck")
    assert done.code == 2 and "memory://stuck/train-000001.tar: cannot be written, also at the 8th" in done.err
    assert writer_of(Server("memory://stuck").read(INDEX)) is not None


def test_addresses_that_take_no_set(cli: Cli, bucket: Bucket, workplace: Path) -> None:
    for output, says in (
        ("https://example.com/set", "-o https://example.com/set: such servers take no files."),
        ("s3://no-such-bucket/set", "s3://no-such-bucket/set: cannot be listed, its bucket is not there"),
    ):
        done = cli(*WORDS, output)
        assert done.code == 2 and says in done.err, done.err
    bucket.system.pipe("bucket/out/mine.txt", b"mine")
    for more in ((), ("--overwrite",)):
        assert f"{SET}: exists already" in cli(*WORDS, SET, *more).err
    bucket.clear()
    bucket.faults.read_only = True
    refused = cli(*WORDS, SET)
    assert refused.code == 2 and f"{SET}/{INDEX}: may not be written" in refused.err and not bucket.files()
    bucket.faults.read_only = False
    assert cli(*WORDS, SET).code == 0
    itself = cli("prepare", SET, "--shards", "-o", SET, "--overwrite")
    assert itself.code == 2 and f"{SET}: lies within its own source {SET}." in itself.err
    plain = cli("prepare", "labels", "-o", SET, "--overwrite")
    assert plain.code == 2 and f"-o {SET}: data sets are written to a disk. Name a folder, or pack it" in plain.err
    dry = cli(*WORDS, "s3://bucket/dry", "--dry-run")
    assert dry.code == 0 and not bucket.files("dry") and nothing_is_left(workplace)


def test_an_unfinished_set_that_was_copied_to_a_disk(cli: Cli, labels: Path) -> None:
    assert cli(*WORDS, "copied").code == 0
    Path("copied", INDEX).write_bytes(new_mark())
    read = cli("info", "copied")
    assert read.code == 2 and f"{Path('copied', INDEX)}: the set is being written by process " in read.err


def test_from_python_and_what_a_mark_says(labels: Path) -> None:
    result = gantool.prepare("labels", "memory://python", shards=True, shard_size="3")
    assert result.output == "memory://python"
    assert Server("memory://python").names() >= {INDEX, "train-000001.tar", "dataset.yaml"}
    assert len(new_mark()) == MARK_SIZE and new_mark() != new_mark()
    assert writer_of(b"GTBEGUN\n{}") == writer_of(b"GTBEGUN\n\xff") == "another process"
    assert writer_of(b"") is writer_of(b"GTSHARDS") is None
