from __future__ import annotations

from pathlib import Path

import pytest

from gantool.data.sources.labels import ClassTable, read_class_table
from gantool.errors import DataError


def table(tmp_path: Path, text: str) -> ClassTable:
    path = tmp_path / "classes.txt"
    path.write_text(text, "utf-8")
    return read_class_table(path)


@pytest.mark.parametrize(
    ("text", "names", "values", "colors"),
    [
        ("sky\ntraffic light\n\n# a comment\n", ("sky", "traffic light"), None, None),
        ("3,sky\n5,tree, tall", ("sky", "tree, tall"), (3, 5), None),
        ("sky,3\ntree,5\n", ("sky", "tree"), (3, 5), None),
        ("name,r,g,b\nsky,1,2,3\ntree,4,5,6", ("sky", "tree"), None, ((1, 2, 3), (4, 5, 6))),
        (
            "# label:color_rgb:parts:actions\nsky:1,2,3::\ntree:4,5,6::\n",
            ("sky", "tree"),
            None,
            ((1, 2, 3), (4, 5, 6)),
        ),
        ("64 128 64\tAnimal\n192 0 128\tArchway", ("Animal", "Archway"), None, ((64, 128, 64), (192, 0, 128))),
        ("sky #0a141e\n#000000 night", ("sky", "night"), None, ((10, 20, 30), (0, 0, 0))),
        ("id,name,r,g,b\n7,road,128,64,128\n8,side,1,2,3", ("road", "side"), (7, 8), ((128, 64, 128), (1, 2, 3))),
        ("Pixel Value, Class\n0, background\n1, roof", ("background", "roof"), (0, 1), None),
        ("class 3\nclass 5", ("class 3", "class 5"), None, None),
    ],
)
def test_forms(tmp_path: Path, text: str, names: object, values: object, colors: object) -> None:
    assert table(tmp_path, text) == ClassTable(names, values, colors)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "names no classes"),
        ("sky\nsky", "the name sky stands twice"),
        ("sky,1,2,3\ntree,1,2,3", "the color .* stands twice"),
        ("sky,1,2,3\ntree\n", "line 2 has no color"),
        ("sky,1,2,300", "expected 0 to 255"),
        ("1,2,3", "line 1 has no name"),
        ("x" * 5000, "line 1 has a name of 5000 characters"),
        ("sky\n" + "9" * 5000 + ",tree", "line 2 has a value of 5000 digits"),
        ("tree," + "9" * 10, "line 1 has a value of 10 digits"),
    ],
)
def test_mistakes(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(DataError, match=words):
        table(tmp_path, text)


@pytest.mark.parametrize("name", ["classes.json", "dataset.yaml", "map.XML"])
def test_files_of_another_kind_are_not_read_as_lines(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text('["sky", "tree"]')
    with pytest.raises(DataError, match=f"{name}: is a .* file, expected text with a class per line. Lines are"):
        read_class_table(tmp_path / name)
