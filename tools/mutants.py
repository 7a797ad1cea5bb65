"""Change the source in small ways and see whether a test notices: ``python tools/mutants.py losses --count 60``.

A mutant is one change of one place: an operator, a number, ``and`` for ``or``, a flag, two arguments, a slice. What
only words depend on (messages, raised errors, logging, annotations, ``__all__``) is left alone. Every mutant is
written to a copy of ``src``, and the tests that mirror its file run on that copy. One that survives is a line that
the tests do not hold, or a change that means nothing; the latter are listed in ``tools/accepted_mutants.txt``::

    predict/tiling.py :: the changed line, without its indentation :: why no test can tell

The tests run in forks of a process that has imported torch and the like already, which mostly takes longer than they.
They first run once without a mutant, watched: for each mutant only those are run that come to its line, the quickest
first.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import inspect
import multiprocessing
import os
import pickle
import queue
import random
import re
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import FrameType
from typing import Any

ROOT = Path(__file__).parent.parent
ACCEPTED = Path("tools/accepted_mutants.txt")
# Imported once; nothing of the package itself, which changes from mutant to mutant.
PRELOADED = (
    "pytest", "torch", "torchvision", "torchmetrics", "lightning_fabric", "segmentation_models_pytorch", "onnx",
    "onnxruntime", "onnxscript", "pydantic", "sklearn.metrics", "skimage.metrics", "scipy.linalg", "hypothesis",
)  # fmt: skip
FORKS = multiprocessing.get_context("forkserver")

COMPARISONS = {
    "Lt": ("<", "<="), "LtE": ("<=", "<"), "Gt": (">", ">="), "GtE": (">=", ">"), "Eq": ("==", "!="),
    "NotEq": ("!=", "=="), "Is": ("is", "is not"), "IsNot": ("is not", "is"), "In": ("in", "not in"),
    "NotIn": ("not in", "in"),
}  # fmt: skip
ARITHMETIC = {
    "Add": ("+", "-"), "Sub": ("-", "+"), "Mult": ("*", "/"), "Div": ("/", "*"), "FloorDiv": ("//", "/"),
    "Mod": ("%", "*"), "Pow": ("**", "*"),
}  # fmt: skip
_LOGGERS = {"log", "_log", "logger", "_logger", "logging", "warnings"}


@dataclass(frozen=True)
class Mutant:
    """One change: bytes ``[start, end)`` of ``path`` (below the package) become ``text``."""

    path: str
    line: int
    start: int
    end: int
    text: str

    def apply(self, source: bytes) -> bytes:
        return source[: self.start] + self.text.encode() + source[self.end :]

    def diff(self, source: bytes) -> str:
        """The lines that it changes, before and after."""
        first = source.rfind(b"\n", 0, self.start) + 1
        stop = source.find(b"\n", self.end)
        stop = len(source) if stop < 0 else stop
        before, after = (
            source[first:stop],
            self.apply(source)[first : stop + len(self.text.encode()) - (self.end - self.start)],
        )
        return "\n".join(
            f"{sign} {line}" for sign, text in (("-", before), ("+", after)) for line in text.decode().splitlines()
        )

    def changed(self, source: bytes) -> str:
        """The new line (or lines) without indentation, as the list of accepted mutants has it."""
        return " ".join(line[2:].strip() for line in self.diff(source).splitlines() if line.startswith("+"))


class Finder:
    """Walks one file and collects its mutants, in the order of the text."""

    def __init__(self, path: str, source: bytes) -> None:
        self.path, self.source = path, source
        self.found: list[Mutant] = []
        self._starts = [0]
        for line in source.splitlines(keepends=True):
            self._starts.append(self._starts[-1] + len(line))

    def find(self) -> list[Mutant]:
        tree = ast.parse(self.source)
        self.visit(tree)
        same = ast.dump(tree)
        return sorted({one for one in self.found if self._means(one, same)}, key=lambda one: (one.start, one.text))

    def _means(self, mutant: Mutant, same: str) -> bool:
        try:
            return ast.dump(ast.parse(mutant.apply(self.source))) != same
        except SyntaxError:
            return False

    def visit(self, node: ast.AST) -> None:
        if _is_words(node):
            return
        mutate = getattr(self, f"on_{type(node).__name__.lower()}", None)
        if mutate is not None:
            mutate(node)
        for name, value in ast.iter_fields(node):
            if name in ("annotation", "returns", "decorator_list", "type_params", "type_comment"):
                continue
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST):
                    self.visit(child)

    # -- places -------------------------------------------------------------------------------------------------

    def start(self, node: ast.AST) -> int:
        return self._starts[node.lineno - 1] + node.col_offset  # type: ignore[attr-defined]

    def end(self, node: ast.AST) -> int:
        return self._starts[node.end_lineno - 1] + node.end_col_offset  # type: ignore[attr-defined]

    def text(self, node: ast.AST) -> str:
        return self.source[self.start(node) : self.end(node)].decode()

    def add(self, node: ast.AST, start: int, end: int, text: str) -> None:
        line = self.source.count(b"\n", 0, start) + 1
        self.found.append(Mutant(self.path, line, start, end, text))

    def swap(self, node: ast.AST, left: int, right: int, old: str, new: str) -> None:
        """Replace an operator that stands between two operands."""
        words = rb"\s+".join(re.escape(word.encode()) for word in old.split())
        edge = rb"\b" if old[0].isalpha() else rb""
        found = re.search(edge + words + edge, self.source[left:right])
        if found:
            self.add(node, left + found.start(), left + found.end(), new)

    # -- kinds of changes ---------------------------------------------------------------------------------------

    def on_compare(self, node: ast.Compare) -> None:
        operands = [node.left, *node.comparators]
        for n, operator in enumerate(node.ops):
            old, new = COMPARISONS[type(operator).__name__]
            self.swap(node, self.end(operands[n]), self.start(operands[n + 1]), old, new)

    def on_binop(self, node: ast.BinOp) -> None:
        if type(node.op).__name__ in ARITHMETIC and not (_is_text(node.left) or _is_text(node.right)):
            self.swap(node, self.end(node.left), self.start(node.right), *ARITHMETIC[type(node.op).__name__])

    def on_augassign(self, node: ast.AugAssign) -> None:
        if type(node.op).__name__ in ARITHMETIC and not _is_text(node.value):
            self.swap(node, self.end(node.target), self.start(node.value), *ARITHMETIC[type(node.op).__name__])

    def on_boolop(self, node: ast.BoolOp) -> None:
        words = ("and", "or") if isinstance(node.op, ast.And) else ("or", "and")
        for left, right in zip(node.values, node.values[1:], strict=False):
            self.swap(node, self.end(left), self.start(right), *words)

    def on_unaryop(self, node: ast.UnaryOp) -> None:
        if isinstance(node.op, ast.Not):
            self.add(node, self.start(node), self.start(node) + len("not "), "")
        elif isinstance(node.op, ast.USub) and not isinstance(node.operand, ast.Constant):
            self.add(node, self.start(node), self.start(node) + 1, "")

    def on_constant(self, node: ast.Constant) -> None:
        value = node.value
        if isinstance(value, bool):
            self.add(node, self.start(node), self.end(node), str(not value))
        elif isinstance(value, int):
            self.add(node, self.start(node), self.end(node), str(value + 1))
        elif isinstance(value, float):
            self.add(node, self.start(node), self.end(node), repr(value * 2 if value else 1.0))

    def on_call(self, node: ast.Call) -> None:
        for left, right in zip(node.args, node.args[1:], strict=False):
            if isinstance(left, ast.Name) and isinstance(right, ast.Name) and left.id != right.id:
                between = self.source[self.end(left) : self.start(right)].decode()
                self.add(node, self.start(left), self.end(right), f"{right.id}{between}{left.id}")

    def on_slice(self, node: ast.Slice) -> None:
        for side in (node.lower, node.upper):
            if side is not None and self.text(side) != "0":
                self.add(node, self.start(side), self.end(side), "")


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))


def _is_words(node: ast.AST) -> bool:
    """What no behavior but that of words depends on, and our own assertions."""
    if isinstance(node, (ast.Raise, ast.JoinedStr, ast.Assert, ast.Import, ast.ImportFrom)):
        return True
    if isinstance(node, ast.Assign):
        return any(isinstance(target, ast.Name) and target.id == "__all__" for target in node.targets)
    if isinstance(node, ast.If):
        return isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
    if isinstance(node, ast.keyword):
        return node.arg == "strict"  # of zip: an assertion
    if isinstance(node, ast.Call):
        called = node.func
        if isinstance(called, ast.Attribute):
            return isinstance(called.value, ast.Name) and called.value.id in _LOGGERS
        return isinstance(called, ast.Name) and called.id.endswith("Error")
    return False


# -- a project: which files, which tests, what is accepted --------------------------------------------------------


@dataclass(frozen=True)
class Project:
    """A checkout with one package below ``src`` and tests that mirror it."""

    root: Path

    @property
    def package(self) -> Path:
        (package,) = (path.parent for path in (self.root / "src").glob("*/__init__.py"))
        return package

    def mutants(self, room: str) -> list[Mutant]:
        """All mutants of a folder or a file of the package."""
        place = self.package / room
        files = [place] if place.is_file() else sorted(place.rglob("*.py"))
        if not files:
            raise SystemExit(f"{room}: no such room in {self.package}")
        names = [file.relative_to(self.package).as_posix() for file in files]
        return [
            one for name, file in zip(names, files, strict=True) for one in Finder(name, file.read_bytes()).find()
        ]

    def sample(self, room: str, count: int, seed: int) -> list[Mutant]:
        found = self.mutants(room)
        chosen = random.Random(f"{seed}:{room}").sample(found, min(count, len(found)))
        return sorted(chosen, key=lambda one: (one.path, one.start, one.text))

    def tests_of(self, path: str) -> list[str]:
        """The mirror of a file: tests of its own name, of the nearest folder that has any, and of those around it.

        The files around it hold what is asked of every method, say.
        """
        own = Path("tests") / Path(path).with_name(f"test_{Path(path).name}")
        folder = Path("tests") / Path(path).parent
        while not list((self.root / folder).rglob("test_*.py")) and len(folder.parts) > 1:
            folder = folder.parent
        around = [
            file for parent in list(folder.parents)[:-2] for file in sorted((self.root / parent).glob("test_*.py"))
        ]
        found = [own, folder, *(file.relative_to(self.root) for file in around)]
        return [one.as_posix() for one in found if (self.root / one).exists()]

    def accepted(self) -> set[tuple[str, str]]:
        """File and changed line of the mutants that may survive."""
        path = self.root / ACCEPTED
        lines = path.read_text("utf-8").splitlines() if path.is_file() else []
        parts = [line.split(" :: ") for line in lines if line.strip() and not line.startswith("#")]
        return {(part[0].strip(), " :: ".join(part[1:-1]).strip()) for part in parts if len(part) >= 3}


def lines_of(source: bytes, line: int) -> range:
    """The lines of the innermost statement at ``line``; of one that has others in it, those before them."""
    found = range(line, line + 1)
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.stmt):
            body = getattr(node, "body", None)
            stop = max(body[0].lineno, node.lineno + 1) if body else (node.end_lineno or node.lineno) + 1
            if line in range(node.lineno, stop):
                found = range(node.lineno, stop)
    return found


# -- running tests ------------------------------------------------------------------------------------------------


class Watch:
    """A plugin of pytest that notes which lines of ``source`` every test runs, and how long it takes.

    Attributes:
        lines: by test; by test file what its setups run; under "" what is run on import, by the first who needs it.
    """

    def __init__(self, source: Path) -> None:
        self.source = f"{source}{os.sep}"
        self.lines: dict[str, set[tuple[str, int]]] = {"": set()}
        self.seconds: dict[str, float] = {}
        self._now = ""

    def start(self) -> None:
        threading.settrace(self._trace)
        sys.settrace(self._trace)

    def _trace(self, frame: FrameType, event: str, value: object) -> Any:
        path = frame.f_code.co_filename
        if not path.startswith(self.source):
            return None
        if event == "line":
            in_function = frame.f_code.co_flags & inspect.CO_OPTIMIZED
            self.lines[self._now if in_function else ""].add((path.removeprefix(self.source), frame.f_lineno))
        return self._trace

    def _turn_to(self, name: str) -> None:
        self._now = name
        self.lines.setdefault(name, set())

    def pytest_runtest_setup(self, item: Any) -> None:
        self._turn_to(item.nodeid.partition("::")[0])

    def pytest_runtest_call(self, item: Any) -> None:
        self._turn_to(item.nodeid)

    def pytest_runtest_teardown(self, item: Any) -> None:
        self._turn_to(item.nodeid.partition("::")[0])

    def pytest_runtest_logreport(self, report: Any) -> None:
        self.seconds[report.nodeid] = self.seconds.get(report.nodeid, 0.0) + report.duration

    def tests_at(self, path: str, lines: range, allowed: Sequence[str]) -> list[str]:
        """Those of the ``allowed`` files and folders that run any of the lines, the quickest file first.

        Files stay together: what the tests of one share would be made anew for each that another file's stand before.
        """
        here = {(path, line) for line in lines}

        def runs(test: str) -> bool:
            return any(here & self.lines.get(name, set()) for name in ("", test.partition("::")[0], test))

        some = [test for test in self.seconds if test.startswith(tuple(allowed)) and runs(test)]
        files: dict[str, float] = {}
        for test in some:
            file = test.partition("::")[0]
            files[file] = files.get(file, 0.0) + self.seconds[test]

        def rank(test: str) -> tuple[float, str, float]:
            file = test.partition("::")[0]
            return files[file], file, self.seconds[test]

        return sorted(some, key=rank)


class Workshop:
    """A copy of ``src`` in which one mutant at a time is tried."""

    def __init__(self, project: Project, folder: Path, timeout: float) -> None:
        self.project, self.timeout = project, timeout
        self.source = folder / "src"
        shutil.copytree(project.root / "src", self.source, ignore=shutil.ignore_patterns("__pycache__"))

    def watch(self, tests: Sequence[str]) -> Watch:
        """Run the tests without a mutant.

        Raises:
            SystemExit: they fail.
        """
        with tempfile.NamedTemporaryFile(prefix="mutants-watch-") as file:
            code = self.run(tests, file.name)
            if code != 0:
                raise SystemExit(f"{' '.join(tests)}: must pass without a mutant first (pytest ended with {code}).")
            watch = Watch(self.source)
            watch.lines, watch.seconds = pickle.loads(Path(file.name).read_bytes())
            return watch

    def try_out(self, mutant: Mutant, watch: Watch) -> str:
        """``killed``, ``survived`` or ``timeout``."""
        name = f"{self.project.package.name}/{mutant.path}"
        path = self.source / name
        before = path.read_bytes()
        tests = watch.tests_at(name, lines_of(before, mutant.line), self.project.tests_of(mutant.path))
        if not tests:
            return "survived"
        path.write_bytes(mutant.apply(before))
        try:
            code = self.run(tests)
        finally:
            path.write_bytes(before)
        return "survived" if code == 0 else "timeout" if code is None else "killed"

    def run(self, tests: Sequence[str], watched: str | None = None) -> int | None:
        """The exit code of the tests on this copy; None if they took too long. ``watched`` takes what `Watch` saw."""
        with tempfile.TemporaryDirectory(prefix="mutants-tests-") as base:
            process = FORKS.Process(
                target=run_tests,
                args=(self.project.root, self.source, f"{base}/t", tests, dict(os.environ), watched),
            )
            process.start()
            process.join(self.timeout if watched is None else None)
            code = process.exitcode
            _stop(process)
            return code


def run_tests(
    root: Path, source: Path, base: str, tests: Sequence[str], environment: dict[str, str], watched: str | None
) -> None:
    """Run pytest in this process, a fork of its own, with ``source`` before all others, and exit with its code."""
    os.setsid()
    os.chdir(root)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)
    path = os.pathsep.join(filter(None, [str(source), environment.get("PYTHONPATH", "")]))
    # Files change several times within one second, which compiled ones would not notice.
    os.environ.update(environment, PYTHONPATH=path, PYTHONDONTWRITEBYTECODE="1")
    sys.dont_write_bytecode = True
    sys.path.insert(0, str(source))

    import pytest

    # Plugins that torch has imported already: pytest would have liked to rewrite their assertions.
    options = ["-x", "-q", "-p", "no:cacheprovider", "-W", "ignore::pytest.PytestAssertRewriteWarning"]
    watch = Watch(source)
    if watched is not None:
        watch.start()
    code = pytest.main([*options, f"--basetemp={base}", *tests], [watch] if watched is not None else [])
    sys.settrace(None)
    if watched is not None:
        Path(watched).write_bytes(pickle.dumps((watch.lines, watch.seconds)))
    sys.exit(int(code))


def _stop(process: BaseProcess) -> None:
    """End the tests and all that they started."""
    assert process.pid  # 0 would be our own group
    with contextlib.suppress(ProcessLookupError):  # all of them ended by themselves
        os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.join()


# -- the command ------------------------------------------------------------------------------------------------


def try_all(
    project: Project, mutants: Sequence[Mutant], timeout: float, jobs: int, folder: Path
) -> Iterator[tuple[Mutant, str]]:
    """Try every mutant, in order, on ``jobs`` copies at a time."""
    free: queue.Queue[Workshop] = queue.Queue()
    for number in range(jobs):
        free.put(Workshop(project, folder / str(number), timeout))
    first = free.get()
    watch = first.watch(sorted({test for one in mutants for test in project.tests_of(one.path)}))
    free.put(first)

    def one(mutant: Mutant) -> tuple[Mutant, str]:
        workshop = free.get()
        try:
            return mutant, workshop.try_out(mutant, watch)
        finally:
            free.put(workshop)

    with ThreadPoolExecutor(jobs) as pool:
        yield from pool.map(one, mutants)


def test_room(project: Project, room: str, arguments: argparse.Namespace) -> Counter[str]:
    """Print what becomes of a sample of the room's mutants; return how many of which end."""
    accepted = project.accepted()
    sample = project.sample(room, arguments.count, arguments.seed)
    sources = {one.path: (project.package / one.path).read_bytes() for one in sample}
    wanted = [one for one in sample if (one.path, one.changed(sources[one.path])) not in accepted]
    counts = Counter(accepted=len(sample) - len(wanted))
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        ends = (
            ((one, "listed") for one in wanted)
            if arguments.list
            else try_all(project, wanted, arguments.timeout, arguments.jobs, Path(folder))
        )
        for mutant, end in ends:
            counts[end] += 1
            print(f"{end} {mutant.path}:{mutant.line}\n{mutant.diff(sources[mutant.path])}", flush=True)
    return counts


def main(arguments: Sequence[str], root: Path = ROOT, preloaded: Sequence[str] = PRELOADED) -> int:
    """Exit code 1 if a mutant survived."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported
    FORKS.set_forkserver_preload(list(preloaded))
    parser = argparse.ArgumentParser(description="Which small changes of the source does no test notice?")
    parser.add_argument("rooms", nargs="+", metavar="ROOM", help="a folder or file of the package, such as losses")
    parser.add_argument("--count", type=int, default=60, help="mutants per room (default 60)")
    parser.add_argument("--seed", type=int, default=0, help="changes which ones")
    parser.add_argument("--timeout", type=float, default=120, help="seconds for the tests of one mutant")
    parser.add_argument("--jobs", type=int, default=1, help="at a time")
    parser.add_argument("--list", action="store_true", help="show the sample and run nothing")
    options = parser.parse_args(arguments)
    project, survived = Project(root), 0
    for room in options.rooms:
        began = time.monotonic()
        counts = test_room(project, room, options)
        survived += counts["survived"]
        caught = counts["killed"] + counts["timeout"]
        tried = caught + counts["survived"]
        score = f", score {caught / tried:.0%}" if tried else ""
        found = ", ".join(f"{count} {end}" for end, count in sorted(counts.items()) if count)
        print(f"{room}: {found or 'no mutants'}{score} ({time.monotonic() - began:.0f} s)", flush=True)
    return 1 if survived else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
