"""The methods by name; free of torch, so that names and settings can be checked before it is loaded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from gantool.errors import SettingsError, UsageError, closest
from gantool.methods.base import Method, MethodSpec, ModelName
from gantool.settings import sources
from gantool.settings.schema import Settings

__all__ = [
    "METHODS",
    "MODELS",
    "PRESETS",
    "load_settings",
    "make_method",
    "overlay_settings",
    "read_settings",
    "resolve_name",
]

_FOLDERS = ("cyclegan", "cut", "pix2pix", "distill", "segmentation")

METHODS: Mapping[str, MethodSpec] = {
    spec.name: spec for spec in (import_module(f"gantool.methods.{folder}").SPEC for folder in _FOLDERS)
}
"""By the ``task`` of their settings."""

MODELS: Mapping[str, str] = {name: about for spec in METHODS.values() for name, about in spec.models.items()}
"""What can be trained, and what it is."""

PRESETS: sources.Presets = {name: file for spec in METHODS.values() for name, file in spec.presets.items()}


def resolve_name(model: str) -> tuple[MethodSpec, ModelName]:
    """The method that trains a model, and where its settings start.

    Raises:
        UsageError: there is no such model; names the nearest.
    """
    for spec in METHODS.values():
        if (found := spec.resolve(model)) is not None:
            return spec, found
    known = [name for spec in METHODS.values() for name in spec.like(model)]
    raise UsageError(f'There is no model "{model}".', closest(model, known))


def load_settings(preset: str, **layers: Any) -> Settings:
    """Settings of a preset with what is laid over it; see `gantool.settings.load_settings`."""
    spec = next((spec for spec in METHODS.values() if preset in spec.presets), next(iter(METHODS.values())))
    return sources.load_settings(spec.settings, preset, PRESETS, **layers)


def read_settings(path: Path) -> Settings:
    """Read a complete settings file, such as the ``settings.yaml`` of a run.

    Raises:
        SettingsError: names the key that is wrong.
    """
    tree = sources.read_yaml(path)
    return sources.validate(_spec_of(tree, path).settings, tree, str(path))


def overlay_settings(
    base: Path, *, config: Path | None, assignments: Iterable[str], overrides: Mapping[str, Any]
) -> Settings:
    """A complete settings file with what is laid over it; see `gantool.settings.overlay`."""
    kind = _spec_of(sources.read_yaml(base), base).settings
    return sources.overlay(kind, base, config=config, assignments=assignments, overrides=overrides)


def _spec_of(tree: sources.Tree, path: Path) -> MethodSpec:
    task = str(tree.get("task", ""))
    if task not in METHODS:
        said = f'there is no method "{task}"' if task else "is required"
        raise SettingsError(f"{path}: task: {said}.", closest(task, METHODS))
    return METHODS[task]


def make_method(settings: Settings, model: str = "", *, fresh: bool = False) -> Method:
    """Check the settings, find the data, and return the settings' method.

    Args:
        model: what the user called the model, for messages.
        fresh: whether first weights will be needed, so that missing ones are told before anything is started.

    Raises:
        SettingsError, DataError, ModelError: with the remedy.
    """
    return METHODS[settings.task].load()(settings, model, fresh=fresh)
