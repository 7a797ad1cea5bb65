from __future__ import annotations

import logging
import multiprocessing
import os
import pickle
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path

import numpy as np
import pytest
from remote_servers import Faults, http_server

from gantool.errors import DataError, UsageError
from gantool.fetch.remote import files, patience
from gantool.fetch.remote.addresses import Server, is_address
from gantool.fetch.remote.blocks import BlockCache, cache_limit
from gantool.fetch.remote.files import RemoteFiles
from gantool.fetch.remote.patience import NotThereError

CONTENT = np.random.default_rng(0).integers(0, 256, 100_000, dtype=np.uint8).tobytes()


@pytest.fixture(autouse=True)
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Small blocks, little patience, a cache of one's own."""
    monkeypatch.setenv("GANTOOL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(files, "BLOCK", 8192)
    monkeypatch.setattr(patience, "PATIENCE", 0.01)


@pytest.fixture
def faults() -> Faults:
    return Faults()


@pytest.fixture
def server(tmp_path: Path, faults: Faults) -> Iterator[str]:
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "a b.tar").write_bytes(CONTENT)
    with http_server(tmp_path, faults) as address:
        yield f"{address}/set"


def remote(address: str) -> RemoteFiles:
    return RemoteFiles(Server(address), lambda name: len(CONTENT) if name == "a b.tar" else None, lambda name: "v1")


def read_all(found: RemoteFiles, seed: int = 0) -> None:
    """Parts of all sizes, in any order."""
    chance = np.random.default_rng(seed)
    for _ in range(60):
        start, size = int(chance.integers(0, 100_000)), int(chance.integers(1, 20_000))
        assert found.read("a b.tar", start, size) == CONTENT[start : start + size]


def test_what_is_an_address() -> None:
    assert all(map(is_address, ("s3://b/x", "https://h/x", "gs://b", "abfs://c@a/x")))
    assert not any(map(is_address, ("data/x", "C:\\data", "C://data", "/x", "http:/x", "")))


def test_parts_are_fetched_once_and_kept(server: str, faults: Faults) -> None:
    read_all(remote(server))
    time.sleep(0.1)  # what was asked for ahead
    assert faults.sent == len(CONTENT) and faults.asked == 13
    read_all(remote(server), 1)
    assert faults.asked == 13, "another process would ask for nothing"


def test_a_block_that_came_between_looking_and_claiming_is_not_fetched_again(
    server: str, faults: Faults, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "_AHEAD", 0)
    found, claim = remote(server), RemoteFiles._claim

    def late(self: RemoteFiles, name: str, number: int) -> tuple[Future[bytes], bool]:
        monkeypatch.setattr(RemoteFiles, "_claim", claim)
        assert found.read("a b.tar", 0, 10) == CONTENT[:10]  # as another thread does meanwhile
        return claim(self, name, number)

    monkeypatch.setattr(RemoteFiles, "_claim", late)
    assert found.read("a b.tar", 0, 100) == CONTENT[:100]
    assert faults.asked == 1


def test_a_server_with_every_fault(server: str, faults: Faults) -> None:
    faults.failing, faults.truncating, faults.short = 0.15, 0.1, 0.1
    read_all(remote(server))
    assert faults.asked > 13


def test_a_server_that_is_away_for_a_while(server: str, faults: Faults, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "PATIENCE", 0.1)
    found = remote(server)
    assert found.read("a b.tar", 0, 10) == CONTENT[:10]
    faults.dead_until = time.monotonic() + 0.4
    read_all(found)


def test_a_server_that_does_not_come_back(server: str, faults: Faults) -> None:
    faults.failing = 1.0
    with pytest.raises(DataError, match=r"/a b\.tar: cannot be read, also at the 8th attempt \(503.*Run the command"):
        remote(server).read("a b.tar", 0, 1)


@pytest.mark.parametrize(
    ("status", "says"), [(403, "may not be read .*credentials"), (401, "may not be read"), (410, "is not there")]
)
def test_answers_that_are_final(server: str, faults: Faults, status: int, says: str) -> None:
    faults.refusing = status
    with pytest.raises(DataError, match=says):
        remote(server).read("a b.tar", 0, 1)
    assert faults.asked < 12, "one for each block that was asked for, none again"
    with pytest.raises(NotThereError, match="no.tar: is not there"):
        faults.refusing = 0
        Server(server).read("no.tar")


def test_a_server_without_ranges(server: str, faults: Faults) -> None:
    faults.ranges = False
    with pytest.raises(DataError, match="sends all of a file when it is asked for a part"):
        remote(server).read("a b.tar", 0, 1)


def test_addresses_that_cannot_be() -> None:
    with pytest.raises(UsageError, match=r"^https://host: an address must hold no password"):
        Server("https://me:secret@host/x")
    with pytest.raises(UsageError, match=r"without \? and #"):
        Server("https://host/x?token=secret")
    with pytest.raises(DataError, match="nosuch"):
        Server("nosuch://host/x")


def test_a_package_that_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match=r'gs://: needs a package .*pip install "gantool\[remote\]"'):
        monkeypatch.setitem(sys.modules, "gcsfs", None)
        Server("gs://bucket/x")
    with pytest.raises(DataError, match=r's3://: needs a package. Install it: pip install "gantool\[remote\]"'):
        monkeypatch.setitem(sys.modules, "fsspec", None)
        Server("s3://bucket/x")


def test_threads_share_what_comes(server: str, faults: Faults) -> None:
    faults.latency = 0.05
    found, wrong = remote(server), []

    def work() -> None:
        if found.read("a b.tar", 100, 5000) != CONTENT[100:5100]:
            wrong.append(1)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong and faults.asked <= 13


def _in_a_fork(found: RemoteFiles, answers: multiprocessing.SimpleQueue[bool]) -> None:
    answers.put(found.read("a b.tar", 50_000, 9000) == CONTENT[50_000:59_000])


def test_forked_processes_ask_for_themselves(server: str) -> None:
    found = remote(server)
    assert found.read("a b.tar", 0, 5) == CONTENT[:5]
    context = multiprocessing.get_context("fork")
    answers: multiprocessing.SimpleQueue[bool] = context.SimpleQueue()
    processes = [context.Process(target=_in_a_fork, args=(found, answers)) for _ in range(2)]
    for process in processes:
        process.start()
    assert [answers.get(), answers.get()] == [True, True]
    for process in processes:
        process.join()
    assert pickle.loads(pickle.dumps(found.server)).address == server


def test_the_cache_is_bounded_and_keeps_what_was_used_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = BlockCache(tmp_path / "c", 100_000)
    for n in range(50):
        cache.put(str(n), bytes([n]) * 5000)
        path = cache._path(str(n))
        if path.exists():
            os.utime(path, (1000 + n, 1000 + n))
        if n > 2:
            assert cache.get("2", 0, 1) == b"\x02", "it is used all the time"
        assert sum(one.stat().st_size for one in (tmp_path / "c").glob("??/*")) <= 100_000 * (1 + 1 / 16)
    assert cache.get("49", 10, 3) == b"111" and cache.get("3", 0, 1) is None
    monkeypatch.setenv("GANTOOL_REMOTE_CACHE", "1.5GB")
    assert cache_limit(tmp_path) == 1_500_000_000
    monkeypatch.setenv("GANTOOL_REMOTE_CACHE", "much")
    with pytest.raises(UsageError, match="GANTOOL_REMOTE_CACHE=much: expected a size such as 20GB"):
        cache_limit(tmp_path)


def test_torn_blocks_are_fetched_again(server: str, tmp_path: Path, faults: Faults) -> None:
    read_all(remote(server))
    time.sleep(0.1)
    blocks = sorted((tmp_path / "cache" / "blocks").glob("??/*"))
    blocks[0].write_bytes(blocks[0].read_bytes()[:100])
    blocks[1].write_bytes(b"")
    blocks[2].write_bytes(b"\0" * blocks[2].stat().st_size)
    before = faults.asked
    read_all(remote(server))
    assert faults.asked == before + 3


def test_a_full_disk_is_said_once_and_stops_nothing(
    server: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(path: Path) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("gantool.fetch.remote.blocks.scratch", full)
    with caplog.at_level(logging.WARNING, "gantool"):
        read_all(remote(server))
    assert [record.getMessage().partition(": ")[2] for record in caplog.records] == [
        "nothing can be kept there (No space left on device); all is asked for again."
    ]
