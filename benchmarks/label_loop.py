"""From ten labelled images on: is it worth labelling what the model is least sure of, rather than any images?

    gantool prepare bob-ross --split 0.8,0.1,0.1 -o data/paintings
    python benchmarks/label_loop.py data/paintings --encoder-weights tf_efficientnet_lite0.safetensors

Plays the loop of docs/labelling.md with the published labels as the one who corrects: train on a few images, let
the model choose the next ones (or draw them), train on from its weights, and so on. Both orders start from the same
images and the same weights. What is measured is the mean IoU over the validation and test images, which neither the
training nor the choice sees. A result that is there is not measured again, so a second call goes on.
"""

from __future__ import annotations

import argparse
import csv
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np

GANTOOL = (sys.executable, "-m", "gantool")
ORDERS = ("uncertainty", "random")


def call(*command: object) -> None:
    done = subprocess.run([*GANTOOL, *map(str, command)], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, command))}\n{done.stderr}")


class Loop:
    """The data and the settings of all rounds."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self.arguments, self.data, self.work = arguments, arguments.data.resolve(), arguments.work
        self.names = sorted(path.name for path in (self.data / "train/images").iterdir())
        self.judged = self.work / "judged"
        if not self.judged.exists():
            for split in ("val", "test"):
                for path in (self.data / split / "images").iterdir():
                    self._link(path, self.judged / "train")
            self._describe(self.judged)

    def round(self, run: str, names: list[str], before: str | None, seed: int) -> float:
        """Train on some of the images and return the mean IoU on those that are judged."""
        runs, folder = self.work / "runs", self.work / "labelled" / run
        result = self.work / f"{run}.json"
        if not result.exists():
            shutil.rmtree(folder, ignore_errors=True)
            shutil.rmtree(runs / run, ignore_errors=True)
            for name in names:
                self._link(self.data / "train/images" / name, folder / "train")
            self._describe(folder)
            steps = self.arguments.steps if before else self.arguments.first_steps
            start = ("--init-from", before) if before else self._beginning()
            call("train", "segmentation-small", "--data", folder, "--runs", runs, "--name", run, *start,
                 "--seed", seed, "--epochs", max(round(steps / max(len(names) // 8, 1)), 1),
                 "--set", "data.holdout=0", "--set", "metrics.every=100000", "--set", "train.samples_every=0",
                 "--set", "schedule.warmup_epochs=0")  # fmt: skip
            out = self.work / f"{run}-evaluation"
            call("evaluate", run, "--runs", runs, "--data", self.judged, "--split", "train", "-o", out, "--overwrite")
            (evaluation,) = out.glob("*.json")
            result.write_text(evaluation.read_text("utf-8"), "utf-8")
        return float(json.loads(result.read_text("utf-8"))["models"][0]["mean_iou"])

    def next(self, run: str, order: str, labelled: list[str], count: int, rng: np.random.Generator) -> list[str]:
        """Which images to label after these."""
        rest = [name for name in self.names if name not in labelled]
        if order == "random":
            return [*labelled, *(rest[n] for n in rng.permutation(len(rest))[:count])]
        out = self.work / "ranking" / run
        paths = [self.data / "train/images" / name for name in rest]
        ranked = (
            "--rank",
            "uncertainty",
            "--model",
            run,
            "--runs",
            self.work / "runs",
            "-o",
            f"{out}/",
            "--overwrite",
        )
        call("segment", *paths, *ranked)
        with (out / "uncertainty.csv").open(newline="", encoding="utf-8") as file:
            found = [Path(row["image"]).name for row in csv.DictReader(file)]
        return [*labelled, *found[:count]]

    def _beginning(self) -> tuple[object, ...]:
        return ("--init-from", "none", "--encoder-weights", self.arguments.encoder_weights)

    def _link(self, image: Path, folder: Path) -> None:
        mask = image.parent.parent / "masks" / f"{image.stem}.png"
        for path in (image, mask):
            target = folder / path.parent.name / path.name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target)

    def _describe(self, folder: Path) -> None:
        for path in self.data.glob("*.yaml"):
            shutil.copy(path, folder / path.name)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="a prepared set with train, val and test")
    parser.add_argument("--encoder-weights", default="none", help="of the first round")
    parser.add_argument("--work", type=Path, default=Path("label-loop"))
    parser.add_argument("--sizes", type=int, nargs="+", default=[10, 20, 30, 45, 60, 80])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--first-steps", type=int, default=200)
    parser.add_argument("--steps", type=int, default=100)
    arguments = parser.parse_args()
    loop = Loop(arguments)
    print("| order | seed |", " | ".join(map(str, arguments.sizes)), "|")
    for seed in arguments.seeds:
        first = list(np.random.default_rng(seed).permutation(loop.names)[: arguments.sizes[0]])
        for order in ORDERS:
            names, before, values = [str(name) for name in first], None, []
            rng = np.random.default_rng([seed, 1])
            for size in arguments.sizes:
                if before is not None:
                    names = loop.next(before, order, names, size - len(names), rng)
                run = f"first-{seed}" if before is None else f"{order}-{seed}-{size}"
                values.append(loop.round(run, names, before, seed))
                before = run
            print(f"| {order} | {seed} |", " | ".join(f"{value:.3f}" for value in values), "|", flush=True)


if __name__ == "__main__":
    main()
