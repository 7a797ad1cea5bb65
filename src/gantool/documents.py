"""YAML and JSON that anybody may have written, as plain data: within bounds, or refused in one short line."""

from __future__ import annotations

import json
import reprlib
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.constructor import SafeConstructor
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import MappingNode, Node, SequenceNode

__all__ = ["DocumentError", "brief", "load_json", "load_yaml", "shown"]

_LONGEST = 2**20  # characters of a text
_DEEPEST = 32  # sections within sections
_LARGEST = 200_000  # values of a document, where every alias counts as what it stands for
_BITS = 128  # of a whole number; Python refuses to print those of thousands of digits

_SHORT = reprlib.Repr()
_SHORT.maxlevel, _SHORT.maxstring, _SHORT.maxother = 2, 80, 80


class DocumentError(ValueError):
    """What is wrong with a text, in one line of at most 160 characters."""

    def __init__(self, text: str) -> None:
        super().__init__(brief(text, 160))


def brief(text: object, longest: int = 100) -> str:
    """A text in one line of at most so many characters."""
    line = " ".join(str(text).split())
    return line if len(line) <= longest else f"{line[: longest - 3]}..."


def shown(value: object) -> str:
    """A value as Python writes it, cut short where it is long, however it is nested."""
    return brief(_SHORT.repr(value))


def load_yaml(text: str) -> Any:
    """The value of a YAML document; dates are text, and no tag makes anything but plain data.

    Raises:
        DocumentError: no YAML, or larger, deeper or with larger numbers than anything meant to be read here.
    """
    _check_length(text)
    yaml = YAML(typ="safe", pure=True)
    yaml.Constructor = _PlainConstructor
    try:
        return yaml.load(text)
    except DocumentError:
        raise
    except YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f"at line {mark.line + 1}: " if mark is not None else ""
        raise DocumentError(f"{line}{getattr(error, 'problem', None) or error}") from None
    except RecursionError:
        raise DocumentError("is nested too deeply") from None
    except (ValueError, TypeError, LookupError, AttributeError, OverflowError) as error:
        # What a tag such as !!int makes of a text that is none.
        raise DocumentError(f"a value is none of its kind ({error})") from None


def load_json(text: str) -> Any:
    """The value of a JSON document.

    Raises:
        DocumentError: no JSON, or larger or deeper than anything meant to be read here.
    """
    _check_length(text)
    try:
        return json.loads(text)
    except RecursionError:
        raise DocumentError("is nested too deeply") from None
    except ValueError as error:
        raise DocumentError(str(error)) from None


def _check_length(text: str) -> None:
    if len(text) > _LONGEST:
        raise DocumentError(f"is longer than {_LONGEST} characters")


class _PlainConstructor(SafeConstructor):
    """Makes plain data only, after a look at how much it would become."""

    def construct_document(self, node: Node) -> Any:
        _measure(node, {}, 1)
        return super().construct_document(node)

    def construct_plain_int(self, node: Node) -> int:
        number = int(self.construct_yaml_int(node))
        if number.bit_length() > _BITS:
            raise DocumentError("a number has too many digits")
        return number


_PlainConstructor.add_constructor("tag:yaml.org,2002:int", _PlainConstructor.construct_plain_int)
_PlainConstructor.add_constructor("tag:yaml.org,2002:timestamp", SafeConstructor.construct_yaml_str)
for _tag in ("binary", "omap", "pairs", "set"):
    _PlainConstructor.add_constructor(f"tag:yaml.org,2002:{_tag}", SafeConstructor.construct_undefined)


def _measure(node: Node, sizes: dict[int, int], depth: int) -> int:
    """How many values a node becomes; ``sizes`` has those that are known, and 0 for those around it."""
    if depth > _DEEPEST:
        raise DocumentError("is nested too deeply")
    if id(node) in sizes:
        if not sizes[id(node)]:
            raise DocumentError("an alias stands within what it stands for")
        return sizes[id(node)]
    sizes[id(node)], size = 0, 1
    if isinstance(node, MappingNode):
        size += sum(_measure(part, sizes, depth + 1) for pair in node.value for part in pair)
    elif isinstance(node, SequenceNode):
        size += sum(_measure(part, sizes, depth + 1) for part in node.value)
    if size > _LARGEST:
        raise DocumentError("holds too many values (aliases counted as what they stand for)")
    sizes[id(node)] = size
    return size
