"""Compiled networks: when, for which calls, and what is left of a trial. Most tests stand in for the compiler."""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from gantool.engine import compiling
from gantool.engine.compiling import _weigh, choose_compile, compile_networks, rehearse
from gantool.engine.events import Decided, StepDone
from gantool.engine.runtime import Runtime
from gantool.engine.step_work import StepWork
from gantool.engine.task import Task
from gantool.methods.registry import load_settings, make_method
from gantool.models.runs import Run
from gantool.workflows.plan_training import TrainOptions, plan_training
from gantool.workflows.train import Finished, training_events

TINY: dict[str, Any] = {
    "model.width": 4, "model.discriminator": "n_layers", "model.discriminator_layers": 1, "model.norm": "batch",
    "model.discriminator_width": 4, "model.dropout": True, "data.path": "sample", "data.size": 32,
    "data.load_size": 32, "data.scenes": 4, "data.test_scenes": 2, "train.samples_every": 0, "metrics.every": 0,
    "runtime.precision": "fp32", "runtime.device": "cpu",
}  # fmt: skip
ITS_OWN: dict[str, dict[str, Any]] = {
    "cyclegan-light": {"train.pool_size": 2},
    "pix2pix": {"model.generator": "unet_32"},
}


class Built:
    """A task in front of its first step."""

    def __init__(self, preset: str = "cyclegan-light", **settings: Any) -> None:
        self.settings = load_settings(preset, base={**TINY, **ITS_OWN[preset], **settings})
        method = make_method(self.settings, preset)
        self.runtime = Runtime("cpu", 1, "fp32")
        self.task: Task = method.task(self.runtime, fresh=True)
        self.batch = next(iter(method.batches(self.runtime).epoch(0, 0)))
        self.runtime.prepare(self.task.players)

    @property
    def nets(self) -> list[nn.Module]:
        return [net for player in self.task.players for net in player.nets.values()]

    def state(self) -> list[Any]:
        return [
            *(copy.deepcopy(net.state_dict()) for net in self.nets),
            *([p.requires_grad for p in net.parameters()] for net in self.nets),
            *([p.grad for p in net.parameters()] for net in self.nets),
            torch.get_rng_state(),
            copy.deepcopy(self.task.state_dict()),
        ]

    def step(self) -> dict[str, float]:
        losses = self.task.step(self.batch, self.runtime.make_update())
        return {name: float(loss) for name, loss in losses.items()}


def same(one: Any, other: Any) -> bool:
    if isinstance(one, Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(value, other[key]) for key, value in one.items())
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


@pytest.fixture
def compiler(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """Stands in for torch.compile; the shapes that went through what it made."""
    seen: list[tuple[int, ...]] = []

    def stand_in(call: Callable[..., Any], *, dynamic: bool) -> Callable[..., Any]:
        assert dynamic is False

        def compiled(image: Tensor) -> Any:
            seen.append(tuple(image.shape))
            return call(image)

        return compiled

    monkeypatch.setattr(torch, "compile", stand_in)
    return seen


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> None:
    def stand_in(call: Callable[..., Any], *, dynamic: bool) -> Callable[..., Any]:
        def compiled(image: Tensor) -> Any:
            call(image)  # a batch norm has counted by then
            raise RuntimeError("g++: no such instruction\nand forty lines more")

        return compiled

    monkeypatch.setattr(torch, "compile", stand_in)


# -- trying without a trace ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("preset", ["cyclegan-light", "pix2pix"])
def test_a_rehearsal_leaves_no_trace(preset: str) -> None:
    """Neither in averages of batch norms, pools and dropout, nor in whose turn it is."""
    built = Built(preset, **({"train.discriminator_every": 2} if preset == "pix2pix" else {}))
    before = built.state()
    rehearse(built.task, built.batch, built.runtime)
    assert same(before, built.state())


def test_a_compiler_that_fails_changes_nothing(broken: None) -> None:
    built, plain = Built(), Built()
    torch.manual_seed(1)
    wanted = plain.step()
    torch.manual_seed(1)
    assert compile_networks(built.task, built.batch, built.runtime) == "g++: no such instruction"
    assert built.step() == wanted
    assert all(net._compiled_call_impl is None for net in built.nets)


def test_a_damaged_kernel_is_compiled_again(compiler: list[tuple[int, ...]], monkeypatch: pytest.MonkeyPatch) -> None:
    """As what a killed process leaves: the second try is in a folder of its own, which does not stay."""
    whole, tries = torch.compile, []

    def stand_in(call: Callable[..., Any], *, dynamic: bool) -> Callable[..., Any]:
        tries.append(os.environ["TORCHINDUCTOR_CACHE_DIR"])
        if tries[-1] == "damaged":
            raise ImportError("x.main.so: file too short")
        return whole(call, dynamic=dynamic)

    monkeypatch.setattr(torch, "compile", stand_in)
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", "damaged")
    built = Built()
    assert compile_networks(built.task, built.batch, built.runtime) == ""
    assert (tries[0], os.environ["TORCHINDUCTOR_CACHE_DIR"], Path(tries[-1]).exists()) == (
        "damaged",
        "damaged",
        False,
    )


def test_only_calls_of_the_first_step_are_compiled(compiler: list[tuple[int, ...]]) -> None:
    built = Built(**{"model.norm": "instance"})
    assert compile_networks(built.task, built.batch, built.runtime) == ""
    compiler.clear()
    built.step()
    assert set(compiler) == {(2, 3, 32, 32), (1, 3, 32, 32)}
    compiler.clear()
    net, image = built.nets[0], torch.zeros(1, 3, 64, 64)
    net(image)  # another size
    with torch.no_grad():
        net(image[..., :32, :32])
    net.eval()
    net(image[..., :32, :32])
    copy.deepcopy(net).train()(torch.zeros(2, 3, 32, 32))
    assert compiler == []


def test_what_is_differentiated_twice_is_not_compiled(compiler: list[tuple[int, ...]]) -> None:
    built = Built(**{"loss.adversarial": "wgan-gp", "runtime.batch_calls": False})
    assert compile_networks(built.task, built.batch, built.runtime) == ""
    compiler.clear()
    built.step()
    # Six calls of generators, two of discriminators for these, four for themselves; not the two of the penalty.
    assert len(compiler) == 12


# -- the decision ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wanted", ["auto", True])
def test_images_of_any_size_are_not_compiled_for(wanted: Any) -> None:
    built = Built(**{"augment.preprocess": "none"})
    choice = choose_compile(wanted, built.task, built.batch, built.runtime, built.settings, 10**6)
    assert (choice.on, choice.reason, choice.notable) == (False, "images keep sizes of their own", wanted is True)


def test_few_steps_are_not_worth_counting(monkeypatch: pytest.MonkeyPatch) -> None:
    built = Built()
    monkeypatch.setattr(compiling, "count_work", None)
    assert not choose_compile("auto", built.task, built.batch, built.runtime, built.settings, 199).on


def test_what_cannot_be_counted_is_not_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(step: object) -> StepWork:
        raise NotImplementedError

    built = Built()
    monkeypatch.setattr(compiling, "count_work", fails)
    choice = choose_compile("auto", built.task, built.batch, built.runtime, built.settings, 10**6)
    assert (choice.on, "NotImplementedError" in choice.reason) == (False, True)


def test_the_same_decision_every_time(monkeypatch: pytest.MonkeyPatch) -> None:
    built = Built()
    monkeypatch.setattr(compiling, "_LEAST_GB", 0.0)
    monkeypatch.setattr(compiling, "_SAVES", 0.1)
    before = built.state()
    choices = [
        choose_compile("auto", built.task, built.batch, built.runtime, built.settings, steps)
        for steps in (300, 10**8, 300)
    ]
    assert [choice.on for choice in choices] == [False, True, False]
    assert choices[0] == choices[2]
    assert same(before, built.state())


# -- in a run --------------------------------------------------------------------------------------------------------


def train(workplace: Path, *, until: int | None = None, **options: Any) -> tuple[Run, list[Decided]]:
    decided, run = [], None
    for event in training_events(plan_training(TrainOptions(runs=workplace / "runs", **options))):
        if isinstance(event, Decided):
            decided.append(event)
        elif isinstance(event, Finished):
            run = Run(event.result.run)
        elif isinstance(event, StepDone) and event.step == until:
            return Run(workplace / "runs" / str(options["name"])), decided
    assert run is not None
    return run, decided


SETTINGS = {**TINY, "train.epochs": 2, "train.save_steps": 2}


def test_a_run_keeps_its_decision(
    workplace: Path, compiler: list[tuple[int, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiling, "_LEAST_STEPS", 1)
    monkeypatch.setattr(compiling, "_LEAST_GB", 0.0)
    monkeypatch.setattr(compiling, "_SAVES", 1e9)
    run, decided = train(workplace, model="cyclegan-light", settings=SETTINGS, name="cut", until=3)
    assert [one.compiled for one in decided] == [True]
    assert run.facts()["compiled"] == {"on": True, "reason": decided[0].reason}
    monkeypatch.setattr(compiling, "_SAVES", 0.0)  # what would be decided today does not count
    compiler.clear()
    run, decided = train(workplace, resume="cut")
    assert (decided[0].compiled, "as when the run began" in decided[0].reason, bool(compiler)) == (True, True, True)
    assert "compile: auto" in run.settings.read_text()


def test_a_run_without_a_decision_goes_on_as_it_was(workplace: Path, compiler: list[tuple[int, ...]]) -> None:
    run, decided = train(workplace, model="cyclegan-light", settings=SETTINGS, name="cut", until=3)
    assert not decided[0].compiled
    facts = run.facts()
    del facts["compiled"]
    run.write_facts(facts)
    assert train(workplace, resume="cut")[1] == []
    assert compiler == []


def test_a_compiler_that_fails_is_told_in_a_sentence(workplace: Path, broken: None) -> None:
    settings = {**SETTINGS, "train.epochs": 1}
    run, decided = train(workplace, model="cyclegan-light", settings={**settings, "runtime.compile": True}, name="a")
    assert decided[-1] == Decided(False, "could not be compiled (g++: no such instruction)", True)
    assert json.loads((run.path / "run.json").read_text())["compiled"]["on"] is False
    plain, _ = train(workplace, model="cyclegan-light", settings={**settings, "runtime.compile": False}, name="b")
    first, second = load_file(run.model), load_file(plain.model)
    assert all(torch.equal(first[key], second[key]) for key in first)


@pytest.mark.parametrize(("moved", "steps", "on"), [(2.67, 700, True), (2.67, 670, False), (0.98, 10**6, False)])
def test_what_it_saves_against_what_it_costs(moved: float, steps: int, on: bool) -> None:
    """The paper's networks at 256 px, 2.67 GB and 1478 calls a step, save 0.35 s a step and take 118 s at first."""
    work = StepWork(moved=int(moved * 1e9), calls=1478)
    assert _weigh(work, steps, compiler=True).on is on
    without = _weigh(work, steps, compiler=False)
    assert (without.on, without.notable, "no C++ compiler" in without.reason) == (False, on, on)


def test_networks_that_gain_nothing() -> None:
    built = Built("pix2pix")
    assert not choose_compile("auto", built.task, built.batch, built.runtime, built.settings, 10**9).on


# -- with the compiler itself ----------------------------------------------------------------------------------------


@pytest.mark.skipif(not compiling.has_compiler(), reason="no C++ compiler")
@pytest.mark.parametrize(
    "preset",
    [pytest.param("cyclegan-light", marks=pytest.mark.release), pytest.param("pix2pix", marks=pytest.mark.slow)],
)
def test_compiled_and_resumed_equals_compiled(
    preset: str, workplace: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """To the byte, near the same run without a compiler, and without a word of the compiler's."""
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(workplace / "kernels"))
    settings = {**SETTINGS, **ITS_OWN[preset], "runtime.compile": True}
    whole, decided = train(workplace, model=preset, settings=settings, name="whole")
    assert [one.compiled for one in decided] == [True], decided
    train(workplace, model=preset, settings=settings, name="cut", until=3)
    resumed, _ = train(workplace, resume="cut")
    first, second = load_file(whole.model), load_file(resumed.model)
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert capfd.readouterr() == ("", "")


@pytest.mark.slow
@pytest.mark.skipif(not compiling.has_compiler(), reason="no C++ compiler")
@pytest.mark.parametrize(
    "settings",
    [
        {"model.dropout": False, "model.norm": "instance", "loss.adversarial": "wgan-gp"},
        {"model.dropout": False, "model.norm": "none", "model.discriminator_norm": "spectral"},
    ],
)
def test_compiled_losses_are_those_of_the_plain_networks(settings: dict[str, Any]) -> None:
    built, plain = Built(**settings), Built(**settings)
    assert compile_networks(built.task, built.batch, built.runtime) == ""
    for _ in range(3):
        torch.manual_seed(3)
        wanted = plain.step()
        torch.manual_seed(3)
        assert built.step() == pytest.approx(wanted, rel=2e-3)
