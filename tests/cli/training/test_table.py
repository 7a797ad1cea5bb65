from __future__ import annotations

import pytest
from rich.text import Text

from gantool.cli.training.table import Column, Layout, Signs, bar, number, score_text, speed
from gantool.metrics.table import METRICS, better_is
from gantool.report.words import title_of

COLUMNS = [Column("a", "alpha", 5), Column("b", "beta", 6, left=True), Column("c", "gamma", 5), Column("d", "d", 2)]


@pytest.mark.parametrize(("width", "kept"), [(3, "a"), (12, "a"), (13, "ab"), (19, "ab"), (20, "abc"), (24, "abcd")])
def test_columns_are_dropped_from_the_last_one_on(width: int, kept: str) -> None:
    """Also where a later one is small enough for the room."""
    layout = Layout.of(width, COLUMNS)
    assert "".join(column.name for column in layout.columns) == kept
    assert layout.header().cell_len <= width


def test_rows_stand_below_their_titles() -> None:
    layout = Layout.of(24, COLUMNS)
    cells = {"a": Text("1"), "b": Text("2"), "c": Text("3"), "other": Text("4")}
    assert layout.header().plain == "alpha  beta    gamma   d"
    assert layout.row(cells).plain == "    1  2           3"


def test_bars_have_one_width_however_far_they_are() -> None:
    assert [bar(done, 100, 16, Signs()).plain for done in (0, 50, 100)] == [
        "────────   0/100",
        "━━━━────  50/100",
        "━━━━━━━━ 100/100",
    ]
    assert bar(7, 12345, 12, Signs()).plain == "    7/12345", "no room for a bar"


def test_scores_show_best_and_difference() -> None:
    signs = Signs()
    assert score_text(0.5, None, best=True, signs=signs).plain == "0.500 ★ "
    assert score_text(0.5123, 0.5, best=True, signs=signs).plain == "0.512 ★ +0.012"
    assert score_text(12.3, 12.0, best=False, signs=signs).plain == "12.30   +0.30"
    assert score_text(float("nan"), 0.5, best=False, signs=signs).plain == "nan   "


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0, "0.000"), (9.9994, "9.999"), (9.9996, "10.00"), (99.996, "100.0"), (999.96, "1000"), (-1.5, "-1.500"),
     (0.0004, "4e-04"), (3e7, "3e+07"), (float("inf"), "inf")],
)  # fmt: skip
def test_numbers_are_short(value: float, shown: str) -> None:
    assert number(value) == shown


def test_names_become_titles() -> None:
    assert title_of("cross_entropy") == "cross entropy"
    assert title_of("swd_to_winter") == "SWD to winter"
    assert speed(0.25) == "0.25" and speed(2500.4) == "2500"


def test_every_metric_has_a_direction() -> None:
    for name, metric in METRICS.items():
        assert better_is(name) == ("higher" if metric.higher_is_better else "lower")
    assert better_is("l1_ratio_to_winter") == "lower"
    assert better_is("mean_iou") == "higher"
    assert better_is("iou/leaf_tree") == "higher"
    assert better_is("something") == ""
    assert better_is("l12") == ""
