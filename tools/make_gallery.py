"""Make the pictures of docs/gallery.md from runs on the built-in sample, and that of the built-in model.

    gantool train cyclegan --epochs 20 && gantool train cut --to winter --epochs 20 && gantool train pix2pix
    gantool train pix2pix --to labels --name labels && gantool train unet
    python tools/make_gallery.py
    python tools/make_gallery.py --only seasons    # needs no runs

Each picture has three drawn scenes above, which no training has seen, and below what a model makes of them.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

import gantool
from gantool.data.sample import CLASS_COLORS, CLASSES, Scene, draw_scene

FOLDER = Path(__file__).parent.parent / "docs" / "images" / "gallery"
SCENES = (90_001, 90_004, 90_011)  # far from those that trainings draw
SIZE = (320, 224)  # as shown
SQUARE = ("pix2pix", "pix2pix-labels")  # the sample's preset learns 64 px squares, so scenes are drawn like that
GAP = 6

Pixels = NDArray[np.uint8]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--only", help="one of the pictures")
    arguments = parser.parse_args()
    runs, only = arguments.runs, arguments.only
    rows: dict[str, tuple[Callable[[Scene], Pixels], Callable[[Scene], Pixels]]] = {
        "seasons": (lambda scene: scene.summer, lambda scene: translate(scene.summer, "winter", "seasons", runs)),
        "cyclegan": (lambda scene: scene.summer, lambda scene: translate(scene.summer, "winter", "cyclegan", runs)),
        "cyclegan-back": (
            lambda scene: scene.winter,
            lambda scene: translate(scene.winter, "summer", "cyclegan", runs),
        ),
        "cut": (lambda scene: scene.summer, lambda scene: translate(scene.summer, "winter", "cut", runs)),
        "pix2pix": (colored, lambda scene: translate(colored(scene), "summer", "pix2pix-1", runs)),
        "pix2pix-labels": (lambda scene: scene.summer, lambda scene: segment(scene, "labels", runs)),
        "unet": (lambda scene: scene.summer, lambda scene: segment(scene, "unet", runs)),
        "landscape": (lambda scene: scene.summer, lambda scene: overlay(scene)),
    }
    FOLDER.mkdir(parents=True, exist_ok=True)
    if only in (None, "seasons"):
        home(runs).save(FOLDER.parent / "seasons.jpg", quality=82, optimize=True)
    for name, (before, after) in rows.items():
        if only not in (None, name):
            continue
        scenes = [draw_scene(index, size=64 if name in SQUARE else SIZE) for index in SCENES]
        picture = grid([[before(scene) for scene in scenes], [after(scene) for scene in scenes]])
        picture.save(FOLDER / f"{name}.jpg", quality=82, optimize=True)
        print(FOLDER / f"{name}.jpg", (FOLDER / f"{name}.jpg").stat().st_size // 1000, "kB")


def home(runs: Path) -> Image.Image:
    """Two scenes in summer and winter, each followed by what the built-in model makes of it for the other season."""
    rows = []
    for index in (90_012, 90_014):
        scene = draw_scene(index, size=(360, 240))
        to_winter = translate(scene.summer, "winter", "seasons", runs)
        rows.append(
            np.hstack([scene.summer, to_winter, scene.winter, translate(scene.winter, "summer", "seasons", runs)])
        )
    white = np.full((4, rows[0].shape[1], 3), 255, np.uint8)
    return Image.fromarray(np.vstack([rows[0], white, rows[1]]))


def translate(image: Pixels, to: str, model: str, runs: Path) -> Pixels:
    return np.asarray(gantool.translate(image, to=to, model=model, runs=runs))


def segment(scene: Scene, model: str, runs: Path) -> Pixels:
    """The label map in the colors of the sample's classes."""
    labels = gantool.segment(scene.summer, model=model, runs=runs)
    return np.array(CLASS_COLORS, dtype=np.uint8)[[CLASSES.index(name) for name in labels.classes]][labels.mask]


def overlay(scene: Scene) -> Pixels:
    labels = gantool.segment(scene.summer, model="landscape")
    return np.asarray(labels.overlay(scene.summer))


def colored(scene: Scene) -> Pixels:
    return np.array(CLASS_COLORS, dtype=np.uint8)[scene.mask]


def grid(rows: list[list[Pixels]]) -> Image.Image:
    height = SIZE[1]
    width = round(height * rows[0][0].shape[1] / rows[0][0].shape[0])
    sheet = Image.new("RGB", (len(rows[0]) * (width + GAP) - GAP, len(rows) * (height + GAP) - GAP), (128, 128, 128))
    for y, row in enumerate(rows):
        for x, image in enumerate(row):
            sheet.paste(Image.fromarray(image).resize((width, height)), (x * (width + GAP), y * (height + GAP)))
    return sheet


if __name__ == "__main__":
    main()
