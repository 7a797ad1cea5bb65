"""train.py and test.py of a checkout of the reference implementation beside `gantool train` and `gantool translate`.

    python benchmarks/against_reference.py REFERENCE_DIR [--data DIR] [--size 256] [--images 20] [--json FILE]

REFERENCE_DIR is a checkout of pytorch-CycleGAN-and-pix2pix (any version since 2019) whose own packages are installed.
Both train CycleGAN with the paper's networks on the same images at the same sizes, once for one epoch and once for
three: the difference is what an image costs, the rest is start-up. Both then translate the same test images with the
weights that the reference has just written. Whole commands are timed, in turn, as a user runs them; displays, pages
and measurements while training are off on both sides.

Without ``--data`` (a folder with trainA, trainB, testA and testB) drawn scenes are used.
"""

from __future__ import annotations

import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from measured import Row, argument_parser, finish, middle
from PIL import Image

from gantool.data.images import find_images
from gantool.data.sample import draw_scene

NAMES: Mapping[str, Sequence[str]] = {
    "epochs": ("n_epochs", "niter"),
    "decay": ("n_epochs_decay", "niter_decay"),
    "batch": ("batch_size", "batchSize"),
    "load": ("load_size", "loadSize"),
    "crop": ("crop_size", "fineSize"),
    "generator": ("netG", "which_model_netG"),
    "tested": ("num_test", "how_many"),
    "threads": ("num_threads", "nThreads"),
}
"""What an option was called over the years, the newest name first."""
EPOCHS = (1, 3)


@dataclass(frozen=True)
class Task:
    """What both sides do.

    Attributes:
        data: a folder with trainA, trainB, testA and testB.
        images: per domain and epoch, and to translate.
        width: channels of the networks; 64 is the paper's.
    """

    data: Path
    size: int
    images: int
    width: int
    generator: str
    device: str


def known_options(checkout: Path) -> set[str]:
    """The names of the options that the checkout has."""
    files = [path for folder in ("options", "models", "data") for path in sorted((checkout / folder).glob("*.py"))]
    found = {
        name for path in files for name in re.findall(r"""['"]--(\w+)['"]""", path.read_text("utf-8", "replace"))
    }
    if not (checkout / "train.py").is_file() or "dataroot" not in found:
        raise SystemExit(f"{checkout}: is no checkout of pytorch-CycleGAN-and-pix2pix (no train.py, or no options)")
    return found


def words(known: set[str], options: Mapping[str, object]) -> list[str]:
    """The options as the checkout calls them; those that it does not have are left out.

    Args:
        options: by a name of `NAMES`, or by their own; True for a flag.
    """
    out: list[str] = []
    for name, value in options.items():
        own = next((one for one in NAMES.get(name, (name,)) if one in known), None)
        if own is not None:
            out += [f"--{own}"] if value is True else [f"--{own}", str(value)]
    return out


def reference_train(task: Task, checkout: Path, work: Path, epochs: int) -> list[str]:
    known = known_options(checkout)
    options: dict[str, object] = {
        "dataroot": task.data, "name": "timed", "checkpoints_dir": work / "checkpoints", "model": "cycle_gan",
        "epochs": epochs, "decay": 0, "batch": 1, "load": load_size(task), "crop": task.size, "ngf": task.width,
        "ndf": task.width, "generator": task.generator, "max_dataset_size": task.images, "save_epoch_freq": epochs,
        "save_latest_freq": 10**9, "print_freq": 10**6, "display_freq": 10**9, "update_html_freq": 10**9,
        "no_html": True, "display_id": -1,
    }  # fmt: skip
    if task.device == "cpu":
        options |= {"gpu_ids": -1, "threads": 0}
    return [sys.executable, "train.py", *words(known, options)]


def reference_test(task: Task, checkout: Path, work: Path) -> list[str]:
    options: dict[str, object] = {
        "dataroot": task.data / "testA", "name": "timed", "checkpoints_dir": work / "checkpoints", "model": "test",
        "model_suffix": "_A", "no_dropout": True, "results_dir": work / "results", "tested": task.images,
        "generator": task.generator, "ngf": task.width, "load": task.size, "crop": task.size,
    }  # fmt: skip
    if task.device == "cpu":
        options |= {"gpu_ids": -1}
    return [sys.executable, "test.py", *words(known_options(checkout), options)]


def our_train(task: Task, work: Path, epochs: int, precision: str) -> list[str]:
    settings = {
        "model.generator": task.generator, "model.width": task.width, "model.discriminator_width": task.width,
        "data.load_size": load_size(task), "data.max_images": task.images, "metrics.every": 0,
        "train.samples_every": 0, "train.save_every": epochs, "schedule.constant_epochs": epochs,
        "runtime.workers": 0 if task.device == "cpu" else 4,
    }  # fmt: skip
    pairs = [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
    return [sys.executable, "-m", "gantool", "train", "cyclegan", "--data", str(task.data), "--size", str(task.size),
            "--epochs", str(epochs), "--device", task.device, "--precision", precision, "--runs", str(work / "runs"),
            "-q", *pairs]  # fmt: skip


def our_test(task: Task, work: Path, images: Sequence[Path]) -> list[str]:
    weights = work / "checkpoints" / "timed" / "latest_net_G_A.pth"
    return [sys.executable, "-m", "gantool", "translate", *map(str, images), "--to", "B", "--model", str(weights),
            "--device", task.device, "-o", f"{work / 'ours'}/", "-q", "--overwrite"]  # fmt: skip


def load_size(task: Task) -> int:
    return round(task.size * 286 / 256)


def timed(call: Sequence[str], where: Path, device: str) -> float:
    """Seconds of a whole command.

    Raises:
        SystemExit: it failed; with what it said last.
    """
    environment = {**os.environ, **({"CUDA_VISIBLE_DEVICES": ""} if device == "cpu" else {})}
    started = time.perf_counter()
    done = subprocess.run(call, cwd=where, env=environment, capture_output=True, text=True, errors="replace")
    taken = time.perf_counter() - started
    if done.returncode:
        said = "\n".join((done.stderr.strip() or done.stdout.strip()).splitlines()[-5:])
        raise SystemExit(f"{' '.join(call[1:4])} ended with {done.returncode}:\n{said}")
    return taken


def drawn(folder: Path, size: int, images: int) -> Path:
    """A data set of drawn scenes."""
    for split, first in (("train", 0), ("test", 5000)):
        for domain in ("A", "B"):
            (folder / f"{split}{domain}").mkdir(parents=True)
        for n in range(images):
            scene = draw_scene(first + n, size=size)
            Image.fromarray(scene.summer).save(folder / f"{split}A" / f"{n:04d}.png")
            Image.fromarray(scene.winter).save(folder / f"{split}B" / f"{n:04d}.png")
    return folder


def measure(task: Task, checkout: Path, rounds: int) -> list[Row]:
    times: dict[str, list[float]] = {}
    tested = find_images(task.data / "testA")[: task.images]
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            work = Path(folder)
            for epochs in EPOCHS:
                reference = timed(reference_train(task, checkout, work, epochs), checkout, task.device)
                times.setdefault(f"train.py, {epochs}", []).append(reference)
                for precision in ("auto", "fp32"):
                    ours = timed(our_train(task, work, epochs, precision), work, task.device)
                    times.setdefault(f"gantool train ({precision}), {epochs}", []).append(ours)
            times.setdefault("test.py", []).append(timed(reference_test(task, checkout, work), checkout, task.device))
            times.setdefault("gantool translate", []).append(timed(our_test(task, work, tested), work, task.device))
            shutil.rmtree(work / "runs", ignore_errors=True)
    return rows_of(times, task.images, len(tested))


def rows_of(times: Mapping[str, Sequence[float]], images: int, tested: int) -> list[Row]:
    """What the commands took, and what of that an image costs."""
    few, many = EPOCHS
    sides = ("train.py", "gantool train (auto)", "gantool train (fp32)")
    found: dict[str, Sequence[float]] = {}
    for side in sides:
        pairs = zip(times[f"{side}, {few}"], times[f"{side}, {many}"], strict=True)
        found[f"{side}: an image"] = [(long - short) / ((many - few) * images) for short, long in pairs]
    for side in sides:
        found[f"{side}: one epoch of {images} images, start-up included"] = times[f"{side}, {few}"]
    for side in ("test.py", "gantool translate"):
        found[f"{side}: {tested} images, start-up included"] = times[side]
    rows: list[Row] = []
    for name, values in found.items():
        what = name.partition(": ")[2]
        base = next(one for side in ("train.py", "test.py") if (one := f"{side}: {what}") in found)
        if base == name:
            rows.append(Row(name, statistics.median(values), "s", noise=middle(values)[1]))
            continue
        ratio, noise = middle([own / other for own, other in zip(values, found[base], strict=True)])
        rows.append(Row(name, statistics.median(values), "s", ratio, base, noise))
    return rows


def main() -> None:
    parser = argument_parser(__doc__)
    parser.add_argument("reference", type=Path, metavar="REFERENCE_DIR")
    parser.add_argument("--data", type=Path, metavar="DIR")
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--images", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--generator", default="resnet_9blocks")
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    checkout = options.reference.resolve()
    known_options(checkout)
    with tempfile.TemporaryDirectory() as folder:
        data = options.data.resolve() if options.data is not None else None
        data = data or drawn(Path(folder) / "drawn", options.size, options.images)
        task = Task(data, options.size, options.images, options.width, options.generator, options.device)
        finish(measure(task, checkout, options.rounds), options.json)


if __name__ == "__main__":
    main()
