from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gantool.errors import RunError
from gantool.files import temporary
from gantool.models.runs import create_run, find_run, list_runs


def test_runs_are_numbered_per_kind(tmp_path: Path) -> None:
    names = [create_run(tmp_path, kind, None, {}).name for kind in ("cyclegan", "cyclegan", "cyclegan-light")]
    assert names == ["cyclegan-1", "cyclegan-2", "cyclegan-light-1"]
    (tmp_path / "cyclegan-7").mkdir()
    assert create_run(tmp_path, "cyclegan", None, {}).name == "cyclegan-8"


def test_a_name_must_be_new_and_possible(tmp_path: Path) -> None:
    run = create_run(tmp_path, "cyclegan", "mine", {})
    with pytest.raises(RunError, match=r"without a checkpoint\. Choose another --name"):
        create_run(tmp_path, "cyclegan", "mine", {})
    run.checkpoint.touch()
    with pytest.raises(RunError, match="--resume mine"):
        create_run(tmp_path, "cyclegan", "mine", {})
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.txt").touch()
    with pytest.raises(RunError, match="something of that name, but no run"):
        create_run(tmp_path, "cyclegan", "other", {})
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match="something of that name, but no run"):
        create_run(tmp_path, "cyclegan", "file", {})
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["file", "mine", "other"]
    for name in ("a/b", "con", "x:y", ".hidden"):
        with pytest.raises(RunError, match="no file name on every system"):
            create_run(tmp_path, "cyclegan", name, {})


@pytest.mark.parametrize("folders", [(), ("samples",), ("samples", "checkpoints")])
def test_what_a_training_left_that_was_killed_before_it_began_is_no_run(
    folders: tuple[str, ...], tmp_path: Path
) -> None:
    """It does not hold its name, and whoever wants to go on with it is told what works."""
    for folder in folders:
        (tmp_path / "mine" / folder).mkdir(parents=True)
    (tmp_path / "mine").mkdir(exist_ok=True)
    with pytest.raises(RunError, match="no runs yet"):
        find_run("latest", tmp_path)
    for name in ("mine", str(tmp_path / "mine")):
        with pytest.raises(RunError, match=r"stopped before it began\. Start it again: .* --name mine\."):
            find_run(name, tmp_path)
    run = create_run(tmp_path, "cyclegan", "mine", {})
    assert run.exists and run.samples.is_dir() and run.checkpoint.parent.is_dir()
    assert [entry.name for entry in tmp_path.iterdir()] == ["mine"]


KILLED = """
import os, pathlib
from gantool.models import runs
runs.Run.write_facts = lambda *_: os._exit(9)
runs.create_run(pathlib.Path(), "cyclegan", None, {})
"""


def test_a_run_has_its_facts_from_the_first_moment(tmp_path: Path) -> None:
    """Killed meanwhile, it leaves no folder of its name, and after the next start nothing at all."""
    assert subprocess.run([sys.executable, "-c", KILLED], cwd=tmp_path, check=False).returncode == 9
    (left,) = tmp_path.iterdir()
    assert left.name.startswith(".")
    assert list_runs(tmp_path) == []
    temporary._sweep.cache_clear()  # as in another process
    create_run(tmp_path, "cyclegan", None, {})
    assert [entry.name for entry in tmp_path.iterdir()] == ["cyclegan-1"]


def test_the_newest_is_the_one_created_last(tmp_path: Path) -> None:
    for name in ("b", "c", "a"):
        create_run(tmp_path, "cyclegan", name, {})
        time.sleep(0.002)
    assert [run.name for run in list_runs(tmp_path)] == ["a", "c", "b"]
    assert find_run("latest", tmp_path).name == "a"
    assert find_run("c", tmp_path).name == "c"
    assert find_run(str(tmp_path / "b"), Path("elsewhere")).name == "b"


def test_missing_runs_are_named(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no runs yet"):
        find_run("latest", tmp_path / "none")
    create_run(tmp_path, "cyclegan", None, {})
    with pytest.raises(RunError, match='Did you mean "cyclegan-1"'):
        find_run("cyclegan-2", tmp_path)


def test_a_damaged_neighbor_does_not_hide_others(tmp_path: Path) -> None:
    run = create_run(tmp_path, "cyclegan", None, {})
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "run.json").write_text("{")
    assert [entry.name for entry in list_runs(tmp_path)] == [run.name]
    with pytest.raises(RunError, match="is damaged"):
        find_run("broken", tmp_path).facts()


def test_metrics_are_cut_back(tmp_path: Path) -> None:
    run = create_run(tmp_path, "cyclegan", None, {})
    for step in (10, 20, 30):
        run.append_metrics({"step": step})
    with run.metrics.open("a") as file:
        file.write('{"step": 4')
    run.cut_metrics(20)
    assert [json.loads(line)["step"] for line in run.metrics.read_text().splitlines()] == [10, 20]


@pytest.mark.parametrize(
    "text",
    ["[" * 100_000, "[]", '{"kind": 3}', '{"domains": []}', '{"metrics": {"a": "b"}}', b"\xff\xfe", '{"kind": null}'],
)
def test_foreign_facts_are_one_sentence(text: str | bytes, tmp_path: Path) -> None:
    run = create_run(tmp_path, "cyclegan", "mine", {"mood": "kept"})
    assert run.facts()["mood"] == "kept"
    (run.path / "run.json").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(RunError, match=r"run\.json: is damaged"):
        run.facts()
    assert list_runs(tmp_path) == []


@pytest.mark.parametrize("line", ["[1]", '{"step": "x"}', '{"epoch": 1}', '{"step": 1, "losses": [1]}', b"\xff"])
def test_foreign_metrics_are_one_sentence(line: str | bytes, tmp_path: Path) -> None:
    run = create_run(tmp_path, "cyclegan", None, {})
    run.append_metrics({"step": 1})
    with run.metrics.open("ab") as file:
        file.write(line if isinstance(line, bytes) else line.encode())
    with pytest.raises(RunError, match=r"metrics\.jsonl: (line 2 )?is damaged"):
        run.cut_metrics(1)


def test_a_file_is_no_folder_of_runs(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for name in (None, "mine"):
        with pytest.raises(RunError, match="file: is a file"):
            create_run(tmp_path / "file", "cyclegan", name, {})
