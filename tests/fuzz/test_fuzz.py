"""A few hundred damaged files; ``run.py`` tries as many as one likes."""

from __future__ import annotations

import json
import logging
import os
import random
import signal
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
from fuzz import corpus, model_kinds, set_corpus, trial
from fuzz.isolation import try_in_children
from fuzz.mutation import bend, damage
from fuzz.trial import KINDS, try_case
from support import Outcome

from gantool.cli.app import run
from gantool.data.sources.labels import read_class_table
from gantool.errors import DataError

pytestmark = pytest.mark.slow

FORMS = ("unpaired", "paired", "segmentation", "tiles")  # of what `prepare` writes

COUNTS = {
    "images": 80, "batches": 10, "archives": 30, "annotations": 40, "masks": 30, "tables": 25, "descriptions": 10,
    "models": 40, "exports": 12, "weights": 15, "settings": 40, "runs": 4,
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_damaged_files_are_refused_in_words(kind: str) -> None:
    failures = [one for number in range(COUNTS[kind]) if (one := try_case(kind, 0, number))]
    told = "python tests/fuzz/run.py reproduces:\n" + "\n".join(str(one) for one in failures)
    assert not failures, told


def outcome(capsys: pytest.CaptureFixture[str], *arguments: str) -> Outcome:
    capsys.readouterr()
    code = run([*arguments])
    return Outcome(code, *capsys.readouterr())


@pytest.mark.parametrize(
    "files", [corpus.images, corpus.models, model_kinds.sound_exports, model_kinds.sound_weights]
)
def test_files_are_sound_before(files: object, workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, data in files().items():  # type: ignore[operator]
        Path(name).write_bytes(data)
        result = outcome(capsys, "info", name)
        assert (result.code, "discriminator" in result.err) in ((0, False), (2, True)), f"{name}: {result.err}"


@pytest.mark.parametrize("form", [*set_corpus.masks(), *(f"prepared {name}" for name in FORMS)])
def test_sets_are_sound_before(form: str, workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, _, name = form.rpartition(" ")
    set_corpus.write_tree(Path("set"), (set_corpus.prepared() if name != form else set_corpus.masks())[name])
    result = outcome(capsys, "info", "set", "--json")
    assert result.code == 0, result.err
    kind = {"unpaired": "unpaired", "paired": "paired"}.get(name, "segmentation")
    assert json.loads(result.out)["kind"] == kind


def test_tables_are_sound_before(workplace: Path) -> None:
    for name, text in set_corpus.TABLES.items():
        Path(name).write_text(text, "utf-8")
        assert read_class_table(Path(name)).names == tuple(f"class {n}" for n in range(9)), name


def test_archives_are_sound_before(workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, data in corpus.archives().items():
        Path(name).write_bytes(data)
        result = outcome(capsys, "prepare", name, "--dry-run", "--as", "unpaired")
        assert result.code == 0, f"{name}: {result.err}"


@pytest.mark.parametrize("name", sorted(corpus.annotations()))
def test_annotations_are_sound_before(name: str, workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, tree = corpus.annotations()[name]
    text = tree if isinstance(tree, str) else json.dumps(tree)
    corpus.write_annotated_set(Path("set"), name, text.encode())
    result = outcome(capsys, "prepare", "set", "--dry-run", "--json")
    assert result.code == 0, result.err
    assert "lake" in json.loads(result.out)["classes"]


def _raise(error: BaseException) -> int:
    raise error


def _unclean(name: str, folder: Path, code: int) -> int:
    (folder / name).touch()
    return code


def _say(text: str, code: int = 0) -> int:
    print(text, file=sys.stderr)
    return code


def _warn() -> int:
    warnings.warn("invalid value", RuntimeWarning, stacklevel=1)
    return 0


def _log() -> int:
    logging.getLogger("PIL").warning("odd tag")
    return 0


def _take_memory(folder: Path) -> int:
    return int(np.ones(2**29, np.uint8).sum() < 0)


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        (lambda folder: 0, None),
        (lambda folder: _say("error: it is damaged", 2), None),
        (lambda folder: _raise(DataError("a.png: is damaged.")), None),
        (lambda folder: _unclean("made.png", folder, 0), None),
        (lambda folder: 3, "exit 3"),
        (lambda folder: 2, "exit 2 without a word"),
        (lambda folder: _raise(KeyError("width")), "KeyError: 'width'"),
        (lambda folder: _raise(trial.TooSlow()), "took longer than 20 s"),
        (lambda folder: _say("Traceback (most recent call last)", 1), "a traceback is shown"),
        (lambda folder: _say("x" * 2000, 1), "a line of 2000 characters is shown"),
        (lambda folder: os.write(2, b"libtiff: odd\n") * 0, "a library says: libtiff: odd"),
        (lambda folder: _log(), "a library says: odd tag"),
        (lambda folder: _unclean(".left-over", folder, 0), "leaves .left-over"),
        (lambda folder: _unclean("made.png", folder, _say("error: no", 2)), "leaves made.png"),
    ],
)
def test_a_case_is_judged(
    action: object, expected: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(KINDS, "images", lambda rng, work: lambda: action(work))  # type: ignore[operator]
    found = try_case("images", 0, 0, keep=tmp_path)
    assert (found and found.what) == expected
    assert (tmp_path / "images-0-0").is_dir() == (expected is not None)


def test_warnings_on_stderr_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(KINDS, "images", lambda rng, work: _warn)
    found = try_case("images", 0, 0)
    assert found is not None
    assert found.what == "a library says: RuntimeWarning: invalid value"


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="only Linux tells it")
def test_too_much_memory_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "MEMORY", 2**28)
    monkeypatch.setitem(KINDS, "images", lambda rng, work: lambda: _take_memory(work))
    found = try_case("images", 0, 0)
    assert found is not None
    assert found.what == "took 0.5 GiB of memory"


def test_memory_of_what_ran_before_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    held = np.ones(2**29, np.uint8)
    monkeypatch.setattr(trial, "MEMORY", 2**28)
    monkeypatch.setitem(KINDS, "images", lambda rng, work: lambda: int(held.sum() < 0))
    assert try_case("images", 0, 0) is None


def _busy() -> int:
    while True:
        time.perf_counter()


def test_what_never_ends_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "PATIENCE", 0.2)
    monkeypatch.setitem(KINDS, "images", lambda rng, work: _busy)
    found = try_case("images", 0, 0)
    assert found is not None
    assert found.what == "took longer than 0.2 s"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no child processes of that kind")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_child_that_dies_costs_its_own_case_only(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def kind(rng: random.Random, work: Path) -> object:
        (work / "damaged.png").touch()
        number = next(numbers)
        return lambda: os.kill(os.getpid(), signal.SIGKILL) if number == 1 else 3 if number == 2 else 0

    numbers = iter((0, 1))  # of the first child; the next one gets the rest
    monkeypatch.setitem(KINDS, "images", kind)
    found = []
    for one in try_in_children("images", 0, range(4), keep=tmp_path):
        found.append(one and one.what)
        if len(found) == 2:
            numbers = iter((2, 3))
    assert found == [None, "died of SIGKILL", "exit 3", None]
    assert len([*tmp_path.rglob("damaged.png")]) == 2


def test_an_internal_error_is_seen_with_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gantool.workflows.info.picture_from", lambda image: 1 // 0)
    monkeypatch.setattr("fuzz.kinds.damage", lambda rng, data, others: data)
    monkeypatch.setattr(random.Random, "choice", lambda rng, values: values[0])
    monkeypatch.setattr(random.Random, "random", lambda rng: 0.5)
    found = try_case("images", 0, 5)
    assert found is not None
    assert found.what == "exit 70, ZeroDivisionError: integer division or modulo by zero"
    assert found.place.startswith("workflows/info/__init__.py:")
    assert str(found).startswith("--kind images --seed 0 --only 5: exit 70")


def test_damage_is_a_function_of_the_seed() -> None:
    data, tree = corpus.scene(), corpus.annotations()["coco"][1]
    before = json.dumps(tree)
    damaged = [damage(random.Random(n), data, [data]) for n in (*range(20), *range(20))]
    assert damaged[:20] == damaged[20:]
    assert len({*damaged} - {data}) > 10
    bent = [json.dumps(bend(random.Random(n), tree)) for n in (*range(20), *range(20))]
    assert bent[:20] == bent[20:]
    assert len({*bent} - {before}) > 10
    assert json.dumps(tree) == before
