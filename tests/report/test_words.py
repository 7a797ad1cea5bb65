"""Times as people read them."""

from __future__ import annotations

import pytest

from gantool.report.words import clock_time, duration, roughly


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0.0 s"), (59.4, "59 s"), (61, "1 min 01 s"), (3599.6, "1 h 00 min"), (9000, "2 h 30 min")],
)
def test_durations(seconds: float, words: str) -> None:
    assert duration(seconds) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(59, "less than a minute"), (61, "about 1 minute"), (9000, "about 2.5 hours"), (172_800, "about 2.0 days")],
)
def test_times_to_wait(seconds: float, words: str) -> None:
    assert roughly(seconds) == words


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0.9, "0:00"), (59.9, "0:59"), (3599, "59:59"), (3600, "1h00m"), (359_999, "99h59m"), (360_000, "4d04h")],
)  # fmt: skip
def test_times_have_six_characters_at_most(seconds: float, shown: str) -> None:
    assert clock_time(seconds) == shown
