from __future__ import annotations

import pytest

from gantool.documents import DocumentError, brief, load_json, shown
from gantool.yaml_documents import load_yaml


def test_aliases_within_bounds_are_read() -> None:
    assert load_yaml("a: &a {x: 1}\nb: *a\nc: {<<: *a, y: 2.5}\nd: [null, off, true]\n") == {
        "a": {"x": 1}, "b": {"x": 1}, "c": {"x": 1, "y": 2.5}, "d": [None, "off", True],
    }  # fmt: skip


@pytest.mark.parametrize("tag", ["binary", "set", "omap", "pairs", "python/object:os.system"])
def test_tags_make_plain_data_only(tag: str) -> None:
    with pytest.raises(DocumentError, match="could not determine"):
        load_yaml(f"a: !!{tag} []")


@pytest.mark.parametrize("text", ["[" * 100_000, "{", "9" * 5000, " " * 2**21])
def test_hostile_json_is_one_short_line(text: str) -> None:
    with pytest.raises(DocumentError) as caught:
        load_json(text)
    assert len(str(caught.value)) <= 160


def test_values_are_shown_short() -> None:
    assert shown({"a": [1, "b"]}) == "{'a': [1, 'b']}"
    assert len(shown([["x" * 1000] * 1000] * 1000)) <= 100
    assert brief("a\n  b") == "a b"
