"""From preset, file and flags to one validated `Settings`, and back to commented YAML.

The sources are merged as plain dictionaries and validated once, so that every message names a key and nothing is
filled in twice.
"""

from __future__ import annotations

import io
import typing
from collections.abc import Iterable, Mapping
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError
from ruamel.yaml import YAML

from gantool.documents import DocumentError, brief
from gantool.errors import SettingsError, closest
from gantool.settings.explain import explain
from gantool.settings.schema import Settings
from gantool.yaml_documents import load_yaml

__all__ = [
    "Presets",
    "Tree",
    "load_settings",
    "merge",
    "overlay",
    "parse_assignment",
    "preset_tree",
    "read_yaml",
    "scalar",
    "sentence",
    "to_yaml",
    "validate",
]

Tree = dict[str, Any]
Presets = Mapping[str, Traversable]
"""The files of presets by name."""

S = TypeVar("S", bound=Settings)

_WHOLE = ("domains", "terms", "class_weights")  # mappings that are one value: a new one replaces the old


def load_settings(
    kind: type[S],
    preset: str,
    presets: Presets,
    *,
    base: Mapping[str, Any] | None = None,
    config: Path | None = None,
    assignments: Iterable[str] = (),
    overrides: Mapping[str, Any] | None = None,
) -> S:
    """Merge preset < ``config`` file < ``assignments`` < ``overrides`` and validate.

    Args:
        kind: the schema.
        preset: name of one of ``presets``.
        base: values by dotted key that replace the preset's; None is a value here.
        config: a YAML file of sections, not necessarily complete; it may name another preset with ``extends``.
        assignments: ``section.key=value`` with the value in YAML.
        overrides: values by dotted key, from dedicated flags; None leaves a key alone.

    Raises:
        SettingsError: names the key, what is wrong with it and the nearest valid one.
    """
    layer = read_yaml(config) if config is not None else {}
    tree = preset_tree(str(layer.pop("extends", preset)), presets)
    for key, value in (base or {}).items():
        tree = merge(tree, _nest(key, value))
    return _finish(kind, merge(tree, layer), config, assignments, overrides)


def overlay(
    kind: type[S],
    base: Path,
    *,
    config: Path | None = None,
    assignments: Iterable[str] = (),
    overrides: Mapping[str, Any] | None = None,
) -> S:
    """Like `load_settings`, over a complete settings file instead of a preset."""
    layer = read_yaml(config) if config is not None else {}
    layer.pop("extends", None)
    return _finish(kind, merge(read_yaml(base), layer), config, assignments, overrides)


def _finish(
    kind: type[S],
    tree: Tree,
    config: Path | None,
    assignments: Iterable[str],
    overrides: Mapping[str, Any] | None,
) -> S:
    for assignment in assignments:
        tree = merge(tree, parse_assignment(assignment))
    for key, value in (overrides or {}).items():
        if value is not None:
            tree = merge(tree, _nest(key, value))
    return validate(kind, tree, str(config) if config is not None else "")


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> Tree:
    """Return ``base`` with the values of ``over`` in their places; sections are merged, values replaced."""
    out = dict(base)
    for key, value in over.items():
        if isinstance(value, Mapping) and isinstance(out.get(key), Mapping) and key not in _WHOLE:
            out[key] = merge(out[key], value)
        else:
            out[key] = value
    return out


def parse_assignment(text: str) -> Tree:
    """Turn ``section.key=value`` into a nested dictionary; the value is YAML (``2e-4`` a number, ``off`` a word)."""
    key, equals, value = text.partition("=")
    if not equals or "." not in key:
        raise SettingsError(f'--set {brief(text)}: expected section.key=value, such as "optimizer.lr=2e-4".')
    try:
        return _nest(key.strip(), load_yaml(value) if value.strip() else None)
    except DocumentError as error:
        raise SettingsError(f"--set {brief(text)}: the value is not valid YAML ({error}).") from None


def to_yaml(settings: Settings) -> str:
    """Write settings as YAML with the meaning of every key above it; reads back to equal settings."""
    lines = [f"# {Settings.model_fields['task'].description}", f"task: {settings.task}"]
    for name, section in type(settings).sections().items():
        lines += ["", f"# {section.__doc__}", f"{name}:"]
        values = getattr(settings, name)
        for key, field in section.model_fields.items():
            lines += [f"  # {line}" for line in sentence(field.description).split("\n")]
            lines.append(f"  {key}: {scalar(getattr(values, key))}")
    return "\n".join(lines) + "\n"


def sentence(description: str | None) -> str:
    """A docstring in one line."""
    return " ".join((description or "").split())


def scalar(value: Any) -> str:
    """A value as YAML in one line."""
    stream = io.StringIO()
    yaml = YAML(typ="safe", pure=True)
    yaml.representer.add_representer(type(None), lambda r, _: r.represent_scalar("tag:yaml.org,2002:null", "null"))
    yaml.default_flow_style = True
    yaml.width = 10_000
    yaml.dump(list(value) if isinstance(value, tuple) else value, stream)
    return stream.getvalue().removesuffix("...\n").strip()


def read_yaml(path: Path) -> Tree:
    """Read a settings file as it is.

    Raises:
        SettingsError: missing, unreadable, or no sections.
    """
    try:
        tree = load_yaml(path.read_text("utf-8"))
    except FileNotFoundError:
        raise SettingsError(f"{path}: there is no such settings file.") from None
    except DocumentError as error:
        raise SettingsError(f"{path}: not valid YAML ({error}).") from None
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: cannot be read ({brief(error)}).") from None
    if tree is None:
        return {}
    if not isinstance(tree, dict):
        raise SettingsError(f"{path}: expected sections such as train: and optimizer:, got {type(tree).__name__}.")
    return tree


def preset_tree(name: str, presets: Presets) -> Tree:
    """Read a preset with all that it extends, not validated.

    Raises:
        SettingsError: there is none of that name.
    """
    if name not in presets:
        raise SettingsError(f'There is no preset "{brief(name)}".', closest(name, presets))
    tree: Tree = load_yaml(presets[name].read_text("utf-8"))
    parent = tree.pop("extends", None)
    return merge(preset_tree(parent, presets), tree) if parent else tree


def _nest(key: str, value: Any) -> Tree:
    for part in reversed(key.split(".")):
        value = {part: value}
    return typing.cast(Tree, value)


def validate(kind: type[S], tree: Tree, where: str = "") -> S:
    """Turn merged values into settings.

    Args:
        where: the file they come from, for the message.

    Raises:
        SettingsError: names the first key that is wrong.
    """
    try:
        return kind.model_validate(tree)
    except ValidationError as error:
        prefix = f"{where}: " if where else ""
        raise SettingsError(prefix + explain(error.errors(include_url=False), kind.sections())) from None
