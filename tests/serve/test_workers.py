"""Workers that hang, die and are waited for; and a server that stops while it is asked."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import threading
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from served import Reply, Served, encoded, read_reply, start

from gantool.serve.limits import Limits, Refusal
from gantool.serve.models import find_served
from gantool.serve.workers.pool import Pool
from gantool.serve.workers.process import Setup
from gantool.serve.workers.work import Answer, Wish

SEGMENT = Wish("segment", "landscape", form="json")


def worker_of(process: psutil.Process) -> psutil.Process:
    return next(one for one in process.children() if "multiprocessing.spawn" in " ".join(one.cmdline()))


async def refusal_of(awaitable: Any) -> Refusal:
    with pytest.raises(Refusal) as caught:
        await awaitable
    return caught.value


def test_a_worker_that_hangs_is_replaced(scene: Any) -> None:
    asyncio.run(_hanging(encoded(scene)))


async def _hanging(body: bytes) -> None:
    restarts: list[None] = []
    limits = Limits(seconds=3.0, queue=2)
    pool = Pool(Setup(find_served(("landscape",), Path("runs")), limits), 1, on_restart=lambda: restarts.append(None))
    await pool.start()
    try:
        me = psutil.Process()
        assert pool.device == "cpu"
        assert (await pool.run(SEGMENT, body)).pixels == 96 * 64

        hung = worker_of(me)
        hung.suspend()
        started = time.monotonic()
        first = asyncio.create_task(refusal_of(pool.run(SEGMENT, body)))
        await asyncio.sleep(0.1)
        waiting = [asyncio.create_task(pool.run(SEGMENT, body)) for _ in range(2)]
        await asyncio.sleep(0)
        assert pool.waiting == 2
        too_many = await refusal_of(pool.run(SEGMENT, body))
        assert (too_many.status, "Retry-After" in too_many.headers) == (429, True)
        took_long = await first
        assert (took_long.status, took_long.sentence) == (504, "The image took longer than 3 seconds.")
        assert time.monotonic() - started > 2.9
        assert not hung.is_running()
        assert pool.running == 0
        late = await asyncio.gather(*waiting, return_exceptions=True)
        # They have waited for three seconds, in which the next worker may or may not have come.
        assert all(isinstance(one, Answer) or (isinstance(one, Refusal) and one.status == 503) for one in late)
        await _until(lambda: pool.idle == 1)
        assert pool.running == 1
        assert (await pool.run(SEGMENT, body)).pixels == 96 * 64

        assert len(restarts) == 1
    finally:
        pool.stop_now()
    assert not [one for one in psutil.Process().children() if "spawn_main" in " ".join(one.cmdline())]


@pytest.mark.slow
def test_a_worker_that_dies_is_replaced(scene: Any) -> None:
    asyncio.run(_dying(encoded(scene)))


async def _dying(body: bytes) -> None:
    pool = Pool(Setup(find_served(("landscape",), Path("runs")), Limits()), 1)
    await pool.start()
    try:
        killed = worker_of(psutil.Process())
        killed.suspend()
        gone = asyncio.create_task(refusal_of(pool.run(SEGMENT, body)))
        await asyncio.sleep(0.1)
        os.kill(killed.pid, signal.SIGKILL)
        assert (await gone).status == 503
        await _until(lambda: pool.idle == 1)
        assert (await pool.run(SEGMENT, body)).pixels == 96 * 64
    finally:
        pool.stop_now()


async def _until(condition: Any) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        await asyncio.sleep(0.02)


def test_who_leaves_the_line_makes_room() -> None:
    asyncio.run(_leaving())


async def _leaving() -> None:
    pool = Pool(Setup((), Limits(seconds=5.0, queue=1)), 1)  # none is started, so all wait
    first = asyncio.create_task(pool.run(SEGMENT, b""))
    await asyncio.sleep(0)
    assert (await refusal_of(pool.run(SEGMENT, b""))).status == 429
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    assert pool.waiting == 0
    second = asyncio.create_task(pool.run(SEGMENT, b""))
    await asyncio.sleep(0)
    assert pool.waiting == 1
    second.cancel()
    await asyncio.gather(second, return_exceptions=True)
    pool.stop_now()


def test_what_is_under_way_is_answered_before_it_stops(tmp_path: Path, scene: Any) -> None:
    served = start(tmp_path / "log", "--workers", "1", "--quiet")
    body = encoded(scene)
    lost: list[str] = []
    answered: list[int] = []
    ready = threading.Barrier(9)
    threads = [threading.Thread(target=_send, args=(served, body, answered, lost, ready)) for _ in range(8)]
    for thread in threads:
        thread.start()
    ready.wait()
    time.sleep(0.1)
    idle = served.connect()  # waits for nothing, and does not keep the server
    workers = psutil.Process(served.process.pid).children(recursive=True)
    assert served.stop() == 0
    for thread in threads:
        thread.join()
    idle.close()
    assert lost == []
    assert len(answered) >= 8 and set(answered) == {200}
    assert workers and not psutil.wait_procs(workers, timeout=60)[1]


def _send(served: Served, body: bytes, answered: list[int], lost: list[str], ready: threading.Barrier) -> None:
    """Ask over one connection as long as there is one; a request that was sent has to be answered."""
    head = f"POST /segment HTTP/1.1\r\nHost: {served.host}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    connection = served.connect()
    ready.wait()
    while True:
        try:
            connection.sendall(head + body)
            reply: Reply | None = read_reply(connection)
        except OSError as error:
            lost.append(repr(error))
            return
        if reply is None:
            lost.append("no answer")
            return
        answered.append(reply.status)
        if reply.headers.get("connection") == "close":
            connection.close()
            try:
                connection = served.connect()
            except OSError:
                return  # it takes no more
            connection.settimeout(20)


def test_too_many_connections(server: Served) -> None:
    held: list[socket.socket] = []
    try:
        for _ in range(256):
            held.append(server.connect())
        time.sleep(0.2)
        reply = server.raw(b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert reply is None or reply.status == 503
    finally:
        for one in held:
            one.close()
    time.sleep(0.2)
    assert server.get("/health").status == 200
