"""Training through its events: exact resuming, stopping, failing."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

import gantool
from gantool.engine.checkpoints import load_checkpoint
from gantool.engine.events import EndedEarly, EpochDone, Saved, StepDone
from gantool.engine.runtime import Runtime
from gantool.errors import RunError, TrainingError
from gantool.methods.cyclegan.task import CycleGan
from gantool.models.runs import Run
from gantool.workflows.plan_training import TrainOptions, plan_training
from gantool.workflows.train import Finished, Notice, training_events

TINY: dict[str, Any] = {
    "model.width": 4,
    "model.discriminator": "n_layers",
    "model.discriminator_layers": 1,
    "model.discriminator_width": 4,
    "model.dropout": True,  # draws from the global generator, whose state must come back too
    "data.size": 32,
    "data.load_size": 36,
    "data.scenes": 6,
    "data.test_scenes": 2,
    "train.epochs": 3,
    "train.pool_size": 3,
    "train.samples_every": 0,
    "runtime.precision": "fp32",
    "runtime.device": "cpu",
}


class Killed(Exception):
    pass


def run(
    workplace: Path, name: str | None = None, *, until: Callable[[Any], bool] | None = None, **options: Any
) -> Run:
    """Train; ``until`` kills it at an event as if the power had gone."""
    settings = {**TINY, **options.pop("settings", {})}
    plan = plan_training(TrainOptions("cyclegan", settings=settings, name=name, runs=workplace / "runs", **options))
    where = None
    for event in training_events(plan):
        if isinstance(event, Finished):
            where = event.result.run
        if until is not None and until(event):
            raise Killed
    assert where is not None
    return Run(where)


def go_on(workplace: Path, name: str, **settings: Any) -> Run:
    plan = plan_training(TrainOptions(resume=name, settings=settings, runs=workplace / "runs"))
    events = list(training_events(plan))
    assert isinstance(events[-1], Finished)
    return Run(events[-1].result.run)


@pytest.mark.parametrize(
    ("step", "ema"),
    [
        (9, 0.9),
        *(
            pytest.param(step, ema, marks=pytest.mark.slow)
            for step, ema in ((2, 0.0), (2, 0.9), (6, 0.0), (6, 0.9), (9, 0.0), (13, 0.0), (13, 0.9))
        ),
    ],
)
def test_killed_and_resumed_equals_uninterrupted(workplace: Path, step: int, ema: float) -> None:
    """Also within an epoch, with the image pool full and dropout on: byte for byte."""
    options = {"train.ema": ema, "train.save_steps": 2, "metrics.every": 0}
    whole = run(workplace, "whole", settings=options)
    with pytest.raises(Killed):
        run(workplace, "cut", settings=options, until=lambda e: isinstance(e, StepDone) and e.step == step + 1)
    resumed = go_on(workplace, "cut")
    first, second = load_file(whole.model), load_file(resumed.model)
    assert first.keys() == second.keys()
    for key in first:
        assert first[key].numpy().tobytes() == second[key].numpy().tobytes(), key
    lines = [[json.loads(line) for line in r.metrics.read_text().splitlines()] for r in (whole, resumed)]
    assert [(x["epoch"], x["step"], x["losses"]) for x in lines[0]] == [
        (x["epoch"], x["step"], x["losses"]) for x in lines[1]
    ]


def test_a_checkpoint_within_an_epoch_has_the_losses_of_all_ranks(
    workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on two devices of which the other loses nothing."""
    seen: list[dict[str, float]] = []
    monkeypatch.setattr(Runtime, "mean", lambda self, values: {name: value / 2 for name, value in values.items()})

    def saved(event: Any) -> bool:
        if isinstance(event, StepDone):
            seen.append(dict(event.losses or {}))
        return isinstance(event, Saved)

    with pytest.raises(Killed):
        run(workplace, "cut", settings={"train.save_steps": 2, "metrics.every": 0}, until=saved)
    sums = load_checkpoint(workplace / "runs/cut/checkpoints/last.pt")["progress"]["sums"]
    assert len(seen) == 2
    assert sums == pytest.approx({name: (seen[0][name] + seen[1][name]) / 2 for name in seen[0]})


def test_stopping_saves_and_resuming_ends_alike(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = run(workplace, "whole")
    plan = plan_training(TrainOptions("cyclegan", settings=TINY, name="stopped", runs=workplace / "runs"))
    import signal

    for event in training_events(plan):
        if isinstance(event, StepDone) and event.step == 8:
            signal.raise_signal(signal.SIGTERM)
        if isinstance(event, Finished):
            assert event.result.stopped
            assert event.signal == signal.SIGTERM
            assert event.result.epochs == 1
    resumed = go_on(workplace, "stopped")
    first, second = load_file(whole.model), load_file(resumed.model)
    assert all(torch.equal(first[key], second[key]) for key in first)


def test_seeds_decide_and_workers_do_not(workplace: Path) -> None:
    def weights(name: str, **settings: Any) -> dict[str, torch.Tensor]:
        return load_file(run(workplace, name, settings={"train.epochs": 1, "metrics.every": 0, **settings}).model)

    first = weights("a")
    again = weights("b", **{"runtime.workers": 1})
    other = weights("c", **{"train.seed": 1})
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert not all(torch.equal(first[key], other[key]) for key in first)


def test_extending_a_finished_run(workplace: Path) -> None:
    run(workplace, "short", settings={"train.epochs": 1})
    longer = go_on(workplace, "short", **{"train.epochs": 2})
    lines = [json.loads(line) for line in longer.metrics.read_text().splitlines()]
    assert [line["epoch"] for line in lines] == [1, 2]
    assert lines[1]["lr"] == pytest.approx(2.5e-4)  # half of the light recipe's, as epoch 2 of 2


def test_what_may_change_on_resume(workplace: Path) -> None:
    run(workplace, "fixed", settings={"train.epochs": 1})
    with pytest.raises(RunError, match=r"data\.size = 32, it cannot be resumed with 64.*--init-from fixed"):
        go_on(workplace, "fixed", **{"data.size": 64})
    with pytest.raises(RunError, match="is a run of cyclegan, not of cyclegan-light"):
        plan_training(TrainOptions("cyclegan-light", resume="fixed", runs=workplace / "runs"))


def test_init_from_takes_the_weights(workplace: Path) -> None:
    first = run(workplace, "first", settings={"train.epochs": 1})
    second = run(workplace, "second", settings={"train.epochs": 1, "optimizer.lr": 1e-12}, init_from="first")
    a, b = load_file(first.model), load_file(second.model)
    assert max(float((a[key] - b[key]).abs().max()) for key in a) < 1e-6
    # The kind means its newest run, which is not the one that is just being made.
    assert run(workplace, None, settings={"train.epochs": 1}, init_from="cyclegan").model is not None
    with pytest.raises(gantool.errors.ModelError, match="another network"):
        run(workplace, "third", settings={"model.width": 8}, init_from="first")
    with pytest.raises(gantool.errors.ModelError, match='--init-from nothing.*no model "nothing"'):
        run(workplace, "fourth", init_from="nothing")


def test_what_a_run_leaves(workplace: Path) -> None:
    seen: list[Any] = []
    result = gantool.train(
        "cyclegan", settings={**TINY, "train.samples_every": 1, "train.keep_every": 2}, on_event=seen.append
    )
    run_ = Run(result.run)
    assert {path.name for path in run_.path.iterdir()} == {
        "run.json", "settings.yaml", "metrics.jsonl", "samples", "checkpoints", "model.safetensors",
        "last.safetensors", "report.html",
        "log.txt",
    }  # fmt: skip
    assert len(list(run_.samples.glob("epoch-*.png"))) == 3
    assert run_.judged.exists()
    page = run_.report.read_text("utf-8")
    assert page.index("Worst images") < page.index("scene 1 (") < page.index("Best images")
    assert {path.name for path in (run_.path / "checkpoints").iterdir()} == {"last.pt", "epoch-2.pt"}
    assert set(result.metrics) == {"l1_ratio_to_winter", "l1_ratio_to_summer"}
    assert set(result.baselines) == {"median training image", "histogram matching"}
    epochs = [event for event in seen if isinstance(event, EpochDone)]
    assert [event.epoch for event in epochs] == [1, 2, 3]
    assert all(math.isfinite(value) for event in epochs for value in event.losses.values())
    assert sum(isinstance(event, Saved) for event in seen) == 4


@pytest.mark.slow
def test_the_best_epoch_is_delivered(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from gantool.models.files import read_card

    values = iter([0.5, 0.3, 0.4, 0.9])
    monkeypatch.setattr("gantool.methods.scores.ratios_to_truth", lambda *_: {"l1_ratio_to_winter": next(values)})
    run_ = run(workplace)
    assert read_card(run_.model).origin.epochs == 2


def test_a_loss_that_is_no_number_stops_the_run(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    step = CycleGan.step
    count = iter(range(100))

    def poisoned(self: CycleGan, batch: Any, update: Any) -> Any:
        losses = step(self, batch, update)
        return {name: loss * math.nan for name, loss in losses.items()} if next(count) == 8 else losses

    monkeypatch.setattr(CycleGan, "step", poisoned)
    with pytest.raises(TrainingError, match="is not a finite number; the last checkpoint is kept"):
        run(workplace, "nan")
    monkeypatch.undo()
    assert Run(workplace / "runs" / "nan").checkpoint.is_file()
    assert "training failed" in Run(workplace / "runs" / "nan").log.read_text()
    go_on(workplace, "nan")


def test_a_dry_run_keeps_nothing(workplace: Path) -> None:
    plan = plan_training(TrainOptions("cyclegan", settings=TINY, runs=workplace / "runs", dry_run=True))
    events = list(training_events(replace(plan, notes=("told",))))
    assert Notice("told") in events
    assert sum(isinstance(event, StepDone) for event in events) == 1
    assert list(workplace.iterdir()) == []


def test_resuming_a_checkpoint_that_does_not_fit(workplace: Path) -> None:
    first = run(workplace, "a", settings={"train.epochs": 1})
    state = torch.load(first.checkpoint, weights_only=True)
    del state["players"]["generators"]
    torch.save(state, first.checkpoint)
    with pytest.raises(RunError, match="does not fit the run's settings"):
        go_on(workplace, "a", **{"train.epochs": 2})


def test_an_edited_checkpoint_is_one_sentence(workplace: Path) -> None:
    whole = run(workplace, "edited", settings={"train.epochs": 1})
    state = torch.load(whole.checkpoint, weights_only=True)
    edits: list[dict[Any, Any]] = [
        {"progress": {"epoch": -3}}, {"progress": {"step": "x"}}, {"progress": 3}, {"ranks": [{}]}, {"players": []},
        {3: 4, "players": {}}, {"ranks": 3}, {"format": "new"}, {"plateau": 3},
    ]  # fmt: skip
    for edit in edits:
        torch.save({**state, **edit}, whole.checkpoint)
        with pytest.raises(RunError, match=r"last\.pt: (does not fit|is not a checkpoint)"):
            go_on(workplace, "edited", **{"train.epochs": 2})


@pytest.mark.slow
def test_patience_ends_a_run_that_no_longer_gets_better(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values = iter([0.5, 0.4, 0.45, 0.44, 0.1])
    monkeypatch.setattr("gantool.methods.scores.ratios_to_truth", lambda *_: {"l1_ratio_to_winter": next(values)})
    settings = {**TINY, "train.epochs": 9, "train.patience": 2}
    events = []
    for event in training_events(plan_training(TrainOptions("cyclegan", settings=settings, runs=workplace / "runs"))):
        events.append(event)
        if isinstance(event, EndedEarly):
            break
    assert isinstance(events[-1], EndedEarly)
    assert (events[-1].epoch, events[-1].best_epoch) == (4, 2)
    assert sum(isinstance(event, EpochDone) for event in events) == 4


def test_a_discriminator_with_spectral_norm_trains_and_resumes(workplace: Path) -> None:
    options = {"model.discriminator_norm": "spectral", "train.save_steps": 2, "metrics.every": 0}
    whole = run(workplace, "whole", settings=options)
    with pytest.raises(Killed):
        run(workplace, "cut", settings=options, until=lambda e: isinstance(e, StepDone) and e.step == 7)
    first, second = load_file(whole.model), load_file(go_on(workplace, "cut").model)
    assert all(torch.equal(first[key], second[key]) for key in first)


def test_spectral_norm_bounds_every_convolution() -> None:
    from gantool.nets.layers import with_spectral_norm
    from gantool.nets.registry import build_discriminator

    net = with_spectral_norm(build_discriminator("basic", width=8, norm="none"))
    for _ in range(150):  # every call in training mode is one more step of the power iteration
        net(torch.randn(1, 3, 32, 32))
    for module in net.modules():
        if isinstance(module, torch.nn.Conv2d):
            assert float(torch.linalg.svdvals(module.weight.detach().flatten(1))[0]) == pytest.approx(1, abs=0.05)
