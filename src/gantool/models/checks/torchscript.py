"""Is the source text in a TorchScript file the trace of a network, and nothing else?

A trace is written in a small part of Python: classes with typed attributes, assignments, calls of their methods and
of operators. The text is read as Python and everything beyond that part is refused. Attributes are followed by the
types that the classes declare, because an attribute of a tensor is an operator too: ``x.save("file")`` is
``torch.save``.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NoReturn

from gantool.models.checks.operators import is_allowed

__all__ = ["check_sources"]

_PLAIN_CALLS = {"annotate", "bool", "float", "int", "len", "list", "max", "min", "range", "round", "unchecked_cast"}
_PLAIN_NAMES = {"inf", "nan", "Tensor", "List", "Optional", "Tuple", "int", "float", "bool", "number"}
_PRIMITIVES = {"NumToTensor", "abs", "device", "dtype", "max", "min"}
_STATEMENTS = (ast.Assign, ast.AnnAssign, ast.Return, ast.Expr, ast.Pass, ast.If)
_VALUES = (
    ast.BinOp, ast.BoolOp, ast.Compare, ast.IfExp, ast.List, ast.Slice, ast.Subscript, ast.Tuple, ast.UnaryOp,
)  # fmt: skip

# Only printable text without comments, escapes and long strings: torch's own reader must see what Python sees here.
_TEXT = re.compile(r"[\n -~]*", re.ASCII)
_ELSEWHERE = ("#", "\\", '"""', "'''")
_STRING = re.compile(r"[\w .,:;/+\->=()]*", re.ASCII)


@dataclass
class _Class:
    attributes: dict[str, str] = field(default_factory=dict)
    methods: dict[str, ast.FunctionDef] = field(default_factory=dict)


def check_sources(sources: Mapping[str, str]) -> None:
    """Refuse what no trace of a network holds.

    Args:
        sources: texts by module, such as ``__torch__.torch.nn.modules.conv``.

    Raises:
        ValueError: says what was found.
    """
    classes: dict[str, _Class] = {}
    functions: dict[str, ast.FunctionDef] = {}
    for module, text in sources.items():
        for statement in _parsed(text):
            name = f"{module}.{getattr(statement, 'name', '')}"
            if name in classes or name in functions:
                _refuse(f"{name} is defined twice")
            if isinstance(statement, ast.ClassDef):
                classes[name] = _class(statement)
            elif isinstance(statement, ast.FunctionDef):
                functions[name] = statement
            else:
                _refuse(f"the statement {_shown(statement)}")
    for name, entry in classes.items():
        for method in entry.methods.values():
            _Function(classes, functions, method, owner=name)
    for function in functions.values():
        _Function(classes, functions, function, owner=None)


def _parsed(text: str) -> list[ast.stmt]:
    if not _TEXT.fullmatch(text) or any(mark in text for mark in _ELSEWHERE):
        _refuse("source text with comments, escapes or other letters")
    try:
        return ast.parse(text).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        _refuse("source text that cannot be read")


def _class(statement: ast.ClassDef) -> _Class:
    bases = [ast.unparse(base) for base in statement.bases]
    if bases != ["Module"] or statement.keywords or statement.decorator_list:
        _refuse(f"the class {statement.name} of the kind {', '.join(bases) or 'object'}")
    made = _Class()
    for one in statement.body:
        if isinstance(one, ast.FunctionDef):
            if one.name in made.methods:
                _refuse(f"{statement.name}.{one.name} is defined twice")
            made.methods[one.name] = one
        else:
            _declare(made, one)
    return made


def _declare(made: _Class, one: ast.stmt) -> None:
    """``name : type``, ``__annotations__["0"] = type``, or a list of names such as ``__parameters__``."""
    if isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name) and one.value is None:
        name, kind = one.target.id, one.annotation
    elif isinstance(one, ast.Assign) and len(one.targets) == 1:
        (target,) = one.targets
        if isinstance(target, ast.Name) and target.id in ("__parameters__", "__buffers__", "__annotations__"):
            if not (isinstance(one.value, ast.List) and all(isinstance(e, ast.Constant) for e in one.value.elts)):
                _refuse(_shown(one))
            return
        if not (isinstance(target, ast.Subscript) and ast.unparse(target.value) == "__annotations__"):
            _refuse(_shown(one))
        if not (isinstance(target.slice, ast.Constant) and isinstance(target.slice.value, str)):
            _refuse(_shown(one))
        name, kind = target.slice.value, one.value
    elif isinstance(one, ast.Pass):
        return
    else:
        _refuse(_shown(one))
    if name in made.attributes:
        _refuse(f"{name} is declared twice")
    made.attributes[name] = _type(kind)


def _type(node: ast.expr) -> str:
    """The text of a type annotation."""
    for one in ast.walk(node):
        known = (ast.Name, ast.Attribute, ast.Subscript, ast.Tuple, ast.List, ast.Constant, ast.Load)
        if not isinstance(one, known):
            _refuse(f"the type {_shown(node)}")
    text = ast.unparse(node)
    if "torch.classes" in text:  # objects of C++ libraries, with code of their own
        _refuse(f"the type {text}")
    return text


class _Function:
    """One function or method, looked at from top to bottom; ``known`` are the classes of its variables."""

    def __init__(
        self,
        classes: Mapping[str, _Class],
        functions: Mapping[str, ast.FunctionDef],
        function: ast.FunctionDef,
        owner: str | None,
    ) -> None:
        self.classes, self.functions = classes, functions
        self.known: dict[str, str | None] = {}
        a = function.args
        if function.decorator_list or a.vararg or a.kwarg or a.kwonlyargs or a.posonlyargs or a.defaults:
            _refuse(f"the function {function.name}")
        for number, argument in enumerate(a.args):
            kind = _type(argument.annotation) if argument.annotation is not None else None
            if owner is not None and number == 0:
                kind = owner
            self.set(argument.arg, kind if kind in classes else None)
        if function.returns is not None:
            _type(function.returns)
        self.block(function.body)

    def set(self, name: str, kind: str | None) -> None:
        if self.known.setdefault(name, kind) != kind:
            _refuse(f"{name} stands for things of several kinds")

    def block(self, statements: list[ast.stmt]) -> None:
        for one in statements:
            if not isinstance(one, _STATEMENTS):
                _refuse(_shown(one))
            if isinstance(one, ast.If):
                self.value(one.test)
                self.block(one.body)
                self.block(one.orelse)
            elif isinstance(one, ast.AnnAssign):
                _type(one.annotation)
                self.assign(one.target, self.value(one.value) if one.value is not None else None)
            elif isinstance(one, ast.Assign):
                kind = self.value(one.value)
                for target in one.targets:
                    self.assign(target, kind)
            elif isinstance(one, ast.Return | ast.Expr) and one.value is not None:
                self.value(one.value)

    def assign(self, target: ast.expr, kind: str | None) -> None:
        if isinstance(target, ast.Name):
            self.set(target.id, kind)
        elif isinstance(target, ast.Tuple | ast.List):
            for one in target.elts:
                self.assign(one, None)
        else:
            _refuse(f"an assignment to {_shown(target)}")

    def value(self, node: ast.expr) -> str | None:
        """The class of what an expression gives; None for tensors, numbers and lists of them."""
        if isinstance(node, ast.Name):
            if node.id not in self.known and node.id not in _PLAIN_NAMES:
                _refuse(node.id)
            return self.known.get(node.id)
        if isinstance(node, ast.Attribute):
            return self.attribute(node)
        if isinstance(node, ast.Call):
            return self.call(node)
        if isinstance(node, ast.Constant):
            if isinstance(node.value, bytes) or (isinstance(node.value, str) and not _STRING.fullmatch(node.value)):
                _refuse(_shown(node))
            return None
        if not isinstance(node, _VALUES):
            _refuse(_shown(node))
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.expr):
                self.value(child)
        return None

    def attribute(self, node: ast.Attribute) -> str | None:
        parts = _dotted(node)
        if parts is not None and parts[0] not in self.known:
            if parts[0] == "torch" and len(parts) == 2 and is_allowed(parts[1]):
                return None
            if parts[0] == "ops" and len(parts) == 3 and parts[1] == "prim" and parts[2] in _PRIMITIVES:
                return None
            if parts[0] == "CONSTANTS" and len(parts) == 2 and re.fullmatch(r"c\d+", parts[1]):
                return None
            if ".".join(parts) in self.functions:
                return None
            _refuse(".".join(parts))
        return self.member(node.value, node.attr)

    def member(self, base: ast.expr, name: str) -> str | None:
        """An attribute of one of the file's own classes; others may be operators in disguise."""
        kind = self.value(base)
        if kind is None:
            _refuse(f"{_shown(base)}.{name}")
        entry = self.classes[kind]
        if name not in entry.attributes and name not in entry.methods:
            _refuse(f"{_shown(base)}.{name}")
        declared = entry.attributes.get(name)
        return declared if declared in self.classes else None

    def call(self, node: ast.Call) -> str | None:
        if isinstance(node.func, ast.Name) and node.func.id == "getattr":
            if len(node.args) != 2 or node.keywords or not isinstance(node.args[1], ast.Constant):
                _refuse(_shown(node))
            return self.member(node.args[0], str(node.args[1].value))
        if isinstance(node.func, ast.Name):
            if node.func.id not in _PLAIN_CALLS:
                _refuse(f"{node.func.id}()")
        elif isinstance(node.func, ast.Attribute):
            self.attribute(node.func)
        else:
            _refuse(_shown(node))
        for argument in (*node.args, *(keyword.value for keyword in node.keywords)):
            self.value(argument)
        return None


def _dotted(node: ast.expr) -> list[str] | None:
    """``a.b.c`` as its names; None for attributes of something that is computed."""
    return list(_names(node)) if _is_dotted(node) else None


def _is_dotted(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) or (isinstance(node, ast.Attribute) and _is_dotted(node.value))


def _names(node: ast.expr) -> Iterator[str]:
    if isinstance(node, ast.Attribute):
        yield from _names(node.value)
        yield node.attr
    elif isinstance(node, ast.Name):
        yield node.id


def _shown(node: ast.AST) -> str:
    return ast.unparse(node)[:60]


def _refuse(what: str) -> NoReturn:
    raise ValueError(what)
