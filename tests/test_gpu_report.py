"""The report of a GPU, as far as that can be tried without one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
import torch
from PIL import Image

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "benchmarks"))

import gpu
import run as benchmarks
from gpu_report import graphs, parts, timing
from gpu_report.checks import outcomes
from gpu_report.context import Context
from gpu_report.report import Report, markdown
from gpu_report.subject import Subject, arithmetic
from gpu_report.timing import Broken, Deadline, OutOfTime, describe, limited, time_steps

from gantool.data.sample import draw_scene
from gantool.methods.cyclegan.image_pool import ImagePool
from gantool.methods.registry import METHODS

CPU = torch.device("cpu")


# -- the report ------------------------------------------------------------------------------------------------------


def test_every_row_is_kept_at_once(tmp_path: Path) -> None:
    report = Report(tmp_path, {"gpu": "G", "machine": "m", "date": "2026-11-28T10:00", "versions": {"torch": "2"}})
    report.begin("cyclegan", "part cyclegan")
    report.add("cyclegan", "batch 1, plain fp32", 10.123456, "samples/s", noise=0.01, more={"ms": 98.7654})
    report.add("cyclegan", "batch 1, gantool bf16", 40.0, "samples/s", baseline="batch 1, plain fp32")
    report.add("cyclegan", "batch 4, gantool bf16", 5.0, "samples/s", baseline="batch 4, plain fp32")
    report.add("cyclegan", "batch 32, plain fp32", None, "samples/s", note="out of | memory")
    again = Report(tmp_path)
    rows = again.content["benchmarks"]["cyclegan"]["rows"]
    assert [row["value"] for row in rows] == [10.123, 40.0, 5.0, None]
    assert [row["ratio"] for row in rows] == [None, 3.9514, None, None]
    assert [row["baseline"] for row in rows] == [None, "batch 1, plain fp32", None, None]
    page = (tmp_path / "report.md").read_text()
    assert page == markdown(again.content, heading="##") + "\n"
    assert "**Not finished**." in page
    assert "|  | measured | ratio to plain fp32 | noise | ms | note |" in page
    assert "| batch 1, plain fp32 | 10.12 samples/s |  | 1.0 % | 98.8 |  |" in page
    assert "| batch 32, plain fp32 |  |  |  |  | out of / memory |" in page
    again.end("cyclegan", "failed", 1.26, "it broke")
    assert "**Failed**: it broke." in (tmp_path / "report.md").read_text()
    again.end("cyclegan", "done", 1.26)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["report.json", "report.md"]


def test_a_part_begins_anew(tmp_path: Path) -> None:
    report = Report(tmp_path)
    for value in (1.0, 2.0):
        report.begin("limits", "x")
        report.add("limits", "bf16", value, "TFLOP/s")
    assert Report(tmp_path).value("limits", "bf16") == 2.0
    assert Report(tmp_path).value("limits", "fp8") is None
    assert Report(tmp_path).value("nothing", "bf16") is None


# -- time and failures -----------------------------------------------------------------------------------------------


def test_steps_are_timed_as_often_as_time_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(timing.time, "perf_counter", lambda: now[0])
    monkeypatch.setattr(timing.time, "monotonic", lambda: now[0])
    taken = []

    def step() -> None:
        seconds = 5.0 if not taken else 0.5
        taken.append(seconds)
        now[0] += seconds

    found = time_steps(step, CPU, Deadline(100), seconds=4)
    assert (found.seconds, found.noise, found.first, len(taken)) == (0.5, 0.0, 5.0, 2 + 8)
    taken.clear()
    assert time_steps(step, CPU, Deadline(100), seconds=0).noise == 0
    assert len(taken) == 2 + 3
    taken.clear()
    time_steps(step, CPU, Deadline(6.6), seconds=4)
    assert len(taken) == 2 + 2, "no more than the deadline allows"
    with pytest.raises(OutOfTime, match="not reached in time"):
        time_steps(step, CPU, Deadline(0.1), seconds=4)


def test_what_takes_too_long_is_ended() -> None:
    with pytest.raises(OutOfTime, match="took more than 0 s"), limited(0.05):
        time.sleep(5)
    with limited(5):
        pass
    time.sleep(0.01)


def test_failures_are_told_in_a_line() -> None:
    assert describe(ValueError("one\ntwo")) == "ValueError: one"
    assert describe(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate")) == "out of memory"
    assert describe(RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED")) == "out of memory"
    outer = RuntimeError("backend compiler failed")
    outer.__cause__ = OutOfTime("took more than 9 s")
    assert describe(outer) == "took more than 9 s"
    with pytest.raises(Broken, match="illegal memory access"):
        describe(RuntimeError("CUDA error: an illegal memory access was encountered"))


@pytest.fixture
def context(tmp_path: Path) -> Context:
    return Context(Report(tmp_path), "part", CPU, Deadline(60), tiny=True)


def test_a_row_that_fails_lets_the_next_one_follow(
    context: Context, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gpu_report.timing.gc.collect", lambda: None)  # takes a second

    def fails() -> None:
        raise RuntimeError("CUDA out of memory")

    def slow() -> None:
        time.sleep(5)

    context.try_row("a", "ms", fails)
    context.try_row("b", "ms", slow, seconds=0.05)
    context.try_row("c", "ms", lambda: context.report.add("part", "c", 1.0, "ms"))
    rows = context.report.part("part")["rows"]
    assert [(row["name"], row["value"], row["note"]) for row in rows] == [
        ("a", None, "out of memory"), ("b", None, "took more than 0 s"), ("c", 1.0, "")
    ]  # fmt: skip
    assert "Traceback" in capsys.readouterr().out, "the log has it all"

    def breaks() -> None:
        raise RuntimeError("device-side assert triggered")

    with pytest.raises(Broken):
        context.try_row("d", "ms", breaks)
    context.deadline = Deadline(0)
    with pytest.raises(OutOfTime):
        context.try_row("e", "ms", fails)
    assert [row["name"] for row in rows] == ["a", "b", "c", "d"]


@pytest.mark.filterwarnings("ignore:Please use the new API settings")  # torch 2.9 and 2.10
def test_float32_is_what_it_is_told_to_be() -> None:
    def now() -> tuple[bool, ...]:
        return (
            torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32, torch.backends.cudnn.benchmark,
            torch.backends.cudnn.enabled,
        )  # fmt: skip

    before = now()
    with arithmetic("fp32"):
        assert now() == (False, False, False, True)
    with arithmetic("TF32", search=True):
        assert now() == (True, True, True, True)
    assert now() == before


# -- parts and processes ---------------------------------------------------------------------------------------------


def test_every_method_has_a_part() -> None:
    names = [part.name for part in parts.PARTS]
    assert set(METHODS) < set(names)
    assert len(set(names)) == len(names)
    assert names.index("limits") < min(names.index(name) for name in METHODS), "speed is set against the limits"
    assert {part.stage for part in parts.PARTS} == set(parts.STAGES)
    assert [part.name for part in parts.chosen(["seasons"])] == ["seasons"]


def settled(folder: Path, statuses: Mapping[str, str | None], code: int | None) -> tuple[list[str], Report]:
    report = Report(folder)
    for name, status in statuses.items():
        if status is not None:
            report.end(name, status)
    group: Any = [SimpleNamespace(name=name) for name in statuses]
    return [part.name for part in gpu._ended(report, group, code, 1.0)], report


@pytest.mark.parametrize(
    ("statuses", "code", "done", "told"),
    [
        (("done", "stopped", "failed"), 0, "abc", {}),
        (("done", "running", "waiting"), -11, "ab", {"b": ("failed", "its process ended with -11; see log.txt")}),
        (("done", "running", "waiting"), None, "ab", {"b": ("stopped", "its process was ended after its time")}),
        (("failed", "waiting", "waiting"), 3, "a", {}),  # the GPU broke after a
        ((None, None, None), 1, "a", {"a": ("failed", "its process ended with 1; see log.txt")}),
        (("waiting", "waiting", "waiting"), None, "a", {"a": ("stopped", "its process was ended after its time")}),
    ],
)
def test_the_part_at_which_a_process_ended_is_told_so(
    statuses: tuple[str | None, ...], code: int | None, done: str, told: dict[str, tuple[str, str]], tmp_path: Path
) -> None:
    found, report = settled(tmp_path, dict(zip("abc", statuses, strict=True)), code)
    assert found == list(done)
    for name, (status, error) in told.items():
        assert (report.part(name)["status"], report.part(name)["error"]) == (status, error)


def test_outcomes_of_tests_are_read_while_they_run() -> None:
    text = """
tests/cli/test_gpu.py::test_a[bf16-extra0] PASSED                        [  5%]
tests/cli/test_gpu.py::test_a[a b] FAILED [ 10%]
tests/cli/test_gpu.py::test_b SKIPPED (there is ...) [ 15%]
tests/cli/test_gpu.py::test_c ERROR [ 15%]
tests/cli/test_gpu.py::test_d """
    assert outcomes(text) == (
        {"passed": 1, "failed": 1, "skipped": 1, "error": 1},
        {"tests/cli/test_gpu.py::test_a[a b]": "see the log", "tests/cli/test_gpu.py::test_c": "see the log"},
    )
    summary = "=== short test summary info ===\nFAILED tests/cli/test_gpu.py::test_a[a b] - assert 1 == 2\n"
    counts, failed = outcomes(f"{text}PASSED [100%]\n{summary}")
    assert counts["passed"] == 2
    assert failed["tests/cli/test_gpu.py::test_a[a b]"] == "assert 1 == 2"


# -- CUDA graphs -----------------------------------------------------------------------------------------------------


class Recorder:
    """Stands in for `torch.cuda.CUDAGraph`: what is captured is done once, replays are noted."""

    log: ClassVar[list[str]] = []

    def __init__(self) -> None:
        self.name = f"graph {sum(one.endswith('made') for one in self.log) + 1}"
        self.log.append(f"{self.name} made")

    def pool(self) -> str:
        return f"pool of {self.name}"

    def capture_begin(self, pool: str | None = None, capture_error_mode: str = "global") -> None:
        assert capture_error_mode == "thread_local"
        self.log.append(f"{self.name} begins in {pool}")

    def capture_end(self) -> None:
        self.log.append(f"{self.name} ends")

    def replay(self) -> None:
        self.log.append(f"{self.name} replays")


@pytest.mark.slow
def test_a_step_is_captured_in_two_graphs_with_the_pools_in_between(monkeypatch: pytest.MonkeyPatch) -> None:
    class Nothing:
        def __enter__(self) -> None: ...
        def __exit__(self, *failure: object) -> None: ...
        def wait_stream(self, other: object) -> None: ...

    for name, value in {
        "CUDAGraph": Recorder, "Stream": Nothing, "stream": lambda stream: Nothing(), "current_stream": Nothing,
        "synchronize": lambda: None, "empty_cache": lambda: None,
    }.items():  # fmt: skip
        monkeypatch.setattr(torch.cuda, name, value)
    monkeypatch.setattr(Recorder, "log", [])
    exchanged: list[int] = []
    monkeypatch.setattr(ImagePool, "exchange", noted(ImagePool.exchange, exchanged))
    subject = Subject(METHODS["cyclegan"], CPU, most=2, tiny=True)
    step = graphs.GraphedCycleGan(subject, 2)
    assert Recorder.log[2:] == [
        "graph 1 begins in None", "graph 1 ends", "graph 2 begins in pool of graph 1", "graph 2 ends"
    ]  # fmt: skip
    assert len(exchanged) == 2 * 3, "the pools work in the steps before, and not while capturing"
    Recorder.log.clear()
    fakes = step._pools[0].images
    assert fakes is not None
    fakes.fill_(0.5)
    losses = step(subject.batch(2))
    assert Recorder.log == ["graph 1 replays", "graph 2 replays"]
    assert len(exchanged) == 2 * 4
    assert step._pools[0].buffer is not None
    assert bool((step._pools[0].buffer == 0.5).all()), "the newest fakes, for the pool is not full"
    assert all(bool(torch.isfinite(loss)) for loss in losses.values())
    assert step.compare_with(subject.ours("bf16"), subject.batch(2)) > 0, "what stands still differs from what learns"


def noted(exchange: Callable[..., Any], calls: list[int]) -> Callable[..., Any]:
    def call(self: ImagePool, images: torch.Tensor) -> torch.Tensor:
        calls.append(len(images))
        return exchange(self, images)

    return call


# -- all of it -------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_dry_run_on_the_cpu(tmp_path: Path) -> None:
    """All parts, then the seasons once more, which goes on."""
    out = tmp_path / "out"
    call = [sys.executable, str(ROOT / "benchmarks" / "gpu.py"), "--device", "cpu", "--tiny", "--out", str(out)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run([*call, "--minutes", "15"], env=environment, capture_output=True, text=True, timeout=1000)
    report = json.loads((out / "report.json").read_text())
    found = report["benchmarks"]
    assert list(found) == [part.name for part in parts.PARTS]
    assert {name: part["status"] for name, part in found.items()} == dict.fromkeys(found, "done"), done.stdout
    assert done.returncode == 0
    for method in METHODS:
        names = {row["name"].partition(", ")[2] for row in found[method]["rows"] if row["value"]}
        assert {"plain fp32", "gantool bf16", "gantool TF32"} <= names
    assert all(row["note"] == "as on the CPU" for row in found["parity"]["rows"] if "bf16" not in row["name"])
    assert all(row["note"] == "as in one process" for row in found["processes"]["rows"] if "losses" in row["name"])
    assert not [
        row for part in found.values() for row in part["rows"] if row["value"] is None and part != found["graphs"]
    ]
    assert (out / "seasons.png").stat().st_size > 1000
    assert (out / "seasons.safetensors").exists()

    record = out / "runs" / "seasons" / "metrics.jsonl"
    before = record.read_text()
    more = [*call, "--minutes", "2", "--stage", "seasons"]
    assert subprocess.run(more, env=environment, timeout=300).returncode == 0
    assert record.read_text() == before, "it had ended, and was not begun anew"
    assert json.loads((out / "report.json").read_text())["benchmarks"].keys() == found.keys()


@pytest.mark.slow
def test_the_reference_is_timed_beside_ours(tmp_path: Path) -> None:
    """A stub of a checkout: it takes the options of 2025, waits for every image and writes weights."""
    checkout = tmp_path / "reference"
    (checkout / "options").mkdir(parents=True)
    train = (
        "dataroot name checkpoints_dir model n_epochs n_epochs_decay batch_size load_size crop_size ngf ndf netG "
        "max_dataset_size save_epoch_freq save_latest_freq print_freq num_threads"
    )
    test = "dataroot name checkpoints_dir model model_suffix results_dir num_test netG ngf load_size crop_size"
    names = sorted({*train.split(), *test.split(), "no_dropout"})
    (checkout / "options" / "base_options.py").write_text(
        "".join(f"parser.add_argument('--{one}')\n" for one in names)
    )
    parse = "import argparse, pathlib, time\nparser = argparse.ArgumentParser()\nfor name in {names!r}.split():\n" \
            "    parser.add_argument('--' + name, required=True)\n"  # fmt: skip
    (checkout / "train.py").write_text(
        parse.format(names=train)
        + "o = parser.parse_args()\nassert (o.n_epochs_decay, o.crop_size, o.load_size) == ('0', '32', '36'), o\n"
        "assert len(list(pathlib.Path(o.dataroot, 'trainA').iterdir())) == 2\n"
        "from gantool.nets.registry import build_generator\nimport torch\n"
        "net = build_generator(o.netG, width=int(o.ngf))\ntime.sleep(0.5 * 2 * int(o.n_epochs))\n"
        "folder = pathlib.Path(o.checkpoints_dir, o.name)\nfolder.mkdir(parents=True, exist_ok=True)\n"
        "torch.save(net.state_dict(), folder / 'latest_net_G_A.pth')\n"
    )
    (checkout / "test.py").write_text(
        parse.format(names=test) + "parser.add_argument('--no_dropout', action='store_true', required=True)\n"
        "o = parser.parse_args()\nassert (o.num_test, o.model_suffix) == ('2', '_A'), o\n"
        "assert pathlib.Path(o.checkpoints_dir, o.name, 'latest_net_G_A.pth').exists()\n"
    )
    call = [
        sys.executable, str(ROOT / "benchmarks" / "against_reference.py"), str(checkout), "--size", "32", "--images",
        "2", "--rounds", "1", "--width", "4", "--generator", "resnet_6blocks", "--json", str(tmp_path / "rows.json"),
    ]  # fmt: skip
    done = subprocess.run(
        call, capture_output=True, text=True, timeout=600, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    assert done.returncode == 0, done.stderr
    rows = {row["name"]: row for row in json.loads((tmp_path / "rows.json").read_text())}
    assert len(rows) == 8
    assert rows["train.py: one epoch of 2 images, start-up included"]["value"] > 1
    assert rows["gantool translate: 2 images, start-up included"]["baseline"].startswith("test.py")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("convolutions", ["--only", "layers", "--rounds", "1"]),
        ("cyclegan_step", ["--size", "32", "--steps", "3", "--device", "cpu"]),
        ("large_picture", ["--generator", "resnet_light", "--width", "4", "--size", "96x64", "--compare", "64x48"]),
        ("seasons", ["data", "--count", "2"]),
    ],
)
def test_benchmarks_write_rows(script: str, words: list[str], tmp_path: Path) -> None:
    for season in ("summer", "winter"):
        (tmp_path / "data" / "test" / season).mkdir(parents=True)
        for n in range(3):
            scene = getattr(draw_scene(n, size=64), season)
            Image.fromarray(scene).save(tmp_path / "data" / "test" / season / f"{n}.png")
    call = [sys.executable, str(ROOT / "benchmarks" / f"{script}.py"), *words, "--json", str(tmp_path / "rows.json")]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(call, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    rows = benchmarks.check_rows(json.loads((tmp_path / "rows.json").read_text()))
    assert all(row["value"] is not None for row in rows)
