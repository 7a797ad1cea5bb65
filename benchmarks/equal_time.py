"""What helps the discriminator of a CUT, and CUT or CycleGAN: on photographs, in equal processor time.

    python benchmarks/equal_time.py data/yosemite --to winter [--minutes 6] [--processes 2] [--json FILE]

The data is a folder of two domains with a test split, such as `gantool prepare` leaves. Each way of `WAYS` is
trained by one thread for as many steps as fit into the minutes. How long a step takes is measured first, by two short
trainings, because the learning rate has to know where the end is; the steps are what equal time buys, and the
processor time that a training really took (start-up included) is in its row. Every way sees the same images, crops of
128 px at the images' own scale, and its last weights are judged, so no test photograph was used for a choice.

Judged on all test photographs: SWD to the real ones of the target domain, and KID with the features of a segmenter's
encoder (``--features``, the built-in `landscape` unless given), with 95 % intervals over photographs, and how much
closer than the untranslated ones they are. One training each: what another seed would do is not in the intervals.
Trainings that are finished are not made again.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from measured import Row, argument_parser, finish
from seasons import Judge, edges, kernel_distances, rows_of, some

from gantool.data.images import read_pixels
from gantool.data.sources.find import find_source
from gantool.metrics.perceptual import ssim
from gantool.metrics.sliced import sliced_distance
from gantool.models.files import load_segmenter
from gantool.models.find import find_model
from gantool.workflows.translate import TranslateOptions, load_translator

_INSTANCE = "model.discriminator_norm=instance"
WAYS: Mapping[str, tuple[str, Sequence[str]]] = {
    "instance norm": ("cut-light", (_INSTANCE,)),
    "two scales": ("cut-light", (_INSTANCE, "model.discriminator_scales=2")),
    "relativistic, R1, R2": ("cut-light", (_INSTANCE, "loss.adversarial=relativistic", "loss.r1=1", "loss.r2=1")),
    "R1": ("cut-light", (_INSTANCE, "loss.r1=1")),
    "spectral norm": ("cut-light", ()),
    "augmentation": ("cut-light", (_INSTANCE, "augment.discriminator=[color, translation, cutout]")),
    "skip generator, spectral norm": (
        "cut-light",
        ("model.generator=resnet_light_skip", "model.norm=none", "model.init=xavier", "model.init_gain=1.0"),
    ),
    "cyclegan-light": ("cyclegan-light", ()),
}
"""What is compared: the preset, and the settings that make the difference; `cut-light` itself has spectral norm."""
COMMON = ("data.load_size=256", "metrics.every=0", "train.samples_every=0", "train.save_every=1000")
EPOCH = 400
"""Most images per domain and epoch: what total of steps can be had is a multiple of it."""


class Trainings:
    """Trainings of the ways on one data set, each in a process with one thread."""

    def __init__(self, data: Path, to: str, runs: Path, short: int) -> None:
        self.data, self.to, self.runs, self.short = data, to, runs, short

    def train(self, way: str, name: str, epochs: int, images: int) -> float:
        """The processor seconds that it took; a run that is there already is not made again."""
        note = self.runs / f"{name}.json"
        if not note.exists():
            preset, settings = WAYS[way]
            words = [sys.executable, "-m", "gantool", "train", preset, "--data", str(self.data), "--crop", "128"]
            words += ["--epochs", str(epochs), "--runs", str(self.runs), "--name", name, "--device", "cpu", "--quiet"]
            words += ["--to", self.to] * preset.startswith("cut")
            for setting in (*COMMON, f"data.max_images={images}", *settings):
                words += ["--set", setting]
            note.parent.mkdir(parents=True, exist_ok=True)
            seconds = _processor_seconds(words)
            note.write_text(json.dumps({"seconds": seconds, "epochs": epochs, "images": images}) + "\n", "utf-8")
        return float(json.loads(note.read_text("utf-8"))["seconds"])

    def step(self, way: str) -> float:
        """Processor seconds of one step: what more steps cost more, so without the start-up."""
        key = _key(way)
        few, many = (self.train(way, f"{key}-step-{n}", n, self.short) for n in (1, 4))
        return max(many - few, 0.003) / (3 * self.short)

    def equal(self, way: str, minutes: float, images: int) -> Row:
        """The training proper, as a row of its processor time."""
        step = self.step(way)
        epochs = max(round(60 * minutes / step / images), 1)
        seconds = self.train(way, _key(way), epochs, images)
        note = f"{epochs * images} steps of {1000 * step:.0f} ms"
        return Row(f"{way}: processor time", seconds, "s", note=note)


def _key(way: str) -> str:
    return way.lower().replace(",", "").replace(" ", "-")


def _processor_seconds(words: Sequence[str]) -> float:
    """Of a command and all that it started; ``wait4`` tells it for one process, whatever others run."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(words, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    with process.stderr:
        said = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(words)}: exit code {process.returncode}\n{said}")
    return usage.ru_utime + usage.ru_stime


def judged(way: str, model: Path, to: str, inputs: Sequence[Path], real: Judge, plain: Judge) -> list[Row]:
    """SWD, KID and kept edges of a model's translations of the test photographs."""
    translator = load_translator(TranslateOptions(to, str(model), device="cpu"))
    made, kept = Judge(real.encoder), []
    for path in inputs:
        pixels = read_pixels(path)
        result = translator(pixels)
        made.add(result)
        kept.append(ssim(edges(result), edges(pixels)))
    swd = [sliced_distance(real.patches, judge.patches).overall for judge in (made, plain)]
    kid = kernel_distances(real, (made, plain))
    rows = [row for name, pair in (("SWD", swd), ("KID", kid)) for row in rows_of(way, name, pair[0], pair[1])]
    intervals = {"SWD": swd[0], "KID": kid[0]}
    rows = [row for row in rows if row.name.endswith(" of the translated")]
    return [
        *(
            Row(row.name, row.value, row.unit, noise=row.noise,
                note=f"{intervals[row.unit].low:.4f} to {intervals[row.unit].high:.4f}; {row.note}")
            for row in rows
        ),
        Row(f"{way}: structure kept in edges", float(np.mean(kept)), "SSIM"),
    ]  # fmt: skip


def main() -> None:
    parser = argument_parser(__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--to", required=True)
    parser.add_argument("--minutes", type=float, default=6, help="of processor time for each way")
    parser.add_argument("--processes", type=int, default=2, help="trainings at a time")
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--features", help="a segmenter: a run or a model file; the built-in landscape unless given")
    parser.add_argument("--only", action="append", choices=list(WAYS))
    parser.add_argument("--images", type=int, default=EPOCH, help="at most so many of each domain are trained on")
    parser.add_argument("--short", type=int, default=40, help="steps per epoch of the trainings that measure a step")
    parser.add_argument("--count", type=int, help="at most so many test images of each domain, evenly spread")
    options = parser.parse_args()
    ways = options.only or list(WAYS)
    domains = find_source(str(options.data)).domains()
    target, source = (domains.a, domains.b) if domains.a.name == options.to else (domains.b, domains.a)
    if target.name != options.to:
        raise SystemExit(f"--to {options.to}: the domains are {domains.a.name} and {domains.b.name}")
    images = min(options.images, max(len(source.train), len(target.train)))
    trainings = Trainings(options.data, options.to, options.runs, min(options.short, images))
    with ThreadPoolExecutor(options.processes) as pool:
        taken = list(pool.map(lambda way: trainings.equal(way, options.minutes, images), ways))

    torch.set_num_threads(1)
    features = find_model(options.features or "landscape", options.runs)
    encoder = load_segmenter(features.path, features.card).encoder
    real, plain = Judge(encoder), Judge(encoder)
    inputs = some(source.test, options.count)
    for judge, paths in ((real, some(target.test, options.count)), (plain, inputs)):
        for path in paths:
            judge.add(read_pixels(path))
    rows = [
        Row("untranslated: SWD", sliced_distance(real.patches, plain.patches).overall.value, "SWD"),
        Row("untranslated: KID", kernel_distances(real, (plain,))[0].value, "KID"),
    ]
    finish(rows, None)
    for way, row in zip(ways, taken, strict=True):
        model = options.runs / _key(way) / "model.safetensors"
        own = [row, *judged(way, model, options.to, inputs, real, plain)]
        finish(own, None)
        rows += own
    if options.json is not None:
        finish(rows, options.json)


if __name__ == "__main__":
    main()
