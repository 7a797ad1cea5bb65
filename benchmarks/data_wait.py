"""How long a training waits for its images: a network that is simulated by a sleep, with and without ``data.cache``.

    python benchmarks/data_wait.py [--rate 400] [--side 256] [--workers 2] [--cache auto] [--rounds 3]

Two folders of JPEGs go the way that they go in ``gantool train cyclegan``: decoded, scaled to 286 pixels, cropped to
256, mirrored, put into batches. A sample is one image of either folder. A step sleeps as long as a GPU would compute
at the given rate, which leaves the cores to the processes that read images, and the share of the time that the loop
waits for its next batch is what it would note as waiting. Every way runs for some epochs; the first epoch of a cache,
in which it is filled, is a row of its own. Time of the processor, which other programs on the machine change little,
is told as well: what one process needs for a sample, from its file or its cache to its batch.
"""

from __future__ import annotations

import itertools
import os
import queue
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from measured import Row, argument_parser, finish, middle
from PIL import Image

from gantool.data.sample import draw_scene
from gantool.engine.batches import EpochBatches, build_batches
from gantool.engine.runtime import Runtime
from gantool.engine.task import Batch
from gantool.methods.cyclegan.settings import CycleGanSettings
from gantool.methods.domains import build_data, training_set
from gantool.methods.registry import load_settings

BATCH = 8
MODES = ("off", "auto", "disk")


def main() -> None:
    parser = argument_parser(__doc__)
    parser.add_argument("--rate", type=float, default=400, help="samples that the network takes per second")
    parser.add_argument("--side", type=int, default=256, help="of the JPEGs, in pixels")
    parser.add_argument("--images", type=int, default=400, help="JPEGs per domain")
    parser.add_argument("--workers", type=int, action="append", help="processes that read; can be repeated")
    parser.add_argument("--cache", choices=MODES, action="append", help="settings of data.cache; can be repeated")
    parser.add_argument("--rounds", type=int, default=3, help="epochs of every way")
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        os.environ["GANTOOL_CACHE"] = str(Path(folder) / "cache")
        domains = {name: draw(Path(folder) / name, options.images, options.side) for name in ("a", "b")}
        modes = options.cache or MODES
        rows += needed(domains, modes, options.rounds, f"{options.side} px")
        for workers in options.workers or (2,):
            ways = {mode: batches(domains, workers, mode) for mode in modes}
            rows += measured(ways, options.rate, options.rounds, f"{options.side} px, {workers} workers")
    finish(rows, options.json)


def draw(folder: Path, count: int, side: int) -> str:
    """Landscapes with the grain of photographs, which is what makes their files large."""
    folder.mkdir()
    rng = np.random.default_rng(len(str(folder)))
    scene = draw_scene(0, size=side).summer.astype(np.int16)
    for n in range(count):
        grain = rng.normal(0, 8, scene.shape).astype(np.int16)
        pixels = np.roll(scene, 7 * n, 1) + grain
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / f"{n:05}.jpg", quality=92)
    return str(folder)


def needed(domains: dict[str, str], modes: Sequence[str], rounds: int, what: str) -> list[Row]:
    """Processor time of a sample in one process, without any network."""
    found: dict[str, list[float]] = {}
    for mode in modes:
        given = batches(domains, 0, mode)
        for epoch in range(rounds + 1):
            started, count = time.process_time(), 0
            for batch in given.epoch(epoch, 0):
                count += 2 * len(batch["a"])
            if epoch > 0:
                found.setdefault(mode, []).append(1000 * (time.process_time() - started) / count)
    first = modes[0]
    rows = []
    for mode, times in found.items():
        name, (median, noise) = f"{what}, {mode}: processor time of a sample", middle(times)
        ratio = None if mode == first else median / middle(found[first])[0]
        rows.append(Row(name, median, "ms", ratio, ratio and f"{what}, {first}: processor time of a sample", noise))
    return rows


def measured(ways: dict[str, EpochBatches], rate: float, rounds: int, what: str) -> list[Row]:
    """Shares of the time spent waiting, in percent, and the samples per second that come of it."""
    found: dict[str, list[tuple[float, float]]] = {}
    for mode, given in ways.items():  # not in turn: the processes of one would read ahead while another is timed
        taking = taken(given, rounds + 1)
        for epoch in range(rounds + 1):
            shares = wait(taking, given.steps_per_epoch, rate)
            if epoch > 0 or mode != "off":  # of the first, "off" only tells how long processes take to start
                found.setdefault(f"{what}, {mode}{'' if epoch else ', first epoch'}", []).append(shares)
    rows = []
    for name, pairs in found.items():
        share, rest = (middle(values) for values in zip(*pairs, strict=True))
        rows += [Row(f"{name}: waiting", share[0], "%", noise=share[1])]
        rows += [Row(f"{name}: speed", rest[0], "samples/s", noise=rest[1])]
    return rows


def batches(domains: dict[str, str], workers: int, mode: str) -> EpochBatches:
    given = {
        "data.domains": domains, "data.size": 256, "data.cache": mode, "train.batch_size": BATCH,
        "runtime.workers": workers, "runtime.device": "cpu",
    }  # fmt: skip
    settings = load_settings("cyclegan", base=given)
    assert isinstance(settings, CycleGanSettings)
    dataset = training_set(settings, build_data(settings))
    return build_batches(dataset, len(dataset), settings, Runtime("cpu"))


def taken(given: EpochBatches, epochs: int) -> Iterator[Batch]:
    """The batches of all epochs as they come to a GPU: a thread takes them from the processes, and would pin them."""
    came: queue.Queue[Batch] = queue.Queue(maxsize=1)

    def take() -> None:
        for epoch in range(epochs):
            for batch in given.epoch(epoch, 0):
                came.put(batch)

    threading.Thread(target=take, daemon=True).start()
    for _ in range(epochs * given.steps_per_epoch):
        yield came.get()


def wait(batches: Iterator[Batch], steps: int, rate: float) -> tuple[float, float]:
    """Percent of the steps' time spent waiting, and samples per second; the loop's own clock without its network."""
    waited, started = 0.0, time.perf_counter()
    asked = started
    for batch in itertools.islice(batches, steps):
        got = time.perf_counter()
        waited += got - asked
        time.sleep(2 * len(batch["a"]) / rate)
        del batch  # of a GPU's batches the pinned copy is what goes, which costs nothing; here it would be 12 MB
        asked = time.perf_counter()
    seconds = asked - started
    return 100 * waited / seconds, 2 * BATCH * steps / seconds


if __name__ == "__main__":
    main()
