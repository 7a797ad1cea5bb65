"""Make the built-in model again, from its photographs to the file in the package: an hour and a half of a CPU.

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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="summer2winter_yosemite", help="a folder or archive of the photographs")
    arguments = parser.parse_args()
    photographs, typical, run = Path("data/yosemite"), Path("data/typical"), Path("runs/seasons-training")
    if not photographs.exists():
        step((*GANTOOL, "prepare", arguments.data, "--drop-duplicates", "-o", photographs))
    if not typical.exists():
        step((sys.executable, HERE / "typical_pictures.py", photographs, typical))
    if not run.exists():
        step((*GANTOOL, "train", "cyclegan-seasons", "--data", typical, "--name", run.name))
    else:
        step((*GANTOOL, "train", "--resume", run.name))
    model = run / "model.safetensors"
    changes = ("--change-size", "96", "--change-blur", "0.7", "--change-strength", "summer=0.7")
    step((sys.executable, HERE / "package_model.py", model, "seasons", *changes))


if __name__ == "__main__":
    main()
