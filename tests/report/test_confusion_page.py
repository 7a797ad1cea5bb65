from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gantool.report.confusion import ConfusionMatrix, matrix_table, read_confusion, write_confusion


def matrix_of(counts: list[list[int]]) -> ConfusionMatrix:
    size = len(counts)
    return ConfusionMatrix([f"class {n}" for n in range(size)], [(n, 0, 255) for n in range(size)], np.array(counts))


def test_shares_are_of_the_true_class_and_mistakes_the_largest_first() -> None:
    found = matrix_table(matrix_of([[6, 2, 0], [1, 3, 0], [0, 0, 0]]))
    assert found["names"] == ["class 0", "class 1", "class 2"]
    name, color, cells = found["rows"][0]
    assert (name, color, cells) == ("class 0", "#0000ff", [(6, 0.75), (2, 0.25), (0, 0.0)])
    assert found["rows"][2][2] == [(0, 0.0)] * 3, "a class that is not there"
    assert found["mistakes"] == [("class 0", "class 1", 0.25), ("class 1", "class 0", 0.25)]
    assert found["left_out"] == 0


def test_of_many_classes_the_large_ones_are_shown_and_nothing_is_lost() -> None:
    counts = np.ones((30, 30), dtype=np.int64)
    counts[np.arange(30), np.arange(30)] = np.arange(30, 0, -1) * 100
    found = matrix_table(matrix_of(counts.tolist()))
    assert found["names"] == [*(f"class {n}" for n in range(24)), "6 others"]
    shown = np.array([[count for count, _ in cells] for _, _, cells in found["rows"]])
    assert shown.sum() == counts.sum()
    assert shown[24, 24] == counts[24:, 24:].sum()
    assert (shown[0, 24], found["left_out"]) == (6, 6)


def test_a_file_gives_back_what_was_written(tmp_path: Path) -> None:
    write_confusion(tmp_path / "confusion.json", matrix_of([[6, 2], [1, 3]]))
    found = read_confusion(tmp_path / "confusion.json")
    assert found is not None
    assert (list(found.names), list(found.colors)) == (["class 0", "class 1"], [(0, 0, 255), (1, 0, 255)])
    assert found.counts.tolist() == [[6, 2], [1, 3]]
    assert read_confusion(tmp_path / "none.json") is None


@pytest.mark.parametrize(
    "text",
    [
        "", "3", "[" * 9999, "{}", '{"classes": ["a"], "colors": [], "counts": [[1]]}',
        '{"classes": ["a"], "colors": [[1, 2]], "counts": [[1]]}',
        '{"classes": ["a"], "colors": [[1, 2, 3]], "counts": [[1, 2]]}',
        '{"classes": ["a"], "colors": [[1, 2, 3]], "counts": [[-1]]}',
        '{"classes": ["a"], "colors": [[1, 2, 3]], "counts": [[1e400]]}',
        '{"classes": ["a"], "colors": [[1, 2, 3]], "counts": [["x"]]}',
        '{"classes": [], "colors": [], "counts": []}',
    ],
)  # fmt: skip
def test_what_somebody_changed_is_left_out(text: str, tmp_path: Path) -> None:
    (tmp_path / "confusion.json").write_text(text)
    assert read_confusion(tmp_path / "confusion.json") is None
