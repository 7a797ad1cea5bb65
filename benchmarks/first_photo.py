"""How long a first photo takes, as a share of importing torch: whole commands, started in alternation.

    python benchmarks/first_photo.py               # ten warm starts of each, and a drawn photo of 1024x768
    python benchmarks/first_photo.py --photo photo.jpg --starts 20

Prints the medians of wall and CPU seconds (of all threads), and their ratios to ``python -c "import torch"``. CPU
seconds are what to look at where other programs use the same cores.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from PIL import Image

from gantool.data.images import read_picture, write_picture
from gantool.data.sample import draw_scene
from gantool.hardware import usable_cores
from gantool.models.find import bundled_models

SIZE = (1024, 768)


def commands() -> dict[str, list[str]]:
    """What is timed, by what it is called."""
    gantool = [sys.executable, "-m", "gantool"]
    form = bundled_models()["seasons"].with_name("seasons-to-winter.onnx")
    translate = [*gantool, "translate", "photo.jpg", "--to", "winter", "--overwrite"]
    segment = [*gantool, "segment", "painting.png", "--overwrite"]
    return {
        'python -c "import torch"': [sys.executable, "-c", "import torch"],
        "gantool translate photo.jpg --to winter": translate,
        "gantool translate photo.jpg --to winter --model x.onnx": [*translate, "--model", str(form)],
        "gantool translate photo.jpg --to winter --precision fp32": [*translate, "--precision", "fp32"],
        "gantool segment painting.png": segment,
        "gantool segment painting.png --precision fp32": [*segment, "--precision", "fp32"],
        "gantool info": [*gantool, "info"],
        "gantool --help": [*gantool, "--help"],
    }


def started(command: list[str], folder: Path) -> tuple[float, float]:
    """Wall and CPU seconds of one whole command."""
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wall, after = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photo", type=Path, help=f"default a drawn one of {SIZE[0]}x{SIZE[1]}")
    parser.add_argument("--starts", type=int, default=10)
    arguments = parser.parse_args()
    pixels = draw_scene(4, size=SIZE).summer if arguments.photo is None else read_picture(arguments.photo).pixels
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_picture(folder / "photo.jpg", pixels)
        Image.fromarray(pixels).save(folder / "painting.png")
        timed = commands()
        for command in timed.values():  # so that files are in memory and modules compiled
            started(command, folder)
        times: dict[str, list[tuple[float, float]]] = {what: [] for what in timed}
        for _ in range(arguments.starts):
            for what, command in timed.items():
                times[what].append(started(command, folder))
    print(
        f"{datetime.now(UTC):%Y-%m-%d}, {usable_cores()} cores, load {os.getloadavg()[0]:.1f}, "
        f"Python {platform.python_version()}, {pixels.shape[1]}x{pixels.shape[0]}, "
        f"medians of {arguments.starts} starts in alternation\n"
    )
    print("| | wall | CPU | wall, of torch | CPU, of torch |\n| --- | --- | --- | --- | --- |")
    medians = {what: [statistics.median(one) for one in zip(*rows, strict=True)] for what, rows in times.items()}
    torch = next(iter(medians.values()))
    for what, (wall, cpu) in medians.items():
        print(f"| `{what}` | {wall:.2f} s | {cpu:.2f} s | {wall / torch[0]:.2f} | {cpu / torch[1]:.2f} |")


if __name__ == "__main__":
    main()
