"""Untrusted YAML as plain data: within bounds, or refused with a one-line message."""

from __future__ import annotations

from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.constructor import SafeConstructor
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import MappingNode, Node, SequenceNode

from gantool.documents import DocumentError, require_length

__all__ = ["load_yaml"]

_DEEPEST = 32  # sections within sections
_LARGEST = 200_000  # values of a document, where every alias counts as what it stands for
_BITS = 128  # of a whole number; Python refuses to print those of thousands of digits


def load_yaml(text: str) -> Any:
    """The value of a YAML document; dates are text, and no tag makes anything but plain data.

    Raises:
        DocumentError: no YAML, or larger, deeper or with larger numbers than anything meant to be read here.
    """
    require_length(text)
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
