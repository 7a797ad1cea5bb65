"""From what a person asks for to a training plan: names resolved, settings merged and validated, no torch yet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from gantool.errors import ModelError, RunError, SettingsError, UsageError
from gantool.methods.base import MethodSpec, ModelName
from gantool.methods.registry import MODELS, PRESETS, overlay_settings, read_settings, resolve_name
from gantool.models.find import find_model
from gantool.models.runs import Run, find_run
from gantool.settings.schema import Settings
from gantool.settings.sources import load_settings, preset_tree

__all__ = ["TrainOptions", "TrainingPlan", "plan_training"]

_CHANGEABLE = {"data.cache", "train.epochs", "runtime.devices", "runtime.workers"}
_KEYS: Mapping[str, str] = {
    "data": "data.path",
    "domains": "data.domains",
    "names": "data.names",
    "size": "data.size",
    "to": "data.to",
    "epochs": "train.epochs",
    "batch_size": "train.batch_size",
    "seed": "train.seed",
    "lr": "optimizer.lr",
    "distill": "model.teacher",
    "encoder_weights": "model.encoder_weights",
    "devices": "runtime.devices",
    "workers": "runtime.workers",
    "device": "runtime.device",
    "precision": "runtime.precision",
    "compile": "runtime.compile",
}
"""The settings that options of their own stand for."""


@dataclass(frozen=True)
class TrainOptions:
    """What a training is asked for; None leaves a setting alone.

    Attributes:
        model: one of `gantool.methods.registry.MODELS`; may be left out with ``resume``, and must agree with the run
            if given.
        data: a folder or a name under ``./data``; default the built-in sample.
        domains: two plain folders by domain name, instead of ``data``.
        names: of the halves of side-by-side images, left and right.
        to: domain that a model of one direction translates to.
        distill: a run or a model file whose translations a light generator is to learn; its data is the default.
        encoder_weights: of a segmenter: ``imagenet``, ``none`` or a file.
        settings: any others by dotted key, such as ``{"loss.identity": 0}``.
        assignments: ``section.key=value`` texts, as ``--set`` takes them; weaker than all options.
        config: a YAML file of settings, weaker still.
        name: of the new run; default the next free ``model-N``.
        runs: folder of the runs.
        resume: a run's name or path, or ``latest``, to go on with.
        init_from: a run or a model file to take initial weights from; ``none`` for none where the model's name stands
            for some.
        dry_run: take one step in a run directory that is removed again.
        accept_changed_data: go on with ``resume`` although files of its data were added, removed or changed.
    """

    model: str | None = None
    data: str | None = None
    domains: Mapping[str, str] | None = None
    names: tuple[str, str] | None = None
    epochs: int | None = None
    batch_size: int | None = None
    size: int | None = None
    lr: float | None = None
    seed: int | None = None
    devices: int | None = None
    workers: int | None = None
    device: str | None = None
    precision: str | None = None
    compile: bool | None = None
    to: str | None = None
    encoder_weights: str | None = None
    distill: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    assignments: Sequence[str] = ()
    config: Path | None = None
    name: str | None = None
    runs: Path = Path("runs")
    resume: str | None = None
    init_from: str | None = None
    dry_run: bool = False
    accept_changed_data: bool = False

    def overrides(self) -> dict[str, Any]:
        """All settings that are asked for, by dotted key."""
        own = {key: getattr(self, name) for name, key in _KEYS.items()}
        return {key: value for key, value in {**own, **self.settings}.items() if value is not None}

    def said(self) -> set[str]:
        """The keys that were named one by one, and not in a file."""
        return {*self.overrides(), *(text.partition("=")[0].strip() for text in self.assignments)}


@dataclass(frozen=True)
class TrainingPlan:
    """A training that can start.

    Attributes:
        kind: what the run is named after.
        resume: the run to go on with, instead of making a new one.
        init_from: a run or model file whose weights to start from.
        dry_run: whether one step is all.
        accept_changed_data: whether ``resume`` goes on although files of its data were added, removed or changed.
        notes: what the user should know before it starts.
    """

    kind: str
    settings: Settings
    runs: Path
    name: str | None = None
    resume: Run | None = None
    init_from: str | None = None
    dry_run: bool = False
    accept_changed_data: bool = False
    notes: tuple[str, ...] = ()

    @property
    def fresh(self) -> bool:
        """Whether it begins with weights of its own."""
        return self.resume is None and self.init_from is None


def plan_training(options: TrainOptions | str, *, overrides: Mapping[str, Any] | None = None) -> TrainingPlan:
    """Resolve names and settings.

    Args:
        options: or a model's name alone, with
        overrides: settings by dotted key, such as ``{"train.epochs": 5}``.

    Raises:
        UsageError, SettingsError, RunError: with the name or key at fault and the remedy.
    """
    if isinstance(options, str):
        options = TrainOptions(options, settings=overrides or {})
    if options.resume is not None:
        if options.init_from is not None or options.name is not None:
            raise UsageError("--resume resumes a run; it takes neither --init-from nor --name.")
        return _plan_resume(find_run(options.resume, options.runs), options)
    if options.accept_changed_data:
        raise UsageError("--accept-changed-data is for a run that is resumed.", "Name it: --resume RUN.")
    if options.distill is not None:
        options = _with_teacher(options, options.distill)
    if options.model is None:
        raise UsageError("No model named.", f"Name one: gantool train {next(iter(MODELS))}.")
    settings, notes = _settings_of(options.model, options)
    init_from = resolve_name(options.model)[1].init_from if options.init_from is None else options.init_from
    return TrainingPlan(
        options.model, settings, options.runs, options.name, init_from=None if init_from == "none" else init_from,
        dry_run=options.dry_run, notes=notes,
    )  # fmt: skip


def _with_teacher(options: TrainOptions, teacher: str) -> TrainOptions:
    """The options with the teacher's file, its size, and the data of its run where they say nothing else.

    Raises:
        UsageError, ModelError: another model is named, or there is no such teacher.
    """
    if options.model not in (None, "distill"):
        raise UsageError(
            f"--distill trains a model of its own, not {options.model}.", "Leave the model out, or name distill."
        )
    try:
        found = find_model(teacher, options.runs)
    except ModelError as error:
        raise ModelError(f"--distill {teacher}: {error.message}", error.remedy) from None
    file = teacher if found.is_bundled else str(found.path)
    given, run = options.said(), Run(found.path.parent)
    settings: dict[str, Any] = dict(options.settings)
    if options.size is None and "data.size" not in given and not found.card.from_elsewhere:
        settings["data.size"] = found.card.size
    if run.settings.is_file() and options.config is None and not given & {"data.path", "data.domains"}:
        data = read_settings(run.settings).data.model_dump()
        settings |= {f"data.{key}": data[key] for key in ("path", "domains", "names", "channels") if data.get(key)}
    return replace(options, model="distill", distill=file, settings=settings)


def _settings_of(model: str, options: TrainOptions) -> tuple[Settings, tuple[str, ...]]:
    """Merge the model's preset, or that of the built-in sample where no data is named, with what is given."""
    spec, named = resolve_name(model)
    given = options.overrides()
    for key, sentence in spec.refused.items():
        if key in given:
            raise UsageError(sentence.format(model=model))
    settings = _merged(spec, named, named.preset, options)
    presets = [named.preset]
    if settings.data.is_sample:
        settings = _merged(spec, named, named.sample, options)
        presets.append(named.sample)
    for key, value in named.network.items():
        if (other := _value(settings, key)) != value:
            where = options.config if options.config is not None and key not in options.said() else "--set"
            raise UsageError(
                f"{where}: {key} is {_shown(other)}, but that of {model} is {_shown(value)}.",
                "Name the model that is meant, or leave the key out.",
            )
    return settings, _other_network(model, spec, named, settings, presets, options)


def _merged(spec: MethodSpec, named: ModelName, preset: str, options: TrainOptions) -> Settings:
    def over(fitting: Mapping[str, Any]) -> Settings:
        # The model's name stands between the preset and the user's own settings.
        return load_settings(
            spec.settings, preset, PRESETS, base={**fitting, **named.network, **named.others}, config=options.config,
            assignments=options.assignments, overrides=options.overrides(),
        )  # fmt: skip

    settings = over({})
    needed = spec.fitting(settings)
    return over(needed) if needed else settings


def _other_network(
    model: str, spec: MethodSpec, named: ModelName, settings: Settings, presets: Sequence[str], options: TrainOptions
) -> tuple[str, ...]:
    """Tell where a settings file makes another network than the model's name promises.

    Args:
        presets: that the name stands for.
    """
    if options.config is None:
        return ()
    own = [preset_tree(preset, PRESETS)["model"] for preset in presets]
    others = [
        f"{key} is {_shown(value)} instead of {_shown(own[-1][name])}"
        for name in own[0]
        if (key := f"model.{name}") not in {*named.network, *options.said()}
        and (value := _value(settings, key)) not in [names[name] for names in own]
        and value != _fitting(spec, settings, key, own[-1][name])
    ]
    return (f"{options.config}: the network is not that of {model}: {', '.join(others)}.",) if others else ()


def _fitting(spec: MethodSpec, settings: Settings, key: str, value: object) -> object:
    """What a key would be made to fit the others if it had this value."""
    section, _, name = key.partition(".")
    plain = getattr(settings, section).model_copy(update={name: value})
    return spec.fitting(settings.model_copy(update={section: plain})).get(key)


def _value(settings: Settings, key: str) -> Any:
    section, _, name = key.partition(".")
    return getattr(getattr(settings, section), name)


def _shown(value: object) -> str:
    return "none" if value is None else str(value)


def _plan_resume(run: Run, options: TrainOptions) -> TrainingPlan:
    kind = str(run.facts().get("kind", ""))
    if options.model not in (None, kind):
        raise RunError(
            f"{run.path}: is a run of {kind}, not of {options.model}.", f"Leave the model out, or name {kind}."
        )
    if not run.checkpoint.is_file():
        again = f"gantool train {kind}{f' --config {run.settings}' if run.settings.is_file() else ''}"
        raise RunError(
            f"{run.path}: has no checkpoint to resume from, it was stopped before the first.",
            f"Start another run: {again}.",
        )
    old = read_settings(run.settings)
    new = overlay_settings(
        run.settings, config=options.config, assignments=options.assignments, overrides=options.overrides()
    )
    for key, (was, wanted) in _differences(old, new).items():
        if key not in _CHANGEABLE:
            raise RunError(
                f"{run.path}: the run has {key} = {was}, it cannot be resumed with {wanted}.",
                f"Only {', '.join(sorted(_CHANGEABLE))} may change; for anything else start a new run with "
                f"--init-from {run.name}.",
            )
    return TrainingPlan(
        kind, new, options.runs, resume=run, dry_run=options.dry_run, accept_changed_data=options.accept_changed_data
    )


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
