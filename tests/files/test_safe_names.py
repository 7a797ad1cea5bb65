"""Names of results."""

from __future__ import annotations

from gantool.files import safe_name


def test_names_of_any_length_and_system() -> None:
    assert safe_name("con.txt") == "_con.txt"
    assert len(safe_name("ä" * 300 + ".png").encode()) <= 200
    assert safe_name("a" * 300 + "1.png") != safe_name("a" * 300 + "2.png")
