"""A few hundred damaged files; ``run.py`` tries as many as one likes."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from fuzz import corpus, trial
from fuzz.mutation import bend, damage
from fuzz.trial import KINDS, try_case
from support import Outcome

from gantool.cli.app import run
from gantool.errors import DataError

COUNTS = {"images": 100, "models": 50, "archives": 50, "annotations": 50, "settings": 50}


@pytest.mark.parametrize("kind", KINDS)
def test_damaged_files_are_refused_in_words(kind: str) -> None:
    failures = [one for number in range(COUNTS[kind]) if (one := try_case(kind, 0, number))]
    told = "python tests/fuzz/run.py reproduces:\n" + "\n".join(str(one) for one in failures)
    assert not failures, told


def outcome(capsys: pytest.CaptureFixture[str], *arguments: str) -> Outcome:
    capsys.readouterr()
    code = run([*arguments])
    return Outcome(code, *capsys.readouterr())


@pytest.mark.parametrize("files", [corpus.images, corpus.models])
def test_files_are_sound_before(files: object, workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, data in files().items():  # type: ignore[operator]
        Path(name).write_bytes(data)
        result = outcome(capsys, "info", name)
        assert result.code == 0, f"{name}: {result.err}"


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


def _unclean(folder: Path) -> int:
    (folder / ".left-over").touch()
    return 0


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        (lambda folder: 0, None),
        (lambda folder: 2, None),
        (lambda folder: _raise(DataError("a.png: is damaged.")), None),
        (lambda folder: 3, "exit 3"),
        (lambda folder: _raise(KeyError("width")), "KeyError: 'width'"),
        (lambda folder: _raise(trial.TooSlow()), "took longer than 20 s"),
        (lambda folder: print("Traceback (most recent call last)") or 1, "a traceback is shown"),
        (_unclean, "leaves .left-over"),
    ],
)
def test_a_case_is_judged(
    action: object, expected: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(KINDS, "images", lambda rng, work: lambda: action(work))  # type: ignore[operator]
    found = try_case("images", 0, 0, keep=tmp_path)
    assert (found and found.what) == expected
    assert (tmp_path / "images-0-0").is_dir() == (expected is not None)


def test_an_internal_error_is_seen_with_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gantool.workflows.info.picture_from", lambda image: 1 // 0)
    monkeypatch.setattr("fuzz.trial.damage", lambda rng, data, others: data)
    monkeypatch.setattr(random.Random, "choice", lambda rng, values: values[0])
    monkeypatch.setattr(random.Random, "random", lambda rng: 0.5)
    found = try_case("images", 0, 5)
    assert found is not None
    assert found.what == "exit 70, ZeroDivisionError: integer division or modulo by zero"
    assert found.place.startswith("workflows/info.py:")
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
