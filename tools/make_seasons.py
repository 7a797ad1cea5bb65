"""Make the built-in model again, from its photographs to the file in the package: two hours of a CPU core.

    python tools/make_seasons.py

A step whose result is there is not repeated, so a second call goes on where the first one stopped. Needs scikit-learn
(``pip install -e ".[dev]"``) and 200 MB of photographs, which are downloaded or taken from --data.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
GANTOOL = (sys.executable, "-m", "gantool")


def step(command: tuple[str | Path, ...]) -> None:
    print("$", *command, flush=True)
    subprocess.run(command, check=True)


def train(name: str, preset: str, data: Path, *words: str) -> Path:
    """Train, or go on with it; returns the model file."""
    if (Path("runs") / name).exists():
        step((*GANTOOL, "train", "--resume", name))
    else:
        step((*GANTOOL, "train", preset, "--data", data, "--name", name, *words))
    return Path("runs") / name / "model.safetensors"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="summer2winter_yosemite", help="a folder or archive of the photographs")
    arguments = parser.parse_args()
    photographs, typical, aside = Path("data/yosemite"), Path("data/typical"), Path("data/aside")
    if not photographs.exists():
        step((*GANTOOL, "prepare", arguments.data, "--drop-duplicates", "-o", photographs))
    for folder, words in ((typical, ()), (aside, ("--aside", "60"))):
        if not folder.exists():
            step((sys.executable, HERE / "typical_pictures.py", photographs, folder, *words))
    both = train("seasons-training", "cyclegan-seasons", typical)
    to_winter = ("--to", "winter")
    begin = (
        "loss.contrast=1",
        "augment.discriminator=[translation,cutout]",
        "schedule.name=constant",
        "train.epochs=16",
    )
    careful = train("winter-1", "cut-seasons", aside, *to_winter, *(word for one in begin for word in ("--set", one)))
    winter = train("winter-2", "cut-seasons", aside, *to_winter, "--init-from", careful.parent.name)
    applied = ("size winter=128", "size summer=96", "strength winter=0.9", "strength summer=0.7", "blur 0.7")
    changes = [word for one in applied for word in f"--change-{one}".split()]
    step((sys.executable, HERE / "package_model.py", both, winter, "seasons", *changes))


if __name__ == "__main__":
    main()
