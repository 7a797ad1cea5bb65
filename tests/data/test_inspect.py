from __future__ import annotations

from pathlib import Path

from PIL import Image

from gantool.data.inspect import inspect_image, problems


def test_problems_are_named_in_order_and_as_facts_name_them(tmp_path: Path) -> None:
    good, tiny, text = (tmp_path / name for name in ("good.png", "tiny.png", "text.jpg"))
    Image.new("RGB", (8, 8)).save(good)
    Image.new("RGB", (8, 7)).save(tiny)
    text.write_text("no")
    found = list(problems([text, good, tiny]))
    assert found == [
        f"{text}: is not an image that can be read.",
        f"{tiny}: has 8x7 pixels, at least 8x8 are needed.",
    ]
    assert [inspect_image(path).problem for path in (text, good, tiny)] == [found[0], "", found[1]]
