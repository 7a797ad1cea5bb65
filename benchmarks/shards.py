"""Shards against folders: images read from either, and an index of a million images.

    python benchmarks/shards.py                      # 2000 drawn photos of 256 px, and the index
    python benchmarks/shards.py --images 500 --rounds 5 --only local [--json FILE]
    python benchmarks/shards.py --only remote        # needs the extra remote

- local: every image once, in the order of a training (any), decoded as a training decodes it, from a folder and from
  the shards that `gantool prepare --shards` made of it; and the bytes alone, without decoding. Files are in the
  system's memory, so what is compared is what gantool does, not the disk.
- index: one of a million images is opened in a process of its own: seconds to open it and to make views of its
  images, and the memory that the process has grown by. Then 10,000 of them are looked for by name.
- remote: a server on this machine that lets every answer wait for 50 ms and sends 20 MB per second over all. Every
  image once: from shards, by one reader, in the order of a training; and the same files one by one, by one reader (a
  tenth of them) and by eight threads at a time, through the same fsspec. Nothing is in a cache.
"""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
from measured import Row, alternate, argument_parser, finish, middle

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from gantool.data.datasets import FileImages
from gantool.data.images import write_picture
from gantool.data.sample import draw_scene
from gantool.data.sources.find import find_source
from gantool.shards.index import INDEX, IndexBuilder
from gantool.shards.members import read_bytes
from gantool.shards.parts import Packed, Shard

SIDE = 256
PER_SHARD = 10_000
LATENCY, RATE = 0.05, 20e6


def photos(folder: Path, count: int) -> None:
    """Two domains of JPEGs of 256 px, half of the images each."""
    made = [draw_scene(n, size=(SIDE, SIDE)).summer for n in range(40)]
    for split, share in (("train", count), ("test", 8)):
        for domain in "ab":
            (folder / split / domain).mkdir(parents=True)
            for n in range(share // 2):
                write_picture(folder / split / domain / f"{domain}{n:05d}.jpg", made[n % len(made)])


def local(folder: Path, count: int, rounds: int) -> list[Row]:
    from gantool.workflows.prepare import prepare

    photos(folder / "in", count)
    prepare(folder / "in", folder / "shards", shards=True, shard_size="16MB")
    found = {name: find_source(folder / name).domains() for name in ("in", "shards")}
    order = np.random.default_rng(0).permutation(count // 2)
    sides = {name: [FileImages(domain.train) for domain in (one.a, one.b)] for name, one in found.items()}

    def decode(name: str) -> None:
        for images in sides[name]:
            for index in order:
                images[int(index)]

    def read(name: str) -> None:
        for images in sides[name]:
            for index in order:
                read_bytes(Path(images.paths[int(index)]))

    decoded = {f"{what}, decoded": lambda name=name: decode(name) for what, name in NAMES.items()}
    alone = {f"{what}, bytes": lambda name=name: read(name) for what, name in NAMES.items()}
    return [*alternate(decoded, rounds), *alternate(alone, rounds)]


NAMES = {"folder": "in", "shards": "shards"}


def million(path: Path, count: int) -> None:
    """An index of so many images of 30 kB in shards that nobody reads."""
    builder = IndexBuilder()
    for shard in range(-(-count // PER_SHARD)):
        builder.shards.append(Shard(f"train-{shard:06d}.tar", PER_SHARD * 31_000, "0" * 64))
        for n in range(min(PER_SHARD, count - shard * PER_SHARD)):
            name = f"{shard * PER_SHARD + n:09d}.jpg"
            number = builder.add(shard, Packed(name, 512 + 31_000 * n, 30_000, n))
            builder.sample("train", "a" if number % 2 else "b", name, number)
    builder.write(path, {"kind": "unpaired", "domains": ["a", "b"]}, checked=True)


OPENED = """
import gc, resource, sys, time
from pathlib import Path
import numpy as np
from gantool.data.datasets import FileImages
from gantool.data.sources.sharded import unpaired_of
from gantool.shards.index import open_index
from gantool.shards.members import register
def memory():
    fields = dict(line.split(":", 1) for line in open("/proc/self/status"))
    return int(fields["VmRSS"].split()[0]) / 1024
gc.collect(); before, objects = memory(), len(gc.get_objects())
begun = time.perf_counter()
index = register(open_index(Path(sys.argv[1]), Path(sys.argv[1]).parent))
found = unpaired_of(index, None)
views = [FileImages(domain.train) for domain in (found.a, found.b)]
opened = time.perf_counter() - begun
gc.collect(); grown, made = memory() - before, len(gc.get_objects()) - objects
assert sum(map(len, views)) == int(sys.argv[2])
numbers = np.random.default_rng(0).integers(0, len(index), 10_000)
names = [(index.shards[index.shard(int(n))].name, index.name(int(n))) for n in numbers]
begun = time.perf_counter()
assert all(index.find(*name) is not None for name in names)
print(opened, grown, made, (time.perf_counter() - begun) / len(names) * 1e6, memory() - before)
"""


def index(folder: Path, count: int, rounds: int) -> list[Row]:
    path = folder / INDEX
    begun = time.perf_counter()
    million(path, count)
    rows = [Row(f"index of {count}: made and written", time.perf_counter() - begun, "s")]
    values = []
    for _ in range(rounds):
        done = subprocess.run(
            [sys.executable, "-c", OPENED, str(path), str(count)], capture_output=True, text=True, check=True
        )
        values.append([float(value) for value in done.stdout.split()])
    names = (("opened", "s"), ("memory grown", "MiB"), ("Python objects made", "objects"),
             ("found by name", "us"), ("memory grown after 10000 names", "MiB"))  # fmt: skip
    for n, (name, unit) in enumerate(names):
        median, noise = middle([one[n] for one in values])
        rows.append(Row(f"index of {count}: {name}", median, unit, noise=noise))
    return [*rows, Row(f"index of {count}: file", path.stat().st_size / 2**20, "MiB")]


def _serve(folder: Path, ready: Connection) -> None:
    from remote_servers import Faults, http_server

    faults = Faults(latency=LATENCY, rate=RATE)
    with http_server(folder, faults) as address:
        ready.send(address)
        while ready.recv():  # None ends it, anything else asks how many requests there were so far
            ready.send(faults.asked)


def remote(folder: Path, count: int, rounds: int) -> list[Row]:
    from gantool.data.datasets import orders_by_shards
    from gantool.fetch.remote.addresses import Server
    from gantool.workflows.prepare import prepare

    photos(folder / "in", count)
    prepare(folder / "in", folder / "shards", shards=True, shard_size="16MB")
    files = sorted(path.relative_to(folder).as_posix() for path in (folder / "in" / "train").rglob("*.jpg"))
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_serve, args=(folder, there))
    process.start()
    address = here.recv()
    server = Server(address)

    def asked() -> int:
        here.send("asked")
        return int(here.recv())

    def shards() -> float:
        with tempfile.TemporaryDirectory() as cache:
            os.environ["GANTOOL_CACHE"] = cache
            begun = time.perf_counter()
            found = find_source(f"{address}/shards").domains()
            sides = [FileImages(domain.train) for domain in (found.a, found.b)]
            orders = orders_by_shards(sides)
            for place in range(count // 2):
                for side, (images, order) in enumerate(zip(sides, orders, strict=True)):
                    read_bytes(Path(images.paths[order(0, 0, side, count // 2, place)]))
            return count / (time.perf_counter() - begun)

    def one_by_one() -> float:
        begun = time.perf_counter()
        for name in files[::10]:
            server.read(name)
        return len(files[::10]) / (time.perf_counter() - begun)

    def eight() -> float:
        begun = time.perf_counter()
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(server.read, files))
        return len(files) / (time.perf_counter() - begun)

    try:
        values, requests = [], []
        for _ in range(rounds):
            before = asked()
            speed = shards()
            requests.append((asked() - before) / count)
            values.append((speed, one_by_one(), eight()))
    finally:
        here.send(None)
        process.join()
    rows = [Row("shards, one reader", *_named([one[0] for one in values]))]
    for n, name in ((1, "files, one by one"), (2, "files, eight threads")):
        ratio, noise = middle([one[n] / one[0] for one in values])
        rows.append(Row(name, middle([one[n] for one in values])[0], "images/s", ratio, rows[0].name, noise))
    rows.append(Row("requests per image of a shard", middle(requests)[0], "requests"))
    size = sum(path.stat().st_size for path in (folder / "shards").glob("train-*.tar"))
    return [*rows, Row("size of an image in its shard", size / count / 1000, "kB")]


def _named(values: list[float]) -> tuple[float, str, None, None, float | None]:
    median, noise = middle(values)
    return median, "images/s", None, None, noise


def main() -> None:
    parser = argument_parser(__doc__)
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--entries", type=int, default=10**6)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", choices=("local", "index", "remote"))
    options = parser.parse_args()
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        if options.only in (None, "local"):
            rows += local(Path(folder), options.images, options.rounds)
        if options.only in (None, "index"):
            rows += index(Path(folder), options.entries, options.rounds)
        if options.only == "remote":
            rows += remote(Path(folder), options.images, options.rounds)
    finish(rows, options.json)


if __name__ == "__main__":
    main()
