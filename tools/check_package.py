"""Build the sdist and the wheel and use them as their users do: alone, without torch, and with the README's commands.

    python tools/check_package.py

The sdist is built from the checkout and the wheel from the sdist. Then, each in an empty folder: the wheel without
its dependencies, with what docs/requirements-without-torch.txt lists in an environment of its own, translates and
segments a picture in less than 300 MB; and the wheel, with the packages of the environment that runs this, takes the
README's commands, with short trainings. Exits with 1 and a sentence at the first thing that is wrong.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
import tempfile
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
REQUIREMENTS = ROOT / "docs" / "requirements-without-torch.txt"
ROOM = 300e6  # bytes of an environment without torch
MUST_BE_IN_WHEEL = (
    "gantool/py.typed",
    "gantool/models/bundled/seasons.safetensors",
    "gantool/models/bundled/landscape.onnx",
    "gantool/methods/cyclegan/presets/cyclegan.yaml",
)
SHORT = [
    "--epochs", "1", "--size", "32", "--device", "cpu", "--set", "data.load_size=32", "--set", "data.scenes=4",
    "--set", "data.test_scenes=2", "--set", "model.width=4", "--set", "model.discriminator_width=4",
    "--set", "metrics.images=2",
]  # fmt: skip


def main() -> None:
    with tempfile.TemporaryDirectory() as kept:
        place = Path(kept)
        _run(sys.executable, "-m", "build", "--outdir", place / "dist", ROOT)
        wheel = next((place / "dist").glob("*.whl"))
        check_contents(wheel, next((place / "dist").glob("*.tar.gz")))
        without_torch(wheel, place / "slim")
        readme_commands(wheel, place / "full")
    print("the package is fit to be given away")


def check_contents(wheel: Path, sdist: Path) -> None:
    """Nothing is missing in either, and nothing is in the wheel that is not the package or about it."""
    names = zipfile.ZipFile(wheel).namelist()
    _demand(not set(MUST_BE_IN_WHEEL) - set(names), f"missing in the wheel: {set(MUST_BE_IN_WHEEL) - set(names)}")
    strange = [name for name in names if not re.match(r"gantool(-[^/]+\.dist-info)?/", name)]
    _demand(not strange, f"in the wheel, but not of the package: {strange}")
    licenses = [name for name in names if "/licenses/" in name]
    _demand(len(licenses) >= 3, f"only {licenses} tell the licenses")
    with tarfile.open(sdist) as archive:
        inside = {name.partition("/")[2] for name in archive.getnames()}
    tracked = subprocess.run(
        ["git", "ls-files", "src", "tests", "docs"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    missing = set(tracked.stdout.splitlines()) - inside
    _demand(not missing, f"missing in the sdist: {sorted(missing)[:5]}")
    print(f"wheel {wheel.stat().st_size / 1e6:.1f} MB, sdist {sdist.stat().st_size / 1e6:.1f} MB")


def without_torch(wheel: Path, place: Path) -> None:
    """The recipe for machines that only translate and segment."""
    venv.create(place / "venv", with_pip=True)
    python = place / "venv" / ("Scripts" if os.name == "nt" else "bin") / "python"
    _run(python, "-m", "pip", "install", "-q", "-r", REQUIREMENTS)
    _run(python, "-m", "pip", "install", "-q", "--no-deps", wheel)
    size = sum(path.lstat().st_size for path in (place / "venv").rglob("*"))
    _demand(size < ROOM, f"an environment without torch takes {size / 1e6:.0f} MB")
    work = place / "work"
    _draw_photos(python, work)
    gantool = (python, "-P", "-m", "gantool")
    _run(*gantool, "translate", "photo.jpg", "--to", "winter", cwd=work)
    _run(*gantool, "segment", "photo.jpg", "--outputs", "mask,overlay,polygons,coco", cwd=work)
    _run(*gantool, "info", cwd=work)
    made = {path.name for path in work.iterdir()}
    _demand({"photo.winter.jpg", "photo.mask.png", "photo.json"} <= made, f"without torch only {made} were made")
    refused = subprocess.run([*map(str, gantool), "train", "cyclegan"], cwd=work, capture_output=True, text=True)
    _demand(refused.returncode == 2 and "this needs torch" in refused.stderr, f"without torch: {refused.stderr}")
    print(f"without torch: {size / 1e6:.0f} MB, translates and segments")


def readme_commands(wheel: Path, place: Path) -> None:
    """What the README shows, by the wheel's files instead of the checkout's."""
    package = place / "package"
    _run(sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", package, wheel)
    work = place / "work"
    _draw_photos(sys.executable, work)
    environment = os.environ | {"PYTHONPATH": str(package), "OMP_NUM_THREADS": "1"}
    found = subprocess.run(
        [sys.executable, "-c", "import gantool; print(gantool.__file__)"],
        cwd=work,
        env=environment,
        capture_output=True,
        text=True,
    )
    _demand(found.stdout.startswith(str(package)), f"took {found.stdout} instead of the wheel")
    lines = re.findall(r"^gantool [^#\n]+", (ROOT / "README.md").read_text("utf-8"), re.MULTILINE)
    _demand(len(lines) >= 4, "the README shows no commands")
    for line in dict.fromkeys(line.strip() for line in lines):
        words = line.split()[1:]
        extra = SHORT if words[0] == "train" else ["--overwrite"] if words[0] in ("translate", "segment") else []
        _run(sys.executable, "-P", "-m", "gantool", *words, *extra, cwd=work, env=environment)


def _draw_photos(python: Path | str, work: Path) -> None:
    """``photo.jpg``, and two folders of pictures for those that train."""
    for name in (".", "DIR1", "DIR2"):
        (work / name).mkdir(parents=True, exist_ok=True)
    drawing = """
from PIL import Image
from gantool.data.sample import draw_scene
for index in range(4):
    scene = draw_scene(index, size=(64, 48))
    Image.fromarray(scene.summer).save(f"DIR1/{index}.jpg")
    Image.fromarray(scene.winter).save(f"DIR2/{index}.jpg")
Image.fromarray(draw_scene(7, size=(301, 203)).summer).save("photo.jpg")
Image.fromarray(draw_scene(8, size=(301, 203)).summer).save("painting.png")
"""
    _run(python, "-P", "-c", drawing, cwd=work)


def _run(*command: str | Path, cwd: Path | None = None, env: dict[str, str] | None = None) -> None:
    print("$", *command, flush=True)
    done = subprocess.run(list(map(str, command)), cwd=cwd, env=env, stdin=subprocess.DEVNULL)
    _demand(done.returncode == 0, f"{' '.join(map(str, command))} ended with {done.returncode}")


def _demand(holds: bool, sentence: str) -> None:
    if not holds:
        sys.exit(f"error: {sentence}")


if __name__ == "__main__":
    main()
