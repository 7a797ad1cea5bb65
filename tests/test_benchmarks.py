"""The benchmarks as a habit: rows, comparisons, the page, and what the scripts have in common."""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "benchmarks"))

import against_reference
import equal_time
import folders
import measured
import plain_loops
import run as benchmarks
import shards
from measured import Row

from gantool.data.images import write_picture
from gantool.data.sample import draw_scene
from gantool.hardware import threads_to_compute


def row(name: str, value: float | None, unit: str = "s", **more: Any) -> dict[str, Any]:
    return {"name": name, "value": value, "unit": unit, **more}


def result(date: str, rows: list[dict[str, Any]], machine: str = "m", **more: Any) -> dict[str, Any]:
    part = {"command": "python benchmarks/x.py", "rows": rows}
    return {"date": date, "machine": machine, "versions": {"torch": "2"}, "benchmarks": {"x": part}, **more}


# -- rows ------------------------------------------------------------------------------------------------------------


def test_a_median_and_the_noise_around_it() -> None:
    assert measured.middle([4.0, 1.0, 2.0, 3.0, 5.0]) == (3.0, round(1 / 3, 4))  # quartiles 2 and 4
    assert measured.middle([7.0, 1.0]) == (4.0, None)
    assert measured.middle([0.0, 0.0, 0.0]) == (0.0, None)


def test_ways_are_timed_in_turn_and_compared_pair_by_pair(monkeypatch: pytest.MonkeyPatch) -> None:
    now, log = [0.0], []

    def takes(name: str, *seconds: float) -> Any:
        left = list(seconds)

        def work() -> None:
            log.append(name)
            now[0] += left.pop(0)

        return work

    monkeypatch.setattr(measured.time, "perf_counter", lambda: now[0])
    # The machine is twice as slow in the last round: the ratio does not see it.
    ways = {"base": takes("base", 9, 1, 1, 2), "other": takes("other", 9, 0.5, 0.5, 1)}
    base, other = measured.alternate(ways, 3)
    assert log == ["base", "other"] * 4
    assert (base.name, base.value, base.ratio) == ("base", 1, None)
    assert (other.value, other.ratio, other.baseline, other.noise) == (0.5, 0.5, "base", 0.0)
    (alone,) = measured.alternate({"base": takes("base", 1, 1)}, 1, unit="ms")
    assert alone.value == 1000


def test_rows_are_printed_and_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [
        Row("one", 2.0, "s", noise=0.01),
        Row("two", 1.0, "s", 0.5, "one", 0.02),
        Row("three", None, "s", note="no"),
    ]
    measured.finish(rows, tmp_path / "rows.json")
    out = capsys.readouterr().out
    assert "2 s  +- 1.0 %" in out
    assert "0.500 of one  +- 2.0 %" in out
    assert re.search(r"three +no$", out, re.MULTILINE)
    found = json.loads((tmp_path / "rows.json").read_text())
    assert benchmarks.check_rows(found) == found
    assert found[1] == {
        "name": "two",
        "value": 1.0,
        "unit": "s",
        "ratio": 0.5,
        "baseline": "one",
        "noise": 0.02,
        "note": "",
    }


@pytest.mark.parametrize(
    "wrong", [[], [row("a", 1), row("a", 2)], [{"name": "a"}], [row("a", "much")], 7, [row("a", 1, unit=None)]]
)
def test_what_are_no_rows(wrong: Any) -> None:
    with pytest.raises((ValueError, KeyError, TypeError)):
        benchmarks.check_rows(wrong)


# -- comparing -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (row("a", 1.0), row("a", 1.02), None),  # under 3 %
        (row("a", 1.0), row("a", 1.5), "a: 1 is now 1.5 s, 50 % worse (noise 0 %)"),
        (row("a", 1.0), row("a", 0.5), None),
        (row("a", 1.0, noise=0.3), row("a", 1.5, noise=0.25), None),
        (row("a", 1.0, noise=0.3), row("a", 1.5, noise=0.1), "a: 1 is now 1.5 s, 50 % worse (noise 40 %)"),
        (row("a", 9.0, "images/s"), row("a", 12.0, "images/s"), None),
        (row("a", 12.0, "images/s"), row("a", 9.0, "images/s"), "a: 12 is now 9 images/s, 33 % worse (noise 0 %)"),
        (row("a", 0.9, "SSIM"), row("a", 0.6, "SSIM"), "a: 0.9 is now 0.6 SSIM, 50 % worse (noise 0 %)"),
        # Of ratios, whatever the machine does meanwhile.
        (row("a", 1.0, ratio=0.5, baseline="b"), row("a", 3.0, ratio=0.5, baseline="b"), None),
        (row("a", 1.0, ratio=0.5, baseline="b"), row("a", 1.0, ratio=0.6, baseline="b"),
         "a: 0.5 is now 0.6 of b, 20 % worse (noise 0 %)"),
        (row("a", 1.0), row("a", 5.0, "ms"), None),
        (row("a", 1.0), row("b", 5.0), None),
        (row("a", None), row("a", 5.0), None),
        (row("a", 1.0), row("a", None, note="out of memory"), "a: could be measured before (out of memory)"),
        (row("a", 0.0), row("a", 1.0), None),
    ],
)  # fmt: skip
def test_only_what_is_worse_by_more_than_the_noise_is_named(
    before: dict[str, Any], after: dict[str, Any], said: str | None
) -> None:
    assert benchmarks.compare([before], [after]) == ([said] if said else [])


def test_compared_with_the_newest_of_the_same_machine() -> None:
    old, new = result("2026-01-01", [row("a", 1)]), result("2026-02-01", [row("a", 2)])
    other = result("2026-03-01", [row("a", 3)], machine="another")
    assert benchmarks.earlier("x", "m", [new, other, old]) == [row("a", 2)]
    assert benchmarks.earlier("y", "m", [new]) == []


# -- running ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with three small benchmarks, of which one fails, and an empty page."""
    (tmp_path / "benchmarks").mkdir()
    ours = tmp_path / "benchmarks"
    good = "import json, sys\nassert sys.argv[1] == '--json'\n"
    (ours / "good.py").write_text(
        f"{good}json.dump([dict(name='a', value=2, unit='s', noise=0)], open(sys.argv[2], 'w'))"
    )
    (ours / "bad.py").write_text("'''takes --json'''\nraise SystemExit(3)")
    (ours / "none.py").write_text("'''takes --json'''")
    (ours / "helper.py").write_text("")
    blocks = "<!-- begin tables: x -->\nold\n<!-- end tables -->\nkept\n<!-- begin gpu: x -->\n<!-- end gpu -->\n"
    (tmp_path / "page.md").write_text(f"# Page\n\n{blocks}")
    monkeypatch.setattr(benchmarks, "HERE", ours)
    monkeypatch.setattr(benchmarks, "RESULTS", ours / "results")
    monkeypatch.setattr(benchmarks, "PAGE", tmp_path / "page.md")
    monkeypatch.setattr(benchmarks, "machine", lambda: "two cores of a Test (R) machine")
    return tmp_path


def called(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["run.py", *words])
    return benchmarks.main()


def test_all_are_run_and_written_down(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert benchmarks.scripts() == ["bad", "good", "none"]
    assert called(monkeypatch) == 1
    out = capsys.readouterr().out
    assert "WORSE bad: ended with 3" in out
    assert "WORSE none: wrote no rows" in out
    assert "WORSE good" not in out
    (file,) = (folder / "benchmarks" / "results").iterdir()
    assert re.fullmatch(r"\d{4}-\d\d-\d\d-two-cores-of-a-test-r-machine\.json", file.name)
    content = json.loads(file.read_text())
    assert list(content["benchmarks"]) == ["good"]
    assert content["benchmarks"]["good"]["command"] == "python benchmarks/good.py"
    page = (folder / "page.md").read_text()
    assert "old" not in page
    assert "kept" in page
    assert "| a | 2 s |  |  | 0.0 % |" in page
    assert "two cores of a Test (R) machine; python" in page

    # It was twice as fast once.
    content["benchmarks"]["good"]["rows"][0]["value"] = 1
    content["benchmarks"]["older"] = content["benchmarks"]["good"]
    file.write_text(json.dumps(content))
    assert called(monkeypatch, "--only", "good") == 1
    assert "WORSE good: a: 1 is now 2 s, 100 % worse (noise 0 %)" in capsys.readouterr().out
    assert json.loads(file.read_text())["benchmarks"].keys() == {"good", "older"}
    assert called(monkeypatch, "--only", "good") == 0


def test_one_that_hangs_is_ended(folder: Path) -> None:
    (folder / "benchmarks" / "slow.py").write_text("'--json'\nimport time\ntime.sleep(60)")
    found = benchmarks.run("slow", ["python", "benchmarks/slow.py"], 0.005)
    assert found["error"] == "took more than 0.005 minutes"


def test_what_needs_a_folder_gets_it_or_is_left_out(tmp_path: Path) -> None:
    def words(name: str, **folders: Path) -> list[str] | None:
        return benchmarks.command(name, argparse.Namespace(**{"data": None, "reference": None, **folders}))

    assert words("seasons") is None
    assert words("seasons", data=tmp_path) == ["python", "benchmarks/seasons.py", str(tmp_path)]
    assert words("against_reference", reference=tmp_path, data=tmp_path) == [
        "python", "benchmarks/against_reference.py", str(tmp_path)
    ]  # fmt: skip
    (tmp_path / "trainA").mkdir()
    assert "--data" in (words("against_reference", reference=tmp_path, data=tmp_path) or [])
    assert words("cyclegan_step") == ["python", "benchmarks/cyclegan_step.py", *benchmarks.ARGUMENTS["cyclegan_step"]]


def test_a_report_of_a_gpu_is_taken(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    report = result(
        "2026-05-01T10:00", [{**row("batch 1, plain", 5.0, "samples/s"), "more": {"ms": 200.0}}], gpu="G 1"
    )
    (folder / "report.json").write_text(json.dumps(report))
    with pytest.raises(SystemExit):  # a trial on a CPU
        called(monkeypatch, "--take", str(folder / "report.json"))
    report["versions"]["CUDA"] = "13.0"
    (folder / "report.json").write_text(json.dumps(report))
    assert called(monkeypatch, "--take", str(folder / "report.json")) == 0
    page = (folder / "page.md").read_text()
    assert "### G 1" in page
    assert "| batch 1, plain | 5 samples/s |  | 200 |  |" in page
    assert page.index("Not run.") < page.index("### G 1"), "it is no CPU's"


def test_a_page_without_blocks_is_refused(folder: Path) -> None:
    with pytest.raises(ValueError, match="0 blocks tables"):
        benchmarks.page("no markers", [])


def test_the_page_is_current() -> None:
    text = benchmarks.PAGE.read_text("utf-8")
    made = benchmarks.page(text, benchmarks.read_results())
    assert made == text, "run python benchmarks/run.py --tables"


def test_results_are_small_and_complete() -> None:
    for path in benchmarks.RESULTS.glob("*.json"):
        assert path.stat().st_size < 100_000
        for part in json.loads(path.read_text("utf-8"))["benchmarks"].values():
            benchmarks.check_rows(part["rows"])


# -- the reference ---------------------------------------------------------------------------------------------------


def checkout(folder: Path, *options: str) -> Path:
    """Option files as the reference has them, and nothing else."""
    (folder / "options").mkdir(parents=True)
    lines = [f"parser.add_argument('--{name}', type=int, help='x')" for name in ("dataroot", *options)]
    (folder / "options" / "base_options.py").write_text("\n".join(lines))
    (folder / "train.py").write_text("")
    return folder


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("n_epochs", "batch_size", "gpu_ids"), ["--n_epochs", "3", "--batch_size", "1", "--gpu_ids", "-1"]),
        (("niter", "batchSize", "no_html"), ["--niter", "3", "--batchSize", "1", "--no_html"]),
        ((), []),
    ],
)
def test_options_are_those_of_the_checkout(options: tuple[str, ...], expected: list[str], tmp_path: Path) -> None:
    known = against_reference.known_options(checkout(tmp_path, *options))
    wanted = {"epochs": 3, "batch": 1, "no_html": True, "gpu_ids": -1}
    assert against_reference.words(known, wanted) == expected


def test_a_folder_that_is_no_checkout_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="is no checkout"):
        against_reference.known_options(tmp_path)


def test_what_an_image_costs_is_the_slope() -> None:
    costs = {"train.py": 4.0, "gantool train (auto)": 2.0, "gantool train (fp32)": 3.0}
    times = {f"{side}, {epochs}": [5.0 + epochs * cost] * 3 for side, cost in costs.items() for epochs in (1, 3)}
    rows = {
        row.name: row
        for row in against_reference.rows_of({**times, "test.py": [8.0], "gantool translate": [2.0]}, 4, 4)
    }
    assert rows["train.py: an image"].value == 1.0
    ours = rows["gantool train (auto): an image"]
    assert (ours.value, ours.ratio, ours.baseline) == (0.5, 0.5, "train.py: an image")
    assert rows["gantool train (fp32): an image"].ratio == 0.75
    assert rows["train.py: one epoch of 4 images, start-up included"].value == 9.0
    assert rows["gantool translate: 4 images, start-up included"].ratio == 0.25


@pytest.mark.slow
@pytest.mark.parametrize("verb", ["translate", "segment"])
def test_folders_are_measured_against_plain_loops(verb: str, tmp_path: Path) -> None:
    folders.photos(tmp_path / "in", 12, None)
    rows = {row.name: row for row in folders.compared(verb, tmp_path, 12, 1)}
    seconds, bound = rows[f"{verb}, core-seconds per image"].value, rows[f"{verb}, bound: cores / core-seconds"].value
    assert seconds is not None and bound is not None and seconds > 0
    assert bound == pytest.approx(1000 * threads_to_compute() / seconds)
    against = rows[f"{verb}, gantool, against the bound"]
    assert against.value is not None and against.ratio == pytest.approx(against.value / bound)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in"], "what was written is removed"


# -- trainings and steps ---------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_ways_are_trained_in_equal_time_and_judged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for split, count in (("train", 4), ("test", 4)):
        for n in range(count):
            scene = draw_scene(n, size=(64, 64))
            for name, pixels in (("summer", scene.summer), ("winter", scene.winter)):
                (tmp_path / "data" / split / name).mkdir(parents=True, exist_ok=True)
                write_picture(tmp_path / "data" / split / name / f"{n}.png", pixels)
    monkeypatch.setattr(equal_time, "WAYS", {"cut-light": ("cut-light", ("model.width=2",))})
    words = [str(tmp_path / "data"), "--to", "winter", "--minutes", "0.001", "--runs", str(tmp_path / "runs")]
    out = tmp_path / "rows.json"
    monkeypatch.setattr(sys, "argv", ["equal_time.py", *words, "--short", "2", "--json", str(out)])
    equal_time.main()
    rows = {row["name"]: row for row in json.loads(out.read_text())}
    assert rows["cut-light: processor time"]["note"].startswith("4 steps of ")
    assert rows["cut-light: processor time"]["value"] > 1
    for name in ("SWD", "KID"):
        assert rows[f"untranslated: {name}"]["value"] > 0
        assert "; closer by " in rows[f"cut-light: {name} of the translated"]["note"]
    assert 0 < rows["cut-light: structure kept in edges"]["value"] < 1
    trained = (tmp_path / "runs" / "cut-light" / "model.safetensors").stat().st_mtime_ns
    equal_time.main()
    assert (tmp_path / "runs" / "cut-light" / "model.safetensors").stat().st_mtime_ns == trained, "made once"


@pytest.mark.slow
def test_steps_are_timed_against_a_plain_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    case = ("cyclegan-light", {"data.size": 32, "model.width": 4, "model.discriminator_width": 4})
    monkeypatch.setitem(plain_loops.CASES, "small", case)
    rows = {row.name: row for row in plain_loops.measure("small", 3, compiled=False)}
    assert list(rows) == [f"small{way}{kind}" for kind in ("", ", processor time") for way in (", plain loop", "")]
    assert rows["small"].baseline == "small, plain loop"
    assert rows["small"].ratio is not None and rows["small"].ratio > 0


# -- shards ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1000, pytest.param(10**6, marks=pytest.mark.slow)])
def test_an_index_takes_no_memory_and_no_object_per_image(tmp_path: Path, count: int) -> None:
    rows = {row.name.partition(": ")[2]: row.value for row in shards.index(tmp_path, count, 1)}
    assert rows["memory grown after 10000 names"] is not None and rows["memory grown after 10000 names"] < 200
    assert rows["Python objects made"] is not None and rows["Python objects made"] < 1000, "none for an image"


@pytest.mark.slow
def test_shards_wait_for_far_fewer_answers_than_files(tmp_path: Path) -> None:
    rows = {row.name: row for row in shards.remote(tmp_path, 400, 1)}
    requests = rows["requests per image of a shard"].value
    assert requests is not None and 0 < requests < 1 / 20, (
        "a file takes one each: what a slow server makes one wait for"
    )
    fast = rows["shards, one reader"].value
    for name in ("files, one by one", "files, eight threads"):
        value = rows[name].value
        assert fast is not None and value is not None and rows[name].ratio == pytest.approx(value / fast)
