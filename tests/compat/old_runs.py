"""What is asked of gantool about the runs in ``v1/``, and how the answers are written down.

``tools/make_compat_fixture.py`` asks the gantool that writes the runs, ``test_old_runs.py`` the present one. Both go
through the command line, so that nothing here depends on where a function stands in the package. All paths are
relative to the current folder, a copy that `set_up` makes.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from safetensors import safe_open

from gantool.cli.app import run as run_command

FIXTURE = Path(__file__).parent / "v1"

OUTPUTS = {
    "cyclegan-summer": ("translate", "winter.png", "--to", "summer", "--model", "cyclegan"),
    "cyclegan-winter": ("translate", "summer.png", "--to", "winter", "--model", "cyclegan"),
    "pix2pix-summer": ("translate", "labels.png", "--to", "summer", "--model", "pix2pix"),
    "unet-mask": ("segment", "summer.png", "--outputs", "mask", "--model", "unet"),
}
"""By name of the picture: the command that makes it from a run."""

EXPORTED = {
    "cyclegan-to-winter.onnx": "cyclegan-winter",
    "cyclegan-to-winter.pt": "cyclegan-winter",
    "unet.onnx": "unet-mask",
    "unet.pt2": "unet-mask",
}
"""By exported file: the picture that it makes as well."""

EVALUATIONS = ("cyclegan", "unet")
RUNS = ("cyclegan", "pix2pix", "unet")
CARDS = (*(f"runs/{name}/model.safetensors" for name in RUNS), *(f"exported/{name}" for name in EXPORTED))

TIMES = ("time", "seconds", "images_per_second", "wait_share", "seconds_per_image")
"""Keys whose values are never the same twice."""


def set_up(folder: Path) -> None:
    """Copy runs, exported files and pictures; git keeps no empty folders, and runs have one for samples."""
    for name in ("runs", "exported"):
        shutil.copytree(FIXTURE / name, folder / name)
    for path in FIXTURE.glob("*.png"):
        shutil.copy(path, folder)
    for name in RUNS:
        (folder / "runs" / name / "samples").mkdir()


def command(*arguments: str | Path) -> str:
    """Run a command line that must succeed and return what it wrote to stdout."""
    out, err = StringIO(), StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = run_command([str(argument) for argument in arguments])
    assert code == 0, f"gantool {' '.join(map(str, arguments))} ended with {code}: {err.getvalue()}"
    return out.getvalue()


def answer(*arguments: str | Path) -> Any:
    """The same with ``--json``."""
    return json.loads(command(*arguments, "--json", "-q"))


def make_output(
    name: str, *, model: str | None = None, to: Path = Path("made"), options: tuple[str, ...] = ()
) -> Path:
    """Make one of `OUTPUTS`, with another model if one is named."""
    verb, picture, *rest = OUTPUTS[name]
    if model is not None:
        rest[-1] = model
    path = to / f"{name}.png"
    command(verb, picture, *rest, *options, "-o", path, "-q", "--overwrite", "--device", "cpu", "--precision", "fp32")
    return path


def evaluation(name: str) -> Any:
    """Evaluate a run on its own data; where a cache lies is cut out of the reasons for what was left out."""
    command("evaluate", name, "-o", f"evaluation-{name}", "-q", "--device", "cpu", "--precision", "fp32")
    result = json.loads(Path(f"evaluation-{name}", "evaluation.json").read_text("utf-8"))
    for one in result.get("results", []):
        one["left_out"] = {key: text.split(" (")[0] for key, text in one["left_out"].items()}
    return result


def finish(name: str) -> dict[str, Any]:
    """Resume a run to its end and tell everything about what then lies in its folder."""
    result = answer("train", "--resume", name)
    folder = Path("runs", name)
    state = load_state(name)
    models = {path.name: read_tensors(path) for path in sorted(folder.glob("*.safetensors"))}
    pictures = [made for made in OUTPUTS if made.startswith(f"{name}-")]
    return {
        "result": result,
        "metrics": [json.loads(line) for line in (folder / "metrics.jsonl").read_text("utf-8").splitlines()],
        "facts": json.loads((folder / "run.json").read_text("utf-8")),
        "cards": {path: read_metadata(folder / path) for path in models},
        "weights": statistics({**state["players"], "last": models["last.safetensors"]}),
        "sha256": {
            "last.pt": digest(state),
            **{path: digest(tensors) for path, tensors in models.items()},
            **{made: file_digest(make_output(made, to=Path("finished"))) for made in pictures},
        },
    }


def load_state(name: str) -> dict[str, Any]:
    """A run's checkpoint, which holds data alone."""
    state = torch.load(Path("runs", name, "checkpoints", "last.pt"), map_location="cpu", weights_only=True)
    assert isinstance(state, dict)
    return state


def read_tensors(path: Path) -> dict[str, torch.Tensor]:
    with safe_open(path, framework="pt") as file:
        return {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118


def read_metadata(path: Path) -> Any:
    """The card as it stands in the file."""
    with safe_open(path, framework="pt") as file:
        return json.loads(file.metadata()["gantool"])


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Everything in nested dictionaries and lists by its path; long lists of numbers stay whole.

    Left out: times, the state of a GPU's generator, and those flags of optimizers that torch adds with its versions.
    """
    if isinstance(value, dict):
        for key, inner in value.items():
            if key in (*TIMES, "waited", "cuda"):
                continue
            if "param_groups" in path and key not in ("lr", "betas", "weight_decay", "params"):
                continue
            yield from leaves(inner, f"{path}/{key}")
    elif isinstance(value, list | tuple) and not (len(value) > 16 and isinstance(value[0], int)):
        for place, inner in enumerate(value):
            yield from leaves(inner, f"{path}/{place}")
    else:
        yield path.lstrip("/"), value


def structure(state: Any) -> dict[str, str]:
    """What kind of value lies at every path, but for the sums of an epoch, which are empty at its end."""

    def kind(value: Any) -> str:
        if isinstance(value, torch.Tensor):
            return f"{value.dtype} {tuple(value.shape)}"
        return f"{len(value)} numbers" if isinstance(value, list | tuple) else type(value).__name__

    return {path: kind(value) for path, value in leaves(state) if not path.startswith("progress/sums/")}


def statistics(state: Any) -> dict[str, list[float]]:
    """Mean, standard deviation and the first eight values of every tensor of a network, to seven digits."""
    found = {}
    for path, value in leaves(state):
        if "optimizer" in path:
            continue
        flat = value.double().flatten()
        numbers = [flat.mean(), flat.std(correction=0), *flat[:8]]
        found[path] = [float(f"{float(number):.7g}") for number in numbers]
    return found


def digest(state: Any) -> str:
    """SHA-256 of all values and their paths."""
    total = hashlib.sha256()
    for path, value in sorted(leaves(state), key=lambda pair: pair[0]):
        total.update(path.encode())
        total.update(value.numpy().tobytes() if isinstance(value, torch.Tensor) else repr(value).encode())
    return total.hexdigest()


def file_digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def pixels(path: Path) -> torch.Tensor:
    """A picture's values as they stand in the file: ``(H, W)`` or ``(H, W, C)``."""
    with Image.open(path) as image:
        width, height = image.size
        return torch.frombuffer(bytearray(image.tobytes()), dtype=torch.uint8).view(height, width, -1).int()


def write_json(path: Path, value: Any) -> None:
    """Indented, but a list of numbers on one line."""
    text = json.dumps(value, indent=1)
    text = re.sub(r"\[\s+[^\[\]{}\"]*?\s+\]", lambda found: re.sub(r"\s*\n\s*", " ", found[0]), text)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text + "\n", "utf-8")
