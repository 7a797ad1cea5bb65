"""The house as it is meant to be: no circles, no crowded rooms, methods known to methods only, tests that mirror."""

from __future__ import annotations

import ast
import re
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "gantool"
FILES = sorted(SOURCE.rglob("*.py"))


def name_of(path: Path) -> str:
    return ".".join(("gantool", *path.relative_to(SOURCE).with_suffix("").parts)).removesuffix(".__init__")


def imports_of(path: Path, known: set[str]) -> set[str]:
    """The modules of ours that a file names in its imports, wherever in it they stand."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in known else node.module for name in inner}
    return {name for name in found if name in known}


def circles() -> list[list[str]]:
    """Strongly connected modules (Tarjan 1972)."""
    known = {name_of(path) for path in FILES}
    graph = {name_of(path): imports_of(path, known) - {name_of(path)} for path in FILES}
    graph["gantool"] = set()  # the door of the whole house, which everyone may name
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(node: str) -> None:
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in sorted(graph[node]):
            if other not in index:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in stack:
                low[node] = min(low[node], index[other])
        if low[node] == index[node]:
            place = stack.index(node)
            if len(stack) - place > 1:
                found.append(sorted(stack[place:]))
            del stack[place:]

    for node in sorted(graph):
        if node not in index:
            visit(node)
    return found


def test_no_module_imports_itself_in_a_circle() -> None:
    assert circles() == []


def test_no_room_holds_more_than_a_quarter_of_the_lines() -> None:
    lines = Counter[str]()
    for path in FILES:
        room = path.relative_to(SOURCE).parts[0]
        lines[room] += len(path.read_text("utf-8").splitlines())
    total = sum(lines.values())
    crowded = {room: round(count / total, 3) for room, count in lines.items() if count > 0.25 * total}
    assert crowded == {}


@pytest.mark.parametrize("folder", sorted({path.parent for path in FILES}), ids=str)
def test_no_folder_is_a_heap(folder: Path) -> None:
    files = [path for path in folder.glob("*.py") if path.name != "__init__.py"]
    assert len(files) <= 15, f"{folder}: {len(files)} files side by side"


def test_tests_mirror_the_tree() -> None:
    tests = {path.relative_to(ROOT / "tests").parent for path in (ROOT / "tests").rglob("test_*.py")}
    ours = {path.relative_to(SOURCE).parent for path in FILES}
    assert tests - ours <= {Path("compat"), Path("fuzz")}, "folders of tests without a room"
    alone = {Path("report"), Path("cli")}
    rooms = {folder for folder in ours if len(folder.parts) == 1 and folder.name.isidentifier()}
    assert rooms - {Path(folder.parts[0]) for folder in tests if folder.parts} - alone == set(), "rooms without tests"


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_only_methods_know_methods(path: Path) -> None:
    room = path.relative_to(SOURCE).parts[0]
    text = path.read_text("utf-8")
    if room == "methods" or room == "cards.py":
        return
    assert not re.search(r"\.task\b\s*(==|!=|in\b)", text), "callers ask what a card can do"
    assert not re.search(r"isinstance\([^)]*Settings\b", text), "settings classes are their method's own"
