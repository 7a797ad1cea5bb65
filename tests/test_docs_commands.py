"""Every command line in the README and the documentation is run, page by page, with short trainings."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import stat
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from short_trainings import shorter
from support import Outcome

from gantool.cli.app import run
from gantool.data.masks import write_mask
from gantool.data.sample import CLASS_COLORS, CLASSES, draw_scene

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
SHELLS = ("console", "bash", "sh")

# What is no command of gantool's: installations, other people's programs, and our tools that take hours.
ELSEWHERE = (
    "pip ",
    "pipx ",
    "uv ",
    "python -m venv",
    "gantool-env/",
    "python tools/",
    "python tests/",
    "labelme ",
    "curl ",
    "docker ",
    "sudo ",
    "systemctl ",
)
SERVES = re.compile(r"\bgantool serve\b")  # which never ends; tests/serve starts it

# Blocks of these are for machines that are not here.
CLUSTER = re.compile(r"^#!|\b(srun|torchrun|parallel)\b|/shared/|s3://", re.MULTILINE)

# Commands that are meant to end otherwise than with 0.
CODES = {
    "gantool segment photo.jpg --model unet-resnet50-1.onnx --device cuda": (0, 2),  # where there is none
    "gantool export cyclegan --format reference": (2,),  # of the sample's light network, which the reference has not
    # Of a model trained for a second: as a rule too far from it.
    "gantool export unet-resnet50 --precision int8 --calibrate photos/": (0, 1),
}

# What a page takes for granted, as shell lines in a folder that has everything of `world`.
SEGMENTERS = ["gantool train unet-resnet50", "gantool train pix2pix --to labels"]
TWO_CYCLEGANS = ["gantool train cyclegan", "gantool train cyclegan"]
ANNOTATED = ["gantool segment photos --outputs polygons"]  # instead of ten images by hand
SETUP = {
    "batch.md": [
        *ANNOTATED,
        "gantool prepare photos -o data/first",
        "gantool train segmentation-small --data data/first",
    ],
    "cli.md": ["gantool train unet-resnet50", "rm -r data"],
    "data.md": [
        "cp -r photos my_annotations && gantool segment my_annotations --outputs polygons",
        "rm photos/* && cp -r DIR1 photos/july && cp -r DIR2 photos/january",
        "mv data/facades .",
        "mkdir houses && cp -r DIR1 houses/photo && cp -r DIR1 houses/sketch",
    ],
    "evaluation.md": [
        *SEGMENTERS,
        *TWO_CYCLEGANS,
        "mkdir made real",
        "cp DIR1/* made",
        "cp DIR2/* real",
        "cp -r data/scenes/test/masks masks && cp -r masks labels",
    ],
    "export.md": [
        "gantool train unet-resnet50",
        "gantool train cyclegan --set model.generator=resnet_6blocks --name large",
        "gantool export large --format reference && cp latest_net_G_A.pth latest_net_G.pth",
        "gantool train cyclegan",
        f"{sys.executable} -c 'import segmentation_models_pytorch as smp; "
        'smp.Unet(encoder_weights=None).save_pretrained("my_smp_model")\'',
    ],
    "translation.md": ["n=0; for file in DIR2/*; do mv $file DIR2/$n.jpg; n=$((n + 1)); done"],  # pairs have one name
    "scale.md": ["rm -r photos && cp -r data/seasons photos && cp photos/test/summer/{1,0042}.jpg"],
    "label-maps.md": ["cp -r data/pairs .", "gantool train unet"],
    "labelling.md": ANNOTATED,
    "seasons.md": ["rm -r data/seasons"],
    "video.md": [
        "ffmpeg -v error -f lavfi -i testsrc2=s=96x64:r=10:d=3 -f lavfi -i sine=d=3 -pix_fmt yuv420p clip.mp4",
        "ffmpeg -v error -i clip.mp4 -t 1 loop.gif && mkdir frames && ffmpeg -v error -i loop.gif frames/%04d.png",
    ],
    "segmentation.md": [
        "rm -r data/bob-ross data/facades",
        f"cp -r data/scenes paintings && cd paintings && {sys.executable} -m zipfile -c ../paintings.zip *",
        "cp -r photos building_facades_coco && gantool segment building_facades_coco --outputs polygons",
    ],
}


@dataclass(frozen=True)
class Block:
    """The command lines of one fenced block."""

    page: Path
    lines: tuple[str, ...]


def blocks(page: Path) -> list[Block]:
    found = []
    text = page.read_text("utf-8")
    for match in re.finditer(r"^( *)```(\w+)\n(.*?)^\1```", text, re.MULTILINE | re.DOTALL):
        if match[2] in SHELLS and not CLUSTER.search(match[3]):
            joined = match[3].replace("\\\n", " ")
            lines = (re.sub(r"\s+#.*$", "", line).strip() for line in joined.splitlines())
            found.append(Block(page, tuple(line for line in lines if line and not line.startswith("#"))))
    return found


def commands(page: Path) -> list[str]:
    return [
        line
        for block in blocks(page)
        for line in block.lines
        if "gantool " in line and not line.startswith(ELSEWHERE) and not SERVES.search(line)
    ]


# What `gantool` is in the lines that a shell has to run.
SHIM = '''#!{python}
"""gantool, but a training is a matter of a second."""
import sys

sys.path.insert(0, {tests!r})
from gantool.cli.app import main
from short_trainings import shorter

if __name__ == "__main__":  # workers of gantool's own start this file, too
    sys.argv = [sys.argv[0], *shorter(sys.argv[1:])]
    main()
'''


def draw(folder: Path, count: int, season: str = "summer", first: int = 0) -> None:
    folder.mkdir(parents=True)
    for index in range(first, first + count):
        Image.fromarray(getattr(draw_scene(index, size=(64, 48)), season)).save(folder / f"{index}.jpg")


def labelled(folder: Path) -> None:
    """Images with index masks, for training and for testing, and a table of classes."""
    for split, indices in (("train", range(8)), ("test", range(8, 12))):
        (folder / split / "images").mkdir(parents=True)
        (folder / split / "masks").mkdir()
        for index in indices:
            scene = draw_scene(index, size=(64, 48))
            Image.fromarray(scene.summer).save(folder / split / "images" / f"{index}.png")
            write_mask(folder / split / "masks" / f"{index}.png", scene.mask, CLASS_COLORS)
    table = [f"{name},{r},{g},{b}" for name, (r, g, b) in zip(CLASSES, CLASS_COLORS, strict=True)]
    (folder / "class_dict.csv").write_text("\n".join(["name,r,g,b", *table]))


def side_by_side(folder: Path, count: int = 8) -> None:
    folder.mkdir(parents=True)
    for index in range(count):
        scene = draw_scene(index, size=(64, 64))
        halves = np.hstack([scene.summer, np.array(CLASS_COLORS, np.uint8)[scene.mask]])
        Image.fromarray(halves).save(folder / f"{index}.png")


@pytest.fixture(scope="session")
def bin_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bin")
    shim = folder / "gantool"
    shim.write_text(SHIM.format(python=sys.executable, tests=str(ROOT / "tests")))
    shim.chmod(shim.stat().st_mode | stat.S_IXUSR)
    return folder


@pytest.fixture
def world(workplace: Path) -> Path:
    """The files that the pages speak of."""
    scene = draw_scene(7, size=(96, 72))
    for name in ("photo.jpg", "painting.png", "facade.jpg", "x.jpg", "last"):
        Image.fromarray(scene.summer).save(workplace / name, format="PNG" if name == "last" else None)
    write_mask(workplace / "mask.png", scene.mask, CLASS_COLORS)
    draw(workplace / "DIR1", 8)
    draw(workplace / "DIR2", 8, "winter", 20)
    draw(workplace / "photos", 12)
    for split in ("train", "test"):
        draw(workplace / "data" / "seasons" / split / "summer", 6)
        draw(workplace / "data" / "seasons" / split / "winter", 6, "winter", 20)
    draw(workplace / "data" / "summer2winter_yosemite" / "trainA", 8)
    draw(workplace / "data" / "summer2winter_yosemite" / "trainB", 8, "winter", 20)
    for name in ("bob-ross", "camvid", "streets", "scenes"):
        labelled(workplace / "data" / name)
    for name in ("facades", "pairs"):
        side_by_side(workplace / "data" / name)
    return workplace


def expanded(word: str) -> list[str]:
    """What a shell makes of a word with a wildcard."""
    return sorted(path.as_posix() for path in Path().glob(word)) or [word] if re.search(r"[*?[]", word) else [word]


def run_line(line: str, bin_folder: Path, capsys: pytest.CaptureFixture[str]) -> Outcome:
    """A line in this process, where torch is loaded, if it is one command without anything that needs a shell."""
    bare = re.sub(r"'[^']*'|\"[^\"$`]*\"", "", line)
    if line.startswith("gantool ") and not re.search(r"[|&;<>$~`(){}!]", bare):
        words = shlex.split(line)[1:]
        arguments = [one for word in words for one in expanded(word)]
        capsys.readouterr()
        code = run(shorter(arguments))
        return Outcome(code, *capsys.readouterr())
    environment = os.environ | {"PATH": f"{bin_folder}{os.pathsep}{os.environ['PATH']}", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        ["bash", "-c", line], env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=300
    )
    return Outcome(done.returncode, done.stdout, done.stderr)


def test_every_command_line_is_one_that_is_known() -> None:
    for page in PAGES:
        for block in blocks(page):
            for line in block.lines:
                assert line.startswith(ELSEWHERE) or "gantool " in line, f"{page.name}: {line}"


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in PAGES if commands(page)], ids=lambda page: page.stem)
def test_commands_do_what_the_page_says(
    page: Path, world: Path, bin_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if page.name == "video.md" and shutil.which("ffmpeg") is None:
        pytest.skip("ffmpeg is not installed here")
    for line in SETUP.get(page.name, []):
        done = run_line(line, bin_folder, capsys)
        assert done.code == 0, f"{line}\n{done.err}"
    for line in commands(page):
        done = run_line(line, bin_folder, capsys)
        wanted = (0, 1) if "--fail-" in line else CODES.get(line, (0,))  # what gates say of an untrained model
        assert done.code in wanted, f"{page.name}: {line}\n{done.out}\n{done.err}"
