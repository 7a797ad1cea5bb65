"""A server as a process of its own, and a client without manners."""

from __future__ import annotations

import io
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from PIL import Image

TOKEN = "a-token-for-the-tests"


@dataclass(frozen=True)
class Reply:
    """What a server answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def tree(self) -> Any:
        return json.loads(self.body)

    @property
    def image(self) -> Image.Image:
        return Image.open(io.BytesIO(self.body))


def read_reply(connection: socket.socket) -> Reply | None:
    """The next answer of a connection; None where it ends without one."""
    data = b""
    while b"\r\n\r\n" not in data:
        part = connection.recv(2**16)
        if not part:
            return None
        data += part
    head, _, body = data.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
    chunked = headers.get("transfer-encoding") == "chunked"
    length = int(headers.get("content-length", 0))
    while not body.endswith(b"0\r\n\r\n") if chunked else len(body) < length:
        part = connection.recv(2**16)
        if not part:
            break
        body += part
    return Reply(int(lines[0].split()[1]), headers, _joined(body) if chunked else body[:length])


def _joined(body: bytes) -> bytes:
    whole = b""
    while body:
        size, _, body = body.partition(b"\r\n")
        whole, body = whole + body[: int(size, 16)], body[int(size, 16) + 2 :]
    return whole


@dataclass
class Served:
    """A server that runs, and what it said."""

    process: subprocess.Popen[str]
    port: int
    log: Path
    host: str = field(default="127.0.0.1", init=False)

    @property
    def address(self) -> str:
        return f"http://{self.host}:{self.port}/"

    def connect(self) -> socket.socket:
        return socket.create_connection((self.host, self.port), timeout=20)

    def raw(self, data: bytes) -> Reply | None:
        """Send bytes, say that no more will come, and read the answer."""
        with self.connect() as connection:
            try:
                connection.sendall(data)
                connection.shutdown(socket.SHUT_WR)
                reply = read_reply(connection)
                # What follows the headers of an answer to HEAD is the next answer.
                return replace(reply, body=b"") if reply is not None and data.startswith(b"HEAD ") else reply
            except TimeoutError:
                raise
            except OSError:  # it has hung up
                return None

    def ask(self, method: str, path: str, body: bytes = b"", type: str = "image/jpeg", **headers: str) -> Reply:
        """One request; ``headers`` with _ for -."""
        lines = {"Host": f"{self.host}:{self.port}", "Content-Length": str(len(body)), "Connection": "close"}
        lines |= {"Content-Type": type} if type else {}
        lines |= {name.replace("_", "-"): value for name, value in headers.items()}
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        with self.connect() as connection:
            connection.sendall(f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode("latin-1") + body)
            reply = read_reply(connection)
        assert reply is not None
        return reply

    def post(self, path: str, body: bytes, type: str = "image/jpeg", **headers: str) -> Reply:
        return self.ask("POST", path, body, type, **headers)

    def get(self, path: str, **headers: str) -> Reply:
        return self.ask("GET", path, b"", "", **headers)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Tell it to stop; returns the exit code."""
        self.process.send_signal(number)
        code = self.process.wait(30)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code


def start(
    log: Path, *options: str, program: tuple[str, ...] = ("-m", "gantool", "serve"), **environment: str
) -> Served:
    command = [sys.executable, *program, "--port", "0", *options]
    with log.open("w") as file:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=file, text=True, env={**os.environ, **environment}
        )
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line, log.read_text()
    return Served(process, int(line.strip(" /\n").rpartition(":")[2]), log)


def encoded(pixels: Any, form: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    image.save(buffer, format=form, **options)
    return buffer.getvalue()


def multipart(
    *files: bytes, boundary: str = "edge", name: str = "photo.jpg", field: str = "image"
) -> tuple[bytes, str]:
    """A body and its type."""
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{field}"; filename="{name}"\r\n'.encode()
        + b"Content-Type: image/jpeg\r\n\r\n" + data + b"\r\n"
        for data in files
    ]  # fmt: skip
    return b"".join(parts) + f"--{boundary}--\r\n".encode(), f"multipart/form-data; boundary={boundary}"
