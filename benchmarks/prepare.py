"""How long `gantool prepare` takes on one core, on all, and as several processes.

    python benchmarks/prepare.py [--images N] [--rounds N] [--json FILE]

Photographs are drawn into two folders, as JPEGs of 192 px and 8 kB, all of them different; a part with label maps is
drawn into a third. The ways to prepare them take turns, each into a new folder on the same disk, which is told to
write everything before the next one begins. One core is one by the affinity of the process (Linux), as ``taskset -c
0`` sets it. At the end the results of the ways are compared, byte by byte.
"""

from __future__ import annotations

import filecmp
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from measured import Row, argument_parser, finish, middle
from PIL import Image

from gantool.data.sample import draw_scene

SIDE = 192
SCENES = 60  # that are drawn; noise makes as many different images of them as one likes


def draw(folder: Path, seed: int, count: int) -> None:
    """Draw images of one folder."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    size = (SIDE, SIDE)
    scenes = [np.asarray(Image.fromarray(draw_scene(n).summer).resize(size)).astype(np.int16) for n in range(SCENES)]
    for n in range(count):
        coarse = Image.fromarray(rng.integers(0, 120, (12, 12, 3), dtype=np.uint8))
        noise = np.asarray(coarse.resize(size, Image.Resampling.BICUBIC)).astype(np.int16) - 60
        image = np.clip(scenes[n % SCENES] + noise, 0, 255).astype(np.uint8)
        Image.fromarray(image).save(folder / f"{folder.name}{n:06d}.jpg", quality=85)


def draw_labelled(root: Path, count: int) -> None:
    """Draw images with label maps, in two folders."""
    draw(root / "images", 2, count)
    (root / "masks").mkdir()
    masks = [
        Image.fromarray(draw_scene(n).mask).resize((SIDE, SIDE), Image.Resampling.NEAREST) for n in range(SCENES)
    ]
    for n in range(count):
        masks[n % SCENES].save(root / "masks" / f"images{n:06d}.png")


def seconds(words: Sequence[str], target: Path, *, one_core: bool) -> float:
    """Wall time of one command, which makes the target."""
    os.sync()
    command = [sys.executable, "-m", "gantool", "prepare", *words, "-o", str(target), "--quiet"]
    before = os.sched_getaffinity(0)
    if one_core:
        os.sched_setaffinity(0, {min(before)})  # of the child, too
    try:
        started = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        return time.perf_counter() - started
    finally:
        os.sched_setaffinity(0, before)


def differences(one: Path, other: Path) -> list[str]:
    """Names of files of two folders that are not there twice with the same bytes."""
    names = [{str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()} for root in (one, other)]
    names = [found - {"report.html"} for found in names]  # which names the folder
    common = sorted(names[0] & names[1])
    _, wrong, unreadable = filecmp.cmpfiles(one, other, common, shallow=False)
    return sorted(names[0] ^ names[1]) + wrong + unreadable


def main() -> None:
    parser = argument_parser(__doc__)
    parser.add_argument("--images", type=int, default=10_000, help="without labels; a fifth as many with them")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    devices = str(len(os.sched_getaffinity(0)))
    with tempfile.TemporaryDirectory(dir=".") as name:
        root = Path(name)
        with ProcessPoolExecutor(3) as pool:
            halves = [pool.submit(draw, root / "photos" / "ab"[n], n, options.images // 2) for n in range(2)]
            labelled = pool.submit(draw_labelled, root / "labelled", options.images // 5)
            for drawn in (*halves, labelled):
                drawn.result()
        photos, maps = [str(root / "photos"), "--as", "unpaired"], [str(root / "labelled")]
        ways = {
            "one core": (photos, True),
            "all cores": (photos, False),
            f"--devices {devices}": ([*photos, "--devices", devices], False),
            "with label maps, one core": (maps, True),
            "with label maps, all cores": (maps, False),
        }
        times: dict[str, list[float]] = {way: [] for way in ways}
        for turn in range(options.rounds):
            for number, (way, (words, one_core)) in enumerate(ways.items()):
                # Nothing is removed meanwhile, as a disk can be busy with that for long.
                times[way].append(seconds(words, root / f"made-{turn}-{number}", one_core=one_core))
                print(f"{way}: {times[way][-1]:.1f} s", flush=True)
        for number, other in ((0, 1), (0, 2), (3, 4)):
            left = differences(root / f"made-0-{number}", root / f"made-0-{other}")
            if left:
                sys.exit(f"{len(left)} files differ, such as {left[0]}")
    rows = []
    for way, values in times.items():
        baseline = "with label maps, one core" if "label" in way else "one core"
        value, noise = middle(values)
        ratio = None
        if way != baseline:
            ratio, noise = middle([one / other for one, other in zip(values, times[baseline], strict=True)])
        count = options.images // 5 if "label" in way else options.images
        rows.append(Row(way, value, "s", ratio, baseline if ratio else None, noise, f"{count} images"))
    finish(rows, options.json)


if __name__ == "__main__":
    main()
