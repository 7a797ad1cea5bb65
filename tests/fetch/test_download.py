"""Against a server on this machine that misbehaves on request."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from gantool.errors import DataError, OutputError
from gantool.fetch import download as module
from gantool.fetch.download import download, mirrored

CONTENT = bytes(range(256)) * 4000


@pytest.fixture(autouse=True)
def _no_mirror(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GANTOOL_MIRROR")


class Server(ThreadingHTTPServer):
    requests: list[str]
    failures: int = 0
    etag: str = '"1"'
    ranges: bool = True


class Handler(BaseHTTPRequestHandler):
    server: Server

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        wanted = self.headers.get("Range")
        self.server.requests.append(f"{self.path} {wanted}")
        if self.path == "/missing":
            return self.send_error(404)
        if self.server.failures > 0 and self.path == "/busy":
            self.server.failures -= 1
            return self.send_error(503)
        start = 0
        if wanted and self.server.ranges and self.headers.get("If-Range") == self.server.etag:
            start = int(wanted.removeprefix("bytes=").rstrip("-"))
            if start >= len(CONTENT):
                return self.send_error(416)
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}")
        else:
            self.send_response(200)
        self.send_header("ETag", self.server.etag)
        self.send_header("Content-Length", str(len(CONTENT) - start))
        self.end_headers()
        body = CONTENT[start:]
        if self.server.failures > 0 and self.path == "/cut":
            self.server.failures -= 1
            body = body[:300_000]
        self.wfile.write(body)
        return None


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(module, "PATIENCE", 0.01)
    running = Server(("127.0.0.1", 0), Handler)
    running.requests = []
    thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield running
    running.shutdown()
    thread.join()
    running.server_close()


def url(server: Server, path: str) -> str:
    return f"http://127.0.0.1:{server.server_port}/{path}"


def test_once_and_checked(server: Server, tmp_path: Path) -> None:
    digest = hashlib.sha256(CONTENT).hexdigest()
    seen: list[tuple[int, int]] = []
    target = tmp_path / "deep" / "file"
    for _ in range(2):
        download(url(server, "file"), target, size=len(CONTENT), sha256=digest, on_progress=lambda *a: seen.append(a))
    assert target.read_bytes() == CONTENT
    assert len(server.requests) == 1
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    for wrong in ({"size": 5}, {"sha256": "0" * 64}):
        with pytest.raises(DataError, match="has changed|not the expected file"):
            download(url(server, "file"), tmp_path / "other", **wrong)  # type: ignore[arg-type]
        assert not (tmp_path / "other").exists()
        assert not (tmp_path / "other.part").exists()


def test_a_cut_download_goes_on(server: Server, tmp_path: Path) -> None:
    server.failures = 2
    download(url(server, "cut"), tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == CONTENT
    assert [request.split()[-1] for request in server.requests] == ["None", "bytes=300000-", "bytes=600000-"]


@pytest.mark.parametrize("how", ["changed", "no ranges", "stale"])
def test_another_version_begins_anew(server: Server, tmp_path: Path, how: str) -> None:
    (tmp_path / "file.part").write_bytes(b"x" * (len(CONTENT) + 10 if how == "stale" else 1000))
    if how != "stale":
        (tmp_path / "file.part.json").write_text('{"version": "\\"0\\""}' if how == "changed" else "{}")
    else:
        (tmp_path / "file.part.json").write_text('{"version": "\\"1\\""}')
    server.ranges = how != "no ranges"
    download(url(server, "file"), tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == CONTENT


def test_a_busy_server_is_asked_again_and_a_missing_file_is_not(server: Server, tmp_path: Path) -> None:
    server.failures = 3
    download(url(server, "busy"), tmp_path / "file")
    assert len(server.requests) == 4
    with pytest.raises(DataError, match="404 .* put it at"):
        download(url(server, "missing"), tmp_path / "none")
    assert len(server.requests) == 5
    server.failures = 99
    with pytest.raises(DataError, match="503 .*Run the command again to resume"):
        download(url(server, "busy"), tmp_path / "none")


def test_without_a_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE", 0.01)
    with pytest.raises(DataError, match="no connection .* in another way and put it at"):
        download("http://127.0.0.1:9/file", tmp_path / "file")
    (tmp_path / "folder").write_text("a file")
    with pytest.raises(OutputError):
        download("http://127.0.0.1:9/file", tmp_path / "folder" / "file")


def test_two_at_once_download_once(server: Server, tmp_path: Path) -> None:
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda _: download(url(server, "file"), tmp_path / "file"), range(2)))
    assert len(server.requests) == 1


def test_mirror(monkeypatch: pytest.MonkeyPatch) -> None:
    assert mirrored("https://a.org/b/c.zip") == "https://a.org/b/c.zip"
    monkeypatch.setenv("GANTOOL_MIRROR", "http://mirror/x/")
    assert mirrored("https://a.org/b/c.zip") == "http://mirror/x/a.org/b/c.zip"


def test_a_hash_may_be_known_by_its_beginning_alone(server: Server, tmp_path: Path) -> None:
    digest = hashlib.sha256(CONTENT).hexdigest()
    address = f"http://127.0.0.1:{server.server_port}/file"
    with pytest.raises(DataError, match=f"is not the expected file .its SHA-256 is {digest}"):
        download(address, tmp_path / "file", sha256="00000000")
    assert download(address, tmp_path / "file", sha256=digest[:8]).read_bytes() == CONTENT


def test_files_without_a_known_hash_are_recognized_and_remembered(server: Server, tmp_path: Path) -> None:
    def refuse(path: Path) -> None:
        raise DataError(f"{path.name}: is a page of advertisements.")

    address, target = f"http://127.0.0.1:{server.server_port}/file", tmp_path / "file.bin"
    with pytest.raises(DataError, match="is not what was expected; .* advertisements") as caught:
        download(address, target, recognize=refuse, remember=True)
    assert caught.value.remedy == "Try again later."
    assert {path.suffix for path in tmp_path.iterdir()} <= {".lock", ".json"}
    seen: list[bytes] = []
    download(address, target, recognize=lambda path: seen.append(path.read_bytes()), remember=True)
    assert seen == [CONTENT]
    assert (tmp_path / "file.sha256").read_text() == hashlib.sha256(CONTENT).hexdigest()
    assert download(address, target, remember=True) == target
    target.write_bytes(CONTENT + b"x")
    with pytest.raises(DataError, match=r"file\.bin: has changed since it was downloaded"):
        download(address, target, remember=True)
    assert download(address, target) == target, "nobody asked"


def test_more_than_was_announced_is_not_written(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_CHUNK", 1000)
    came: list[int] = []
    with pytest.raises(DataError, match="has more than the expected 2500 bytes"):
        download(url(server, "/a"), tmp_path / "a", size=2500, on_progress=lambda done, total: came.append(done))
    assert came == [1000, 2000]
    assert not (tmp_path / "a.part").exists()
    assert len(server.requests) == 1, "asking again changes nothing"
