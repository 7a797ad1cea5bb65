from __future__ import annotations

from gantool.errors import closest


def test_known_names_are_listed_short() -> None:
    assert closest("x", ["winter", "summer"]) == "Known: summer, winter."
    assert closest("x", ["unet", "cyclegan", "unet"]) == "Known: cyclegan, unet."
    assert closest("x", map(str, range(10, 30))).endswith("20, 21, ...")
    assert len(closest("x", [f"{n}" * 5000 for n in range(20)])) < 1000
