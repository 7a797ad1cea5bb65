"""Put the training set of the built-in segmenter together: paintings and drawn scenes with five classes.

    python tools/landscape_set.py data/bob-ross data/landscape-raw --varied 240 --scenes 80

The paintings keep their split; their nine classes become five. The scenes go to the training part: varied ones, every
third of them in the winter that the built-in model ``seasons`` makes of it, and those of the built-in sample.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from drawn_landscapes import CLASSES, GROUND, MOUNTAIN, SKY, TREE, WATER, draw
from PIL import Image

from gantool.arrays import IGNORE
from gantool.data.sample import draw_scene
from gantool.data.sources.description import read_description

SEED = 1
SIZE = (256, 192)
WORDS = {"sky": SKY, "mountain": MOUNTAIN, "tree": TREE, "plant": TREE, "grass": GROUND, "earth": GROUND,
         "water": WATER, "sea": WATER, "river": WATER}  # fmt: skip
# Of the built-in scenes' nine classes; no one of the five is a house.
SCENE_CLASSES = np.array([SKY, SKY, SKY, MOUNTAIN, GROUND, WATER, TREE, TREE, IGNORE], np.uint8)


def copy_paintings(paintings: Path, out: Path) -> None:
    described = read_description(paintings)
    table = np.full(256, IGNORE, np.uint8)
    for index, one in enumerate(described["classes"]):
        table[index] = WORDS[one["name"].partition(";")[0].strip()]
    for split in ("train", "val", "test"):
        for image in sorted((paintings / split / "images").iterdir()):
            with Image.open(paintings / split / "masks" / f"{image.stem}.png") as mask:
                save(out / split, image.stem, None, table[np.asarray(mask)])
            shutil.copy(image, out / split / "images" / image.name)


def save(folder: Path, name: str, pixels: np.ndarray | None, mask: np.ndarray) -> None:
    for kind in ("images", "masks"):
        (folder / kind).mkdir(parents=True, exist_ok=True)
    Image.fromarray(mask).save(folder / "masks" / f"{name}.png")
    if pixels is not None:
        Image.fromarray(pixels).save(folder / "images" / f"{name}.png")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("paintings", type=Path, help="a prepared set")
    parser.add_argument("out", type=Path)
    parser.add_argument("--varied", type=int, default=240)
    parser.add_argument("--scenes", type=int, default=80)
    arguments = parser.parse_args()
    train = arguments.out / "train"
    copy_paintings(arguments.paintings, arguments.out)
    for n in range(arguments.varied):
        save(train, f"varied{n:05d}", *draw(n, SEED, SIZE))
    if arguments.varied:
        winter([train / "images" / f"varied{n:05d}.png" for n in range(0, arguments.varied, 3)])
    for n in range(arguments.scenes):
        scene = draw_scene(n, size=SIZE, seed=SEED)
        save(train, f"scene{n:05d}", scene.season("summer" if n % 2 else "winter"), SCENE_CLASSES[scene.mask])
    (arguments.out / "classes.txt").write_text("".join(f"{name}\n" for name in CLASSES))


def winter(pictures: list[Path]) -> None:
    """Replace pictures by what ``seasons`` makes of them."""
    with tempfile.TemporaryDirectory() as folder:
        command = (sys.executable, "-m", "gantool", "translate", "--to", "winter", "--model", "seasons", "-o", folder)
        subprocess.run((*command, *pictures), check=True, stdout=subprocess.DEVNULL)
        for picture in pictures:
            shutil.copy(Path(folder) / f"{picture.stem}.winter.png", picture)


if __name__ == "__main__":
    main()
