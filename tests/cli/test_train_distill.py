"""``gantool train --distill``."""

from __future__ import annotations

from pathlib import Path

from PIL import Image
from support import TINY, Cli

from gantool.workflows.plan_training import TrainOptions, plan_training


def test_from_the_command_line(cli: Cli, workplace: Path) -> None:
    """The teacher's run says which data and which size; its own name is not needed."""
    folders = {name: str(workplace / name) for name in ("summer", "winter")}
    for path in map(Path, folders.values()):
        path.mkdir()
        for n in range(3):
            Image.new("RGB", (40, 40), (40 * n, 90, 90)).save(path / f"{n}.png")
    named = [word for name, path in folders.items() for word in ("--domain", f"{name}={path}")]
    tiny = [word for word in TINY if not word.startswith("data.")]
    tiny = [word for place, word in enumerate(tiny) if word != "--set" or "=" in tiny[place + 1]]
    trained = cli("train", "cut-light", *named, *tiny, "--set", "model.projection_width=4", "--epochs", "1")
    assert trained.code == 0, trained.err
    small = [word for word in tiny if word not in ("--crop", "32")]
    done = cli("train", "--distill", "cut-light-1", *small, "--epochs", "1")
    assert done.code == 0, done.err
    assert done.out == "runs/distill-1/model.safetensors\n"
    assert "On images not seen in training" in done.err
    assert "L1 to teacher ↓" in done.err
    plan = plan_training(TrainOptions(distill="cut-light-1"))
    assert plan.settings.data.size == 32
    assert plan.settings.data.label == " and ".join(folders.values())
    made = cli("translate", "summer/1.png", "--to", "winter", "--model", "distill-1")
    assert made.code == 0, made.err
