"""What shares hand in, and who puts it together."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

from gantool.errors import OutputError
from gantool.workflows.shares import parts as parts_module
from gantool.workflows.shares.parts import FOLDER, Parts, ShareError
from gantool.workflows.shares.share import Share
from gantool.workflows.shares.trees import load_tree, save_tree


def _parts(place: int, folder: Path, question: str = "?", count: int = 2, job: str = "", **options: bool) -> Parts:
    return Parts(Share(place, count, "srun" if job else "", job), folder, [question], **options)


def test_trees_come_back(tmp_path: Path) -> None:
    tree = {"a": [1, 2.5, None, "ü\udc80"], "b": {"c": np.arange(6.0).reshape(2, 3), "d": np.array(["x", "yy"])}}
    save_tree(tmp_path / "part.npz", tree)
    back = load_tree(tmp_path / "part.npz")
    assert back["a"] == tree["a"]
    assert (back["b"]["c"] == tree["b"]["c"]).all()  # type: ignore[call-overload,index]
    assert back["b"]["d"].tolist() == ["x", "yy"]


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 no more", b"nothing"])
def test_a_damaged_part_is_named(tmp_path: Path, damage: bytes) -> None:
    parts = _parts(0, tmp_path)
    parts.hand_in([1])
    parts.path().write_bytes(damage)
    with pytest.raises(OutputError, match=r"part-1.npz: is damaged .* Delete it and run its share again"):
        parts.handed_in(0)


def test_the_last_one_gets_all_in_order_and_leaves_nothing(tmp_path: Path) -> None:
    one, two = _parts(0, tmp_path), _parts(1, tmp_path)
    two.hand_in("second")
    with two.last() as several:
        assert several is None
    assert two.missing() == [0]
    one.hand_in("first")
    with one.last() as several:
        assert several == ["first", "second"]
    one.tidy()
    assert not list(tmp_path.iterdir())
    with two.last() as several:  # somebody else was the last
        assert several is None


def test_parts_stay_when_putting_them_together_fails(tmp_path: Path) -> None:
    one, two = _parts(0, tmp_path), _parts(1, tmp_path)
    for parts in (one, two):
        parts.hand_in("mine")
    with pytest.raises(OSError, match="full"), two.last():
        raise OSError("full")
    with one.last() as several:
        assert several == ["mine", "mine"]


def test_parts_of_another_question_or_launch_are_not_taken(tmp_path: Path) -> None:
    _parts(0, tmp_path).hand_in("old")
    assert _parts(1, tmp_path, "another").missing() == [0, 1]
    _parts(0, tmp_path, job="1").hand_in("old")
    assert _parts(1, tmp_path, job="2").missing() == [0, 1]
    assert _parts(1, tmp_path, job="2", again=True).missing() == [1]


def test_what_a_dead_launch_left_goes_with_the_next(tmp_path: Path) -> None:
    _parts(0, tmp_path, job="1").hand_in("old")
    (tmp_path / FOLDER / _parts(0, tmp_path).key[:16] / "2.lock").touch()
    for place in (0, 1):
        parts = _parts(place, tmp_path, job="2")
        with parts.working():
            parts.forget()
            parts.hand_in("new")
            with parts.last() as several:
                assert several == (["new", "new"] if place else None)
        parts.tidy()
    assert not list(tmp_path.iterdir())


def test_two_writers_of_one_share(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts_module, "_PATIENCE", 0.0)
    with _parts(0, tmp_path).working():
        with (
            pytest.raises(ShareError, match="share 1/2 is being done by process") as caught,
            _parts(0, tmp_path).working(),
        ):
            pass
        assert caught.value.is_own
        with _parts(1, tmp_path).working():
            pass


def test_who_is_at_work(tmp_path: Path) -> None:
    one, two = _parts(0, tmp_path), _parts(1, tmp_path)
    assert not two.is_at_work(0)
    with one.working():
        assert two.is_at_work(0)
    assert not two.is_at_work(0)
    two.folder.mkdir(parents=True, exist_ok=True)
    (two.folder / "1.lock").touch()  # as a killed process leaves it
    assert not two.is_at_work(0)


def test_waiting_ends_when_nobody_comes(tmp_path: Path) -> None:
    one, two = _parts(0, tmp_path), _parts(1, tmp_path)
    one.hand_in("here", "looked")
    assert not one.wait("looked", patience=0.2)
    with two.working():
        late = threading.Timer(0.5, lambda: two.hand_in("here, too", "looked"))
        late.start()
        assert one.wait("looked", patience=0.0)  # as long as somebody is at work
        late.join()


def test_who_finishes(tmp_path: Path) -> None:
    one, two = _parts(0, tmp_path), _parts(1, tmp_path)
    one.hand_in({}, "written")
    with two.working(), one.finishing("written") as gone:
        assert gone is None  # the other one is at work, and will
    with one.finishing("written") as gone:
        assert gone == [1]
    with two.finishing("written") as gone:
        assert gone is None
