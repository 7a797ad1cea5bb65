"""Put the training set of the built-in segmenter together: paintings and drawn scenes, with nine classes.

    python tools/landscape_set.py data/paintings data/landscape-raw data/judged-raw --varied 240 --scenes 80

The paintings keep their split and their nine classes: a network that tells these apart and adds up the probabilities
labels the five that the model knows better than one that has learned only five. The scenes go to the training part:
varied ones, every third of them in the winter that the built-in model ``seasons`` makes of it, and those of the
built-in sample. The second folder gets the paintings with five classes, to judge the packed model on.
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
KINDS = ("sky", "tree", "grass", "earth", "mountain", "plant", "water", "sea", "river")
FIVE = {"sky": SKY, "mountain": MOUNTAIN, "tree": TREE, "plant": TREE, "grass": GROUND, "earth": GROUND,
        "water": WATER, "sea": WATER, "river": WATER}  # fmt: skip
_GREEN = 1.03  # times as much green as red is grass
# Of the built-in scenes' nine classes; no one of the five is a house.
SCENE_CLASSES = np.array([SKY, SKY, SKY, MOUNTAIN, GROUND, WATER, TREE, TREE, IGNORE], np.uint8)


def copy_paintings(paintings: Path, out: Path, judged: Path) -> None:
    described = read_description(paintings)
    words = [one["name"].partition(";")[0].strip() for one in described["classes"]]
    nine, five = (np.full(256, IGNORE, np.uint8) for _ in range(2))
    for index, word in enumerate(words):
        nine[index], five[index] = KINDS.index(word), FIVE[word]
    for split in ("train", "val", "test"):
        for image in sorted((paintings / split / "images").iterdir()):
            with Image.open(paintings / split / "masks" / f"{image.stem}.png") as mask:
                values = np.asarray(mask)
            for folder, table in ((out, nine), (judged, five)):
                save(folder / split, image.stem, None, table[values])
                shutil.copy(image, folder / split / "images" / image.name)


def in_kinds(pixels: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The nine classes of a drawn scene ``(H, W, 3)`` with five ``(H, W)``: green ground is grass, other is earth."""
    table = np.full(256, IGNORE, np.uint8)
    for word, five in (("sky", SKY), ("mountain", MOUNTAIN), ("tree", TREE), ("earth", GROUND), ("water", WATER)):
        table[five] = KINDS.index(word)
    green = pixels[..., 1] > pixels[..., 0] * _GREEN
    return np.where((mask == GROUND) & green, KINDS.index("grass"), table[mask]).astype(np.uint8)


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
    parser.add_argument("judged", type=Path)
    parser.add_argument("--varied", type=int, default=240)
    parser.add_argument("--scenes", type=int, default=80)
    arguments = parser.parse_args()
    train = arguments.out / "train"
    copy_paintings(arguments.paintings, arguments.out, arguments.judged)
    drawn = {f"varied{n:05d}": draw(n, SEED, SIZE) for n in range(arguments.varied)}
    for name, (pixels, mask) in drawn.items():
        save(train, name, pixels, mask)
    if arguments.varied:
        winter([train / "images" / f"{name}.png" for name in list(drawn)[::3]])
    for name, (_, mask) in drawn.items():
        with Image.open(train / "images" / f"{name}.png") as picture:
            save(train, name, None, in_kinds(np.asarray(picture.convert("RGB")), mask))
    for n in range(arguments.scenes):
        scene = draw_scene(n, size=SIZE, seed=SEED)
        pixels = scene.season("summer" if n % 2 else "winter")
        save(train, f"scene{n:05d}", pixels, in_kinds(pixels, SCENE_CLASSES[scene.mask]))
    for folder, names in ((arguments.out, KINDS), (arguments.judged, CLASSES)):
        (folder / "classes.txt").write_text("".join(f"{name}\n" for name in names))


def winter(pictures: list[Path]) -> None:
    """Replace pictures by what ``seasons`` makes of them."""
    with tempfile.TemporaryDirectory() as folder:
        command = (sys.executable, "-m", "gantool", "translate", "--to", "winter", "--model", "seasons", "-o", folder)
        subprocess.run((*command, *pictures), check=True, stdout=subprocess.DEVNULL)
        for picture in pictures:
            shutil.copy(Path(folder) / f"{picture.stem}.winter.png", picture)


if __name__ == "__main__":
    main()
