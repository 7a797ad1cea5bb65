"""What strangers send: none of it is answered with 500, with a traceback or with a path, and the server stays."""

from __future__ import annotations

import io
import random
import signal
import socket
import struct
import tempfile
import threading
import time
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from PIL import Image
from served import TOKEN, Reply, Served, encoded, multipart, read_reply, start

import gantool

ALLOWED = {200, 400, 401, 403, 404, 405, 406, 408, 413, 415, 421, 422, 429, 503, 504}
SECRETS = [
    b"Traceback",
    b"site-packages",
    b".py",
    b"line ",
    str(Path(gantool.__file__).parent).encode(),
    b"/tmp",
    b"/usr",
]


def require_harmless(reply: Reply | None) -> None:
    if reply is None:
        return  # it hung up, which is an answer to what is no HTTP
    assert reply.status in ALLOWED
    if reply.status != 200:
        assert not [word for word in SECRETS if word in reply.body], reply.body
        assert len(reply.body) < 500
        if reply.body and reply.headers.get("content-type") == "application/json":
            assert set(reply.tree) == {"error"}


def png(width: int, height: int, *, rows: bytes = b"") -> bytes:
    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"", 400),
        (b"text", 415),
        (b"%PDF-1.4", 415),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", 415),  # which Pillow would start Ghostscript for
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", 415),
        (b"\x89PNG\r\n\x1a\n", 415),
        (png(60000, 60000), 413),
        (png(2**31 - 1, 2**31 - 1), 413),
        (png(1200, 1200, rows=bytes(1200 * 3601)), 413),
        (png(100, 100, rows=b"short"), 400),
        (png(0, 9), 415),
        (png(20000, 2, rows=bytes(2 * 60001)), 413),  # narrow
        (b"P6 99999 99999 255\n", 413),
        (b"GIF89a" + b"\xff" * 40, 415),
        (b"GIF89a" + b"\x01\0" * 20, 415),
        (b"RIFF\xff\xff\xff\xffWEBPVP8 ", 400),
        (b"BM" + b"\xff" * 60, 400),
        (b"II*\0" + b"\xff" * 60, 415),
    ],
)
def test_what_is_no_picture_or_too_large_a_one(server: Served, data: bytes, status: int) -> None:
    for path in ("/translate?to=winter", "/segment"):
        reply = server.post(path, data)
        require_harmless(reply)
        assert reply.status == status, reply.body


def test_a_bomb_within_its_bounds_takes_no_more_memory_than_they_allow(server: Served) -> None:
    zeros = zlib.compress(bytes(30 * 10**6), 9)
    body = png(900, 900, rows=bytes(900 * 2701))
    text = b"zTXtkey\0\0" + zeros
    bomb = body[:33] + struct.pack(">I", len(text) - 4) + text + struct.pack(">I", zlib.crc32(text)) + body[33:]
    require_harmless(server.post("/translate?to=winter", bomb))
    workers = psutil.Process(server.process.pid).children(recursive=True)
    assert max(one.memory_info().rss for one in workers) < 700 * 2**20


@pytest.mark.parametrize(
    ("path", "type", "status"),
    [
        ("/translate?to=winter", "text/plain", 415),
        ("/translate?to=winter", "application/x-www-form-urlencoded", 415),
        ("/translate?to=winter", "application/json", 415),
        ("/translate?to=winter", "multipart/mixed; boundary=x", 415),
        ("/translate?to=winter", "multipart/form-data", 400),
        ("/translate?to=winter", "multipart/form-data; boundary=", 400),
        ("/translate?to=winter", 'multipart/form-data; boundary="', 400),
        ("/translate?to=winter", "multipart/form-data; boundary=" + "x" * 300, 400),
        ("/translate?to=winter", "image/png", 200),
        ("/translate?to=winter", "", 200),
        ("/batch/translate?to=winter", "image/png", 415),
        ("/translate", "", 400),
        ("/translate?to=wintr", "", 404),
        ("/translate?to=winter&model=sesons", "", 404),
        ("/translate?to=winter&model=landscape", "", 404),
        ("/translate?to=winter&model=/etc/passwd", "", 404),
        ("/translate?to=winter&model=..%2f..%2fetc", "", 404),
        ("/translate?to=winter&model=runs/cyclegan-1", "", 404),
        ("/translate?to=winter&to=summer", "", 400),
        ("/translate?to=winter&tile=off", "", 400),
        ("/translate?to=winter&as=mask", "", 400),
        ("/translate?to=winter&format=exe", "", 400),
        (f"/translate?to={'x' * 500}", "", 400),
        ("/translate?to=%ff%fe%00", "", 404),
        ("/segment?images=secret", "", 400),
        ("/segment?model=seasons", "", 404),
    ],
)
def test_queries_and_types_that_mean_nothing(server: Served, scene: Any, path: str, type: str, status: int) -> None:
    reply = server.post(path, encoded(scene), type)
    require_harmless(reply)
    assert reply.status == status, reply.body
    if status != 200:
        assert reply.tree["error"].endswith((".", "?"))
        assert "etc" not in reply.tree["error"] and "runs" not in reply.tree["error"]


def test_near_names_are_told(server: Served, scene: Any) -> None:
    assert 'Did you mean "winter"?' in server.post("/translate?to=wintr", encoded(scene)).tree["error"]
    assert 'Did you mean "seasons"?' in server.post("/translate?to=winter&model=sesons", b"x").tree["error"]


@pytest.mark.parametrize(
    "path",
    [
        "/static/../app.py", "/static/..%2f..%2fserver.py", "/static/%2e%2e/server.py", "/static//etc/passwd",
        "/etc/passwd", "//etc/passwd", "/static/", "/static", "/../../../../etc/passwd", "/static/app.js%00.txt",
        "/static/app.js/",
        "/translate/../../x", "/%5c..%5c..%5cboot.ini", "/static/index.html", "/.git/config", "/docs/../metrics/x",
    ],
)  # fmt: skip
def test_paths_lead_to_no_file(server: Served, path: str) -> None:
    for method in ("GET", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"):
        reply = server.ask(method, path, b"", "")
        require_harmless(reply)
        assert reply.status == 404


def test_methods_that_an_address_does_not_take(server: Served) -> None:
    for method, path in (("GET", "/translate"), ("PUT", "/segment"), ("OPTIONS", "/translate"), ("POST", "/models")):
        reply = server.ask(method, path, b"", "")
        assert reply.status == 405 and "error" in reply.tree
        assert not [name for name in reply.headers if name.startswith("access-control")]


def test_pages_of_other_sites(server: Served, scene: Any) -> None:
    body, type = multipart(encoded(scene))
    assert server.post("/translate?to=winter", body, type, Origin="http://evil.example").status == 403
    assert server.post("/translate?to=winter", body, type, Host="evil.example").status == 421
    assert server.get("/models", Host="rebound.example").status == 421
    assert server.post("/translate?to=winter", body, type, Origin=server.address[:-1]).status == 200


def test_a_body_that_is_too_large(server: Served, scene: Any) -> None:
    for path in ("/translate?to=winter", "/batch/segment"):
        reply = server.post(path, bytes(5 * 10**6))
        assert reply.status == (413 if "batch" not in path else 415)
    body, type = multipart(bytes(5 * 10**6))
    assert server.post("/batch/segment", body, type).status == 413
    assert server.post("/batch/segment", *multipart(bytes(3 * 10**6))).status == 200
    chunk = b"4000\r\n" + bytes(0x4000) + b"\r\n"
    head = f"POST /segment HTTP/1.1\r\nHost: {server.host}\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    reply = server.raw(head + 70 * chunk + b"0\r\n\r\n")  # which does not say how long it is
    assert reply is not None and reply.status == 413
    assert server.get("/metrics").body.decode().count("gantool_body_bytes 0") == 1


def test_more_images_than_a_batch_may_have(server: Served) -> None:
    assert server.post("/batch/segment", *multipart(*[b"x"] * 65)).status == 413


def test_multipart_that_is_malformed(server: Served, scene: Any) -> None:
    image = encoded(scene)
    body, type = multipart(image)
    cases = {
        "cut": body[:-20], "no end": body[:-4], "empty": b"--edge--\r\n", "other": body.replace(b"edge", b"egde"),
        "no headers": b"--edge\r\n\r\n" + image + b"\r\n--edge--\r\n", "nul": b"\0" * 100,
        "long": b"--edge\r\nA: " + b"x" * 9000 + b"\r\n\r\n\r\n--edge--\r\n", "bare": body.replace(b"\r\n", b"\n"),
        "parts": b"--edge\r\nA: b\r\n\r\n\r\n" * 3000 + b"--edge--\r\n",
        "headers": b"--edge\r\n" + b"A: b\r\n" * 9000 + b"\r\nx\r\n--edge--\r\n",
        "slow": b"--edge\r\nA: b\r\n\r\n" + b"\r\n--edg" * 100_000 + b"\r\n--edge--\r\n",
        "two": multipart(image, image)[0],
        "field": body.replace(b'; filename="photo.jpg"', b""),
    }  # fmt: skip
    for case, data in cases.items():
        reply = server.post("/translate?to=winter", data, type)
        require_harmless(reply)
        assert reply.status in (400, 413), (case, reply.status)
    named = server.post("/translate?to=winter", *multipart(image, name="../../../etc/cron.d/x", field="../x"))
    assert named.status == 200


def test_what_is_no_http(server: Served) -> None:
    for data in (
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"\0" * 1000, b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"",
        b"GET / HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: " + b"a" * 200_000 + b"\r\n\r\n",
        b"POST /segment HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: -5\r\n\r\n",
        b"POST /segment HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 99999999999999999999\r\n\r\n",
        b"POST /segment HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        b"POST /segment HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"POST /segment HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n"
        b"\r\n",
        b"HEAD / HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    ):  # fmt: skip
        require_harmless(server.raw(data))
    assert server.get("/health").status == 200


# -- slow ones, and ones that never end ------------------------------------------------------------------------------


def hold(server: Served, beginning: bytes, drop: bytes, seconds: float) -> tuple[float, Reply | None]:
    """Send a beginning and then a byte now and then; how long that goes on, and what comes of it."""
    started = time.monotonic()
    with server.connect() as connection:
        connection.sendall(beginning)
        connection.settimeout(0.05)
        while time.monotonic() < started + seconds:
            try:
                connection.sendall(drop)
                return time.monotonic() - started, read_reply(connection)
            except TimeoutError:
                continue
            except ConnectionError:
                return time.monotonic() - started, None
    return seconds, None


@pytest.mark.slow
def test_slow_headers_and_slow_bodies_are_cut_off(tmp_path: Path, scene: Any) -> None:
    served = start_patient(tmp_path)
    try:
        beginning = b"POST /segment HTTP/1.1\r\nHost: 127.0.0.1\r\nX: "
        waiting = [threading.Thread(target=hold, args=(served, beginning, b"a", 60)) for _ in range(20)]
        for thread in waiting:
            thread.start()
        seconds, reply = hold(served, b"", b"G", 60)
        assert (seconds < 60, reply) == (True, None)
        head = b"POST /segment HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9000\r\n\r\n"
        seconds, reply = hold(served, head, b"x", 60)
        assert reply is not None and reply.status == 408
        assert served.post("/segment", encoded(scene)).status == 200  # meanwhile others are served
        for thread in waiting:
            thread.join()
        with socket.socket() as deaf:
            deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            deaf.connect((served.host, served.port))
            levels = np.random.default_rng(0).integers(0, 255, (1600, 1600, 3), dtype=np.uint8)
            noise = encoded(levels, "JPEG", quality=30)  # whose PNG is larger than what the system keeps for it
            path = "/translate?to=winter&format=png"
            head = f"POST {path} HTTP/1.1\r\nHost: {served.host}\r\nContent-Length: {len(noise)}\r\n\r\n"
            deaf.sendall(head.encode() + noise)  # and never reads
            time.sleep(0.5)
            process, end = psutil.Process(served.process.pid), time.monotonic() + 60
            while len(process.net_connections()) > 1:
                assert time.monotonic() < end
                time.sleep(0.1)
        with socket.socket() as slow:
            slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            slow.connect((served.host, served.port))
            slow.sendall(head.encode() + noise)
            received, started = b"", time.monotonic()
            while len(received) < 2_000_000 and (
                part := slow.recv(4096)
            ):  # 4 seconds, which are more than its patience
                received += part
                time.sleep(max(0.0, started + len(received) / 500_000 - time.monotonic()))
            while part := slow.recv(2**16):
                received += part
                if len(received) > 100 and received.endswith(b"IEND\xaeB`\x82"):
                    break
            assert received.endswith(b"IEND\xaeB`\x82")
        assert len(psutil.Process(served.process.pid).net_connections()) == 1  # the one that listens
    finally:
        assert served.stop(signal.SIGINT) == 0


def start_patient(folder: Path) -> Served:
    """A server whose patience is a second; there are no options for that."""
    script = folder / "server.py"
    script.write_text(
        "import sys\n"
        "from dataclasses import replace\n"
        "from gantool.serve.limits import Limits\n"
        "if __name__ == '__main__':\n"
        "    Limits.__init__.__defaults__ = tuple(\n"
        "        {'upload': 1.0, 'headers': 1.0, 'download': 1.0}.get(name, default)\n"
        "        for name, default in zip(Limits.__dataclass_fields__, Limits.__init__.__defaults__))\n"
        "    from gantool.cli.app import run\n"
        "    sys.exit(run(sys.argv[1:]))\n"
    )
    return start(folder / "log", "--workers", "1", program=(str(script), "serve"))


# -- whatever comes --------------------------------------------------------------------------------------------------

_NAMES = ("Host", "Content-Type", "Content-Length", "Accept", "Origin", "Transfer-Encoding", "Expect", "Range", "X")
_VALUES = ("127.0.0.1", "multipart/form-data; boundary=edge", "image/png", "0", "7", "99", "chunked", "*/*",
           "a,b;q=x", "100-continue", "http://127.0.0.1", "null", "../../etc/passwd", "\xff\xfe", "")  # fmt: skip
_PATHS = (
    "/",
    "/translate",
    "/translate?to=winter",
    "/segment?as=json",
    "/batch/segment",
    "/models",
    "/static/app.js",
    "/x",
)


def fuzzed(rng: random.Random, image: bytes) -> bytes:
    """A request that is nearly one."""
    path = rng.choice(_PATHS) + rng.choice(("", "", "&as=json", "?model=../x", "%00", "#x", "&images=mask,,mask"))
    body = rng.choice((b"", image, image[: rng.randrange(len(image))], multipart(image)[0], rng.randbytes(200)))
    headers = {"Host": "127.0.0.1", "Content-Length": str(len(body)), "Connection": "close"}
    if body.startswith(b"--edge"):
        headers["Content-Type"] = "multipart/form-data; boundary=edge"
    for _ in range(rng.randrange(3)):
        headers[rng.choice(_NAMES)] = rng.choice(_VALUES)
    method = rng.choice(("POST", "POST", "POST", "GET", "PUT", "get", "HEAD"))
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    data = bytearray(f"{method} {path} HTTP/1.1\r\n{lines}\r\n".encode("latin-1") + body)
    for _ in range(rng.choice((0, 0, 1, 3, 20))):
        place = rng.randrange(len(data))
        kind = rng.randrange(3)
        if kind == 0:
            data[place] = rng.randrange(256)
        elif kind == 1:
            del data[place : place + rng.randrange(1, 9)]
        else:
            data[place:place] = rng.randbytes(rng.randrange(1, 9))
    return bytes(data)


def fuzz(server: Served, seed: int, count: int) -> set[int]:
    """Send so many; the statuses that came."""
    rng = random.Random(seed)
    images = [
        encoded(np.zeros((8, 8, 3), np.uint8), form) for form in ("PNG", "JPEG", "WEBP", "GIF", "TIFF", "BMP", "PPM")
    ]
    met = set()
    for _ in range(count):
        reply = server.raw(fuzzed(rng, rng.choice(images)))
        require_harmless(reply)
        met.add(reply.status if reply is not None else 0)
    return met


def mistakes(server: Served) -> list[str]:
    lines = server.get("/metrics").body.decode().splitlines()
    return [line for line in lines if line.startswith(("gantool_mistakes_total", "gantool_worker_restarts_total"))]


def test_requests_that_are_nearly_some(server: Served) -> None:
    before = mistakes(server)
    assert {200, 400, 404, 405, 415} <= fuzz(server, 0, 250)
    assert mistakes(server) == before
    assert server.get("/health").status == 200


@pytest.mark.slow
def test_ten_thousand_of_them(server: Served) -> None:
    process = psutil.Process(server.process.pid)
    open_before = process.num_fds()
    for seed in range(1, 11):
        fuzz(server, seed, 1000)
    assert [line for line in mistakes(server) if not line.endswith(" 0")] == []
    assert process.num_fds() <= open_before + 4


def test_nothing_of_a_request_is_logged_or_written(server: Served, scene: Any, tmp_path: Path) -> None:
    folder = Path(tempfile.gettempdir())
    before = set(folder.iterdir())
    large = np.random.default_rng(0).integers(0, 255, (500, 600, 3), dtype=np.uint8)
    server.post("/segment", *multipart(encoded(large, "BMP"), name="VerySecretName.jpg"))
    server.post("/segment?model=VerySecretName", encoded(scene))
    log = server.log.read_text()
    assert "VerySecretName" not in log and "POST" not in log
    process = psutil.Process(server.process.pid)
    held = [file.path for one in [process, *process.children(recursive=True)] for file in one.open_files()]
    assert [path for path in held if path != str(server.log) and not path.startswith("/dev")] == []
    assert not [path for path in set(folder.iterdir()) - before if "gantool" in path.name]


@pytest.mark.slow
def test_a_token_is_asked_for_before_anything_is_read(tmp_path: Path) -> None:
    served = start(tmp_path / "log", "--workers", "1", "--host", "0.0.0.0", GANTOOL_TOKEN=TOKEN)
    try:
        assert TOKEN not in " ".join(psutil.Process(served.process.pid).cmdline())
        assert served.post("/segment", b"x").status == 401
        assert served.get("/models").status == 401
        assert served.get("/metrics", Authorization="Bearer wrong").status == 401
        assert [served.get(path).status for path in ("/", "/health", "/docs", "/static/app.js")] == [200] * 4
        assert served.get("/models", Authorization=f"Bearer {TOKEN}").status == 200
        assert served.get("/openapi.json").tree["security"] == [{"token": []}]
        head = f"POST /segment HTTP/1.1\r\nHost: {served.host}\r\nContent-Length: 999999\r\n\r\n".encode()
        with socket.create_connection((served.host, served.port), timeout=60) as connection:
            connection.sendall(head)  # the answer does not wait for the body
            reply = read_reply(connection)
            assert reply is not None and reply.status == 401
    finally:
        workers = psutil.Process(served.process.pid).children(recursive=True)
        served.stop(signal.SIGKILL)
        assert workers and not psutil.wait_procs(workers, timeout=60)[1]  # they end with it
    assert TOKEN not in served.log.read_text()


def readable(data: bytes) -> bool:
    try:
        Image.open(io.BytesIO(data)).load()
    except OSError:
        return False
    return True


def test_pictures_of_every_kind(server: Served, scene: Any) -> None:
    image = Image.fromarray(scene)
    kinds = {
        "gray": image.convert("L"), "palette": image.quantize(32), "bits": image.convert("1"),
        "cmyk": image.convert("CMYK"),
        "alpha": image.convert("RGBA"), "gray alpha": image.convert("LA"), "deep": image.convert("L").convert("I;16"),
        "lab": None, "float": image.convert("F"), "ycc": image.convert("YCbCr"),
    }  # fmt: skip
    from PIL import ImageCms

    srgb, lab = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    kinds["lab"] = ImageCms.profileToProfile(image, srgb, lab, outputMode="LAB")
    for kind, picture in kinds.items():
        assert picture is not None
        sent = encoded(picture, "PNG" if kind in ("palette", "alpha", "gray alpha", "deep", "bits") else "TIFF")
        if kind == "ycc" and not readable(sent):  # Pillow 11.3 writes what it cannot read
            continue
        for path in ("/translate?to=winter", "/segment"):
            reply = server.post(path, sent)
            assert (reply.status, reply.image.size) == (200, (96, 64)), (kind, reply.body[:200])
