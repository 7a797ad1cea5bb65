"""As much of JSON schema as our schemas use, held against answers; what a schema does not name is a mistake here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

SCHEMAS = Path(__file__).parent.parent / "docs" / "schemas"

_KINDS: dict[str, tuple[type, ...]] = {
    "object": (dict,), "array": (list,), "string": (str,), "integer": (int,), "number": (int, float),
    "boolean": (bool,), "null": (type(None),),
}  # fmt: skip
_KNOWN = {"$schema", "$id", "$defs", "$ref", "title", "description", "type", "properties", "required", "items",
          "anyOf", "const", "enum", "additionalProperties", "default"}  # fmt: skip


def mistakes(answer: Any, *, open_ended: bool = False) -> list[str]:
    """What of an answer is not as the schema that it names; nothing if all is well.

    Args:
        open_ended: keys that the schema does not name are allowed.
    """
    path = SCHEMAS / f"{str(answer['schema']).replace('/', '.')}.json"
    schema = json.loads(path.read_text("utf-8"))
    return _mistakes(answer, schema, schema.get("$defs", {}), "$", open_ended)


def _mistakes(value: Any, schema: dict[str, Any], defs: dict[str, Any], where: str, open_ended: bool) -> list[str]:
    assert set(schema) <= _KNOWN, f"{where}: {set(schema) - _KNOWN} is not looked at"
    if "$ref" in schema:
        return _mistakes(value, defs[schema["$ref"].removeprefix("#/$defs/")], defs, where, open_ended)
    if "anyOf" in schema:
        found = [_mistakes(value, one, defs, where, open_ended) for one in schema["anyOf"]]
        return [] if [] in found else found[0]
    if "const" in schema and value != schema["const"]:
        return [f"{where}: {value!r} is not {schema['const']!r}"]
    if "enum" in schema and value not in schema["enum"]:
        return [f"{where}: {value!r} is not in {schema['enum']}"]
    kind = schema.get("type")
    if kind and (not isinstance(value, _KINDS[kind]) or (isinstance(value, bool) and kind != "boolean")):
        return [f"{where}: {value!r} is no {kind}"]
    if isinstance(value, list) and "items" in schema:
        return [
            m
            for n, one in enumerate(value)
            for m in _mistakes(one, schema["items"], defs, f"{where}[{n}]", open_ended)
        ]
    if isinstance(value, dict):
        return _of_object(value, schema, defs, where, open_ended)
    return []


def _of_object(
    value: dict[str, Any], schema: dict[str, Any], defs: dict[str, Any], where: str, open_ended: bool
) -> list[str]:
    found = [f"{where}.{key}: is missing" for key in schema.get("required", []) if key not in value]
    properties, others = schema.get("properties", {}), schema.get("additionalProperties")
    for key, one in value.items():
        if key in properties:
            found += _mistakes(one, properties[key], defs, f"{where}.{key}", open_ended)
        elif isinstance(others, dict):
            found += _mistakes(one, others, defs, f"{where}.{key}", open_ended)
        elif properties and not open_ended:
            found.append(f"{where}.{key}: the schema does not name it")
    return found
