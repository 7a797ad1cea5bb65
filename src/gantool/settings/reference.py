"""The reference page of the settings: every key with its type and meaning, and the values of every preset."""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from gantool.settings.schema import Settings
from gantool.settings.sources import scalar, sentence

__all__ = ["Methods", "describe_type", "reference"]

Methods = Mapping[str, tuple[type[Settings], Mapping[str, Settings]]]
"""Of each method its schema, and its presets by name."""


def describe_type(annotation: Any) -> str:
    """A type in a reader's words: ``number``, ``list of 2``, ``adam | sgd``."""
    origin, args = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return describe_type(args[0])
    if origin is typing.Literal:
        return " | ".join(str(arg).lower() if isinstance(arg, bool) else str(arg) for arg in args)
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


def reference(methods: Methods) -> str:
    """All settings as Markdown: a table per section with one row a key, then the values of every preset by method."""
    sections = dict.fromkeys(name for kind, _ in methods.values() for name in kind.sections())
    lines: list[str] = []
    for name in sections:
        lines += [f"## {name}", "", _purpose(name, methods), ""]
        lines += ["| key | type | for | meaning |", "| --- | --- | --- | --- |", *_rows(name, methods), ""]
    for task, (kind, presets) in methods.items():
        lines += [f"## Presets of {task}", "", f"| key | {' | '.join(presets)} |"]
        lines.append("|" + " --- |" * (1 + len(presets)))
        keys = [(name, key) for name, section in kind.sections().items() for key in section.model_fields]
        lines += [_values(name, key, presets) for name, key in keys]
        lines.append("")
    return "\n".join(lines)


def _purpose(name: str, methods: Methods) -> str:
    found = (kind.sections()[name].__doc__ for kind, _ in methods.values() if name in kind.sections())
    return next(text for text in found if text).strip().splitlines()[0]


def _rows(name: str, methods: Methods) -> list[str]:
    """One row a key; two where the methods do not mean the same by it."""
    of: dict[tuple[str, str, str], list[str]] = {}
    for task, (kind, _) in methods.items():
        section = kind.sections().get(name)
        for key, field in section.model_fields.items() if section else ():
            kind_of = describe_type(field.annotation).replace("|", "\\|")
            same = (key, kind_of, sentence(field.description))
            of.setdefault(same, []).append(task)
    order = list(dict.fromkeys(key for key, _, _ in of))
    return [
        f"| `{name}.{key}` | {kind} | {_for(tasks, list(methods))} | {meaning} |"
        for (key, kind, meaning), tasks in sorted(of.items(), key=lambda row: order.index(row[0][0]))
    ]


def _for(tasks: list[str], every: list[str]) -> str:
    if tasks == every:
        return "all"
    others = [task for task in every if task not in tasks]
    return f"all but {others[0]}" if len(others) == 1 else ", ".join(tasks)


def _values(name: str, key: str, presets: Mapping[str, Settings]) -> str:
    values = [scalar(getattr(getattr(preset, name), key)) for preset in presets.values()]
    return f"| `{name}.{key}` | {' | '.join(f'`{value}`' for value in values)} |"
