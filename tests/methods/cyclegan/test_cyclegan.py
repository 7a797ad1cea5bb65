from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from gantool.cards import Card, Domain
from gantool.engine.runtime import Runtime
from gantool.engine.task import Player
from gantool.methods.cyclegan.task import CycleGan, CycleGanWeights
from gantool.methods.gan.game import Game
from gantool.methods.registry import make_method
from gantool.nets.registry import build_discriminator, build_generator
from gantool.workflows.plan_training import TrainOptions, plan_training


def make(channels: tuple[int, int] = (3, 3), norm: str = "instance", **options: Any) -> CycleGan:
    a, b = channels
    nets = {
        "to_b": build_generator("resnet_light", in_channels=a, out_channels=b, width=2, norm=norm),
        "to_a": build_generator("resnet_light", in_channels=b, out_channels=a, width=2, norm=norm),
    }
    critics = {
        "b": build_discriminator("n_layers", in_channels=b, width=2, layers=1, norm=norm),
        "a": build_discriminator("n_layers", in_channels=a, width=2, layers=1, norm=norm),
    }
    players = [
        Player(name, group, torch.optim.Adam([p for net in group.values() for p in net.parameters()], lr=1e-3))
        for name, group in (("generators", nets), ("discriminators", critics))
    ]
    card = Card(
        task="cyclegan", domains=(Domain(name="day", channels=a), Domain(name="night", channels=b)), directions=()
    )
    game = Game(**options.pop("game", {}))
    return CycleGan(card, players[0], players[1], CycleGanWeights(**options.pop("weights", {})), game, **options)


def batch(channels: tuple[int, int] = (3, 3), count: int = 1) -> dict[str, torch.Tensor]:
    return {name: torch.rand(count, c, 32, 32) * 2 - 1 for name, c in zip("ab", channels, strict=True)}


def update(player: Player, loss: torch.Tensor) -> None:
    player.optimizer.zero_grad()
    loss.backward()
    player.optimizer.step()


@pytest.mark.parametrize("mode", ["lsgan", "vanilla", "wgan-gp"])
@pytest.mark.parametrize("distance", ["l1", "mse"])
def test_a_step_moves_both_players(mode: str, distance: str) -> None:
    task = make(weights={"cycle_distance": distance}, game={"adversarial": mode})
    before = [p.clone() for player in task.players for p in player.parameters()]
    losses = task.step(batch(), update)
    after = [p for player in task.players for p in player.parameters()]
    assert any(not torch.equal(x, y) for x, y in zip(before, after, strict=True))
    assert all(not loss.requires_grad and torch.isfinite(loss) for loss in losses.values())
    assert set(losses) == {f"{kind}_{domain}" for kind in ("adversarial", "cycle", "identity", "discriminator")
                           for domain in ("day", "night")}  # fmt: skip


@pytest.mark.parametrize("batch_calls", [True, False])
def test_discriminators_see_changed_images(batch_calls: bool) -> None:
    losses = {}
    for policies in ((), ("color", "translation", "cutout")):
        torch.manual_seed(0)
        task = make(game={"batch_calls": batch_calls, "policies": policies})
        losses[policies] = task.step(batch(), update)
    plain, changed = losses.values()
    for name, value in plain.items():
        same = name.startswith(("cycle", "identity"))
        assert (value == changed[name]) == same, name


def test_the_generators_do_not_move_the_discriminators() -> None:
    task = make()
    moved: list[str] = []

    def spy(player: Player, loss: torch.Tensor) -> None:
        loss.backward()
        other = next(p for p in task.players if p is not player)
        assert all(p.grad is None or not p.grad.any() for p in other.parameters()) or player.name == "discriminators"
        player.optimizer.zero_grad()
        for p in task.players:
            p.optimizer.zero_grad()
        moved.append(player.name)

    task.step(batch(), spy)
    assert moved == ["generators", "discriminators"]


def test_batched_calls_are_the_same_mathematics() -> None:
    data = batch(count=2)
    torch.manual_seed(1)
    together = make(game={"batch_calls": True}).step(data, update)
    torch.manual_seed(1)
    apart = make(game={"batch_calls": False}).step(data, update)
    for name, value in together.items():
        assert value.item() == pytest.approx(apart[name].item(), rel=1e-4), name


@pytest.mark.parametrize(("key", "batch"), [("model.discriminator_norm", True), ("model.norm", True), ("", False)])
def test_batch_norm_anywhere_keeps_real_and_fake_apart(key: str, batch: bool, workplace: Path) -> None:
    """The reference shows real and translated images to the discriminator one after the other."""
    tiny = {"model.width": 4, "data.size": 32, "data.load_size": 32, "data.scenes": 2, "data.test_scenes": 1,
            "model.discriminator": "n_layers", "model.discriminator_layers": 2, "model.discriminator_width": 4,
            "runtime.device": "cpu", "runtime.precision": "fp32"}  # fmt: skip
    plan = plan_training(TrainOptions("cyclegan", settings=tiny | ({key: "batch"} if key else {})))
    runtime = Runtime("cpu", 1, "fp32")
    task = make_method(plan.settings, plan.kind).task(runtime, fresh=True)
    assert isinstance(task, CycleGan)
    assert task.game.batch_calls is not batch
    # A bright fake and a dark real image: what a discriminator says of them depends on who shares its statistics.
    a, b = torch.rand(1, 3, 32, 32), -torch.rand(1, 3, 32, 32)
    losses = task.step({"a": a, "b": b}, lambda player, loss: None)
    d, g = task.discriminators.nets["b"], task.generators.nets["to_b"]
    with torch.no_grad():
        apart = (((d(b) - 1) ** 2).mean() + (d(g(a)) ** 2).mean()) / 2
    assert losses["discriminator_winter"].item() == pytest.approx(apart.item(), rel=1e-5)


@pytest.mark.parametrize(("together", "side", "calls"), [(True, 32, 2), (False, 32, 3), (True, 36, 3)])
def test_translation_and_identity_are_one_call_where_the_sizes_are_one(together: bool, side: int, calls: int) -> None:
    """Beside that of the cycle."""
    task = make(game={"batch_calls": together})
    seen: list[int] = []
    task.generators.nets["to_b"].register_forward_hook(lambda *_: seen.append(1))
    real = {"a": torch.rand(1, 3, 32, 32), "b": torch.rand(1, 3, side, side)}
    if side == 32:
        task.step(real, lambda player, loss: None)
    else:
        task.discriminators.requires_grad_(False)
        task._translate(task.generators.nets["to_b"], real["a"], real["b"])
        seen.append(1)
    assert len(seen) == calls


@pytest.mark.parametrize("way", [{"split_backward": True}, {"at_once": True}])
@pytest.mark.parametrize("game", [{}, {"batch_calls": False}, {"r1": 1.0, "adversarial": "relativistic"}])
@pytest.mark.parametrize("identity", [0.0, 0.5])
def test_cycles_by_themselves_have_the_same_gradients(
    identity: float, game: dict[str, Any], way: dict[str, bool], two_threads: None
) -> None:
    """In float64, where rounding hides nothing; the weights of both directions differ."""

    def gradients(way: dict[str, bool]) -> tuple[dict[str, float], list[torch.Tensor]]:
        torch.manual_seed(3)
        weights = {"identity": identity, "cycle_a": 7.0, "cycle_b": 11.0}
        task = make(weights=weights, game=game, **way)
        for player in task.players:
            for net in player.nets.values():
                net.double()
        runtime = Runtime("cpu", 1, "fp32")
        runtime.prepare(task.players)
        step = runtime.make_update()
        found: list[torch.Tensor] = []

        def noted(player: Player, loss: Any) -> None:
            step(player, loss)
            found.extend(p.grad.clone() for p in player.parameters() if p.grad is not None)

        torch.manual_seed(4)
        images = batch()
        chance = torch.get_rng_state()
        losses = task.step({name: image.double() for name, image in images.items()}, noted)
        assert torch.equal(torch.get_rng_state(), chance), "threads would share it"
        return {name: loss.item() for name, loss in losses.items()}, found

    whole, parts = gradients({}), gradients(way)
    assert parts[0] == pytest.approx(whole[0], rel=1e-9)
    assert len(whole[1]) == len(parts[1])
    assert all(torch.allclose(a, b, rtol=1e-8, atol=1e-12) for a, b in zip(whole[1], parts[1], strict=True))


@pytest.mark.usefixtures("two_threads")
@pytest.mark.parametrize(
    ("change", "at_once"),
    [
        ({}, True),
        ({"runtime.parallel_cycles": False}, False),
        ({"runtime.split_backward": True}, False),
        ({"model.dropout": True}, False),
        ({"model.norm": "batch"}, False),
        ({"loss.adversarial": "wgan-gp"}, False),
        ({"augment.discriminator": ["color"]}, False),
        ({"model.discriminator_norm": "spectral"}, True),
    ],
)
def test_both_cycles_at_once_where_nothing_is_random(
    change: dict[str, Any], at_once: bool, two_threads: None
) -> None:
    """What uses up chance in a step would do so in the order of the threads."""
    small = {
        "data.size": 32,
        "data.scenes": 4,
        "data.test_scenes": 2,
        "model.width": 2,
        "model.discriminator_width": 2,
    }
    plan = plan_training(TrainOptions("cyclegan-light", settings={**small, **change}))
    method, runtime = make_method(plan.settings, "cyclegan-light"), Runtime("cpu", 1, "fp32")
    task = method.task(runtime, fresh=False)
    assert isinstance(task, CycleGan)
    assert task.at_once is at_once
    torch.set_num_threads(1)
    alone = method.task(runtime, fresh=False)
    assert isinstance(alone, CycleGan) and not alone.at_once


def test_gray_to_color_without_identity() -> None:
    task = make((1, 3), weights={"identity": 0})
    losses = task.step(batch((1, 3)), update)
    assert not any(name.startswith("identity") for name in losses)
    with torch.no_grad():
        pictures = task.preview(batch((1, 3)), task.nets())
    assert pictures["day to night"].shape[1] == 3
    assert "day identity" not in pictures


def test_preview_shows_both_directions() -> None:
    task = make()
    with torch.no_grad():
        pictures = task.preview(batch(count=2), task.nets())
    assert list(pictures) == ["day", "day to night", "day cycled", "day identity",
                              "night", "night to day", "night cycled", "night identity"]  # fmt: skip
    assert all(picture.shape == (2, 3, 32, 32) for picture in pictures.values())


def test_weights_belong_to_the_domain_that_a_cycle_starts_in() -> None:
    task = make(weights={"cycle_a": 1.0, "cycle_b": 100.0, "identity": 0.5})
    data = batch()
    losses = task.step(data, lambda player, loss: None)
    a, b, g, f = data["a"], data["b"], task.generators.nets["to_b"], task.generators.nets["to_a"]
    with torch.no_grad():
        expected = {
            "cycle_day": (f(g(a)) - a).abs().mean(), "cycle_night": 100 * (g(f(b)) - b).abs().mean(),
            "identity_day": 0.5 * (f(a) - a).abs().mean(), "identity_night": 50 * (g(b) - b).abs().mean(),
        }  # fmt: skip
    for name, value in expected.items():
        assert losses[name].item() == pytest.approx(value.item(), rel=1e-4), name


def test_each_domain_has_a_pool_of_its_own() -> None:
    task = make(pool_size=1)
    data = batch()
    task.step(data, lambda player, loss: None)
    with torch.no_grad():
        made = {"pool_a": task.generators.nets["to_a"](data["b"]), "pool_b": task.generators.nets["to_b"](data["a"])}
    for name, fake in made.items():
        (kept,) = task.state_dict()[name]["images"]
        assert torch.allclose(kept, fake[0], atol=1e-5), name


def test_the_gradient_penalty_is_added() -> None:
    """Far from a slope of 1, where the critics begin, it is most of what they lose."""
    losses = {}
    for weight in (0.0, 1.0, 10.0):
        torch.manual_seed(3)
        task = make(game={"adversarial": "wgan-gp", "gradient_penalty": weight})
        losses[weight] = task.step(batch(), lambda player, loss: None)
    for domain in ("day", "night"):
        none, once, ten = (float(losses[weight][f"discriminator_{domain}"]) for weight in losses)
        assert once > none + 0.01
        assert ten - none == pytest.approx(10 * (once - none), rel=1e-3)
