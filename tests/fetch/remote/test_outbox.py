from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from remote_servers import Bucket, s3_bucket

from gantool.errors import OutputError
from gantool.fetch.remote import outbox, patience
from gantool.fetch.remote.addresses import Server
from gantool.fetch.remote.outbox import NothingArrivesError, Outbox, on_disk_first


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(patience, "PATIENCE", 0.01)
    monkeypatch.setenv("GANTOOL_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def server() -> Iterator[Bucket]:
    with s3_bucket() as made:
        yield made


@pytest.fixture
def bucket(server: Bucket) -> Bucket:
    server.clear()
    return server


def send(box: Outbox, files: dict[str, bytes]) -> None:
    targets = [(box.file(name), content) for name, content in files.items()]
    for target, content in targets:
        target.write(content)
    for target, _ in targets:
        target.arrive()


def test_files_arrive_though_requests_fail_and_answers_are_lost(bucket: Bucket) -> None:
    bucket.faults.failing = bucket.faults.losing = 0.2
    files = {f"{n % 3}/{n}.png": bytes([n]) * 100 for n in range(20)}
    send(Outbox("s3://bucket/out"), files)
    assert bucket.files() == files
    assert sum(one.startswith("PUT") for one in bucket.faults.requests) > 20


def test_what_is_there_is_listed_once_per_folder(bucket: Bucket) -> None:
    send(Outbox("s3://bucket/out"), {"a/1.png": b"1", "2.png": b"2"})
    bucket.faults.requests.clear()
    box = Outbox("s3://bucket/out")
    found = [name for n in range(20) for name in (f"a/{n}.png", f"{n}.png", f"b/{n}.png") if box.has(name)]
    assert found == ["a/1.png", "2.png"]
    asked = [re.sub("&.*", "", one.replace("&delimiter", "").replace("list-type=2&", ""))
             for one in bucket.faults.requests]  # fmt: skip
    # For a folder that is not there, s3fs lists the one above, too, and we look whether the bucket is.
    assert asked == [*(f"GET /bucket?prefix=out%2F{folder}" for folder in ("a%2F=%2F", "=%2F", "b%2F=%2F", "=%2F")),
                     "HEAD /bucket"]  # fmt: skip


def test_a_second_writer_is_told_and_replaces_nothing(bucket: Bucket) -> None:
    send(Outbox("s3://bucket/out"), {"1.png": b"first"})
    send(Outbox("s3://bucket/out"), {"1.png": b"first"})  # the same is no harm
    with pytest.raises(OutputError, match=r"s3://bucket/out/1\.png: exists by now, with another content"):
        send(Outbox("s3://bucket/out"), {"1.png": b"other"})
    send(Outbox("s3://bucket/out", keep=True), {"1.png": b"other"})
    assert bucket.files() == {"1.png": b"first"}
    send(Outbox("s3://bucket/out", replace=True), {"1.png": b"other"})
    assert bucket.files() == {"1.png": b"other"}


def test_a_storage_without_conditions_is_asked_before(bucket: Bucket) -> None:
    bucket.faults.old = True
    send(Outbox("s3://bucket/out"), {"1.png": b"first"})
    with pytest.raises(OutputError, match="exists by now"):
        send(Outbox("s3://bucket/out"), {"1.png": b"other"})
    assert bucket.files() == {"1.png": b"first"}


def test_servers_that_refuse(bucket: Bucket) -> None:
    bucket.faults.read_only = True
    with pytest.raises(NothingArrivesError, match=r"out/1\.png: may not be written .* See to the credentials"):
        send(Outbox("s3://bucket/out"), {"1.png": b"1"})
    bucket.faults.read_only = False
    box = Outbox("s3://bucket/out")
    send(box, {"1.png": b"1"})
    bucket.faults.read_only = True
    with pytest.raises(OutputError, match="may not be written") as refused:
        send(box, {"2.png": b"2"})
    assert not isinstance(refused.value, NothingArrivesError)
    assert bucket.files() == {"1.png": b"1"}
    bucket.faults.read_only = False
    with pytest.raises(OutputError, match=r"s3://no-such-bucket/x: cannot be listed, its bucket is not there"):
        Outbox("s3://no-such-bucket/x").has("1.png")
    with pytest.raises(NothingArrivesError, match=r"1\.png: cannot be written, its bucket is not there"):
        send(Outbox("s3://no-such-bucket/x"), {"1.png": b"1"})


@pytest.mark.slow
def test_a_large_file_comes_in_parts_or_not_at_all(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    content = bytes(range(256)) * (101 * 2**12)  # s3fs cuts at 100 MiB
    send(Outbox("s3://bucket/out"), {"1.tif": content})
    assert bucket.files() == {"1.tif": content}
    assert sum("partNumber" in one for one in bucket.faults.requests) == 3
    bucket.faults.failing = 0.7
    monkeypatch.setattr(patience, "ATTEMPTS", 2)
    with pytest.raises(OutputError, match=r"2\.tif: cannot be written, also at the 2th attempt"):
        send(Outbox("s3://bucket/out"), {"2.tif": content})
    assert [*bucket.files()] == ["1.tif"]


def test_other_file_systems_name_files_at_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    address = f"file://{tmp_path}/new/out"
    send(Outbox(address), {"a/1.png": b"1"})
    with pytest.raises(OutputError, match="exists by now"):
        send(Outbox(address), {"a/1.png": b"2"})
    send(Outbox(address, replace=True), {"a/1.png": b"2"})
    from fsspec.implementations.local import LocalFileSystem

    def torn(_: Any, path: str, content: bytes, **__: Any) -> None:
        Path(path.removeprefix("file://")).write_bytes(content[:1])
        raise OSError("the disk is gone")

    monkeypatch.setattr(LocalFileSystem, "pipe_file", torn)
    monkeypatch.setattr(patience, "ATTEMPTS", 2)
    with pytest.raises(OutputError, match=r"2\.png: cannot be written, also at the 2th attempt \(the disk is gone\)"):
        send(Outbox(address), {"a/2.png": b"22"})
    assert {path.name: path.read_bytes() for path in (tmp_path / "new").rglob("*.*")} == {"1.png": b"2"}


def test_few_bytes_wait_and_nothing_is_sent_after_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "_MOST_BYTES", 250)
    going, begun = threading.Event(), []

    def slowly(_: Server, name: str, content: bytes, **__: Any) -> bool:
        begun.append(name)
        return going.wait(10)

    monkeypatch.setattr(Server, "write", slowly)
    box = Outbox("memory://out")
    targets = [box.file(f"{n}.png") for n in range(4)]
    written = []

    def write() -> None:
        for target in targets:
            target.write(bytes(100))
            written.append(target)

    thread = threading.Thread(target=write)
    thread.start()
    time.sleep(0.1)
    assert len(written) == 2 and all(target.is_on_its_way for target in written)
    box.give_up()
    thread.join(5)
    assert not thread.is_alive()
    going.set()
    with pytest.raises(OutputError, match="was not written, because the command ended"):
        targets[3].arrive()
    assert sorted(begun) == ["0.png", "1.png"]


def test_what_is_written_bit_by_bit_leaves_nothing_on_the_disk(tmp_path: Path) -> None:
    box = Outbox("memory://bits")
    with on_disk_first(box.file("all.json")) as path:
        path.write_text("[]")
    assert box.server.read("all.json") == b"[]"
    with on_disk_first(box.file("none.json")):
        pass
    with pytest.raises(ValueError), on_disk_first(box.file("torn.json")) as path:
        path.write_text("[")
        raise ValueError
    assert box.server.names() == {"all.json"}
    assert list((tmp_path / "cache" / "outgoing").iterdir()) == []


def test_a_file_that_came_after_the_folder_was_listed(server: Bucket) -> None:
    """The file system answers from its listing, in which it is not."""
    server.clear()
    box = Server("s3://bucket/late")
    assert box.write("one", b"1", replace=False)
    assert box.names() == {"one"}
    server.system.pipe_file("bucket/late/two", b"theirs")
    assert box.write("two", b"ours", replace=False) is False
    assert box.names() == {"one", "two"}
    server.system.pipe_file("bucket/late/three", b"theirs")
    assert box.write("three", b"theirs", replace=False) is True
