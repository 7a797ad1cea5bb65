"""A training of the built-in model's recipe at 256 px for as long as there is time, to be gone on with later."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from gantool.data.augment import to_tensor
from gantool.data.images import find_images, read_pixels
from gantool.data.sample import draw_scene
from gantool.models.files import read_card
from gantool.report.grids import write_grid
from gantool.workflows.translate import TranslateOptions, load_translator
from gpu_report.context import Context
from gpu_report.timing import OutOfTime

__all__ = ["seasons"]

NAME = "seasons"
_TO_SAVE = 25.0  # seconds from asking to stop to having saved and looked at pictures
_TINY = ("data.size=32", "data.load_size=32", "data.scenes=4", "data.test_scenes=2", "model.width=4",
         "model.discriminator_width=4", "train.epochs=2")  # fmt: skip


def seasons(context: Context) -> None:
    """Train until shortly before the deadline, then keep weights, numbers and pictures.

    ``runs/seasons`` of the report's folder is gone on with if it is there; ``seasons.safetensors`` has the delivered
    weights, ``seasons.png`` what they do.
    """
    runs = context.report.folder / "runs"
    run = runs / NAME
    words = _words(context, runs, run)
    print(f"$ gantool {' '.join(words)}", flush=True)
    process = subprocess.Popen([sys.executable, "-m", "gantool", *words])
    ended = True
    try:
        process.wait(timeout=max(context.deadline.left - _TO_SAVE, 1))
    except subprocess.TimeoutExpired:
        ended = False
        process.terminate()  # saves first
        try:
            process.wait(timeout=max(context.deadline.left - _TO_SAVE / 3, 1))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    _look(context, run)
    if ended and process.returncode:
        raise RuntimeError(f"gantool ended with {process.returncode}; see the log")
    if not ended:
        raise OutOfTime("to be gone on with: the same command again, with the same folder")


def _words(context: Context, runs: Path, run: Path) -> list[str]:
    """The command: going on where that is possible, else a new run."""
    if (run / "checkpoints" / "last.pt").exists():
        return ["train", "--resume", NAME, "--runs", str(runs)]
    if run.exists():
        shutil.rmtree(run)  # ended before its first checkpoint
    words = ["train", "cyclegan-seasons", "--name", NAME, "--runs", str(runs), "--device", str(context.device)]
    words += ["--data", str(context.data) if context.data is not None else "sample"]
    every = ("data.size=256", "train.save_steps=500", *(_TINY if context.tiny else ()), *context.words)
    return [*words, *(part for word in every for part in ("--set", word))]


def _look(context: Context, run: Path) -> None:
    """Rows and files from what the run has left."""
    records = [json.loads(line) for line in _lines(run / "metrics.jsonl")]
    if records:
        _add_rows(context, records)
    models = [path for path in (run / "model.safetensors", run / "last.safetensors") if path.exists()]
    if not models:
        raise RuntimeError("the training left no model: it ended before its first checkpoint")
    shutil.copyfile(models[0], context.report.folder / "seasons.safetensors")
    pictures = samples(models[0], context)
    write_grid(context.report.folder / "seasons.png", pictures)


def _lines(path: Path) -> list[str]:
    return path.read_text("utf-8").splitlines() if path.exists() else []


def _add_rows(context: Context, records: list[dict[str, Any]]) -> None:
    last = records[-1]
    context.report.add(context.part, "epochs", float(last["epoch"]), "epochs", note=time.strftime("%Y-%m-%d"))
    speeds = [one["images_per_second"] for one in records if one.get("images_per_second")]
    if speeds:
        context.report.add(context.part, "speed with reading of images", float(np.median(speeds)), "samples/s")
    if last.get("wait_share") is not None:
        context.report.add(context.part, "share of the time that waits for images", float(last["wait_share"]), "")
    measured = [one for one in records if one.get("metrics")]
    if measured:
        name = next(iter(measured[-1]["metrics"]))
        best = min(measured, key=lambda one: float(one["metrics"][name]))
        for note, one in (("the last", measured[-1]), (f"the best, after epoch {best['epoch']}", best)):
            context.report.add(context.part, f"{name}, {note}", float(one["metrics"][name]), name)


def samples(model: Path, context: Context, count: int = 4) -> dict[str, torch.Tensor]:
    """Test images of both domains and their translations, by title of the column."""
    side = 32 if context.tiny else 256
    pictures = {}
    for direction in read_card(model).directions:
        images = _images(context.data, direction.source, side, count)
        translator = load_translator(TranslateOptions(direction.target, str(model), device=str(context.device)))
        made = [translator(pixels) for pixels in images]
        pictures[direction.source] = torch.stack([to_tensor(pixels) for pixels in images])
        pictures[f"{direction.source} to {direction.target}"] = torch.stack([to_tensor(pixels) for pixels in made])
    return pictures


def _images(data: Path | None, domain: str, side: int, count: int) -> list[Any]:
    """Pictures of a domain, cut to squares of one size."""
    if data is None:
        return [getattr(draw_scene(10_000 + n, size=side), domain) for n in range(count)]
    letter = {"summer": "A", "winter": "B"}.get(domain, domain)
    folders = [data / "test" / domain, data / f"test{letter}", data / domain]
    folder = next((one for one in folders if one.is_dir()), None)
    if folder is None:
        raise FileNotFoundError(f"{data}: no test images of {domain}")
    images = []
    for path in find_images(folder)[:count]:
        pixels = read_pixels(path)
        top, left = ((length - min(pixels.shape[:2])) // 2 for length in pixels.shape[:2])
        square = pixels[top : top + min(pixels.shape[:2]), left : left + min(pixels.shape[:2])]
        step = max(square.shape[0] // side, 1)
        images.append(np.ascontiguousarray(square[: side * step : step, : side * step : step]))
    return images
