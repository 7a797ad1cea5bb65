"""Is the graph in a ``.pt2`` file one of tensor operators, and nothing else?

``torch.export.load`` evaluates more of this JSON than its operators: symbolic sizes and guards are run as Python,
specs of trees may import modules, names become source text. So every string has to look like what it should be, and
what running a network does not need is left out.
"""

from __future__ import annotations

import ast
import json
import re
from typing import Any, NoReturn

from gantool.models.checks.operators import PYTHON_OPERATORS, is_allowed

__all__ = ["checked_config", "checked_program"]

_LEFT_OUT = {"guards_code": list, "metadata": dict}  # Python source, and stack traces of whoever exported it
_EMPTY_ONLY = {"custom_obj_values", "treespec_namedtuple_fields"}
_REFUSED = {"as_custom_obj", "as_graph", "as_operator", "custom_obj"}

_NAME = re.compile(r"[\w.+\-]*", re.ASCII)
_KEY = re.compile(r"[\w.+\-*/ ()]*", re.ASCII)
_ARGUMENT = re.compile(r"[\w .,\->]*", re.ASCII)
_OPERATOR = re.compile(r"torch\.ops\.aten\.(\w+)\.\w+", re.ASCII)
_PAYLOAD = re.compile(r"(weight|tensor)_\d+", re.ASCII)
_SYMBOL = re.compile(r"[a-z]{1,4}\d+", re.ASCII)
_SYMPY = """
Abs Add And CeilDiv CeilToInt CleanDiv Eq Equality Float FloatPow FloatTrueDiv FloorDiv FloorToInt Ge GreaterThan Gt
Identity IntTrueDiv Integer Le LessThan Lt Max Min Mod ModularIndexing Mul Ne Not Or Pow PowByNatural PythonMod
Rational RoundToInt StrictGreaterThan StrictLessThan Symbol ToFloat TruncToFloat TruncToInt Unequality Where
ceiling false floor int_oo oo true
"""
_FUNCTIONS = frozenset(_SYMPY.split())
_EXPRESSION = (
    ast.Expression, ast.Call, ast.Name, ast.Load, ast.Constant, ast.keyword, ast.BinOp, ast.UnaryOp, ast.Compare,
    ast.operator, ast.unaryop, ast.cmpop,
)  # fmt: skip
_TREES = {None, "builtins.tuple", "builtins.list", "builtins.dict"}
_LONGEST = 1 << 16


def checked_program(content: bytes) -> bytes:
    """Return the program without what running it does not need.

    Raises:
        ValueError: says what was found that no exported network holds.
    """
    return json.dumps(_checked(_read(content), "")).encode()


def checked_config(content: bytes) -> bytes:
    """Check the list of weights or constants: raw numbers, no pickles.

    Raises:
        ValueError: says what was found.
    """
    read = _read(content)
    entries = read.get("config") if isinstance(read, dict) else None
    for entry in entries.values() if isinstance(entries, dict) else (None,):
        if not isinstance(entry, dict) or entry.get("use_pickle") is not False:
            _refuse("pickled weights")
        if not _PAYLOAD.fullmatch(str(entry.get("path_name"))):
            _refuse(f"the payload {str(entry.get('path_name'))[:60]}")
    return json.dumps(_checked(read, "")).encode()


def _read(content: bytes) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        _refuse("JSON that cannot be read")


def _checked(value: Any, key: str) -> Any:
    if isinstance(value, dict):
        return {name: _entry(name, one) for name, one in value.items()}
    if isinstance(value, list):
        return [_checked(one, key) for one in value]
    if isinstance(value, str):
        _check_text(value, key)
    return value


def _entry(name: str, value: Any) -> Any:
    if not _KEY.fullmatch(name):
        _refuse(f"the name {name[:60]}")
    if name in _LEFT_OUT:
        return _LEFT_OUT[name]()
    if name in _REFUSED or (name in _EMPTY_ONLY and value):
        _refuse(name)
    return _checked(value, name)


def _check_text(text: str, key: str) -> None:
    if key == "target":
        found = _OPERATOR.fullmatch(text)
        if not (is_allowed(found[1]) if found else text in PYTHON_OPERATORS):
            _refuse(f"the operator {text[:80]}")
    elif key == "expr_str":
        _check_expression(text)
    elif key in ("in_spec", "out_spec"):
        _check_tree(_tree(text))
    elif not (_ARGUMENT if key in ("as_string", "as_strings") else _NAME).fullmatch(text):
        _refuse(f"the text {text[:60]!r}")


def _check_expression(text: str) -> None:
    """A symbolic size, which sympy reads by evaluating it."""
    try:
        tree = ast.parse(text, mode="eval") if len(text) <= _LONGEST else None
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        tree = None
    for node in ast.walk(tree) if tree is not None else (None,):
        known = isinstance(node, _EXPRESSION)
        if isinstance(node, ast.Name):
            known = node.id in _FUNCTIONS or _SYMBOL.fullmatch(node.id) is not None
        elif isinstance(node, ast.Constant):
            known = isinstance(node.value, int | float) or _SYMBOL.fullmatch(str(node.value)) is not None
        elif isinstance(node, ast.Call):
            known = isinstance(node.func, ast.Name)
        if not known:
            _refuse(f"the size {text[:60]}")


def _tree(text: str) -> Any:
    read = _read(text.encode())
    if not (isinstance(read, list) and len(read) == 2 and read[0] == 1):
        _refuse(f"the spec {text[:60]}")
    return read[1]


def _check_tree(tree: Any) -> None:
    """How inputs and outputs are nested; contexts of other types may import modules."""
    known = isinstance(tree, dict) and set(tree) == {"type", "context", "children_spec"} and tree["type"] in _TREES
    if not known or not isinstance(tree["children_spec"], list):
        _refuse("a spec of unknown types")
    if not re.fullmatch(r'null|\[("\w+"(, "\w+")*)?\]', tree["context"] or "null", re.ASCII):
        _refuse("a spec with a context")
    for child in tree["children_spec"]:
        _check_tree(child)


def _refuse(what: str) -> NoReturn:
    raise ValueError(what)
