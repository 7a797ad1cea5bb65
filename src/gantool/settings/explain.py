"""What is wrong with settings, in sentences that name the key, what it must be, and what it is."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from typing import Any

from gantool.documents import brief, shown
from gantool.errors import closest
from gantool.settings.schema import Section

__all__ = ["explain"]

_ALTERNATIVE = re.compile(r"\[|^(int|float|bool|str|constrained-\w+)$")
_PLAIN = {
    "int": "a whole number",
    "float": "a number",
    "finite_number": "a finite number",
    "bool": "true or false",
    "string": "text",
    "list": "a list",
    "tuple": "a list",
    "dict": "values by name, such as {a: 1, b: 2}",
    "none": "null",
}
_BOUNDS = {
    "greater_than": "more than {gt}",
    "greater_than_equal": "at least {ge}",
    "less_than": "less than {lt}",
    "less_than_equal": "at most {le}",
    "string_too_long": "text of at most {max_length} characters",
    "string_too_short": "text of at least {min_length} characters",
    "too_long": "a list of at most {max_length} values",
    "too_short": "a list of at least {min_length} values",
    "multiple_of": "a multiple of {multiple_of}",
}


def explain(errors: Sequence[Any], sections: Mapping[str, type[Section]]) -> str:
    """The sentence for the first key that is wrong.

    Args:
        errors: of pydantic; several of one key are what it could be instead.
    """
    top = _path(errors[0]["loc"])[:2]
    about = [one for one in errors if _path(one["loc"])[:2] == top]
    first = max(about, key=lambda one: len(_path(one["loc"])))  # the one alternative that somebody meant
    path = _path(first["loc"])
    key = _key(first["loc"], path)
    if first["type"] in ("extra_forbidden", "missing"):
        if first["type"] == "missing":
            return f"{key}: is missing."
        return f"{key}: there is no such setting. {_nearest_key(path, sections)}".strip()
    if first["type"] == "value_error":
        return _own(first, key)
    if first["type"] == "invalid_key":
        return f"{key}: keys must be text."
    if first["type"] in ("model_type", "model_attributes_type"):
        return f"{key}: expected keys and values below it, got {_got(first)}."
    wanted = " or ".join(dict.fromkeys(_must_be(one) for one in about if _path(one["loc"]) == path))
    return f"{key}: must be {wanted}, got {_got(first)}. {_nearest_word(first)}".strip()


def _key(place: Sequence[Any], path: Sequence[str]) -> str:
    """``data.channels, value 2`` for a position in a list."""
    if place and isinstance(place[-1], int):
        return f"{'.'.join(path[:-1])}, value {place[-1] + 1}"
    return ".".join(path)


def _got(error: Any) -> str:
    """A value as YAML has it."""
    value = error["input"]
    words = [word for word, constant in (("null", None), ("true", True), ("false", False)) if value is constant]
    return words[0] if words else shown(value)


def _own(error: Any, key: str) -> str:
    """What our own checks say, which is a sentence already."""
    message = brief(str(error["msg"]).removeprefix("Value error, "), 180)
    return f"{key}: {message[0].lower()}{message[1:]}, got {_got(error)}." if key else f"{message}."


def _path(place: Sequence[Any]) -> list[str]:
    """Keys and positions, without the names that pydantic gives to alternatives."""
    words = [str(part) for part in place]
    kept = words[:2] + [
        word for word in words[2:] if not re.search(r"\[|^(int|float|bool|str|constrained-\w+)$", word)
    ]
    return [brief(word, 60) for word in kept]


def _must_be(error: Any) -> str:
    kind, context = str(error["type"]), error.get("ctx", {})
    if kind in _BOUNDS:
        return _BOUNDS[kind].format(**{name: _number(value) for name, value in context.items()})
    if kind == "literal_error":
        return _words(str(context["expected"]))
    if kind == "int_from_float":
        return _PLAIN["int"]
    return _PLAIN.get(kind) or _PLAIN.get(kind.rpartition("_")[0]) or "another kind of value"


def _number(value: object) -> object:
    return f"{value:g}" if isinstance(value, float) else value


def _words(expected: str) -> str:
    """As YAML has them: ``auto, true or false`` for ``'auto', True or False``."""
    return re.sub(r"\b(True|False)\b", lambda match: match[0].lower(), expected.replace("'", ""))


def _nearest_word(error: Any) -> str:
    if error["type"] != "literal_error" or not isinstance(error["input"], str):
        return ""
    known = re.findall(r"'([^']+)'", str(error["ctx"]["expected"]))
    near = difflib.get_close_matches(error["input"], known, n=1, cutoff=0.6)
    return f'Did you mean "{near[0]}"?' if near else ""


def _nearest_key(path: Sequence[str], sections: Mapping[str, type[Section]]) -> str:
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
