"""From what a person asks for to a training plan: names resolved, settings merged and validated, no torch yet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gantool.errors import RunError, SettingsError, UsageError, closest
from gantool.models.runs import Run, find_run
from gantool.nets.segmenter_table import SEGMENTERS, split_name
from gantool.settings import (
    CycleGanSettings,
    Pix2PixSettings,
    SegmentationSettings,
    Settings,
    load_settings,
    read_settings,
)

__all__ = ["MODELS", "TrainingPlan", "plan_training"]

MODELS: Mapping[str, str] = {
    "cyclegan": "unpaired translation with the paper's networks (ResNet generators, 70x70 PatchGAN)",
    "cyclegan-light": "the same method with generators that a CPU trains in hours",
    "cyclegan-seasons": "the recipe of the built-in model for photographs (needs its data set)",
    "pix2pix": "translation learned from pairs (U-Net generator, conditional 70x70 PatchGAN)",
    "unet": "segmentation with the classic U-Net",
    "ARCH-ENCODER": "segmentation, such as unet-resnet50 or deeplabv3plus-resnet50: any architecture of "
    "segmentation-models-pytorch (unet, unetplusplus, manet, linknet, fpn, pspnet, deeplabv3, deeplabv3plus, pan, "
    "upernet, segformer, dpt) with any of its encoders, or tu-NAME for one of timm",
}
_TRANSLATION = ("cyclegan", "cyclegan-light", "cyclegan-seasons", "pix2pix")
_CHANGEABLE = {"train.epochs", "runtime.devices", "runtime.workers"}


@dataclass(frozen=True)
class TrainingPlan:
    """A training that can start.

    Attributes:
        kind: what the run is named after.
        resume: the run to go on with, instead of making a new one.
        init_from: a run or model file whose weights to start from.
    """

    kind: str
    settings: Settings
    runs: Path
    name: str | None = None
    resume: Run | None = None
    init_from: str | None = None


def plan_training(
    model: str | None = None,
    *,
    overrides: Mapping[str, Any] | None = None,
    assignments: Sequence[str] = (),
    config: Path | None = None,
    name: str | None = None,
    runs: Path = Path("runs"),
    resume: str | None = None,
    init_from: str | None = None,
) -> TrainingPlan:
    """Resolve names and settings.

    Args:
        model: one of `MODELS`; may be left out with ``resume``, and must agree with the run if given.
        overrides: settings by dotted key, such as ``{"train.epochs": 20}``; None leaves a key alone.
        assignments: ``section.key=value`` texts, as ``--set`` takes them.
        config: a YAML file of settings.
        name: of the new run; default the next free ``model-N``.
        runs: folder of the runs.
        resume: a run's name or path, or ``latest``.
        init_from: a run or a model file to take first weights from.

    Raises:
        UsageError, SettingsError, RunError: with the name or key at fault and the remedy.
    """
    given = {key: value for key, value in (overrides or {}).items() if value is not None}
    if resume is not None:
        if init_from is not None or name is not None:
            raise UsageError("--resume goes on with a run; it takes neither --init-from nor --name.")
        return _plan_resume(find_run(resume, runs), model, given, assignments, config, runs)
    if model is None:
        raise UsageError("No model named.", f"Name one: gantool train {next(iter(MODELS))}.")
    settings = _settings_of(model, config, assignments, given)
    return TrainingPlan(model, settings, runs, name=name, init_from=init_from)


def _settings_of(model: str, config: Path | None, assignments: Sequence[str], given: Mapping[str, Any]) -> Settings:
    """Merge the model's preset, or that of the built-in sample where no data is named, with what is given."""
    if model in _TRANSLATION:
        if given.get("model.encoder_weights") is not None:
            raise UsageError(f"--encoder-weights: {model} has no encoder.")
        if model != "pix2pix" and given.get("data.to") is not None:
            raise UsageError(f"--to: {model} learns both directions; only pix2pix has one.")
        settings = load_settings(model, config=config, assignments=assignments, overrides=given)
        assert isinstance(settings, CycleGanSettings | Pix2PixSettings)
        if settings.data.path == "sample" and settings.data.domains is None:
            sample = "pix2pix-sample" if model == "pix2pix" else "cyclegan-sample"
            settings = load_settings(sample, config=config, assignments=assignments, overrides=given)
        return settings
    parts = split_name(model)
    if parts is None:
        known = [*_TRANSLATION, *(f"{name}-resnet50" for name in SEGMENTERS), "unet"]
        first, dash, encoder = model.partition("-")
        near = closest(f"{first}-resnet50" if dash else first, known)
        raise UsageError(f'There is no model "{model}".', near.replace("resnet50", encoder) if dash else near)
    if given.get("data.to") is not None:
        raise UsageError(f"--to: {model} labels pixels; only pix2pix translates in one direction.")
    if given.get("data.domains") is not None:
        raise UsageError("--domain names two folders to translate between; a segmenter takes --data.")
    if given.get("data.names") is not None:
        raise UsageError("--domains names two kinds of pictures to translate between; a segmenter has classes.")
    architecture, encoder_name = parts
    whole = {
        "model.architecture": architecture,
        "model.encoder": encoder_name,
        **({} if encoder_name else {"model.encoder_weights": "none"}),
    }
    # The model's name stands between the preset and the user's own settings.
    settings = load_settings("segmentation", base=whole, config=config, assignments=assignments, overrides=given)
    if isinstance(settings, SegmentationSettings) and settings.data.path == "sample":
        settings = load_settings(
            "segmentation-sample", base=whole, config=config, assignments=assignments, overrides=given
        )
    assert isinstance(settings, SegmentationSettings)
    if (settings.model.architecture, settings.model.encoder) != parts:
        raise UsageError(f"{model} is {architecture} with {encoder_name}; the settings name another network.")
    return settings


def _plan_resume(
    run: Run,
    model: str | None,
    given: Mapping[str, Any],
    assignments: Sequence[str],
    config: Path | None,
    runs: Path,
) -> TrainingPlan:
    kind = str(run.facts().get("kind", ""))
    if model is not None and model != kind:
        raise RunError(f"{run.path}: is a run of {kind}, not of {model}.", f"Leave the model out, or name {kind}.")
    old = read_settings(run.settings)
    new = _overlaid(run, given, assignments, config)
    for key, (was, wanted) in _differences(old, new).items():
        if key not in _CHANGEABLE:
            raise RunError(
                f"{run.path}: the run has {key} = {was}, it cannot go on with {wanted}.",
                f"Only {', '.join(sorted(_CHANGEABLE))} may change; for anything else start a new run with "
                f"--init-from {run.name}.",
            )
    return TrainingPlan(kind, new, runs, resume=run)


def _overlaid(run: Run, given: Mapping[str, Any], assignments: Sequence[str], config: Path | None) -> Settings:
    from gantool.settings.sources import overlay

    return overlay(run.settings, config=config, assignments=assignments, overrides=given)


def _differences(old: Settings, new: Settings) -> dict[str, tuple[Any, Any]]:
    out: dict[str, tuple[Any, Any]] = {}
    before, after = old.model_dump(), new.model_dump()
    if before.pop("task") != after.pop("task"):
        raise SettingsError("task: cannot change.")
    for section, values in before.items():
        for key, value in values.items():
            if after[section][key] != value:
                out[f"{section}.{key}"] = (value, after[section][key])
    return out
