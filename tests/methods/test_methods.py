"""What every method must do; a new one is tested by being listed in `METHODS`."""

from __future__ import annotations

import json
import math
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import gantool
from gantool.engine.ema import Ema
from gantool.engine.events import Saved
from gantool.engine.runtime import Runtime
from gantool.engine.task import Player
from gantool.errors import UsageError
from gantool.methods.base import MethodSpec
from gantool.methods.images import LabelledSplit
from gantool.methods.registry import METHODS, MODELS, load_settings, make_method, read_settings, resolve_name
from gantool.models.files import read_card
from gantool.models.runs import Run
from gantool.workflows.plan_training import TrainOptions, plan_training
from gantool.workflows.train import Finished, Started, TrainResult, training_events

TINY: dict[str, Any] = {
    "model.width": 4,
    "data.size": 64,
    "data.load_size": 64,
    "data.scenes": 4,
    "data.test_scenes": 2,
    "train.batch_size": 2,
    "train.epochs": 1,
    "train.save_steps": 1,
    "runtime.precision": "fp32",
    "runtime.device": "cpu",
}
every_method = pytest.mark.parametrize("spec", METHODS.values(), ids=METHODS)


def options(spec: MethodSpec, name: str) -> TrainOptions:
    return TrainOptions(next(iter(spec.models)), settings=TINY, name=name)


def finished(asked: TrainOptions) -> tuple[Started, TrainResult]:
    events = list(training_events(plan_training(asked)))
    first, last = events[0], events[-1]
    assert isinstance(first, Started)
    assert isinstance(last, Finished)
    return first, last.result


class Nowhere(Runtime):
    """A device whose tensors have no values: reading one back fails, and so does mixing in one from elsewhere."""

    device = torch.device("meta")  # type: ignore[assignment]


OBJECTIVES: dict[str, dict[str, Any]] = {
    "cyclegan": {
        "train.pool_size": 1, "augment.discriminator": ("color", "translation", "cutout"),
        "model.discriminator_norm": "spectral",
    },
    "cut": {"loss.flip": True, "augment.discriminator": ("color", "translation", "cutout")},
    "pix2pix": {"loss.adversarial": "wgan-gp"},
    "segmentation": {
        "loss.class_weights": "auto",
        "loss.terms": dict.fromkeys(("cross_entropy", "bce", "dice", "focal", "tversky", "focal_tversky"), 1.0),
    },
}  # fmt: skip
"""More of the losses than a preset has."""


@every_method
def test_a_step_waits_for_no_gpu(spec: MethodSpec, workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It reads nothing back, and makes everything where its batch is; so does the moving average."""
    monkeypatch.setattr(torch, "autocast", lambda *args, **options: nullcontext())  # is not had nowhere

    def update(player: Player, loss: torch.Tensor) -> None:
        player.optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(player.parameters(), 1.0)
        player.optimizer.step()

    plan = plan_training(TrainOptions(next(iter(spec.models)), settings={**TINY, **OBJECTIVES.get(spec.name, {})}))
    method, runtime = make_method(plan.settings, plan.kind), Nowhere("cpu", 1, "fp32")
    task = method.task(runtime, fresh=False)
    ema = Ema(task.nets(), 0.9)
    losses = task.step(runtime.to_device(next(iter(method.batches(runtime).epoch(0, 0)))), update)
    ema.update(task.nets())
    assert {loss.device.type for loss in losses.values()} == {"meta"}


@every_method
def test_it_trains_resumes_exactly_and_delivers(spec: MethodSpec, workplace: Path) -> None:
    started, whole = finished(options(spec, "whole"))
    assert started.steps_per_epoch == 2
    record = json.loads(Run(whole.run).metrics.read_text())
    assert record["losses"].keys() <= started.losses.keys()
    assert all(math.isfinite(value) for value in (*record["losses"].values(), *record["metrics"].values()))

    events = training_events(plan_training(options(spec, "cut")))
    for event in events:
        if isinstance(event, Saved) and event.step == 1:
            events.close()  # as if the power had gone
    _, resumed = finished(TrainOptions(resume="cut"))
    assert whole.model is not None
    assert resumed.model is not None
    first, second = load_file(whole.model), load_file(resumed.model)
    assert first.keys() == second.keys()
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert json.loads(Run(resumed.run).metrics.read_text())["losses"] == record["losses"]

    card = read_card(whole.model)
    assert (card.task, card.origin.run, card.origin.data, card.size) == (spec.name, "whole", "sample", 64)
    assert whole.metrics
    assert all(math.isfinite(value) for value in whole.metrics.values())
    images = make_method(read_settings(Run(whole.run).settings)).images("test")
    assert isinstance(images, LabelledSplit) == card.is_segmenter
    if isinstance(images, LabelledSplit):
        assert gantool.segment(images.images[0][0], model="whole").mask.shape == (64, 64)
        return
    for direction in card.directions:
        made = gantool.translate(images.sides[direction.source][0], to=direction.target, model="whole")
        assert isinstance(made, np.ndarray)
        assert (made.shape, made.dtype) == ((64, 64, 3), np.uint8)


@every_method
def test_it_has_images_and_measures_nets(spec: MethodSpec, workplace: Path) -> None:
    plan = plan_training(options(spec, "never"))
    method = make_method(plan.settings, plan.kind)
    abouts = {split: method.images(split).about for split in ("train", "val", "test")}
    assert all(f"sample, {split}" in about for split, about in abouts.items())
    runtime = Runtime("cpu", 1, "fp32")
    task = method.task(runtime, fresh=False)
    nets = method.delivered(task.nets())
    assert nets.keys() == task.nets().keys()
    with torch.no_grad():
        for net in nets.values():
            net.eval()
        found = method.measure(nets, "val", runtime)
        pictures = task.preview(method.preview(), task.nets())
    assert found is not None
    assert math.isfinite(found.best)
    assert all(math.isfinite(value) for value in found.values.values())
    assert found.gallery is not None
    assert len(found.gallery.images()) >= 2
    assert len({picture.shape[-2:] for picture in pictures.values()}) == 1
    assert not list(workplace.iterdir())


@every_method
def test_its_weights_start_another_run(spec: MethodSpec, workplace: Path) -> None:
    _, first = finished(options(spec, "first"))
    model = next(iter(spec.models))
    still = {**TINY, "optimizer.lr": 1e-12, "train.ema": 0}
    _, second = finished(TrainOptions(model, settings=still, name="second", init_from="first"))
    assert first.model is not None
    assert second.model is not None
    before, after = load_file(first.model), load_file(second.model)
    learned = [key for key in before if not key.endswith(("running_mean", "running_var", "num_batches_tracked"))]
    assert max(float((before[key] - after[key]).abs().max()) for key in learned) < 1e-6


@every_method
def test_its_names_presets_and_refusals(spec: MethodSpec, workplace: Path) -> None:
    model = next(iter(spec.models))
    found, named = resolve_name(model)
    assert found is spec
    assert {named.preset, named.sample} <= spec.presets.keys()
    assert model in spec.like(f"{model}x")
    for preset in spec.presets:
        assert load_settings(preset).task == spec.name
    assert load_settings(named.sample).data.is_sample
    plan = plan_training(TrainOptions(model))
    assert plan.settings.data.is_sample
    for key, sentence in spec.refused.items():
        with pytest.raises(UsageError) as caught:
            plan_training(TrainOptions(model, settings={key: "x"}))
        assert caught.value.message == sentence.format(model=model)


def test_names_are_unique_and_unknown_ones_get_the_nearest() -> None:
    assert len(MODELS) == sum(len(spec.models) for spec in METHODS.values())
    for wrong, near in (("cyclgan", "cyclegan"), ("unett-resnet34", "unet-resnet34"), ("pix2pixx", "pix2pix")):
        with pytest.raises(UsageError, match=f'There is no model "{wrong}".*"{near}"'):
            resolve_name(wrong)


def test_settings_of_no_method_are_refused(workplace: Path) -> None:
    Path("settings.yaml").write_text("task: cyclgan\n")
    with pytest.raises(gantool.errors.SettingsError, match=r'settings\.yaml: task: there is no method "cyclgan"'):
        read_settings(Path("settings.yaml"))
