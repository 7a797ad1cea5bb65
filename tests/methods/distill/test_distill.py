"""What a student learns, and from whom it may."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from support import HERE
from torch import Tensor, nn

from gantool.cards import Architecture, Card, Direction, Domain
from gantool.engine.runtime import Runtime
from gantool.engine.task import Player
from gantool.errors import ModelError, SettingsError, UsageError
from gantool.methods.distill.method import DistillMethod
from gantool.methods.distill.task import Distill, DistillWeights
from gantool.methods.gan.game import Game
from gantool.methods.registry import load_settings, make_method
from gantool.nets.features import critic_layers
from gantool.nets.patchgan import MultiScaleDiscriminator
from gantool.nets.registry import build_discriminator, build_generator
from gantool.workflows.plan_training import TrainOptions, plan_training

SMALL: dict[str, Any] = {
    "model.width": 2, "data.size": 32, "data.load_size": 32, "data.scenes": 2, "data.test_scenes": 2,
    "model.discriminator": "n_layers", "model.discriminator_layers": 1, "model.discriminator_width": 2,
    "runtime.device": "cpu", "runtime.precision": "fp32", "runtime.workers": 0,
}  # fmt: skip


def method(**settings: Any) -> DistillMethod:
    made = make_method(load_settings("distill-sample", base=SMALL | settings))
    assert isinstance(made, DistillMethod)
    return made


def save_teacher(path: Path, source: str = "summer", target: str = "winter", **card: Any) -> Path:
    options = {"in_channels": 3, "out_channels": 3, "width": 2}
    direction = Direction(
        source=source, target=target, net=f"to_{target}",
        architecture=Architecture(name="resnet_light", options=options),
    )  # fmt: skip
    made = Card(task="cyclegan", domains=(Domain(name=source), Domain(name=target)), directions=(direction,), **card)
    net = build_generator("resnet_light", width=2)
    save_file({f"to_{target}/{key}": value for key, value in net.state_dict().items()}, path,
              {"gantool": made.to_json()})  # fmt: skip
    return path


class Halved(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(0.5))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.weight


def test_the_objective_by_hand() -> None:
    """A student that halves pictures of 0.8, a teacher that gives 0, and a discriminator that adds."""
    card = Card(task="distill", domains=(Domain(name="a"), Domain(name="b")), directions=())
    student, critic = Halved(), nn.Module()
    critic.model = nn.Sequential(nn.Conv2d(6, 1, 1), nn.LeakyReLU(0.2), nn.Conv2d(1, 1, 1))  # type: ignore[assignment]
    critic.forward = lambda x: critic.model(x)  # type: ignore[method-assign]
    for parameter in critic.parameters():
        parameter.data.fill_(1.0)
    players = [
        Player(name, {key: net}, torch.optim.SGD(net.parameters(), lr=1.0))
        for name, key, net in (("generator", "to_b", student), ("discriminator", "pair", critic))
    ]
    task = Distill(card, nn.Identity(), players[0], players[1], DistillWeights(10.0, 2.0), Game("lsgan"))
    task.teacher = Zero()  # type: ignore[assignment]
    seen: list[tuple[str, float]] = []
    losses = task.step(
        {"a": torch.full((1, 3, 4, 4), 0.8)}, lambda player, loss: seen.append((player.name, loss.item()))
    )
    # Three channels of 0.8 and three of 0 or 0.4, and a bias of 1, twice.
    real, made = 3 * 0.8 + 1 + 1, 3 * 0.8 + 3 * 0.4 + 1 + 1
    expected = {
        "discriminator": ((real - 1) ** 2 + made**2) / 2, "adversarial": (made - 1) ** 2,
        "reconstruction": 10 * 0.4, "features": 2 * 3 * 0.4,
    }  # fmt: skip
    assert {name: loss.item() for name, loss in losses.items()} == pytest.approx(expected)
    whole = expected["adversarial"] + expected["reconstruction"] + expected["features"]
    assert seen == [("discriminator", pytest.approx(expected["discriminator"])), ("generator", pytest.approx(whole))]


class Zero(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.zeros_like(x)


def test_layers_of_discriminators() -> None:
    patch = build_discriminator("n_layers", width=2, layers=2)
    x = torch.randn(1, 3, 32, 32)
    assert [layer.shape[1] for layer in critic_layers(patch, x)] == [2, 4, 8]
    two = MultiScaleDiscriminator([build_discriminator("pixel", width=2) for _ in range(2)])
    assert [tuple(layer.shape[1:]) for layer in critic_layers(two, x)] == [
        (2, 32, 32), (4, 32, 32), (2, 16, 16), (4, 16, 16)
    ]  # fmt: skip
    with pytest.raises(TypeError, match="no sequence of layers"):
        critic_layers(nn.Identity(), x)


def test_only_the_source_is_read_and_colors_are_changed_picture_by_picture() -> None:
    made = method(**{"augment.discriminator": ["color"], "data.max_images": 2})
    runtime = Runtime("cpu", 1, "fp32")
    batches = list(made.batches(runtime).epoch(0, 0))
    assert len(batches) == 2 and all(sorted(batch) == ["a"] for batch in batches)
    assert made.task(runtime, fresh=True).game.pictures == (3, 3)


def test_the_teacher_stays_and_the_student_learns() -> None:
    made = method()
    runtime = Runtime("cpu", 1, "fp32")
    task = made.task(runtime, fresh=True)
    runtime.prepare(task.players)
    before = [parameter.clone() for parameter in task.teacher.parameters()]
    first = None
    for _ in range(30):
        losses = task.step(made.preview(), runtime.make_update())
        first = first or losses["reconstruction"].item()
    assert all(torch.equal(a, b) for a, b in zip(before, task.teacher.parameters(), strict=True))
    assert losses["reconstruction"].item() < 0.8 * first
    with torch.no_grad():
        found = made.measure(task.nets(), "val", runtime)
    assert found is not None
    assert list(found.values) == ["l1_ratio_to_winter", "l1_to_teacher"]
    assert list(task.preview(made.preview(), task.nets())) == ["summer", "teacher", "to winter"]


def test_a_run_goes_on_with_its_own_teacher(tmp_path: Path) -> None:
    teacher = save_teacher(tmp_path / "a.safetensors")
    settings = {"model.teacher": str(teacher)}
    state = method(**settings).task(Runtime("cpu", 1, "fp32"), fresh=True).state_dict()
    task = method(**settings).task(Runtime("cpu", 1, "fp32"), fresh=False)
    task.load_state_dict(state)
    save_teacher(teacher)
    other = method(**settings).task(Runtime("cpu", 1, "fp32"), fresh=False)
    with pytest.raises(ModelError, match="is not the one that the run began with"):
        other.load_state_dict(state)


def test_teachers_that_are_none(tmp_path: Path) -> None:
    other = save_teacher(tmp_path / "other.safetensors", "day", "night")
    deep = save_teacher(tmp_path / "deep.safetensors", multiple_of=256)
    for teacher, error, message in (
        ("landscape", ModelError, "is a segmenter; only translations are distilled"),
        (str(other), ModelError, "translates day to night, the data is summer to winter"),
        (str(deep), SettingsError, r"data\.size: must be a multiple of 256 for the teacher, got 32"),
        (str(HERE / "compat/v1/exported/cyclegan-to-winter.onnx"), ModelError, "is an exported file"),
        ("nobody", ModelError, '--distill nobody: There is no model "nobody"'),
    ):
        with pytest.raises(error, match=message):
            method(**{"model.teacher": teacher})
    with pytest.raises(SettingsError, match=r"data\.channels: must be \[3, 3\]"):
        method(**{"data.domains": two_folders(tmp_path), "data.channels": (1, 1)})
    with pytest.raises(UsageError, match="--distill trains a model of its own, not pix2pix"):
        plan_training(TrainOptions("pix2pix", distill="seasons"))
    with pytest.raises(ModelError, match="--distill nobody: There is no model"):
        plan_training(TrainOptions(distill="nobody"))


def two_folders(path: Path) -> dict[str, str]:
    from PIL import Image

    for name in ("summer", "winter"):
        (path / name).mkdir()
        for n in range(3):
            Image.new("L", (40, 40), 40 * n).save(path / name / f"{n}.png")
    return {name: str(path / name) for name in ("summer", "winter")}
