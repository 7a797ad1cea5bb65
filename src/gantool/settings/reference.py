"""The reference page of a schema: every key with its type, its value in every preset and its meaning."""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from gantool.settings.schema import Section, Settings
from gantool.settings.sources import scalar, sentence

__all__ = ["describe_type", "reference"]


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


def reference(task: str, kind: type[Settings], presets: Mapping[str, Settings]) -> str:
    """The tables of a method, as Markdown.

    Args:
        presets: its presets by name, a column each.
    """
    lines = [f"## task: {task}", ""]
    for name, section in kind.sections().items():
        lines += [f"### {name} ({task})", "", (section.__doc__ or "").strip(), ""]
        lines += [f"| key | type | {' | '.join(presets)} | meaning |", "|" + " --- |" * (3 + len(presets))]
        lines += [_row(name, section, key, presets) for key in section.model_fields]
        lines.append("")
    return "\n".join(lines)


def _row(name: str, section: type[Section], key: str, presets: Mapping[str, Settings]) -> str:
    field = section.model_fields[key]
    values = [scalar(getattr(getattr(preset, name), key)) for preset in presets.values()]
    kind = describe_type(field.annotation).replace("|", "\\|")
    cells = [f"`{name}.{key}`", kind, *(f"`{value}`" for value in values), sentence(field.description)]
    return f"| {' | '.join(cells)} |"
