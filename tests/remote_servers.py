"""Servers on this machine for tests and benchmarks: HTTP and S3 (by moto), with every fault that a network has."""

from __future__ import annotations

import http.client
import random
import re
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

__all__ = ["Bucket", "Faults", "http_server", "s3_bucket", "s3_proxy", "s3_server"]


@dataclass
class Faults:
    """What a server does wrong.

    Attributes:
        latency: seconds before an answer.
        rate: bytes per second of all answers together; 0 for no limit.
        failing: share of requests answered with 503.
        truncating: share of answers that end in the middle, though they announce more.
        short: share of answers that are too short and say so.
        wrong: share of answers with a wrong byte.
        dead_until: time before which connections are dropped.
        ranges: whether parts can be asked for.
        refusing: status of every answer; 0 for none.
        losing: share of requests that are carried out, and whose answers never come.
        read_only: refuse what would write.
        old: know no conditions for writing.
        asked: requests so far, and bytes sent.
        requests: method and path of those through a proxy.
    """

    latency: float = 0.0
    rate: float = 0.0
    failing: float = 0.0
    truncating: float = 0.0
    short: float = 0.0
    wrong: float = 0.0
    dead_until: float = 0.0
    ranges: bool = True
    refusing: int = 0
    losing: float = 0.0
    read_only: bool = False
    old: bool = False
    asked: int = 0
    sent: int = 0
    requests: list[str] = field(default_factory=list)
    chance: random.Random = field(default_factory=lambda: random.Random(0))
    lock: Any = field(default_factory=threading.Lock)
    free_at: float = 0.0

    def wait(self, size: int) -> None:
        """Let the line, which all answers share, take its time."""
        if not self.rate:
            return
        with self.lock:
            self.free_at = max(self.free_at, time.monotonic()) + size / self.rate
            until = self.free_at
        time.sleep(max(until - time.monotonic(), 0))

    def happens(self, share: float) -> bool:
        with self.lock:
            return self.chance.random() < share


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, address: Any) -> None:
        return  # connections that end early are what this is about


@contextmanager
def http_server(folder: Path, faults: Faults) -> Iterator[str]:
    """Serve a folder; yields its address."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            return

        def do_HEAD(self) -> None:
            self._answer(body=False)

        def do_GET(self) -> None:
            self._answer(body=True)

        def _answer(self, *, body: bool) -> None:
            with faults.lock:
                faults.asked += 1
            if time.monotonic() < faults.dead_until:
                self.close_connection = True
                return
            time.sleep(faults.latency)
            path = folder / unquote(self.path).lstrip("/")
            status = faults.refusing or (503 if faults.happens(faults.failing) else 200 if path.is_file() else 404)
            if status != 200:
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            content = path.read_bytes()
            wanted = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
            if wanted and faults.ranges:
                content = content[int(wanted[1]) : int(wanted[2]) + 1]
            if body and faults.happens(faults.short):
                content = content[: len(content) // 2]
            if body and content and faults.happens(faults.wrong):
                content = content[:-1] + bytes([content[-1] ^ 1])
            self.send_response(206 if wanted and faults.ranges else 200)
            self.send_header("Content-Length", str(len(content)))
            self.send_header("Accept-Ranges", "bytes")
            self.end_headers()
            if body:
                cut = len(content) // 2 if faults.happens(faults.truncating) else len(content)
                for start in range(0, cut, 1 << 16):
                    piece = content[start : min(start + (1 << 16), cut)]
                    faults.wait(len(piece))
                    self.wfile.write(piece)
                    with faults.lock:
                        faults.sent += len(piece)
                self.close_connection = self.close_connection or cut < len(content)

    server = _Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def s3_proxy(target: str, faults: Faults) -> Iterator[str]:
    """Pass everything on to an S3 server, as far as the faults let it; yields the address."""
    host = urlsplit(target).netloc

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            return

        def _pass_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            with faults.lock:
                faults.asked += 1
                faults.requests.append(f"{self.command} {self.path}")
            if time.monotonic() < faults.dead_until:
                self.close_connection = True
                return
            time.sleep(faults.latency)
            writes = self.command in ("PUT", "POST", "DELETE")
            if faults.happens(faults.failing):
                self._answer(503, {}, _error("SlowDown"))
                return
            if faults.read_only and writes:
                self._answer(403, {}, _error("AccessDenied"))
                return
            if faults.old and "If-None-Match" in self.headers:
                self._answer(501, {}, _error("NotImplemented"))
                return
            behind = http.client.HTTPConnection(host)
            behind.request(self.command, self.path, body, dict(self.headers))
            answer = behind.getresponse()
            content = answer.read()
            if faults.happens(faults.losing):
                self.close_connection = True
                return
            headers = {k: v for k, v in answer.getheaders() if k.lower() not in ("transfer-encoding", "connection")}
            self._answer(answer.status, headers, content)

        def _answer(self, status: int, headers: dict[str, str], content: bytes) -> None:
            self.send_response_only(status)
            for key, value in headers.items():
                self.send_header(key, value)
            if "content-length" not in {key.lower() for key in headers}:
                self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

    for verb in ("GET", "HEAD", "PUT", "POST", "DELETE"):
        setattr(Handler, f"do_{verb}", Handler._pass_on)
    server = _Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _error(code: str) -> bytes:
    return f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{code}</Message></Error>".encode()


@contextmanager
def s3_server() -> Iterator[str]:
    """An empty S3 by moto; yields the address of its server."""
    import logging

    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        address = f"http://{host}:{port}"
        # What was put into an earlier one is still there.
        urllib.request.urlopen(urllib.request.Request(f"{address}/moto-api/reset", method="POST")).close()
        yield address
    finally:
        server.stop()


@dataclass
class Bucket:
    """``s3://bucket`` behind a proxy with faults, and what looks at it without them."""

    faults: Faults
    system: Any

    def files(self, folder: str = "out") -> dict[str, bytes]:
        """Contents by their names in the folder."""
        found = self.system.find(f"bucket/{folder}")
        return {path.removeprefix(f"bucket/{folder}/"): self.system.cat_file(path) for path in found}

    def clear(self) -> None:
        """Remove all files and all faults."""
        vars(self.faults).update(vars(Faults()))
        if self.system.ls("bucket"):
            self.system.rm("bucket/*", recursive=True)


@contextmanager
def s3_bucket() -> Iterator[Bucket]:
    """An empty bucket that fsspec finds by itself, without patience for failures."""
    import pytest
    import s3fs

    from gantool.fetch.remote import patience

    faults = Faults()
    with s3_server() as moto, s3_proxy(moto, faults) as address, pytest.MonkeyPatch.context() as patch:
        for name, value in (
            ("AWS_ACCESS_KEY_ID", "id"), ("AWS_SECRET_ACCESS_KEY", "secret"), ("AWS_DEFAULT_REGION", "us-east-1"),
            ("AWS_EC2_METADATA_DISABLED", "true"), ("AWS_MAX_ATTEMPTS", "1"), ("AWS_ENDPOINT_URL", address),
        ):  # fmt: skip
            patch.setenv(name, value)
        patch.setattr(s3fs.S3FileSystem, "retries", 1)
        patch.setattr(patience, "PATIENCE", 0.01)
        s3fs.S3FileSystem.clear_instance_cache()
        system = s3fs.S3FileSystem(endpoint_url=moto, use_listings_cache=False)
        system.mkdir("bucket")
        yield Bucket(faults, system)
        s3fs.S3FileSystem.clear_instance_cache()
