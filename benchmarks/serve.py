"""How much `gantool serve` answers, how long an answer takes, and whether it holds what it promises.

    python benchmarks/serve.py [--seconds S] [--count N] [--json FILE]
    python benchmarks/serve.py --only stop

A server of its own is started on 127.0.0.1, at a port that is free, and ended at the end; nothing else is spoken to.
Clients keep their connections and send the next picture (a drawn scene of 256 px, as JPEG) as soon as they have the
answer to the last one. They run in one process of their own beside the server, on the same cores.

- load: answers/s and their times with 1, 8 and 64 clients, of ``translate`` and of ``segment``; and the processor
  time of all processes of the server, which a machine that is shared does not change as much.
- memory: of all processes of the server together, over ``--count`` requests of pictures of 96 px.
- stop: SIGTERM while 32 clients send; each request that was sent must be answered, except where the connection was
  refused.
"""

from __future__ import annotations

import asyncio
import io
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import quantiles

import psutil
from measured import Row, argument_parser, finish
from PIL import Image

from gantool.data.sample import draw_scene

CLIENTS = (1, 8, 64)
STOPS = 5
LONGEST = 600.0  # seconds for any one part


def jpeg(index: int, side: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(draw_scene(index, size=(side, side)).summer).save(buffer, format="JPEG", quality=92)
    return buffer.getvalue()


@dataclass
class Tally:
    """What clients met with.

    Attributes:
        times: seconds of each answer.
        wrong: answers of another status than 200.
        lost: requests that were sent and not answered.
        refused: connections that could not be opened.
    """

    times: list[float] = field(default_factory=list)
    wrong: int = 0
    lost: int = 0
    refused: int = 0


# -- a server --------------------------------------------------------------------------------------------------------


@contextmanager
def server() -> Iterator[tuple[psutil.Process, int]]:
    """A server and its port."""
    command = [sys.executable, "-m", "gantool", "serve", "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert process.stdout is not None
        port = int(process.stdout.readline().strip(" /\n").rpartition(":")[2])
        yield psutil.Process(process.pid), port
    finally:
        process.terminate()
        process.wait(30)


def memory(process: psutil.Process) -> float:
    """MiB of a process and its children, what they share counted once."""
    return sum(one.memory_full_info().pss for one in [process, *process.children(recursive=True)]) / 2**20


# -- clients ---------------------------------------------------------------------------------------------------------


async def send(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: str, body: bytes
) -> tuple[int, bool]:
    """One request over a connection: the status, and whether the connection stays open."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: image/jpeg\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    writer.write(head.encode() + body)
    await writer.drain()
    lines = (await reader.readuntil(b"\r\n\r\n")).lower().split(b"\r\n")
    length = next(int(line.partition(b":")[2]) for line in lines if line.startswith(b"content-length:"))
    await reader.readexactly(length)
    return int(lines[0].split()[1]), b"connection: close" not in lines


async def client(port: int, path: str, bodies: list[bytes], tally: Tally, end: float, most: list[int]) -> None:
    """Send until the end, or until so many were sent by all."""
    number = id(tally) % 7
    while time.perf_counter() < end and most[0] > 0:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            tally.refused += 1
            return
        stays = True
        try:
            while stays and time.perf_counter() < end and most[0] > 0:
                most[0] -= 1
                number += 1
                started = time.perf_counter()
                status, stays = await send(reader, writer, path, bodies[number % len(bodies)])
                tally.times.append(time.perf_counter() - started)
                tally.wrong += status != 200
        except (OSError, asyncio.IncompleteReadError):
            tally.lost += 1
            return
        finally:
            writer.close()


async def crowd(port: int, path: str, bodies: list[bytes], count: int, seconds: float, most: int = 10**9) -> Tally:
    tally, end, left = Tally(), time.perf_counter() + seconds, [most]
    await asyncio.gather(*(client(port, path, bodies, tally, end, left) for _ in range(count)))
    return tally


# -- what is measured ------------------------------------------------------------------------------------------------


def processor_time(process: psutil.Process) -> float:
    """Seconds that a process and its children have computed."""
    times = [one.cpu_times() for one in [process, *process.children(recursive=True)]]
    return sum(one.user + one.system for one in times)


def load(process: psutil.Process, port: int, seconds: float) -> Iterator[Row]:
    bodies = [jpeg(n, 256) for n in range(8)]
    for what, path in (("translate", "/translate?to=winter"), ("segment", "/segment")):
        asyncio.run(crowd(port, path, bodies, 4, 1.0))
        for count in CLIENTS:
            started, before = time.perf_counter(), processor_time(process)
            tally = asyncio.run(crowd(port, path, bodies, count, seconds))
            taken, computed = time.perf_counter() - started, processor_time(process) - before
            cuts = quantiles(tally.times, n=100, method="inclusive")
            shown = f"p50 {1e3 * cuts[49]:.0f}, p95 {1e3 * cuts[94]:.0f}, p99 {1e3 * cuts[98]:.0f} ms"
            shown += f"; {1e3 * computed / len(tally.times):.1f} ms of processor time each"
            assert not (tally.wrong or tally.lost or tally.refused), tally
            yield Row(f"{what}, {count} clients", len(tally.times) / taken, "answers/s", note=shown)


def steady_memory(process: psutil.Process, port: int, count: int) -> Iterator[Row]:
    bodies = [jpeg(n, 96) for n in range(8)]
    asyncio.run(crowd(port, "/segment", bodies, 8, LONGEST, 200))
    parts = 10
    for part in range(parts + 1):
        yield Row(f"memory after {part * count // parts} requests", memory(process), "MiB")
        if part < parts:
            path = ("/segment?as=json", "/translate?to=winter")[part % 2]
            tally = asyncio.run(crowd(port, path, bodies, 8, LONGEST, count // parts))
            assert not (tally.wrong or tally.lost) and len(tally.times) >= count // parts, tally


def stop() -> Iterator[Row]:
    bodies = [jpeg(n, 256) for n in range(8)]
    for number in range(STOPS):
        with server() as (process, port):
            tally, code, seconds = asyncio.run(_stopped(process, port, bodies))
        about = f"{len(tally.times)} answered, {tally.refused} refused, exit code {code}, ended in {seconds:.2f} s"
        assert not tally.wrong, tally
        yield Row(f"requests lost on SIGTERM, {number + 1}", tally.lost, "requests", note=about)


async def _stopped(process: psutil.Process, port: int, bodies: list[bytes]) -> tuple[Tally, int, float]:
    sending = asyncio.create_task(crowd(port, "/translate?to=winter", bodies, 32, 30.0))
    await asyncio.sleep(2.0)
    process.send_signal(signal.SIGTERM)
    started = time.perf_counter()
    code = await asyncio.to_thread(process.wait, 60)
    seconds = time.perf_counter() - started
    return await sending, code, seconds


def main() -> None:
    parser = argument_parser(__doc__)
    parser.add_argument("--seconds", type=float, default=8.0, help="for each number of clients")
    parser.add_argument("--count", type=int, default=10_000, help="requests over which memory is looked at")
    parser.add_argument("--only", choices=("load", "memory", "stop"))
    options = parser.parse_args()
    rows: list[Row] = []

    def note(row: Row) -> None:
        rows.append(row)
        print(f"{row.name:42} {row.value:10.1f} {row.unit:10} {row.note}", file=sys.stderr, flush=True)

    if options.only != "stop":
        with server() as (process, port):
            if options.only != "memory":
                for row in load(process, port, options.seconds):
                    note(row)
            if options.only != "load":
                for row in steady_memory(process, port, options.count):
                    note(row)
    if options.only in (None, "stop"):
        for row in stop():
            note(row)
    finish(rows, options.json)


if __name__ == "__main__":
    main()
