"""From preset, file and flags to one validated `Settings`, and back to commented YAML.

The sources are merged as plain dictionaries and validated once, so that every message names a key and nothing is
filled in twice.
"""

from __future__ import annotations

import io
import types
import typing
from collections.abc import Iterable, Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from gantool.errors import SettingsError, closest
from gantool.settings.cyclegan import CycleGanSettings
from gantool.settings.pix2pix import Pix2PixSettings
from gantool.settings.schema import Section, Settings
from gantool.settings.segmentation import SegmentationSettings

__all__ = [
    "PRESETS",
    "Tree",
    "load_settings",
    "merge",
    "overlay",
    "parse_assignment",
    "preset_text",
    "read_settings",
    "to_yaml",
]

Tree = dict[str, Any]

PRESETS = (
    "cyclegan",
    "cyclegan-light",
    "cyclegan-sample",
    "cyclegan-seasons",
    "pix2pix",
    "pix2pix-sample",
    "segmentation",
    "segmentation-sample",
)

_TASKS: Mapping[str, type[Settings]] = {
    "cyclegan": CycleGanSettings,
    "pix2pix": Pix2PixSettings,
    "segmentation": SegmentationSettings,
}
_WHOLE = ("domains", "terms", "class_weights")  # mappings that are one value: a new one replaces the old


def load_settings(
    preset: str,
    *,
    base: Mapping[str, Any] | None = None,
    config: Path | None = None,
    assignments: Iterable[str] = (),
    overrides: Mapping[str, Any] | None = None,
) -> Settings:
    """Merge preset < ``config`` file < ``assignments`` < ``overrides`` and validate.

    Args:
        preset: one of `PRESETS`.
        base: values by dotted key that replace the preset's; None is a value here.
        config: a YAML file of sections, not necessarily complete; it may name another preset with ``extends``.
        assignments: ``section.key=value`` with the value in YAML.
        overrides: values by dotted key, from dedicated flags; None leaves a key alone.

    Raises:
        SettingsError: names the key, what is wrong with it and the nearest valid one.
    """
    layer = _read_yaml(config) if config is not None else {}
    tree = _preset_tree(str(layer.pop("extends", preset)))
    for key, value in (base or {}).items():
        tree = merge(tree, _nest(key, value))
    return _finish(merge(tree, layer), config, assignments, overrides)


def overlay(
    base: Path,
    *,
    config: Path | None = None,
    assignments: Iterable[str] = (),
    overrides: Mapping[str, Any] | None = None,
) -> Settings:
    """Like `load_settings`, over a complete settings file instead of a preset."""
    layer = _read_yaml(config) if config is not None else {}
    layer.pop("extends", None)
    return _finish(merge(_read_yaml(base), layer), config, assignments, overrides)


def _finish(
    tree: Tree, config: Path | None, assignments: Iterable[str], overrides: Mapping[str, Any] | None
) -> Settings:
    for assignment in assignments:
        tree = merge(tree, parse_assignment(assignment))
    for key, value in (overrides or {}).items():
        if value is not None:
            tree = merge(tree, _nest(key, value))
    return _validate(tree, str(config) if config is not None else "")


def read_settings(path: Path) -> Settings:
    """Read a complete settings file, such as the ``settings.yaml`` of a run."""
    return _validate(_read_yaml(path), str(path))


def preset_text(name: str) -> str:
    """The YAML of a preset as it ships."""
    if name not in PRESETS:
        raise SettingsError(f'There is no preset "{name}".', closest(name, PRESETS))
    return resources.files("gantool.settings").joinpath("presets", f"{name}.yaml").read_text("utf-8")


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
        raise SettingsError(f'--set {text}: expected section.key=value, such as "optimizer.lr=2e-4".')
    try:
        return _nest(key.strip(), _yaml().load(value) if value.strip() else None)
    except YAMLError:
        raise SettingsError(f"--set {text}: the value is not valid YAML.") from None


def to_yaml(settings: Settings) -> str:
    """Write settings as YAML with the meaning of every key above it; reads back to equal settings."""
    lines = [f"# {Settings.model_fields['task'].description}", f"task: {settings.task}"]
    for name, section in type(settings).sections().items():
        lines += ["", f"# {section.__doc__}", f"{name}:"]
        values = getattr(settings, name)
        for key, field in section.model_fields.items():
            lines += [f"  # {line}" for line in _sentence(field.description).split("\n")]
            lines.append(f"  {key}: {_scalar(getattr(values, key))}")
    return "\n".join(lines) + "\n"


def _sentence(description: str | None) -> str:
    return " ".join((description or "").split())


def _scalar(value: Any) -> str:
    stream = io.StringIO()
    yaml = _yaml()
    yaml.default_flow_style = True
    yaml.width = 10_000
    yaml.dump(list(value) if isinstance(value, tuple) else value, stream)
    return stream.getvalue().removesuffix("...\n").strip()


def _yaml() -> YAML:
    yaml = YAML(typ="safe", pure=True)
    yaml.version = "1.2"  # without it "off" and "no" would be booleans for some readers
    yaml.representer.add_representer(type(None), lambda r, _: r.represent_scalar("tag:yaml.org,2002:null", "null"))
    yaml.explicit_start = False
    yaml.version = None
    return yaml


def _read_yaml(path: Path) -> Tree:
    try:
        tree = _yaml().load(path.read_text("utf-8"))
    except FileNotFoundError:
        raise SettingsError(f"{path}: there is no such settings file.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: cannot be read ({error}).") from None
    except YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f" at line {mark.line + 1}" if mark is not None else ""
        raise SettingsError(f"{path}: not valid YAML{line} ({getattr(error, 'problem', None) or error}).") from None
    if tree is None:
        return {}
    if not isinstance(tree, dict):
        raise SettingsError(f"{path}: expected sections such as train: and optimizer:, got {type(tree).__name__}.")
    return tree


def _preset_tree(name: str) -> Tree:
    tree: Tree = _yaml().load(preset_text(name))
    parent = tree.pop("extends", None)
    return merge(_preset_tree(parent), tree) if parent else tree


def _nest(key: str, value: Any) -> Tree:
    for part in reversed(key.split(".")):
        value = {part: value}
    return typing.cast(Tree, value)


def _validate(tree: Tree, where: str) -> Settings:
    prefix = f"{where}: " if where else ""
    task = str(tree.get("task", ""))
    if task not in _TASKS:
        said = f'there is no method "{task}"' if task else "is required"
        raise SettingsError(f"{prefix}task: {said}.", closest(task, _TASKS))
    try:
        return _TASKS[task].model_validate(tree)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise SettingsError(prefix + _explain(first, _TASKS[task].sections())) from None


def _explain(error: Any, sections: Mapping[str, type[Section]]) -> str:
    path = [str(part) for part in error["loc"]]
    key = ".".join(path)
    kind = error["type"]
    if kind == "extra_forbidden":
        return f"{key}: there is no such setting. {_nearest_key(path, sections)}".strip()
    if kind == "missing":
        return f"{key}: is required."
    message = str(error["msg"]).removeprefix("Value error, ")
    if not path:
        return f"{message}."
    text = message[0].lower() + message[1:]
    return f"{key}: {text.replace('input should', 'must')}, got {error['input']!r}."


def _nearest_key(path: list[str], sections: Mapping[str, type[Section]]) -> str:
    """A did-you-mean for an unknown section or key, wherever in the schema the word was meant to stand."""
    if len(path) == 1:
        return closest(path[0], [*sections, "task"])
    section = sections.get(path[0])
    if section is None:
        return closest(path[0], sections)
    for name, other in sections.items():
        if path[1] in other.model_fields:
            return f'Did you mean "{name}.{path[1]}"?'
    return closest(path[1], section.model_fields)


def describe_type(annotation: Any) -> str:
    """A type in a reader's words: ``number``, ``list of 2``, ``adam | sgd``."""
    origin, args = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return describe_type(args[0])
    if origin is typing.Literal:
        return " | ".join(str(arg) for arg in args)
    if origin in (typing.Union, types.UnionType):
        return " | ".join(describe_type(arg) for arg in args)
    if origin is tuple:
        return f"list{'' if args[-1] is Ellipsis else f' of {len(args)}'} ({describe_type(args[0])})"
    if origin is dict:
        return "mapping"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "section"
    words = {int: "integer", float: "number", str: "text", bool: "true | false", type(None): "null"}
    return words.get(annotation, str(annotation))


def reference() -> str:
    """The settings reference of the documentation, as Markdown."""
    lines: list[str] = []
    for task, kind in _TASKS.items():
        trees = {name: tree for name in PRESETS if (tree := load_settings(name)).task == task}
        lines += [f"## task: {task}", ""]
        for name, section in kind.sections().items():
            lines += [f"### {name} ({task})", "", (section.__doc__ or "").strip(), ""]
            lines += [f"| key | type | {' | '.join(trees)} | meaning |", "|" + " --- |" * (3 + len(trees))]
            lines += [_row(name, section, key, trees) for key in section.model_fields]
            lines.append("")
    return "\n".join(lines)


def _row(name: str, section: type[Section], key: str, trees: Mapping[str, Settings]) -> str:
    field = section.model_fields[key]
    values = [_scalar(getattr(getattr(tree, name), key)) for tree in trees.values()]
    kind = describe_type(field.annotation).replace("|", "\\|")
    cells = [f"`{name}.{key}`", kind, *(f"`{value}`" for value in values), _sentence(field.description)]
    return f"| {' | '.join(cells)} |"
