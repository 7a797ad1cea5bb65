"""A step of CUT, and what becomes of its settings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor, nn

from gantool.engine.runtime import Runtime
from gantool.engine.task import Player
from gantool.errors import ModelError, SettingsError, UsageError
from gantool.methods.cut.method import CutMethod
from gantool.methods.cut.patch_places import PatchPlaces
from gantool.methods.cut.task import Cut, CutWeights
from gantool.methods.gan.game import Game
from gantool.methods.registry import load_settings, make_method
from gantool.nets.registry import build_generator
from gantool.workflows.plan_training import TrainOptions, plan_training

TINY: dict[str, Any] = {
    "model.width": 2, "data.size": 32, "data.load_size": 32, "data.scenes": 2, "data.test_scenes": 3,
    "model.discriminator": "n_layers", "model.discriminator_layers": 1, "model.discriminator_width": 2,
    "model.projection_width": 8, "runtime.device": "cpu", "runtime.precision": "fp32", "runtime.workers": 0,
}  # fmt: skip


def method(preset: str = "cut-sample", **settings: Any) -> CutMethod:
    made = make_method(load_settings(preset, base=TINY | settings))
    assert isinstance(made, CutMethod)
    return made


def task(preset: str = "cut-sample", **settings: Any) -> Cut:
    return method(preset, **settings).task(Runtime("cpu", 1, "fp32"), fresh=True)


def images(seed: int = 0, count: int = 1, side: int = 32) -> dict[str, Tensor]:
    random = torch.Generator().manual_seed(seed)
    return {name: torch.rand(count, 3, side, side, generator=random) * 2 - 1 for name in "ab"}


def gradients(one: Cut, batch: dict[str, Tensor], update: Any = None) -> dict[str, Tensor]:
    """Of the generator's player after a step."""

    def keep(player: Player, loss: Tensor) -> None:
        player.optimizer.zero_grad()
        loss.backward()

    one.step(batch, update or keep)
    return {
        f"{kind}.{name}": parameter.grad.clone()
        for kind, net in one.generator.nets.items()
        for name, parameter in net.named_parameters()
        if parameter.grad is not None
    }


def test_every_weight_reaches_the_objective() -> None:
    one = task(**{
        "loss.adversarial": "vanilla", "loss.contrast": 3.0, "loss.identity": False, "loss.flip": True,
        "loss.patches": 17, "loss.temperature": 0.2, "loss.layers": (0, 4), "train.seed": 9,
        "augment.discriminator": ("color",), "optimizer.lr": 1e-3, "optimizer.discriminator_lr": 4e-3,
    })  # fmt: skip
    assert one.weights == CutWeights(3.0, False, True, 0.2)
    assert one.game == Game("vanilla", policies=("color",))
    assert [player.optimizer.param_groups[0]["lr"] for player in one.players] == [1e-3, 4e-3]
    assert (one._places.count, one._places._random.initial_seed()) == (17, 9)
    assert one.layered.layers == (0, 4)
    assert list(one.losses) == ["discriminator", "adversarial", "contrast_summer"]
    assert one.losses["contrast_summer"].weight == 1
    assert one.losses["adversarial"].reference == ("ln 2", pytest.approx(np.log(2)))


def test_presets_are_the_papers() -> None:
    cut, fast = load_settings("cut"), load_settings("fastcut")
    assert (cut.model.generator, cut.model.discriminator) == ("resnet_9blocks_antialias", "basic_antialias")
    assert (cut.loss.contrast, cut.loss.identity, cut.loss.flip, cut.train.epochs) == (1.0, True, False, 400)
    assert (fast.loss.contrast, fast.loss.identity, fast.loss.flip, fast.train.epochs) == (10.0, False, True, 200)
    assert (cut.loss.patches, cut.loss.temperature, cut.model.projection_width) == (256, 0.07, 256)
    assert (cut.model.init, cut.optimizer.lr, cut.train.batch_size) == ("xavier", 2e-4, 1)


@pytest.mark.parametrize("flip", [False, True])
def test_casting_loses_no_gradients(flip: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights that autocast has kept from a pass without gradients would give none to the next pass."""
    found = []
    monkeypatch.setattr(PatchPlaces, "mirrored", lambda self: True)
    for cast in (False, True):
        one = task(**{"loss.flip": flip, "model.width": 8})
        with torch.autocast("cpu", torch.bfloat16, enabled=cast):
            found.append(gradients(one, images()))
    assert found[0].keys() == found[1].keys()
    for name, right in found[0].items():
        if right.dim() > 1:
            alike = torch.cosine_similarity(right.flatten(), found[1][name].flatten(), dim=0)
            assert alike > 0.7, name


def test_mirrored_pictures_are_compared_with_what_they_were(monkeypatch: pytest.MonkeyPatch) -> None:
    """A generator that changes no place has one contrast for pictures and for mirrored ones."""
    monkeypatch.setattr(PatchPlaces, "mirrored", lambda self: True)
    one = task("fastcut-sample", **{"loss.layers": (0,)})
    batch = images()
    straight = Straight(one.layered)
    monkeypatch.setattr(Cut, "layered", straight)
    mirrored = one.step(batch, lambda player, loss: None)
    assert straight.seen[0].equal(batch["a"].flip(3)), "what is translated is mirrored"
    monkeypatch.setattr(PatchPlaces, "mirrored", lambda self: False)
    one._places = PatchPlaces(one._places.count, 0)
    plain = one.step(batch, lambda player, loss: None)
    assert mirrored["contrast_summer"].item() == pytest.approx(plain["contrast_summer"].item())


class Straight(nn.Module):
    """Makes every picture a little darker, and has it as the only layer."""

    def __init__(self, layered: nn.Module) -> None:
        super().__init__()
        self.real, self.seen = layered, []

    def forward(self, x: Tensor, whole: bool = True) -> tuple[Tensor, list[Tensor]]:
        self.seen.append(x)
        return x * 0.9, [x]


def test_the_generator_does_not_move_the_discriminator() -> None:
    one = task()
    moved: list[str] = []

    def update(player: Player, loss: Tensor) -> None:
        player.optimizer.zero_grad()
        loss.backward()
        moved.append(player.name)
        grads = [parameter.grad for parameter in one.discriminator.parameters()]
        if player.name == "generator":
            assert all(grad is None or torch.equal(grad, kept) for grad, kept in zip(grads, before, strict=True))
        before[:] = [grad.clone() for grad in grads if grad is not None]

    before: list[Tensor] = []
    one.step(images(), update)
    assert moved == ["discriminator", "generator"], "in the order of the paper's code"
    assert all(parameter.requires_grad for parameter in one.discriminator.parameters())


def test_places_are_different_ones_alike_on_all_ranks() -> None:
    first, second = PatchPlaces(40, 3), PatchPlaces(40, 3)
    features = [torch.zeros(1, 2, 9, 9), torch.zeros(1, 2, 5, 5)]
    drawn = first.draw(features)
    assert [len(places) for places in drawn] == [40, 25]
    assert all(len(places.unique()) == len(places) for places in drawn)
    assert all(torch.equal(a, b) for a, b in zip(drawn, second.draw(features), strict=True))
    state = first.state_dict()
    expected = [first.draw(features)[0], first.mirrored(), first.draw(features)[0]]
    third = PatchPlaces(40, 8)
    third.load_state_dict(state)
    found = [third.draw(features)[0], third.mirrored(), third.draw(features)[0]]
    assert torch.equal(expected[0], found[0])
    assert expected[1] == found[1]
    assert torch.equal(expected[2], found[2])
    assert {first.mirrored() for _ in range(40)} == {True, False}


def test_the_direction_can_be_chosen() -> None:
    made = method(**{"data.to": "summer"})
    card = made.task(Runtime("cpu", 1, "fp32"), fresh=True).card()
    assert [(one.source, one.target) for one in card.directions] == [("winter", "summer")]
    assert made.about.endswith("winter to summer")
    batch, straight = made.preview(), method().preview()
    assert torch.equal(batch["a"], straight["b"])
    with torch.no_grad():
        found = made.measure({"to_summer": nn.Identity()}, "val", Runtime("cpu", 1, "fp32"))
        final = made.measure({"to_summer": nn.Identity()}, "test", Runtime("cpu", 1, "fp32"))
    assert found is not None
    assert final is not None
    assert found.values == pytest.approx({"l1_ratio_to_summer": 1})
    assert {name: list(values) for name, values in final.baselines.items()} == {
        "median training image": ["l1_ratio_to_summer"], "histogram matching": ["l1_ratio_to_summer"]
    }  # fmt: skip
    with pytest.raises(SettingsError, match='--to wint: the data has no domain "wint".*winter'):
        method(**{"data.to": "wint"})


def folders(path: Path, count: int = 4) -> dict[str, str]:
    random = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (path / name).mkdir()
        for n in range(count):
            Image.fromarray(random.integers(0, 256, (40, 40, 3), np.uint8)).save(path / name / f"{n}.png")
    return {name: str(path / name) for name in ("cat", "dog")}


def test_pictures_without_truth_are_measured_by_the_sliced_distance(tmp_path: Path) -> None:
    made = method("cut-light", **{"data.domains": folders(tmp_path), "data.holdout": 0.5})
    with torch.no_grad():
        found = made.measure({"to_dog": nn.Identity()}, "val", Runtime("cpu", 1, "fp32"))
    assert found is not None
    assert list(found.values) == ["swd_to_dog"]
    assert found.best == found.values["swd_to_dog"] > 0
    assert found.gallery is not None
    assert found.gallery.metric == "change"
    assert {tuple(one.pictures) for one in found.gallery.images()} == {("cat", "cat to dog")}
    assert made.measure({"to_dog": nn.Identity()}, "test", Runtime("cpu", 1, "fp32")) is None


def test_gray_pictures(tmp_path: Path) -> None:
    data = {"data.domains": folders(tmp_path)}
    with pytest.raises(SettingsError, match=r"data\.channels: must be equal"):
        method("cut-light", **data, **{"data.channels": (1, 3)})
    made = method("cut-light", **data, **{"data.channels": (1, 1), "train.batch_size": 1})
    one = made.task(Runtime("cpu", 1, "fp32"), fresh=True)
    losses = one.step(made.preview(), lambda player, loss: None)
    assert set(losses) == {"discriminator", "adversarial", "contrast_cat", "contrast_dog"}
    assert [domain.channels for domain in one.card().domains] == [1, 1]


def test_networks_without_layers_are_refused() -> None:
    with pytest.raises(SettingsError, match=r"loss\.layers: unet_32: only ResNet generators"):
        method(**{"model.generator": "unet_32"})
    with pytest.raises(SettingsError, match=r"loss\.layers: resnet_light: .* from 0 to 26"):
        method(**{"loss.layers": (0, 99)})
    with pytest.raises(UsageError, match="--encoder-weights: cut has no encoder to load"):
        plan_training(TrainOptions("cut", encoder_weights="imagenet"))


def test_another_models_generator_is_a_start(tmp_path: Path) -> None:
    made = method()
    card = made.task(Runtime("cpu", 1, "fp32"), fresh=True).card()
    weights = build_generator("resnet_light", width=2).state_dict()
    file = tmp_path / "a.safetensors"
    save_file({f"to_winter/{key}": value for key, value in weights.items()}, file, {"gantool": card.to_json()})
    net = build_generator("resnet_light", width=2)
    made.load_weights(file, {"to_winter": net})
    assert all(torch.equal(value, weights[key]) for key, value in net.state_dict().items())
    with pytest.raises(ModelError, match="is another network than the settings ask for"):
        made.load_weights(file, {"to_winter": build_generator("resnet_light", width=4)})
