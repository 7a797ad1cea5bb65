"""The tool that changes the source finds what it should, leaves words alone, and tells held lines from loose ones."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent

SOURCE = '''"""A module of 3 words."""

import logging

__all__ = ["limit"]
logger = logging.getLogger(__name__)


@decorated(1)
def limit(value: int = 2, flag: bool = True) -> "Matrix[4]":
    """Words: 5 < 6."""
    if value > 10 and not flag:
        logger.info("é %d", 7)
        raise ValueError(f"{value + 8}", 9)
    return é(value, flag)[1:2] - value  # é
'''


@pytest.fixture(scope="module")
def tool() -> Iterator[ModuleType]:
    """By its name, under which the processes that it forks find it, too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "tools")
        yield importlib.import_module("mutants")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package whose ``double`` is tested and whose ``loose`` is not, and one that never ends when it is changed."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # which tiny tests would mostly wait for
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)  # options of plugins that are not loaded then
    files = {
        "src/tiny/__init__.py": "",
        "src/tiny/room/__init__.py": "",
        "src/tiny/room/held.py": "def double(x):\n    return x * 2\n",
        "src/tiny/room/loose.py": "def near(x):\n    return x < 100\n",
        "src/tiny/slow/__init__.py": "def count(x):\n    while x < 3:\n        x += 1\n    return x\n",
        "tests/room/test_held.py": "from tiny.room import held, loose\n\n\ndef test_it():\n"
        "    assert held.double(3) == 6\n    assert loose.near(5)\n",
        "tests/slow/test_slow.py": "from tiny.slow import count\n\n\ndef test_it():\n    assert count(1) == 3\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, "utf-8")
    return tmp_path


def test_every_kind_of_change_and_no_words(tool: ModuleType) -> None:
    source = SOURCE.encode()
    found = [one.changed(source) for one in tool.Finder("limit.py", source).find()]
    assert found == [
        'def limit(value: int = 3, flag: bool = True) -> "Matrix[4]":',
        'def limit(value: int = 2, flag: bool = False) -> "Matrix[4]":',
        "if value >= 10 and not flag:",
        "if value > 11 and not flag:",
        "if value > 10 or not flag:",
        "if value > 10 and flag:",
        "return é(flag, value)[1:2] - value  # é",
        "return é(value, flag)[:2] - value  # é",
        "return é(value, flag)[2:2] - value  # é",
        "return é(value, flag)[1:] - value  # é",
        "return é(value, flag)[1:3] - value  # é",
        "return é(value, flag)[1:2] + value  # é",
    ]


def test_a_difference_shows_whole_lines(tool: ModuleType) -> None:
    source = b"x = f(\n    first,\n    second,\n)\n"
    (mutant,) = tool.Finder("x.py", source).find()
    assert mutant.diff(source) == "-     first,\n-     second,\n+     second,\n+     first,"
    assert mutant.line == 2


def test_killed_survived_and_accepted(tool: ModuleType, project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (project / "src/tiny/room/loose.py").read_bytes()
    assert tool.main(["room"], project, ()) == 1
    out = capsys.readouterr().out
    assert "killed room/held.py:2\n-     return x * 2\n+     return x / 2\n" in out
    assert "killed room/held.py:2\n-     return x * 2\n+     return x * 3\n" in out
    assert "survived room/loose.py:2\n-     return x < 100\n+     return x <= 100\n" in out
    assert "room: 2 killed, 2 survived, score 50%" in out
    assert (project / "src/tiny/room/loose.py").read_bytes() == before
    assert not list(project.rglob(".pytest_cache")) and not list((project / "src").rglob("__pycache__"))

    (project / "tools").mkdir()
    lines = "room/loose.py :: return x <= 100 :: far away\n# a remark\nroom/loose.py :: return x < 101 :: and more\n"
    (project / "tools/accepted_mutants.txt").write_text(lines, "utf-8")
    assert tool.main(["room", "--jobs", "2"], project, ()) == 0
    assert "room: 2 accepted, 2 killed, score 100%" in capsys.readouterr().out


def test_what_never_ends_is_stopped(tool: ModuleType, project: Path, tmp_path: Path) -> None:
    place = tool.Project(project)
    endless = next(one for one in place.mutants("slow") if one.text == "-")
    workshop = tool.Workshop(place, tmp_path / "copy", 3)
    assert workshop.try_out(endless, workshop.watch(["tests/slow"])) == "timeout"
    assert (workshop.source / "tiny/slow/__init__.py").read_bytes() == (
        project / "src/tiny/slow/__init__.py"
    ).read_bytes()


def test_only_tests_that_come_to_a_line_are_run_for_it(tool: ModuleType, project: Path, tmp_path: Path) -> None:
    (project / "tests/room/test_loose.py").write_text(
        "import pytest\nfrom tiny.room import held, loose\n\n\n@pytest.fixture(scope='module')\n"
        "def eight():\n    return held.double(4)\n\n\ndef test_first(eight):\n    assert eight == 8\n\n\n"
        "def test_second(eight):\n    assert loose.near(eight)\n",
        "utf-8",
    )
    watch = tool.Workshop(tool.Project(project), tmp_path / "copy", 30).watch(["tests/room"])
    first, second = "tests/room/test_loose.py::test_first", "tests/room/test_loose.py::test_second"
    it = "tests/room/test_held.py::test_it"
    found = {
        name: set(watch.tests_at(f"tiny/room/{name}.py", range(2, 3), ["tests/room"])) for name in ("held", "loose")
    }
    assert found == {"held": {first, second, it}, "loose": {second, it}}, "whoever shares a fixture may run its lines"
    assert set(watch.tests_at("tiny/room/loose.py", range(1, 2), ["tests/room"])) == {first, second, it}, "on import"
    assert watch.tests_at("tiny/room/loose.py", range(2, 3), ["tests/room/test_held.py"]) == [it]
    assert watch.tests_at("tiny/room/loose.py", range(9, 10), ["tests/room"]) == []


def test_lines_of_a_statement(tool: ModuleType) -> None:
    source = b"def f(\n    a=1,\n):\n    return g(\n        2,\n    )\nif (\n    f\n):\n    pass\n"
    assert [list(tool.lines_of(source, line)) for line in (2, 5, 8)] == [[1, 2, 3], [4, 5, 6], [7, 8, 9]]


def test_tests_must_pass_unchanged(tool: ModuleType, project: Path) -> None:
    (project / "tests/room/test_held.py").write_text("def test_it():\n    assert False\n", "utf-8")
    with pytest.raises(SystemExit, match="must pass without a mutant first"):
        tool.main(["room"], project, ())


def test_a_seed_draws_the_same_sample(tool: ModuleType) -> None:
    place = tool.Project(ROOT)
    first = place.sample("losses/adversarial.py", 10, 3)
    assert len(set(first)) == 10
    assert place.sample("losses/adversarial.py", 10, 3) == first
    assert place.sample("losses/adversarial.py", 10, 4) != first


def test_tests_are_those_of_the_mirror(tool: ModuleType) -> None:
    place = tool.Project(ROOT)
    assert place.tests_of("predict/strips/walk.py")[:2] == ["tests/predict/strips", "tests/predict/test_changes.py"]
    assert place.tests_of("predict/bands.py") == ["tests/predict"]
    assert place.tests_of("methods/none/no_such.py") == ["tests/methods"]
    assert place.tests_of("methods/pix2pix/task.py") == [
        "tests/methods/pix2pix",
        "tests/methods/test_methods.py",
        "tests/methods/test_pairs.py",
        "tests/methods/test_scores.py",
    ]
