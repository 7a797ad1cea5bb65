"""Parts at an address, where there are no locks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gantool.fetch.remote.addresses import Server
from gantool.fetch.remote.outbox import Outbox
from gantool.workflows.shares.elsewhere import PartsAtAddress
from gantool.workflows.shares.share import Share


@pytest.fixture
def address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    from fsspec.implementations.memory import MemoryFileSystem

    monkeypatch.setenv("GANTOOL_CACHE", str(tmp_path / "cache"))
    yield "memory://parts"
    MemoryFileSystem.store.clear()
    assert list((tmp_path / "cache" / "outgoing").iterdir()) == []


def _parts(place: int, address: str, question: str = "?") -> PartsAtAddress:
    return PartsAtAddress(Share(place, 2), Outbox(address), [question])


def _left(address: str) -> dict[str, tuple[int, int]]:
    return Server(address).listing(recursive=True) or {}


def test_the_last_one_gets_all_in_order_and_leaves_nothing(address: str) -> None:
    one, two = _parts(0, address), _parts(1, address)
    two.path(stage="coco", suffix=".json").parent.mkdir(parents=True)
    two.path(stage="coco", suffix=".json").write_text("[2]")
    two.hand_in("second")
    assert two.missing() == [0]
    with two.last() as several:
        assert several is None
    one.hand_in("first")
    with one.last() as several:
        assert several == ["first", "second"]
        assert one.path(1, "coco", ".json").read_text() == "[2]"
    assert not _left(address)
    with two.last() as several:  # somebody else was the last
        assert several is None
    for parts in (one, two):
        parts.tidy()


def test_of_two_that_see_all_one_puts_them_together(address: str) -> None:
    one, two = _parts(0, address), _parts(1, address)
    for parts in (one, two):
        parts.hand_in("mine")
    with one.last() as mine, two.last() as other:
        assert mine == ["mine", "mine"] and other is None
    assert not _left(address)
    for parts in (one, two):
        parts.tidy()


def test_who_claims_when_all_is_done_has_nothing_to_do(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both see all parts; one has put them together, and its claim is gone, when the other one's comes."""
    one, two = _parts(0, address), _parts(1, address)
    for parts in (one, two):
        parts.hand_in("mine")
    write = two._server.write

    def late(name: str, content: bytes, *, replace: bool) -> bool:
        with one.last() as mine:
            assert mine == ["mine", "mine"]
        return write(name, content, replace=replace)

    monkeypatch.setattr(two._server, "write", late)
    with two.last() as several:
        assert several is None
    assert not _left(address), "not the claim either"
    for parts in (one, two):
        parts.tidy()


def test_who_dies_after_claiming_keeps_nobody_from_it(address: str) -> None:
    one, two = _parts(0, address), _parts(1, address)
    for parts in (one, two):
        parts.hand_in("mine")
    with pytest.raises(OSError, match="full"), two.last():
        raise OSError("full")
    one.tidy()
    two.tidy()
    again = _parts(1, address)
    with again.working():
        again.forget()
        assert again.missing() == [1]
        again.hand_in("again")
        with again.last() as several:
            assert several == ["mine", "again"]
    again.tidy()
    assert not _left(address)


def test_parts_of_another_question_are_others(address: str) -> None:
    one, other = _parts(0, address), _parts(1, address, "another")
    other.hand_in("other")
    one.hand_in("mine")
    with one.last() as several:
        assert several is None
    for parts in (one, other):
        parts.tidy()
