"""Folders of small photographs: how near `translate` and `segment` come to what the cores can do.

    python benchmarks/folders.py                            # drawn photos of 256 px
    python benchmarks/folders.py --photos DIR --images 1000 --rounds 3
    python benchmarks/folders.py --only bf16 [--json FILE]

``cores`` is `gantool.hardware.threads_to_compute`. Measured in turn, so that a machine that is busy with other things
slows all of it down:

- plain loops: one process per core goes through its share of the images one by one, on one thread, doing nothing but
  to decode, run the network and encode (with whatever else is between pixels and pixels). Its processor time is the
  core-seconds per image. Loading the model is not counted.
- gantool: the whole command, from the start of the process to its end, with the memory that it took.

The bound is cores / core-seconds per image: what a machine reaches that has nothing else to do and loses nothing.
With ``bf16``: the CycleGAN paper's generator with random weights, a plain loop of PyTorch in fp32 against gantool.
"""

from __future__ import annotations

import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from measured import Row, argument_parser, finish, middle
from PIL import Image

from gantool.data.images import find_images, read_picture, write_picture
from gantool.data.sample import draw_scene
from gantool.hardware import threads_to_compute

SIDE = 256
COMMANDS = {
    "translate": ("translate", "in", "--to", "winter", "--model", "seasons", "-o"),
    "segment": ("segment", "in", "--model", "landscape", "-o"),
}


def photos(folder: Path, count: int, source: Path | None) -> None:
    """Put JPEGs of 256 px into a folder; if there are fewer, each several times."""
    folder.mkdir()
    if source is None:
        made = [draw_scene(n, size=(SIDE, SIDE)).summer for n in range(min(count, 40))]
        for n in range(count):
            write_picture(folder / f"{n:05d}.jpg", made[n % len(made)])
        return
    there = find_images(source)
    for n in range(count):
        shutil.copyfile(there[n % len(there)], folder / f"{n:05d}{there[n % len(there)].suffix}")


# -- one after the other on one core ---------------------------------------------------------------------------------


def stages(verb: str, out: Path) -> Callable[[Path], None]:
    """What has to be done to one image."""
    from gantool.workflows.image_jobs import ImageJob

    if verb == "translate":
        from gantool.workflows.translate import TranslateOptions, load_translator

        translator = load_translator(TranslateOptions("winter", "seasons"))

        def translate(path: Path) -> None:
            picture = read_picture(path)
            write_picture(out / path.name, translator(picture.pixels), picture)

        return translate
    from gantool.workflows.label_outputs import LabelWriter, RegionOptions
    from gantool.workflows.segment import SegmentOptions, load_segmentation

    segmenter, write = load_segmentation(SegmentOptions("landscape")), LabelWriter(RegionOptions())

    def segment(path: Path) -> None:
        picture = read_picture(path)
        outputs = {kind: out / f"{path.stem}.{kind}.png" for kind in ("mask", "overlay")}
        write(ImageJob(path, outputs), picture, segmenter(picture.pixels))

    return segment


def plain_loop(verb: str, source: Path, out: Path, share: int, of: int) -> None:
    """Say when ready, wait for a line, do a share of the images, and say how much processor time it took."""
    work, files = stages(verb, out), find_images(source)[share::of]
    work(files[0])
    print("ready", flush=True)
    sys.stdin.readline()
    begun = time.process_time()
    for path in files:
        work(path)
    print(time.process_time() - begun, flush=True)


def plain_loops(verb: str, folder: Path, cores: int) -> tuple[float, float]:
    """Wall and processor seconds of one plain loop on each core, for all images."""
    out = folder / "plain"
    out.mkdir()
    words = [sys.executable, __file__, "--loop", verb, str(folder / "in"), str(out)]
    loops = [
        subprocess.Popen(
            [*words, str(n), str(cores)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        for n in range(cores)
    ]  # fmt: skip
    for loop in loops:
        assert loop.stdout is not None and loop.stdout.readline() == "ready\n"
    begun = time.perf_counter()
    for loop in loops:
        assert loop.stdin is not None
        print(file=loop.stdin, flush=True)
    used = sum(float(loop.stdout.readline()) for loop in loops if loop.stdout is not None)
    wall = time.perf_counter() - begun
    for loop in loops:
        loop.communicate()
    shutil.rmtree(out)
    return wall, used


# -- the command -----------------------------------------------------------------------------------------------------


def command(verb: str, folder: Path) -> tuple[float, float, float]:
    """Wall and processor seconds of the whole command, and its memory in MiB."""
    out = folder / "out"
    words = [sys.executable, "-m", "gantool", *COMMANDS[verb], str(out), "--quiet"]
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    process = subprocess.Popen(words, cwd=folder, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    wall, after = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
    if process.returncode:
        raise RuntimeError(f"gantool {verb} ended with {process.returncode}")
    shutil.rmtree(out)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, used.ru_maxrss / 1024


def compared(verb: str, folder: Path, count: int, rounds: int) -> list[Row]:
    cores = threads_to_compute()
    loops, commands = list[tuple[float, float]](), list[tuple[float, float, float]]()
    for _ in range(rounds):
        loops.append(plain_loops(verb, folder, cores))
        commands.append(command(verb, folder))
    bounds = [cores * count / used for _, used in loops]
    plain, made = [count / wall for wall, _ in loops], [count / one[0] for one in commands]
    name = f"{verb}, plain loops on {cores} cores"
    ratio, noise = middle([one / other for one, other in zip(made, plain, strict=True)])
    of_bound, bound_noise = middle([one / bound for one, bound in zip(made, bounds, strict=True)])
    core_seconds = statistics.median(used / count for _, used in loops)
    used = statistics.median(one[1] for one in commands) / count
    return [
        Row(f"{verb}, core-seconds per image", 1000 * core_seconds, "ms"),
        Row(f"{verb}, bound: cores / core-seconds", statistics.median(bounds), "images/s"),
        Row(name, statistics.median(plain), "images/s", noise=middle(plain)[1]),
        Row(f"{verb}, gantool", statistics.median(made), "images/s", ratio, name, noise),
        Row(
            f"{verb}, gantool, against the bound", statistics.median(made), "images/s", of_bound,
            f"{verb}, bound: cores / core-seconds", bound_noise,
        ),
        Row(
            f"{verb}, gantool, processor time per image", 1000 * used, "ms", used / core_seconds,
            f"{verb}, core-seconds per image",
        ),
        Row(f"{verb}, gantool, memory", statistics.median(one[2] for one in commands), "MiB"),
    ]  # fmt: skip


# -- the paper's generator -------------------------------------------------------------------------------------------


def in_bf16(folder: Path, count: int, rounds: int) -> list[Row]:
    """A plain loop of PyTorch in fp32, and the same images through gantool's folders in fp32 and in bf16."""
    import numpy as np
    import torch

    from gantool.cards import Domain
    from gantool.nets.layers import initialize
    from gantool.nets.registry import build_generator
    from gantool.predict.live import LiveRunner, stored_as_cast
    from gantool.predict.pictures import PicturePredictor
    from gantool.predict.translator import Translator
    from gantool.workflows.image_jobs import ImageJob
    from gantool.workflows.translate import TranslateOptions, translate_files

    torch.manual_seed(0)
    nets = {kind: build_generator("resnet_9blocks", width=64, norm="instance").eval() for kind in ("fp32", "bf16")}
    initialize(nets["fp32"])
    nets["bf16"].load_state_dict(nets["fp32"].state_dict())
    net, domain = nets["fp32"], Domain(name="any")
    files = find_images(folder / "in")[:count]

    @torch.no_grad()
    def plain() -> None:
        for path in files:
            with Image.open(path) as image:
                pixels = np.asarray(image.convert("RGB"))
            values = torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].float() / 127.5 - 1
            made = ((net(values)[0] + 1) * 127.5).round().clamp(0, 255).byte().permute(1, 2, 0).numpy()
            Image.fromarray(made).save(folder / path.name, quality=95, subsampling=0)

    def through(precision: str) -> Callable[[], None]:
        runner = LiveRunner(stored_as_cast(nets[precision], precision), precision=precision)
        model: Any = None  # which the pictures do not depend on
        translator = Translator(PicturePredictor(runner), model, domain, domain)
        jobs = [ImageJob(path, {"any": folder / path.name}) for path in files]

        def run() -> None:
            failed = [one.error for one in translate_files(translator, jobs, TranslateOptions("any")) if one.error]
            assert not failed, failed

        return run

    ways = {"plain loop, fp32": plain, "gantool, fp32": through("fp32"), "gantool, bf16": through("bf16")}
    times: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(-1, rounds):
        for name, run in ways.items():
            begun = time.perf_counter()
            run()
            if turn >= 0:
                times[name].append((time.perf_counter() - begun) / len(files))
    first = f"resnet_9blocks, {SIDE} px, plain loop, fp32"
    rows = []
    for name, seconds in times.items():
        ratio, noise = middle([one / base for one, base in zip(seconds, times["plain loop, fp32"], strict=True)])
        base = name == "plain loop, fp32"
        rows.append(
            Row(
                f"resnet_9blocks, {SIDE} px, {name}", statistics.median(seconds), "s", None if base else ratio,
                None if base else first, middle(seconds)[1] if base else noise,
            )
        )  # fmt: skip
    return rows


def main(arguments: Sequence[str]) -> None:
    if arguments[:1] == ["--loop"]:
        verb, source, out, share, of = arguments[1:]
        plain_loop(verb, Path(source), Path(out), int(share), int(of))
        return
    parser = argument_parser(__doc__)
    parser.add_argument("--photos", type=Path, metavar="DIR", help=f"default drawn ones of {SIDE}x{SIDE}")
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--large", type=int, default=6, help="images of the paper's generator")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", action="append", choices=(*COMMANDS, "bf16"), help="may be repeated")
    options = parser.parse_args(arguments)
    wanted = options.only or [*COMMANDS, "bf16"]
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        photos(folder / "in", options.images, options.photos)
        for verb in COMMANDS:
            rows += compared(verb, folder, options.images, options.rounds) if verb in wanted else []
        rows += in_bf16(folder, options.large, options.rounds) if "bf16" in wanted else []
    finish(rows, options.json)


if __name__ == "__main__":
    main(sys.argv[1:])
