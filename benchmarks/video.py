"""Clips: flicker and detail with and without ``--steady``, frames per second, and memory that does not grow.

    python benchmarks/video.py                                   # drawn scenes, the built-in models
    python benchmarks/video.py --model runs/light --only flicker # another model, which reaches winter
    python benchmarks/video.py --photos DIR --only flicker       # pan and zoom over photographs
    python benchmarks/video.py --only speed --rounds 3
    python benchmarks/video.py --only memory --minutes 10 --every 10

A camera pans and zooms over a drawn scene, or a photograph, with noise of its own in every frame (standard deviation
4 levels); so how every pixel moves is known. Frames go in and out as numbered PNG files, so that no codec blurs what
is measured:

- flicker, in levels of 255: the mean difference of a frame of the result from the one before, carried along the
  known motion, less the same of the input. Where the camera sees something for the first time, nothing is counted.
- SSIM to the truth: of drawn scenes, the same scene drawn in winter; of photographs, what the model makes of the
  still photograph, seen by the same camera. Noise is no part of it.

Speed is that of the whole command on a clip of 1920x1080 with sound, from the start of the process to its end, H.264
in and out. Memory is the largest of the process itself, without ffmpeg.
"""

from __future__ import annotations

import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from measured import Row, argument_parser, finish, middle
from numpy.typing import NDArray
from PIL import Image

from gantool.arrays import Floats, Pixels
from gantool.data.images import find_images, read_picture, write_picture
from gantool.data.sample import draw_scene
from gantool.metrics.perceptual import ssim
from gantool.workflows.image_jobs import FileOptions
from gantool.workflows.translate import TranslateOptions, load_translator
from gantool.workflows.video import ClipOptions, plan_clip_translation, translate_clips

SIZE = (384, 216)
NOISE = 4.0  # standard deviation, in levels
PATTERN = "%04d.png"
_ONCE = 6.0  # seconds of a clip that is drawn


# -- a camera over a still -----------------------------------------------------------------------------------------


def camera(number: int, count: int, still: tuple[int, int]) -> NDArray[np.float64]:
    """``(2, 3)``: where the pixels of a frame lie in a still of (width, height): to the right, and nearer."""
    share = number / max(count - 1, 1)
    zoom = (0.62 - 0.14 * share) * still[0] / SIZE[0]
    left = (0.04 + 0.42 * share) * still[0] * 0.9
    top = (0.30 - 0.16 * share) * still[1]
    angle = np.deg2rad(1.5 * np.sin(3 * share))
    turn = zoom * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return np.hstack([turn, [[left], [top]]])


def seen(still: Pixels, place: NDArray[np.float64]) -> Pixels:
    """What the camera sees of a still."""
    return np.asarray(cv2.warpAffine(still, place, SIZE, flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP))


def carried(before: Pixels, was: NDArray[np.float64], now: NDArray[np.float64]) -> tuple[Floats, NDArray[np.bool_]]:
    """A frame as the next one would see it, and where it saw that."""
    whole = [np.vstack([one, [0, 0, 1]]) for one in (was, now)]
    place = (np.linalg.inv(whole[0]) @ whole[1])[:2]
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    moved = cv2.warpAffine(before.astype(np.float32), place, SIZE, flags=flags)
    inside = cv2.warpAffine(
        np.ones(before.shape[:2], np.float32), place, SIZE, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    )
    return np.asarray(moved), np.asarray(inside) > 0.999


@dataclass(frozen=True)
class Filmed:
    """A clip whose motion is known."""

    frames: Sequence[Pixels]
    places: Sequence[NDArray[np.float64]]


def film(still: Pixels, count: int, seed: int, noise: float = NOISE) -> Filmed:
    rng = np.random.default_rng(seed)
    places = [camera(n, count, (still.shape[1], still.shape[0])) for n in range(count)]
    clean = [seen(still, place).astype(np.float32) for place in places]
    noisy = [np.clip(np.rint(one + rng.normal(0, noise, one.shape)), 0, 255).astype(np.uint8) for one in clean]
    return Filmed(noisy, places)


def restlessness(frames: Sequence[Pixels], places: Sequence[NDArray[np.float64]]) -> float:
    """Mean difference of frames from those before, carried along the motion, in levels."""
    found = []
    for n in range(1, len(frames)):
        moved, inside = carried(frames[n - 1], places[n - 1], places[n])
        found.append(float(np.abs(frames[n].astype(np.float32) - moved)[inside].mean()))
    return statistics.mean(found)


# -- flicker -------------------------------------------------------------------------------------------------------


def translated(model: str, frames: Sequence[Pixels], folder: Path, steady: str) -> list[Pixels]:
    """Frames through the command's own way of clips, as PNG files."""
    given, made = folder / "in", folder / steady
    for n, frame in enumerate(frames):
        write_picture(given / (PATTERN % (n + 1)), frame)
    options = TranslateOptions(
        "winter", model, files=FileOptions((str(given / PATTERN),), str(made / PATTERN), overwrite=True)
    )
    translator = load_translator(options)
    jobs, _ = plan_clip_translation(translator, options.files)
    (outcome,) = translate_clips(translator, jobs, options, ClipOptions(steady=steady))
    assert not outcome.error and outcome.frames == len(frames), outcome
    return [read_picture(path).pixels for path in find_images(made)]


def flicker(
    name: str, model: str, stills: Sequence[tuple[Pixels, Pixels]], count: int, noise: float, folder: Path
) -> list[Row]:
    """Rows of one model over several clips.

    Args:
        stills: each with its truth.
    """
    values: dict[str, list[float]] = {key: [] for key in ("off", "on", "ssim off", "ssim on")}
    for number, (still, truth) in enumerate(stills):
        clip = film(still, count, number, noise)
        expected = [seen(truth, place) for place in clip.places]
        base = restlessness(clip.frames, clip.places)
        for steady in ("off", "on"):
            made = translated(model, clip.frames, folder / f"{number}", steady)
            values[steady].append(restlessness(made, clip.places) - base)
            values[f"ssim {steady}"].append(
                statistics.mean(ssim(one, other) for one, other in zip(made, expected, strict=True))
            )
    mean = {key: statistics.mean(found) for key, found in values.items()}
    first = f"{name}, flicker"
    return [
        Row(first, mean["off"], "levels"),
        Row(f"{name}, flicker, steady", mean["on"], "levels", mean["on"] / mean["off"], first),
        Row(f"{name}, to the truth", mean["ssim off"], "SSIM"),
        Row(
            f"{name}, to the truth, steady", mean["ssim on"], "SSIM", mean["ssim on"] / mean["ssim off"],
            f"{name}, to the truth",
        ),
    ]  # fmt: skip


def drawn(count: int) -> list[tuple[Pixels, Pixels]]:
    scenes = [draw_scene(n, size=(2 * SIZE[0], 2 * SIZE[1])) for n in range(count)]
    return [(scene.summer, scene.winter) for scene in scenes]


def photographed(folder: Path, count: int, model: str) -> list[tuple[Pixels, Pixels]]:
    translator = load_translator(TranslateOptions("winter", model))
    stills = []
    for path in find_images(folder)[:count]:
        pixels = np.asarray(
            Image.fromarray(read_picture(path).pixels).resize((2 * SIZE[0], 2 * SIZE[1]), Image.Resampling.BICUBIC)
        )
        shown = np.asarray(Image.fromarray(pixels).resize((2 * SIZE[0], 2 * SIZE[1]), Image.Resampling.LANCZOS))
        truth = Image.fromarray(translator(shown)).resize((2 * SIZE[0], 2 * SIZE[1]), Image.Resampling.BICUBIC)
        stills.append((pixels, np.asarray(truth)))
    return stills


# -- speed and memory ----------------------------------------------------------------------------------------------


def write_clip(path: Path, seconds: float, rate: int = 25) -> None:
    """A clip of 1920x1080 with sound: a camera over a drawn scene, again and again where it is long."""
    if seconds > _ONCE:
        once = path.with_name("once.mp4")
        write_clip(once, _ONCE, rate)
        words = ("-v", "error", "-y", "-stream_loop", "-1", "-i", once, "-t", str(seconds), "-c", "copy", path)
        subprocess.run(["ffmpeg", *words], check=True)
        return
    still = draw_scene(3, size=(2560, 1440)).summer
    write_picture(path.with_suffix(".png"), still)
    pan = "crop=1920:1080:x='320+300*sin(t/3)':y='180+150*sin(t/2)',noise=alls=4:allf=t"
    subprocess.run(
        [
            "ffmpeg", "-v", "error", "-y", "-loop", "1", "-framerate", str(rate), "-i", path.with_suffix(".png"),
            "-f", "lavfi", "-i", "sine=440", "-t", str(seconds), "-vf", pan, "-c:v", "libx264",
            "-preset", "ultrafast", "-crf", "23", "-pix_fmt", "yuv420p", "-c:a", "aac", path,
        ],
        check=True,
    )  # fmt: skip


def command(words: Sequence[str], folder: Path) -> tuple[float, float, float]:
    """Wall and processor seconds of a command with its children, and its own memory in MiB."""
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "gantool", *words, "--quiet", "--overwrite", "-o", "out/"], cwd=folder,
        stdout=subprocess.DEVNULL,
    )  # fmt: skip
    memory = 0.0
    while process.poll() is None:
        memory = max(memory, own_memory(process.pid))
        time.sleep(0.1)
    if process.returncode:
        raise RuntimeError(f"gantool {words[0]} ended with {process.returncode}")
    wall, after = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
    shutil.rmtree(folder / "out")
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, memory


def own_memory(process: int) -> float:
    """The most that a process has had in memory so far, in MiB."""
    try:
        lines = Path(f"/proc/{process}/status").read_text("ascii").splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:")), 0.0)


TRANSLATE = ("translate", "clip.mp4", "--to", "winter", "--model", "seasons")
SEGMENT = ("segment", "clip.mp4", "--model", "landscape", "--outputs", "overlay")
WAYS: dict[str, Sequence[str]] = {
    "translate": TRANSLATE,
    "translate, steady": (*TRANSLATE, "--steady", "on"),
    "segment": SEGMENT,
    "segment, steady": (*SEGMENT, "--steady", "on"),
}


def speed(seconds: float, rounds: int, folder: Path) -> list[Row]:
    write_clip(folder / "clip.mp4", seconds)
    frames = round(25 * seconds)
    walls: dict[str, list[float]] = {name: [] for name in WAYS}
    used: dict[str, list[float]] = {name: [] for name in WAYS}
    for _ in range(rounds):
        for name, words in WAYS.items():
            wall, processor, _memory = command(words, folder)
            walls[name].append(frames / wall)
            used[name].append(1000 * processor / frames)
    rows = []
    for name in WAYS:
        first = name.partition(",")[0]
        ratio = None
        if name != first:
            ratio = statistics.median(a / b for a, b in zip(used[name], used[first], strict=True))
        rows.append(Row(f"1080p, {name}", statistics.median(walls[name]), "frames/s", noise=middle(walls[name])[1]))
        rows.append(
            Row(
                f"1080p, {name}, processor time per frame", statistics.median(used[name]), "ms", ratio,
                None if ratio is None else f"1080p, {first}, processor time per frame",
            )
        )  # fmt: skip
    return rows


def memory(minutes: float, every: int, folder: Path) -> list[Row]:
    """Of a short clip and of a long one."""
    rows: list[Row] = []
    for length in (minutes / 20, minutes):
        write_clip(folder / "clip.mp4", 60 * length)
        words = (*TRANSLATE, "--every", str(every))
        wall, _, most = command(words, folder)
        name = f"1080p, {length:g} minutes, memory"
        base = rows[0] if rows else None
        ratio = None if base is None or base.value is None else most / base.value
        rows.append(Row(name, most, "MiB", ratio, None if base is None else base.name, note=f"{wall:.0f} s"))
    return rows


def main(arguments: Sequence[str]) -> None:
    parser = argument_parser(__doc__)
    parser.add_argument("--model", default="seasons", help="for the flicker; it has to reach winter")
    parser.add_argument(
        "--photos", type=Path, metavar="DIR", help="photographs for the flicker instead of drawn scenes"
    )
    parser.add_argument("--count", type=int, default=4, help="clips for the flicker")
    parser.add_argument("--noise", type=float, default=NOISE, help="of every frame, in levels")
    parser.add_argument("--take", type=int, default=48, help="frames of each")
    parser.add_argument("--seconds", type=float, default=6, help="of the clip for the speed")
    parser.add_argument("--minutes", type=float, default=1, help="of the long clip for the memory")
    parser.add_argument("--every", type=int, default=5, help="of the frames of that clip, which are all decoded")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", action="append", choices=("flicker", "speed", "memory"), help="may be repeated")
    options = parser.parse_args(arguments)
    wanted = options.only or ["flicker", "speed", "memory"]
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if "flicker" in wanted:
            stills = (
                drawn(options.count)
                if options.photos is None
                else photographed(options.photos, options.count, options.model)
            )
            what = f"{'drawn' if options.photos is None else 'photographs'}, noise {options.noise:g}"
            rows += flicker(
                f"{Path(options.model).name}, {what}", options.model, stills, options.take, options.noise, folder
            )
        rows += speed(options.seconds, options.rounds, folder) if "speed" in wanted else []
        rows += memory(options.minutes, options.every, folder) if "memory" in wanted else []
    finish(rows, options.json)


if __name__ == "__main__":
    main(sys.argv[1:])
